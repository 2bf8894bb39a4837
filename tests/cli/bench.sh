#!/usr/bin/env bash
# gumtile bench
# shellcheck source-path=SCRIPTDIR
source "$(dirname "$0")/prelude.sh"

bench=(bench --vocab-size 256 --hidden-size 64 --batches '1,3' --device cpu --repeats 2)
succeeds "${bench[@]}" --format json
json '[m["batch"] for m in d["results"]] == [1, 3] and d["ceiling"]["gigabytes_per_second"] > 0'
json 'all(m["command"].startswith("gumtile bench ") and m["median_us"] > 0 for m in d["results"])'
# Measures a batch size for each line of input, with a line of JSON for each.
checks=$((checks + 1))
answers=$(printf '3\n1\n3\n' | "$gumtile" "${bench[@]}" --on-request 2>stderr | grep -o '"batch":[0-9]*' | tr '\n' ' ')
if [[ $answers != '"batch":3 "batch":1 "batch":3 ' ]]; then fail "bench --on-request answered '$answers'"; fi
# Several shapes and schedules, and what chose each schedule.
head=(--device cpu --repeats 3 --batches '2,1')
succeeds bench "${head[@]}" --shapes 256x64,300x32 --schedule auto --schedule host:b1,v512 --format json
json '[(m["vocab_size"], m["hidden_size"], m["batch"]) for m in d["results"]] == [(256, 64, 2)] * 2 + [(256, 64, 1)] * 2 + [(300, 32, 2)] * 2 + [(300, 32, 1)] * 2'
json '[m["chosen_by"] for m in d["results"]] == ["built-in heuristic", "option"] * 4'
json 'all(m["schedule"].startswith("host:b1,v512") for m in d["results"][1::2])'
json 'all(m["command"].endswith(" --schedule host:b1,v512") for m in d["results"][1::2])'
json 'not any("--schedule" in m["command"] for m in d["results"][::2])'
json 'd["command"].count("--schedule ") == 2 and "--shapes 256x64,300x32" in d["command"] and "vocab_size" not in d'
json 'all(m["spread"] >= 0 and m["noisy"] == (m["spread"] > 0.1) and m["ceiling"] for m in d["results"])'
if command -v python3 >/dev/null; then
  again=$(python3 -c 'import json; print(json.load(open("stdout"))["results"][1]["command"])')
  # shellcheck disable=SC2086 # words
  succeeds ${again#gumtile } --format jsonl
fi
succeeds bench "${head[@]}" --shapes 256x64,300x32
if (($(grep -c ' built-in  host:' stdout) != 4 || $(grep -c 'read ceiling' stdout) != 2)); then
  fail "$command_line: not the rows of both shapes"
fi
if ! grep -qE '^ +1 +[0-9.]+ (µs|ms|s) +±[0-9.]+ %' stdout; then fail "$command_line: no time with unit and spread"; fi
succeeds bench "${head[@]}" --shapes 256x64,300x32 --format csv
if [[ $(wc -l <stdout) != 5 || $(head -n 1 stdout) != vocab_size,hidden_size,batch,schedule,chosen_by,*median_us* ]]; then
  fail "$command_line: not a header and four rows"
fi
succeeds bench "${head[@]}" --shapes 256x64,300x32 --format jsonl
if [[ $(wc -l <stdout) != 4 ]]; then fail "$command_line: not a line for each measurement"; fi
succeeds bench "${head[@]}" --shapes 256x64,300x32 --format md
if [[ $(grep -c '^|' stdout) != 8 ]]; then fail "$command_line: not two tables of two rows"; fi
succeeds bench --shapes 256x64 --batches 1 --device cpu --repeats 1 --format json
json 'd["results"][0]["spread"] is None'

mkdir model
printf '{"vocab_size": 300, "hidden_size": 32, "torch_dtype": "float16"}' >model/config.json
succeeds bench "${head[@]}" --model model --format json
json '(d["vocab_size"], d["hidden_size"], d["weights_dtype"], d["hidden_dtype"]) == (300, 32, "f16", "f16")'
json 'd["head"]["file"].endswith("config.json") and d["head"]["tensor"] is None'
succeeds bench "${head[@]}" --model model
if ! grep -q '^head: .*config.json' stdout; then fail "$command_line: does not say where the sizes are from"; fi
succeeds bench "${head[@]}" --model model --vocab-size 256 --dtype f32 --format json
json '(d["vocab_size"], d["hidden_size"], d["weights_dtype"]) == (256, 32, "f32")'

# Rows are there as soon as they are measured.
for format in table md csv jsonl; do
  checks=$((checks + 1))
  command_line="gumtile bench --format $format, while it measures"
  : >rows
  "$gumtile" bench --vocab-size 64 --hidden-size 16 --device cpu --repeats 100 --format $format \
    --batches "$(printf '1,%.0s' {1..2000})1" >rows 2>stderr &
  measuring=$!
  seen=0
  while kill -0 $measuring 2>/dev/null; do
    if (($(wc -l <rows) >= 5)); then
      seen=1
      break
    fi
    sleep 0.01
  done
  kill $measuring 2>/dev/null
  wait $measuring 2>/dev/null
  if ((!seen)); then fail "$command_line: no row before the end"; fi
done

fails 64 --shapes bench --shapes 256x64x2
fails 64 --shapes bench --shapes 256x64,
fails 64 'vocab size 0' bench --shapes 0x64
fails 64 'exclude each other' bench --shapes 256x64 --vocab-size 256
fails 64 nonsense bench --schedule nonsense
fails 64 '2 shapes and 1 schedule' bench --shapes 256x64,300x32 --on-request
fails 74 nowhere bench --model nowhere
fails 64 '1,0' bench --batches 1,0
fails 64 --hidden-size bench --hidden-size 0

finish

#!/usr/bin/env bash
# gumtile sample on made-up data: requests, errors.
# shellcheck source-path=SCRIPTDIR
source "$(dirname "$0")/prelude.sh"

succeeds sample "${four[@]}" --format json --timing
json '[row["row"] for row in d["rows"]] == [0, 1, 2, 3]'
json 'all(0 <= row["token"] < 1003 and row["logprob"] <= 0 and row["status"] == [] for row in d["rows"])'
json 'd["device"] == "cpu" and d["target"].startswith("host") and d["schedule"].startswith("host:")'
json 'd["timings"]["compile_ms"] > 0 and d["timings"]["launch_us"]["median"] > 0'
first=$(tokens)
succeeds sample "${four[@]}" --format json
if [[ -z $first || $(tokens) != "$first" ]]; then fail "$command_line: other tokens the second time"; fi
succeeds sample "${four[@]}" --format json --schedule host:b1,v512
if [[ $(tokens) != "$first" ]]; then fail "$command_line: other tokens under another schedule"; fi
succeeds sample "${four[@]}" --format json --no-logprob
if [[ $(tokens) != "$first" ]]; then fail "$command_line: other tokens without the log-probability"; fi
json 'all(row["logprob"] is None for row in d["rows"])'
succeeds sample "${four[@]}" --timing
if ! grep -q 'prepared ' stdout; then fail "$command_line: does not show the time of the cold JIT"; fi
succeeds sample "${four[@]}" --noise per_token
succeeds sample --synthetic 127x64x2 --device cpu --dtype f16 --hidden-dtype f32
succeeds sample --synthetic 127x64x2 --device cpu --dtype f32
succeeds sample --synthetic 1x8 --device cpu --format json
json '[row["token"] for row in d["rows"]] == [0]'
succeeds sample --synthetic 100x64x0 --device cpu --format json
json 'd["rows"] == []'
succeeds sample --synthetic 100x64x3 --device cpu --row-slot 5,-1,5 --seed 1,2,3,4,5,6 --format json
json '[row["row"] for row in d["rows"]] == [0, 2]'

two=(sample --synthetic 100x64x2 --device cpu)
fails 64 nan "${two[@]}" --temperature nan
fails 64 row "${two[@]}" --temperature 1,inf
fails 64 -- "${two[@]}" --temperature -1
fails 64 "''" "${two[@]}" --temperature 1,
fails 64 '3 values' "${two[@]}" --temperature 1,1,1
fails 64 -1 "${two[@]}" --seed -1
fails 64 18446744073709551616 "${two[@]}" --seed 18446744073709551616
fails 64 '3 values' "${two[@]}" --offset 1,2,3
fails 64 b3 "${two[@]}" --schedule host:b3
fails 64 'simt' "${two[@]}" --schedule simt:b8
fails 64 nonsense "${two[@]}" --schedule nonsense
fails 64 xml "${two[@]}" --format xml
fails 64 i32 "${two[@]}" --dtype i32
fails 64 loud "${two[@]}" --noise loud
fails 64 tpu sample --synthetic 100x64 --device tpu
fails 69 cuda:9 sample --synthetic 100x64 --device cuda:9
for shape in 100 100x 100x64x 0x64 100x-1 100x64x2x2 99999999999999999999x2; do
  fails 64 synthetic sample --synthetic "$shape"
done
fails 64 --weights sample
GUMTILE_LIBCUDA=/no/such/library succeeds sample --synthetic 100x64
GUMTILE_LIBCUDA=/no/such/library fails 69 cuda:0 sample --synthetic 100x64 --device cuda:0
if [[ -w /dev/full ]]; then
  checks=$((checks + 1))
  code=0
  "$gumtile" "${two[@]}" >/dev/full 2>stderr || code=$?
  if ((code != 73)); then fail "gumtile sample into a full disk: exit code $code, expected 73"; fi
fi

finish

#!/usr/bin/env bash
# gumtile tune: what it finds and prints, candidates that misbehave, files that cannot be written, odd folders and values
# shellcheck source-path=SCRIPTDIR
source "$(dirname "$0")/prelude.sh"
source "$here/tune_prelude.sh"

# ---- a search ----
succeeds "${tune[@]}" --batches 1 --why --format json
json '[c["rule"] for c in d["choices"]] == ["built-in choice"]'
succeeds "${tune[@]}" --batches 1,4 --format json --report report.html
says "records are in '$GUMTILE_TUNING_DIR'"
says "the report is 'report.html'"
json '[b["batch"] for b in d["problems"][0]["buckets"]] == [1, 4] and not d["interrupted"]'
json 'all(not c["rejected"] and c["median_us"] > 0 for b in d["problems"][0]["buckets"] for c in b["record"]["candidates"])'
json 'all(c["rounds"] > 0 and c["of_built_in"] > 0 and c["run"] for b in d["problems"][0]["buckets"] for c in b["record"]["candidates"])'
json 'all(b["record"]["complete"] and b["record"]["winner"] and b["chooses"] for b in d["problems"][0]["buckets"])'
if (($(count_records "*.json") != 2)); then fail "$command_line: not one record for each bucket"; fi
if grep -qE 'https?://|<script' report.html; then fail "$command_line: the report is not self-contained"; fi
if ! grep -q '</svg>' report.html; then fail "$command_line: the report has no plot"; fi
if command -v python3 >/dev/null; then
  sed 's/<!DOCTYPE html>//' report.html | python3 -c 'import sys, xml.dom.minidom as m; m.parseString(sys.stdin.read())' \
    2>stderr || fail "$command_line: the report is not well-formed"
fi
succeeds "${tune[@]}" --batches 3,1 --why --format json
json 'all(c["rule"].startswith("user record ") for c in d["choices"])'
# A head without a record takes that of the nearest class, if there is one.
succeeds "${tune[@]}" --batches 1 --features token --why --format json
json 'd["choices"][0]["rule"].startswith("user record ")'
json '", of the nearest class (join=packed here, records there; words=3 here, 6 there; " in d["choices"][0]["rule"]'
json '"words=3," in d["choices"][0]["workload"] and not d["choices"][0]["not_used"]'
succeeds "${tune[@]}" --batches 1 --noise per_token --why --format json
json 'd["choices"][0]["rule"] == "built-in choice"'
json '"of a class that says nothing about this one (bound=element here, group there" in d["choices"][0]["not_used"][0]'
succeeds "${tune[@]}" --batches 1,4,8 --resume --format json
json '[b["resumed"] for b in d["problems"][0]["buckets"]] == [True, True, False]'

# On a terminal one line is updated: candidates done, the best so far, the time left.
if command -v python3 >/dev/null; then
  checks=$((checks + 1))
  command_line='gumtile tune, on a terminal'
  python3 -c 'import os, pty, sys; sys.exit(os.waitstatus_to_exitcode(pty.spawn(sys.argv[1:])))' \
    "$gumtile" "${one[@]}" >terminal 2>stderr </dev/null || fail "$command_line: exit code $?"
  for part in 'final [0-9]*/' 'best [0-9.]* of built-in' '[0-9]* s left'; do
    tr '\r' '\n' <terminal | grep -q "$part" || fail "$command_line: no line with '$part'"
  done
fi

# ---- candidates that misbehave ----
# If a candidate aborts, answers nonsense or wrongly, is damaged or hangs, only that candidate is rejected.
faulty=("${one[@]}" --compile-deadline 6 --launch-deadline 3)
succeeds "${faulty[@]}" --inject-fault compile:abort:1 --inject-fault compile:garbage:2 \
  --inject-fault compile:corrupt:3 --inject-fault check:wrong:4 --inject-fault check:abort:5
record '[bool(c["rejected"]) for c in r["candidates"]] == [False] + 5 * [True]'
record '"Aborted" in r["candidates"][1]["rejected"]'
record '"other values of" in r["candidates"][4]["rejected"]'
succeeds "${faulty[@]}" --inject-fault compile:hang:1 --inject-fault check:hang:2 --inject-fault time:abort:3
record '[bool(c["rejected"]) for c in r["candidates"]] == [False] + 3 * [True] + 2 * [False]'
record '"no answer" in r["candidates"][2]["rejected"]'
cp -r "$GUMTILE_TUNING_DIR" before
run 1 "${faulty[@]}" --inject-fault check:abort:0  # the built-in choice itself: no record, and the command says so
json '"Aborted" in d["problems"][0]["buckets"][0]["fault"]'
diff -r before "$GUMTILE_TUNING_DIR" >>stderr || fail "$command_line: changed a record"

# ---- what cannot be written ----
quick=("${tune[@]}" --batches 1 --candidates 1)
start=$SECONDS
fails 73 none/report.html "${one[@]}" --inject-fault check:hang:1 --launch-deadline 20 --report none/report.html
fails 73 'is not a folder' "${one[@]}" --inject-fault check:hang:1 --launch-deadline 20 --out stdout
if ((SECONDS - start > 15)); then fail 'gumtile tune: noticed only after the search what it could not write'; fi
if [[ -w /dev/full ]]; then
  run 73 "${quick[@]}" --report /dev/full
  if ! grep -q 'built-in' stdout; then fail "$command_line: did not print the result"; fi
  says /dev/full
  is_silent_about 'the report is'
  checks=$((checks + 1))
  "$gumtile" "${quick[@]}" 2>/dev/full >stdout || fail "gumtile tune with a full stderr: exit code $?"
  grep -q 'built-in' stdout || fail 'gumtile tune with a full stderr: no result'
fi
checks=$((checks + 1))
"$gumtile" "${quick[@]}" 2>&- >stdout || fail "gumtile tune with a closed stderr: exit code $?"
# The folder becomes a file while it works.
mkdir gone
"$gumtile" "${one[@]}" --inject-fault time:hang:1 --launch-deadline 6 --out gone >stdout 2>stderr &
tuner=$!
command_line='gumtile tune, its folder gone'
await_measuring
rmdir gone
touch gone
checks=$((checks + 1))
code=0
wait $tuner || code=$?
if ((code != 73)); then fail "$command_line: exit code $code, expected 73"; fi
record 'r["winner"] and not b["chooses"]'
is_silent_about 'records are in'

# ---- folders that are odd ----
odd=$folder/$(printf 'caf\351')
mkdir "$odd"
TMPDIR=$odd succeeds "${quick[@]}" --out "$odd/records" --format json
json 'd["problems"][0]["buckets"][0]["path"].endswith(".json")'
if ! compgen -G "$odd/records/*.json" >/dev/null; then fail "$command_line: no record"; fi
GUMTILE_TUNING_DIR=$odd/records succeeds "${quick[@]}" --why --format json
json 'd["choices"][0]["rule"].startswith("user record ")'
touch file
for place in '' /nonexistent "$folder/file"; do TMPDIR=$place succeeds "${quick[@]}"; done

# ---- values without a meaning ----
for budget in -1 0 0s nan inf 1x 1e300 '' s; do fails 64 "'$budget'" "${plain[@]}" "--budget=$budget"; done
for rate in nan 0 -1 inf 1e300; do fails 64 '--product-tflops: ' "${tune[@]}" "--product-tflops=$rate"; done
for count in 0 -1 nan 1.5; do
  fails 64 --candidates "${tune[@]}" "--candidates=$count"
  fails 64 --jobs "${tune[@]}" "--jobs=$count"
  fails 64 --max-rows "${tune[@]}" "--max-rows=$count"
done
mkdir model
printf '{"text_config": {"vocab_size": 2000, "hidden_size": 64}, "torch_dtype": "float32"}' >model/config.json
succeeds tune --model model --tp 3 --device cpu --batches 1,2 --why --format json
json 'len(d["choices"]) == 6 and {c["first_token"] for c in d["choices"]} == {0, 667, 1334}'
fails 64 --model tune --device cpu
fails 74 config.json tune --model nowhere
fails 64 telepathy "${tune[@]}" --features token,telepathy
fails 64 --tp "${tune[@]}" --tp 0
fails 64 '0' "${tune[@]}" --batches 0
fails 69 cuda:9 tune --vocab-size 100 --hidden-size 64 --device cuda:9

leaves_nothing
finish

#!/usr/bin/env bash
# gumtile tune
# shellcheck source-path=SCRIPTDIR
source "$(dirname "$0")/prelude.sh"

export GUMTILE_TUNING_DIR=$folder/tuning
tune=(tune --vocab-size 2000 --hidden-size 64 --device cpu --no-read-floor --budget 60s)
count_records() { find "$GUMTILE_TUNING_DIR" -name "${1:-*.json}" | wc -l; }

succeeds "${tune[@]}" --batches 1 --why --format json
json '[c["rule"] for c in d["choices"]] == ["built-in choice"]'
succeeds "${tune[@]}" --batches 1,4 --format json --report report.html
json '[b["batch"] for b in d["problems"][0]["buckets"]] == [1, 4] and not d["interrupted"]'
json 'all(not c["rejected"] and c["median_us"] > 0 for b in d["problems"][0]["buckets"] for c in b["record"]["candidates"])'
json 'all(b["record"]["complete"] and b["record"]["winner"] for b in d["problems"][0]["buckets"])'
if (($(count_records) != 2)); then fail "$command_line: not one record for each bucket"; fi
if grep -qE 'https?://|<script' report.html; then fail "$command_line: the report is not self-contained"; fi
if ! grep -q '</svg>' report.html; then fail "$command_line: the report has no plot"; fi
if command -v python3 >/dev/null; then
  sed 's/<!DOCTYPE html>//' report.html | python3 -c 'import sys, xml.dom.minidom as m; m.parseString(sys.stdin.read())' \
    2>stderr || fail "$command_line: the report is not well-formed"
fi
succeeds "${tune[@]}" --batches 3,1 --why --format json
json 'all(c["rule"].startswith("user record ") for c in d["choices"])'
succeeds "${tune[@]}" --batches 1 --features token --why --format json
json 'd["choices"][0]["rule"] == "built-in choice" and "another Program" in d["choices"][0]["not_used"][0]'
succeeds "${tune[@]}" --batches 1,4,8 --resume --format json
json '[b["resumed"] for b in d["problems"][0]["buckets"]] == [True, True, False]'

# One that aborts, answers nonsense or wrongly, or comes damaged costs itself; so does one that hangs.
faulty=("${tune[@]}" --batches 4 --format json --compile-deadline 6 --launch-deadline 3)
succeeds "${faulty[@]}" --inject-fault compile:abort:1 --inject-fault compile:garbage:2 \
  --inject-fault compile:corrupt:3 --inject-fault check:wrong:4 --inject-fault check:abort:5
json '[bool(c["rejected"]) for c in d["problems"][0]["buckets"][0]["record"]["candidates"]] == [False] + 5 * [True]'
json '"Aborted" in d["problems"][0]["buckets"][0]["record"]["candidates"][1]["rejected"]'
json '"other tokens" in d["problems"][0]["buckets"][0]["record"]["candidates"][4]["rejected"]'
succeeds "${faulty[@]}" --inject-fault compile:hang:1 --inject-fault check:hang:2 --inject-fault time:abort:3
json '[bool(c["rejected"]) for c in d["problems"][0]["buckets"][0]["record"]["candidates"]] == [False] + 3 * [True] + 2 * [False]'
json '"no answer" in d["problems"][0]["buckets"][0]["record"]["candidates"][2]["rejected"]'
run 1 "${faulty[@]}" --inject-fault check:abort:0  # the built-in choice itself: no record, and the command says so
json '"Aborted" in d["problems"][0]["buckets"][0]["fault"]'

# Ctrl-C: the records of finished buckets are there, and what an unfinished one learnt.
rm -r "$GUMTILE_TUNING_DIR"
checks=$((checks + 1))
command_line='gumtile tune, interrupted'
"$gumtile" "${tune[@]}" --inject-fault time:hang:1 --launch-deadline 50 --batches 1 >stdout 2>stderr &
tuner=$!
sleep 5 # by now it measures
kill -INT $tuner
code=0
wait $tuner || code=$?
if ((code != 130)); then fail "$command_line: exit code $code, expected 130"; fi
if (($(count_records) != 0 || $(count_records '*.partial') != 1)); then
  fail "$command_line: not one incomplete record"
fi
succeeds "${tune[@]}" --batches 1 --resume --format json
json 'd["problems"][0]["buckets"][0]["record"]["complete"]'
if (($(count_records) != 1 || $(count_records '*.partial') != 0)); then
  fail "$command_line: the incomplete record is still there"
fi

printf '{"text_config": {"vocab_size": 2000, "hidden_size": 64}, "torch_dtype": "float32"}' >config.json
succeeds tune --model . --tp 3 --device cpu --batches 1,2 --why --format json
json 'len(d["choices"]) == 6 and {c["first_token"] for c in d["choices"]} == {0, 667, 1334}'
fails 64 --model tune --device cpu
fails 74 config.json tune --model nowhere
fails 64 telepathy "${tune[@]}" --features token,telepathy
fails 64 --tp "${tune[@]}" --tp 0
fails 64 '0' "${tune[@]}" --batches 0
fails 69 cuda:9 tune --vocab-size 100 --hidden-size 64 --device cuda:9
unset GUMTILE_TUNING_DIR

finish

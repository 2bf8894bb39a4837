#!/usr/bin/env bash
# gumtile tune: records that later searches keep, and how they change
# shellcheck source-path=SCRIPTDIR
source "$(dirname "$0")/prelude.sh"
source "$here/tune_prelude.sh"

# ---- a shorter search removes nothing ----
succeeds "${one[@]}" --inject-fault time:fast:3
file=$(echo "$GUMTILE_TUNING_DIR"/*.json)
record 'r["complete"] and r["winner"] == r["candidates"][3]["schedule"] and r["candidates"][3]["of_built_in"] < 0.9'
cp "$file" best.json
kept='r["complete"] and len(r["candidates"]) == 6 and r["winner"] == json.load(open("best.json"))["winner"]'
succeeds "${one[@]}" --candidates 1
record "$kept"
succeeds "${plain[@]}" --batches 4 --format json --budget 1ms
record "$kept"
says 'records are in'
command_line='gumtile tune, interrupted before a record'
for signal in INT TERM HUP; do
  checks=$((checks + 1))
  "$gumtile" "${one[@]}" --inject-fault time:hang:1 --launch-deadline 50 >stdout 2>stderr &
  tuner=$!
  await_measuring
  kill -$signal $tuner
  code=0
  wait $tuner || code=$?
  if ((code != 128 + $(kill -l $signal))); then fail "$command_line by $signal: exit code $code"; fi
  leaves_nothing
  json 'd["interrupted"]'
  record "$kept" "$file"
done

# ---- an interrupted search goes on ----
rm -r "$GUMTILE_TUNING_DIR"
command_line='gumtile tune, interrupted'
"$gumtile" "${one[@]}" --inject-fault time:hang:1 --launch-deadline 50 >stdout 2>stderr &
tuner=$!
await_measuring
kill -INT $tuner
wait $tuner
if (($(count_records "*.json") != 0 || $(count_records '*.partial') != 1)); then fail "$command_line: not one partial record"; fi
says --resume
succeeds "${one[@]}" --resume
record 'r["complete"]'
if (($(count_records "*.json") != 1 || $(count_records '*.partial') != 0)); then
  fail "$command_line: the incomplete record is still there"
fi
# With more candidates than before, only the new ones are measured.
rm -r "$GUMTILE_TUNING_DIR"
succeeds "${one[@]}" --candidates 3
record 'r["complete"] and len(r["candidates"]) == 3'
succeeds "${one[@]}" --candidates 2 --resume
record 'b["resumed"] and len(r["candidates"]) == 3'
succeeds "${one[@]}" --resume
record 'not b["resumed"] and r["complete"] and len(r["candidates"]) == 6'

# ---- two searches at the same time ----
rm -r "$GUMTILE_TUNING_DIR"
command_line='gumtile tune, twice at the same time'
"$gumtile" "${one[@]}" --candidates 2 >stdout 2>stderr &
first=$!
"$gumtile" "${one[@]}" --candidates 4 >other.json 2>>stderr || fail "$command_line: the second failed"
wait $first || fail "$command_line: the first failed"
record 'len(r["candidates"]) == 4 and r["complete"]' "$(echo "$GUMTILE_TUNING_DIR"/*.json)"

# ---- noise ----
rm -r "$GUMTILE_TUNING_DIR"
succeeds "${one[@]}" --candidates 2 --inject-fault time:noisy:1
record 'r["winner"] == r["heuristic"] and r["note"].startswith("too noisy: built-in kept") and r["candidates"][1]["spread"] > 0.2'
says 'too noisy: built-in kept'
rm -r "$GUMTILE_TUNING_DIR"
succeeds "${tune[@]}" --batches 4 --candidates 2 --inject-fault time:noisy:1
if ! grep -q 'too noisy: built-in kept' stdout; then fail "$command_line: the table does not say that it was too noisy"; fi

# ---- a pack includes tuning records ----
rm -rf "$GUMTILE_TUNING_DIR"
succeeds "${one[@]}" --inject-fault time:fast:3
compile=(compile --vocab-size 2000 --hidden-size 64 --max-rows 4 --targets host --features logprob --format json)
succeeds "${compile[@]}" -o tuned.gtpack
mv "$GUMTILE_TUNING_DIR" elsewhere
succeeds "${compile[@]}" -o plain.gtpack
sample=(sample --synthetic 2000x64x4 --device cpu --seed '1,2,3,4' --format json)
winner=$(sed -n 's/.*"winner": "\(.*\)",/\1/p' elsewhere/*.json)
succeeds "${sample[@]}" --pack tuned.gtpack
json "d['schedule'] == '$winner'"
cp stdout tuned.json
succeeds "${sample[@]}" --pack plain.gtpack
json "d['schedule'] != '$winner' and [x['token'] for x in d['rows']] == [x['token'] for x in json.load(open('tuned.json'))['rows']]"

leaves_nothing
finish

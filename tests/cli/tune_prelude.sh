# What tests of `gumtile tune` share, after prelude.sh.
# shellcheck shell=bash
# shellcheck disable=SC2034,SC2154 # some are for the scripts alone, some from prelude.sh
mkdir temporary
export GUMTILE_TUNING_DIR=$folder/tuning TMPDIR=$folder/temporary
plain=(tune --vocab-size 2000 --hidden-size 64 --device cpu --no-read-floor)
tune=("${plain[@]}" --budget 60s)
one=("${tune[@]}" --batches 4 --format json)
count_records() { find "$GUMTILE_TUNING_DIR" -name "$1" | wc -l; }

# says TEXT, is_silent_about TEXT: whether it is on stderr.
says() {
  checks=$((checks + 1))
  if ! grep -qaF -- "$1" stderr; then fail "$command_line: does not say '$1'"; fi
}
is_silent_about() {
  checks=$((checks + 1))
  if grep -qaF -- "$1" stderr; then fail "$command_line: says '$1'"; fi
}

# leaves_nothing: no temporary folder is left.
leaves_nothing() {
  checks=$((checks + 1))
  if [[ -n $(ls temporary) ]]; then fail "$command_line: left a temporary folder"; fi
}

# record EXPRESSION [FILE]: holds for the record `r` of the first bucket, `b`, on stdout; or for that in a file.
record() {
  if ! command -v python3 >/dev/null; then return; fi
  checks=$((checks + 1))
  if ! python3 -c '
import json, sys
d = json.load(open(sys.argv[2]))
b = d["problems"][0]["buckets"][0] if "problems" in d else {"record": d}
r = b["record"]
sys.exit(0 if eval(sys.argv[1]) else 1)' "$1" "${2:-stdout}" 2>>stderr; then
    fail "$command_line: not so in its record: $1"
  fi
}

# await_measuring: until a search of all of `one`'s candidates has compiled them.
await_measuring() {
  local i
  for ((i = 0; i < 300; i++)); do
    if (($(find temporary -name 'kernel-*' | wc -l) == 6)); then
      sleep 1
      return
    fi
    sleep 0.1
  done
  fail "$command_line: does not get to measuring"
}

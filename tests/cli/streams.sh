#!/usr/bin/env bash
# Streams that are closed or full, and names that are not UTF-8: results are written completely, or the command fails.
# shellcheck source-path=SCRIPTDIR
source "$(dirname "$0")/prelude.sh"

small=(--vocab-size 64 --hidden-size 16)
touch file
bench=(bench "${small[@]}" --batches 1 --repeats 1 --device cpu)
tune=(tune "${small[@]}" --batches 1 --budget 1s --candidates 1 --device cpu)
export GUMTILE_TUNING_DIR=$folder/records

# ends CODE COMMAND...: a command with its own redirections.
ends() {
  local expected=$1 found=0
  shift
  command_line=$*
  checks=$((checks + 1))
  "$@" 2>stderr || found=$?
  if ((found != expected)); then fail "$command_line: exit code $found, expected $expected"; fi
}
# has_result FILE TEXT
has_result() {
  checks=$((checks + 1))
  if ! grep -qa -- "$2" "$1"; then fail "$command_line: lost its result"; fi
}
# streams ACTION GUMTILE_ARGUMENTS...: the command with streams as ACTION says; its stdout goes to the file result.
streams() {
  local action=$1
  shift
  case $action in
    no_stderr) "$gumtile" "$@" >result 2>&- ;;
    full_stderr) "$gumtile" "$@" >result 2>/dev/full ;;
    unread_stderr) "$gumtile" "$@" 2> >(exec true) >result ;;
    no_streams_but_stdout) "$gumtile" "$@" <&- >result 2>&- ;;
    no_stdout) "$gumtile" "$@" >&- ;;
    no_streams) "$gumtile" "$@" <&- >&- 2>&- ;;
    full_stdout) "$gumtile" "$@" >/dev/full ;;
  esac
}

# ---- stderr: a cache that is a file gives a warning -----------------------------------------------------------
for action in no_stderr full_stderr unread_stderr no_streams_but_stdout; do
  if [[ $action == full_stderr && ! -w /dev/full ]]; then continue; fi
  export GUMTILE_CACHE_DIR=$folder/file
  ends 0 streams $action sample --synthetic 64x16x1 --device cpu --format json
  has_result result '"token"'
  ends 0 streams $action "${bench[@]}" --format csv
  has_result result '^64,16,1,"host'
  ends 0 streams $action "${tune[@]}" --format json
  has_result result '"problems"'
  ends 0 streams $action compile "${small[@]}" --max-rows 1 --features token --targets host:x86-64-v3 -o made.gtpack
  has_result result 'made.gtpack'
  export GUMTILE_CACHE_DIR=$folder/cache
  ends 64 streams $action dance
  ends 74 streams $action inspect --pack no_such.gtpack
  ends 0 streams $action doctor --json
  has_result result '"checks"'
done

# ---- stdout ---------------------------------------------------------------------------------------------------
for action in no_stdout full_stdout no_streams; do
  if [[ $action == full_stdout && ! -w /dev/full ]]; then continue; fi
  for words in --help --version -h 'help sample' 'sample --help' 'completion bash' doctor 'cache stats' \
    'inspect --emit program' 'sample --synthetic 64x16x1 --device cpu'; do
    # shellcheck disable=SC2086 # words
    ends 73 streams $action $words
  done
  for format in table md csv json jsonl; do ends 73 streams $action "${bench[@]}" --format $format; done
done
# Opened files do not become standard streams: the pack is complete although stdin, stdout and stderr are closed.
rm -f made.gtpack
ends 73 streams no_streams compile "${small[@]}" --max-rows 1 --features token --targets host:x86-64-v3 -o made.gtpack
succeeds inspect --pack made.gtpack

# ---- Names that are not UTF-8 ---------------------------------------------------------------------------------
name=$folder/$(printf 'caf\351 \xff')
mkdir -m 700 "$name"
# writes JSON_LINES? ARGUMENTS...: succeeds, and stdout is JSON in UTF-8.
writes() {
  succeeds "$@"
  if ! command -v python3 >/dev/null; then return; fi
  checks=$((checks + 1))
  python3 -c '
import json
text = open("stdout", "rb").read().decode("utf-8")
try: json.loads(text)
except json.JSONDecodeError: [json.loads(line) for line in text.splitlines()]' 2>>stderr ||
    fail "$command_line: does not write JSON"
}
pack=(compile "${small[@]}" --targets host:x86-64-v3 --max-rows 1 --features token)
writes "${pack[@]}" -o "$name/head.gtpack" --format json
writes inspect --pack "$name/head.gtpack" --format json
writes cache stats --folder "$name" --format json
GUMTILE_CACHE_DIR=$name writes doctor --json
GUMTILE_PTXAS=$name writes doctor --format json
writes "${bench[@]}" --pack "$name/head.gtpack" --no-logprob --format json
writes "${bench[@]}" --pack "$name/head.gtpack" --no-logprob --format jsonl
json 'd["command"].endswith(" --no-logprob")'
succeeds "${bench[@]}" --pack "$name/head.gtpack" --no-logprob --format csv
writes sample --synthetic 64x16x1 --device cpu --pack "$name/head.gtpack" --no-logprob --format json
writes "${tune[@]}" --out "$name" --format json
GUMTILE_TUNING_DIR=$name writes "${tune[@]}" --why --format json
TMPDIR=$name writes "${tune[@]}" --out again --format json
fails 64 "$(printf 'caf\351')" "$(printf 'caf\351')"

finish

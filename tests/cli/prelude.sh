# What tests of the `gumtile` command from outside share: exit codes, streams and JSON. Each script is run as
#
#   tests/cli/SCRIPT PATH_TO_GUMTILE
#
# and needs no GPU. JSON is checked if there is a python3.
# shellcheck shell=bash
# shellcheck disable=SC2034 # some are for the scripts alone
set -uo pipefail

: "${1:?usage: $0 PATH_TO_GUMTILE}"
gumtile=$(realpath "$1")
script=$(basename "$0")
here=$(realpath "$(dirname "$0")") # for other files that a script sources
folder=$(mktemp -d)
trap '[[ $BASHPID != $$ ]] || rm -rf "$folder"' EXIT # not when a subshell ends
cd "$folder" || exit 1
export GUMTILE_CACHE_DIR=$folder/cache XDG_DATA_HOME=$folder/data # nothing of the user's

checks=0
failures=0
fail() {
  failures=$((failures + 1))
  printf 'FAILED: %s\n' "$1" >&2
  sed 's/^/  stderr: /' stderr >&2
}

# run CODE ARGUMENTS...: what the command writes goes to the files stdout and stderr. `tools_in` stands for its PATH.
run() {
  local expected=$1 found=0
  shift
  command_line="gumtile $*"
  checks=$((checks + 1))
  PATH=${tools_in-$PATH} "$gumtile" "$@" >stdout 2>stderr </dev/null || found=$?
  if ((found != expected)); then fail "$command_line: exit code $found, expected $expected"; fi
}

# succeeds ARGUMENTS...: ends with 0 and prints something on stdout.
succeeds() {
  run 0 "$@"
  if [[ ! -s stdout ]]; then fail "$command_line: nothing on stdout"; fi
}

# fails CODE TEXT ARGUMENTS...: ends with CODE, nothing on stdout, and TEXT in the message.
fails() {
  local code=$1 text=$2
  shift 2
  run "$code" "$@"
  if [[ -s stdout ]]; then fail "$command_line: wrote to stdout although it failed"; fi
  if ! grep -qaF -- "$text" stderr; then fail "$command_line: the message does not name '$text'"; fi
}

# json EXPRESSION: holds for the JSON `d` on stdout.
json() {
  if ! command -v python3 >/dev/null; then return; fi
  checks=$((checks + 1))
  if ! python3 -c '
import json, sys
d = json.load(open("stdout"))
sys.exit(0 if eval(sys.argv[1]) else 1)' "$1" 2>>stderr; then
    fail "$command_line: not so in its JSON: $1"
  fi
}

tokens() { sed -n 's/^ *"token": \(-\{0,1\}[0-9]*\).*/\1/p' stdout; }

# little_endian NUMBER: as the 8 bytes that a safetensors file begins with, for printf %b.
little_endian() {
  local number=$1 byte
  for ((byte = 0; byte < 8; byte++)); do
    printf '\\x%02x' $((number & 255))
    number=$((number >> 8))
  done
}

# safetensors FILE HEADER BYTES: a file with this header and so many zero bytes of data.
safetensors() {
  printf '%b' "$(little_endian ${#2})" >"$1"
  printf '%s' "$2" >>"$1"
  head -c "$3" /dev/zero >>"$1"
}

# A head that several scripts sample from: its tokens are compared.
four=(--synthetic 1003x72x4 --device cpu --temperature '0,0.7,1,2' --seed '1,2,3,18446744073709551615'
  --offset 9)

# finish: the last command of a script.
finish() {
  printf '%s: %d checks, %d failed\n' "$script" "$checks" "$failures"
  exit $((failures != 0))
}

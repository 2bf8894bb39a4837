# shellcheck shell=bash disable=SC2034
# What the tests of this folder share; sourced. Each gets the build folder as $1 and works in its own folder below
# BUILD/consumer; the installed tree is $prefix.
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
source_folder=$(cd "$here/../.." && pwd)
build=$(cd "${1:?usage: $0 BUILD_FOLDER}" && pwd)
prefix=$build/consumer/moved
work=$build/consumer/$(basename "$0" .sh)
rm -rf "$work"
mkdir -p "$work"
export GUMTILE_CACHE_DIR=$work/cache

failures=0
fail() {
  failures=$((failures + 1))
  printf 'FAILED: %s\n' "$1" >&2
}
# says TEXT FILE: the file has the text, ignoring line breaks by CMake.
says() {
  if ! tr -s ' \n' ' ' <"$2" | grep -qF -- "$1"; then
    fail "nothing says '$1' in:"
    cat "$2" >&2
  fi
}
finish() { exit $((failures > 0)); }

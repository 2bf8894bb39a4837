#!/usr/bin/env bash
# Builds gumtile without its compiler (-DGUMTILE_JIT=OFF), with LLVM and lld hidden from CMake, and checks that nothing of LLVM
# is in it and that it samples the same tokens from a pack as the build with the compiler does without one.
#
#   tools/check_runtime_only.sh [GUMTILE]     GUMTILE: the command with the compiler (default: build/release/bin/gumtile)
set -euo pipefail
with=$(realpath "${1:-$(dirname "${BASH_SOURCE[0]}")/../build/release/bin/gumtile}")
cd "$(dirname "${BASH_SOURCE[0]}")/.."

cmake --preset runtime-only -DCMAKE_DISABLE_FIND_PACKAGE_LLVM=TRUE -DCMAKE_DISABLE_FIND_PACKAGE_LLD=TRUE >&2
cmake --build --preset runtime-only --target gumtile_command >&2
without=build/runtime-only/bin/gumtile

if ldd "$without" | grep -iE 'llvm|lld'; then exit 1; fi
if nm -C "$without" | grep -E ' (llvm|lld)::'; then exit 1; fi

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
export GUMTILE_CACHE_DIR=$folder/cache
request=(--synthetic 1003x72x4 --device cpu --temperature 0,0.7,1,2 --seed 1,2,3,4 --format json)
"$with" compile --vocab-size 1003 --hidden-size 72 --max-rows 4 --targets host -o "$folder/head.gtpack" >/dev/null
tokens() { sed -n 's/^ *"token": //p'; }
expected=$("$with" sample "${request[@]}" | tokens)
found=$("$without" sample "${request[@]}" --pack "$folder/head.gtpack" | tokens)
if [[ -z $expected || $found != "$expected" ]]; then
  printf 'tokens differ:\n%s\nexpected:\n%s\n' "$found" "$expected" >&2
  exit 1
fi
if "$without" sample "${request[@]}" >/dev/null 2>"$folder/message" || ! grep -q 'without its compiler' "$folder/message"; then
  printf 'sampling without a pack did not say that there is no compiler\n' >&2
  exit 1
fi
cp "$without" "$folder/gumtile"
strip "$folder/gumtile"
printf 'no LLVM inside; the stripped command has %d bytes\n' "$(wc -c <"$folder/gumtile")"

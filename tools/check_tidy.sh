#!/usr/bin/env bash
# Runs clang-tidy with .clang-tidy over src, codegen, runtime and tools, as many files at a time as there are processors.
# Compile commands come from build/tidy, configured here: without precompiled headers, which are GCC's in other builds.
#
#   tools/check_tidy.sh              all files
#   tools/check_tidy.sh REGEX...     files whose path matches one of them
#
# CLANG_TIDY picks the program (default: clang-tidy).
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

build=build/tidy
clang_tidy=${CLANG_TIDY:-clang-tidy}
if ! command -v "$clang_tidy" >/dev/null; then
  printf 'check_tidy: %s is not installed\n' "$clang_tidy" >&2
  exit 1
fi
cmake -G Ninja -B "$build" -DCMAKE_DISABLE_PRECOMPILE_HEADERS=ON . >/dev/null

# CMake writes one "file" line per translation unit, with an absolute path.
root=$(pwd -P)
mapfile -t files < <(sed -n 's/^ *"file": "\(.*\)",\{0,1\}$/\1/p' "$build/compile_commands.json" | sort -u)
wanted=()
for file in "${files[@]}"; do
  relative=${file#"$root"/}
  if [[ ! $relative =~ ^(src|codegen|runtime|tools)/ ]]; then continue; fi
  if (($#)) && ! grep -qE "$(IFS='|' && printf '%s' "$*")" <<<"$relative"; then continue; fi
  wanted+=("$relative")
done
if ((${#wanted[@]} == 0)); then
  printf 'check_tidy: no file matches\n' >&2
  exit 1
fi

# -Wno-unknown-warning-option: the compile commands are made for GCC.
printf '%s\0' "${wanted[@]}" |
  xargs -0 -n 1 -P "$(nproc)" "$clang_tidy" -p "$build" --quiet --extra-arg=-Wno-unknown-warning-option
printf 'check_tidy: %d files\n' "${#wanted[@]}" >&2

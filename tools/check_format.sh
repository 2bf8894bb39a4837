#!/usr/bin/env bash
# Checks that every tracked C++ file is formatted as .clang-format says, or formats them with --fix. Other releases of
# clang-format lay some code out differently, so only 14 is used; if it is missing, nothing is checked.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

mode=(--dry-run -Werror)
case ${1:-} in
  '') ;;
  --fix) mode=(-i) ;;
  *)
    printf "check_format: unknown option '%s' (known: --fix)\n" "$1" >&2
    exit 64
    ;;
esac

clang_format=
for candidate in clang-format-14 clang-format; do
  if command -v "$candidate" >/dev/null && [[ $("$candidate" --version) == *"version 14."* ]]; then
    clang_format=$candidate
    break
  fi
done
if [[ -z $clang_format ]]; then
  printf 'check_format: skipped, clang-format 14 is not installed\n' >&2
  exit 0
fi

mapfile -d '' -t tracked < <(git ls-files -z '*.cpp' '*.h')
files=()
for file in "${tracked[@]}"; do
  if [[ -f $file ]]; then files+=("$file"); fi  # deleted, but not yet in the index
done
if ((${#files[@]} == 0)); then exit 0; fi

printf '%s\0' "${files[@]}" | xargs -0 "$clang_format" "${mode[@]}"
printf 'check_format: %d files\n' "${#files[@]}" >&2

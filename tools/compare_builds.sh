#!/usr/bin/env bash
# Whether two builds of the `gumtile` command generate the same code, byte for byte: PTX and host assembly of the built-in
# Programs over all families of schedules, both noise schemes, with and without log-probabilities.
#
#   tools/compare_builds.sh OLD_GUMTILE NEW_GUMTILE
#
# For changes that must not change generated code. Ends with 1 if anything differs.
set -euo pipefail
old=${1:?usage: $0 OLD_GUMTILE NEW_GUMTILE}
new=${2:?usage: $0 OLD_GUMTILE NEW_GUMTILE}
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT

compared=0
differ=0
# same ARGUMENTS...: of gumtile inspect.
same() {
  "$old" inspect "$@" >"$folder/old" 2>"$folder/error" || { cat "$folder/error" >&2; exit 2; }
  "$new" inspect "$@" >"$folder/new" 2>"$folder/error" || { cat "$folder/error" >&2; exit 2; }
  compared=$((compared + 1))
  if ! cmp -s "$folder/old" "$folder/new"; then
    differ=$((differ + 1))
    printf 'differs: gumtile inspect %s\n' "$*"
  fi
}

size=(--vocab-size 151936 --hidden-size 4096)
ragged=(--vocab-size 32003 --hidden-size 768)
for noise in grouped per_token; do
  for outputs in "" --no-logprob; do
    options=(--noise "$noise" ${outputs:+"$outputs"})
    for rows in 1 64 256; do same --emit ptx --target sm_90a "${size[@]}" --rows $rows "${options[@]}"; done
    same --emit ptx --target sm_90a "${ragged[@]}" --rows 16 "${options[@]}"
    same --emit ptx --target sm_90a "${size[@]}" --rows 16 "${options[@]}" \
      --schedule mma_sync:b16,v256,stages=4,warps=1x4,copy=16
    same --emit ptx --target sm_80 "${size[@]}" --rows 16 "${options[@]}"
    same --emit ptx --target sm_70 "${ragged[@]}" --rows 4 "${options[@]}"
    for level in x86-64-v2 x86-64-v3 x86-64-v4; do
      same --emit asm --target host:$level "${ragged[@]}" --rows 4 "${options[@]}"
    done
  done
done
for program in sample_logits greedy_argmax gemm row_statistics cross_entropy; do
  same --emit ptx --target sm_90a --program $program "${ragged[@]}" --rows 16
  same --emit asm --target host:x86-64-v3 --program $program "${ragged[@]}" --rows 4
done
printf '%d compared, %d differ\n' "$compared" "$differ"
((differ == 0))

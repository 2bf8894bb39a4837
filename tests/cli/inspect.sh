#!/usr/bin/env bash
# gumtile inspect; needs no GPU.
# shellcheck source-path=SCRIPTDIR
fake_ptxas=$(realpath "$(dirname "$0")/../fake_ptxas.py")
source "$(dirname "$0")/prelude.sh"

small=(--vocab-size 1003 --hidden-size 72 --rows 3)
for target in host sm_90a sm_70; do
  for stage in program plan llvm asm; do succeeds inspect --emit $stage --target $target "${small[@]}"; done
done
succeeds inspect --emit ptx --target sm_90a "${small[@]}"
if ! grep -q '^\.target sm_90a' stdout; then fail "$command_line: is not PTX for sm_90a"; fi
succeeds inspect --emit ptx --target sm_90a "${small[@]}" --schedule simt:b8
fails 64 sm_90a inspect --emit ptx --target host "${small[@]}"
if command -v ptxas >/dev/null && { command -v nvdisasm || command -v cuobjdump; } >/dev/null; then
  succeeds inspect --emit sass --target sm_90a "${small[@]}"
fi
GUMTILE_PTXAS= fails 69 ptxas inspect --emit sass --target sm_90a "${small[@]}"
GUMTILE_PTXAS= fails 69 ptxas inspect --emit cubin --target sm_90a "${small[@]}"
fails 64 sm_90a inspect --emit cubin --target host "${small[@]}"
succeeds inspect --emit program --program sample_logits --softcap 30
if ! grep -q tanh stdout; then fail "$command_line: has no softcap"; fi
fails 64 'softcap 30' inspect --emit program --program gemm --softcap 30
if command -v ptxas >/dev/null; then
  succeeds inspect --emit cubin --target sm_90a "${small[@]}"
  if [[ $(head -c 4 stdout) != $'\x7fELF' ]]; then fail "$command_line: is not an ELF file"; fi
fi
# A replacement for ptxas: the result is its file, byte for byte, if that is a cubin for the target.
mkdir ptxas_in
if command -v python3 >/dev/null; then
  # shellcheck disable=SC2016 # the script's own words
  printf '#!/bin/sh\n"%s" "$@" && cp "$3" "%s/kept.cubin"\n' "$fake_ptxas" "$folder" >ptxas_in/ptxas
  chmod +x ptxas_in/ptxas
  GUMTILE_PTXAS=$folder/ptxas_in/ptxas succeeds inspect --emit cubin --target sm_90a "${small[@]}"
  cmp -s kept.cubin stdout || fail "$command_line: has other bytes than ptxas wrote"
  for wrong in machine architecture kernel class truncated; do
    FAKE_PTXAS=$wrong GUMTILE_PTXAS=$fake_ptxas fails 70 'something else than a cubin for sm_90a' \
      inspect --emit cubin --target sm_90a "${small[@]}"
  done
fi
printf '#!/bin/sh\necho "no such register" >&2\nexit 3\n' >ptxas_in/ptxas
chmod +x ptxas_in/ptxas
GUMTILE_PTXAS=$folder/ptxas_in/ptxas fails 70 'no such register' inspect --emit cubin --target sm_90a "${small[@]}"
if command -v python3 >/dev/null; then
  checks=$((checks + 1))
  command_line='gumtile inspect --emit cubin, to a terminal'
  code=0
  python3 -c 'import os, pty, sys; sys.exit(os.waitstatus_to_exitcode(pty.spawn(sys.argv[1:])))' \
    "$gumtile" inspect --emit cubin --target sm_90a "${small[@]}" >stdout 2>stderr </dev/null || code=$?
  if ((code != 64)) || ! grep -q 'is a terminal' stdout; then fail "$command_line: exit code $code, expected 64"; fi
fi
GUMTILE_DUMP=$folder/dump succeeds inspect --emit ptx --target sm_90a "${small[@]}"
for stage in program plan ll ptx; do
  if ! compgen -G "dump/lm_head_sample-*-sm_90a-*.$stage" >/dev/null; then fail "$command_line: no $stage in GUMTILE_DUMP"; fi
done
cmp -s stdout dump/*.ptx || fail "$command_line: GUMTILE_DUMP has other PTX"
GUMTILE_DUMP=/dev/null/dump succeeds inspect --emit ptx --target sm_90a "${small[@]}"
if ! grep -q /dev/null/dump stderr; then fail "$command_line: does not warn that GUMTILE_DUMP cannot be written"; fi
for program in lm_head_sample sample_logits greedy_argmax gemm row_statistics cross_entropy; do
  succeeds inspect --emit program --program $program
  succeeds inspect --emit llvm --program $program --target host "${small[@]}"
  succeeds inspect --emit ptx --program $program --target sm_80 "${small[@]}"
done
succeeds inspect --emit program --program greedy_argmax
cp stdout program.txt
succeeds inspect --emit program --program program.txt
cmp -s stdout program.txt || fail "$command_line: a Program's text changed on its way through the parser"
printf 'nonsense\n' >nonsense.txt
fails 65 nonsense.txt inspect --program nonsense.txt
fails 74 no_such_program inspect --program no_such_program
fails 64 sm_33 inspect --target sm_33
fails 64 host:abacus inspect --emit llvm --target host:abacus
fails 64 stages=16 inspect --target sm_90a --schedule mma_sync:b64,v256,stages=16,warps=2x4
fails 64 --vocab-size inspect --vocab-size 0

finish

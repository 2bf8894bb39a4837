#!/usr/bin/env bash
# The `gumtile` command from outside: exit codes, streams and JSON.
#
#   tests/test_cli.sh PATH_TO_GUMTILE
#
# Needs no GPU. JSON is looked into where there is a python3.
set -uo pipefail

gumtile=$(realpath "${1:?usage: test_cli.sh PATH_TO_GUMTILE}")
fake_ptxas=$(realpath "$(dirname "$0")/fake_ptxas.py")
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
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

# succeeds ARGUMENTS...: ends with 0 and says something on stdout.
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
  if ! grep -qF -- "$text" stderr; then fail "$command_line: the message does not name '$text'"; fi
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

# ---- The command itself -------------------------------------------------------------------------------------
succeeds --help
succeeds --version
succeeds sample --help
fails 64 'no command given'
fails 64 "unknown command 'dance'" dance
fails 64 --no-such-option sample --no-such-option

# ---- doctor -------------------------------------------------------------------------------------------------
succeeds doctor
succeeds doctor --json
json 'd["gumtile"] and d["llvm"].startswith("22.1") and d["cpu"]["threads"] >= 1'
json 'all(check["ok"] for check in d["checks"])'
json 'd["devices"] or d["why_no_device"]'
GUMTILE_CACHE_DIR=$folder/cache succeeds doctor --json
json 'd["cache"]["path"].endswith("/cache") and d["cache"]["writable"]'
GUMTILE_CACHE_DIR='' XDG_CACHE_HOME=relative HOME=$folder succeeds doctor --json
json 'd["cache"]["path"].endswith("/.cache/gumtile")'
json 'd["cache"]["used"] and d["cache"]["entries"] == 0 and d["cache"]["bytes"] == 0'
mkdir -m 777 everyones
GUMTILE_CACHE_DIR=$folder/everyones succeeds doctor --json
json 'not d["cache"]["used"] and "0777" in d["cache"]["why_not_used"]'
GUMTILE_CACHE_DIR=$folder/everyones succeeds doctor

# ---- sample -------------------------------------------------------------------------------------------------
four=(--synthetic 1003x72x4 --device cpu --temperature '0,0.7,1,2' --seed '1,2,3,18446744073709551615'
  --offset 9)
succeeds sample "${four[@]}" --format json --timing
json '[row["row"] for row in d["rows"]] == [0, 1, 2, 3]'
json 'all(0 <= row["token"] < 1003 and row["logprob"] <= 0 and row["status"] == [] for row in d["rows"])'
json 'd["device"] == "cpu" and d["target"].startswith("host") and d["schedule"].startswith("host:")'
json 'd["timings"]["compile_ms"] > 0 and d["timings"]["launch_us"]["median"] > 0'
first=$(tokens)
succeeds sample "${four[@]}" --format json
if [[ -z $first || $(tokens) != "$first" ]]; then fail "$command_line: other tokens the second time"; fi
succeeds sample "${four[@]}" --format json --schedule host:b1,v512
if [[ $(tokens) != "$first" ]]; then fail "$command_line: other tokens under another schedule"; fi
succeeds sample "${four[@]}" --format json --no-logprob
if [[ $(tokens) != "$first" ]]; then fail "$command_line: other tokens without the log-probability"; fi
json 'all(row["logprob"] is None for row in d["rows"])'
succeeds sample "${four[@]}" --timing
if ! grep -q 'prepared ' stdout; then fail "$command_line: does not show the time of the cold JIT"; fi
succeeds sample "${four[@]}" --noise per_token
succeeds sample --synthetic 127x64x2 --device cpu --dtype f16 --hidden-dtype f32
succeeds sample --synthetic 127x64x2 --device cpu --dtype f32
succeeds sample --synthetic 1x8 --device cpu --format json
json '[row["token"] for row in d["rows"]] == [0]'
succeeds sample --synthetic 100x64x0 --device cpu --format json
json 'd["rows"] == []'
succeeds sample --synthetic 100x64x3 --device cpu --row-slot 5,-1,5 --seed 1,2,3,4,5,6 --format json
json '[row["row"] for row in d["rows"]] == [0, 2]'

two=(sample --synthetic 100x64x2 --device cpu)
fails 64 nan "${two[@]}" --temperature nan
fails 64 row "${two[@]}" --temperature 1,inf
fails 64 -- "${two[@]}" --temperature -1
fails 64 "''" "${two[@]}" --temperature 1,
fails 64 '3 values' "${two[@]}" --temperature 1,1,1
fails 64 -1 "${two[@]}" --seed -1
fails 64 18446744073709551616 "${two[@]}" --seed 18446744073709551616
fails 64 '3 values' "${two[@]}" --offset 1,2,3
fails 64 b3 "${two[@]}" --schedule host:b3
fails 64 'simt' "${two[@]}" --schedule simt:b8
fails 64 nonsense "${two[@]}" --schedule nonsense
fails 64 xml "${two[@]}" --format xml
fails 64 i32 "${two[@]}" --dtype i32
fails 64 loud "${two[@]}" --noise loud
fails 64 tpu sample --synthetic 100x64 --device tpu
fails 69 cuda:9 sample --synthetic 100x64 --device cuda:9
for shape in 100 100x 100x64x 0x64 100x-1 100x64x2x2 99999999999999999999x2; do
  fails 64 synthetic sample --synthetic "$shape"
done
fails 64 --weights sample
GUMTILE_LIBCUDA=/no/such/library succeeds sample --synthetic 100x64
GUMTILE_LIBCUDA=/no/such/library fails 69 cuda:0 sample --synthetic 100x64 --device cuda:0
if [[ -w /dev/full ]]; then
  checks=$((checks + 1))
  code=0
  "$gumtile" "${two[@]}" >/dev/full 2>stderr || code=$?
  if ((code != 73)); then fail "gumtile sample into a full disk: exit code $code, expected 73"; fi
fi

# ---- sample from files --------------------------------------------------------------------------------------
safetensors weights.safetensors '{"lm_head.weight":{"dtype":"F32","shape":[5,8],"data_offsets":[0,160]}}' 160
safetensors hidden.safetensors '{"h":{"dtype":"F32","shape":[2,8],"data_offsets":[0,64]}}' 64
safetensors wide.safetensors '{"h":{"dtype":"F32","shape":[2,16],"data_offsets":[0,128]}}' 128
safetensors vector.safetensors '{"h":{"dtype":"F32","shape":[8],"data_offsets":[0,32]}}' 32
files=(sample --device cpu --weights weights.safetensors)
succeeds "${files[@]}" --hidden-states hidden.safetensors:h --temperature 0 --format json
json '[row["token"] for row in d["rows"]] == [0, 0]'
fails 65 wide.safetensors "${files[@]}" --hidden-states wide.safetensors:h
if ! grep -q 'weights.safetensors.* 8.* 16' stderr; then fail "$command_line: does not name both files and sizes"; fi
fails 65 vector.safetensors "${files[@]}" --hidden-states vector.safetensors:h
fails 65 lm_head.weight sample --weights weights.safetensors:lm_haed.weight --hidden-states hidden.safetensors:h
fails 74 missing.safetensors "${files[@]}" --hidden-states missing.safetensors
fails 64 --synthetic "${files[@]}" --hidden-states hidden.safetensors:h --synthetic 5x8
fails 64 --dtype "${files[@]}" --hidden-states hidden.safetensors:h --dtype f32

# malformed NAME: a file of this name as the weights is refused as bad data.
malformed() { fails 65 "$1" sample --device cpu --weights "$1" --hidden-states hidden.safetensors:h; }
printf '\x08\x00' >short.safetensors
malformed short.safetensors
printf '\xff\xff\xff\xff\xff\xff\xff\x7f{}' >long_header.safetensors
malformed long_header.safetensors
safetensors not_json.safetensors '{"w":' 160
malformed not_json.safetensors
safetensors truncated.safetensors '{"w":{"dtype":"F32","shape":[5,8],"data_offsets":[0,160]}}' 100
malformed truncated.safetensors
safetensors mismatch.safetensors '{"w":{"dtype":"F32","shape":[5,9],"data_offsets":[0,160]}}' 160
malformed mismatch.safetensors
safetensors integers.safetensors '{"w":{"dtype":"I32","shape":[5,8],"data_offsets":[0,160]}}' 160
malformed integers.safetensors

# A NaN in the weights: every row fails visibly, and the command does not. 0x7fc00000 is a NaN.
cp weights.safetensors nan.safetensors
printf '\x00\x00\xc0\x7f' | dd of=nan.safetensors bs=1 conv=notrunc status=none \
  seek=$(($(wc -c <nan.safetensors) - 4))
succeeds sample --device cpu --weights nan.safetensors --hidden-states hidden.safetensors:h --format json
json 'all(row["token"] == -1 and row["logprob"] is None and row["status"] == ["nan_logit"] for row in d["rows"])'

# ---- inspect: needs no GPU ----------------------------------------------------------------------------------
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
if command -v ptxas >/dev/null; then
  succeeds inspect --emit cubin --target sm_90a "${small[@]}"
  if [[ $(head -c 4 stdout) != $'\x7fELF' ]]; then fail "$command_line: is not an ELF file"; fi
fi
# One that stands for ptxas: the result is its file, byte for byte, if that is a cubin for the target.
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

# ---- compile, and what takes kernels from packs -------------------------------------------------------------
head=(--vocab-size 1003 --hidden-size 72 --max-rows 4)
succeeds compile "${head[@]}" --targets host -o head.gtpack --format json
json 'd["vocab_size"] == 1003 and d["token_dtypes"] == ["i32"] and d["features"] == ["token", "logprob"] and len(d["kernels"]) == 8'
if [[ -s stderr ]]; then fail "$command_line: progress although stderr is no terminal"; fi
if compgen -G 'head.gtpack.*' >/dev/null; then fail "$command_line: left a temporary file"; fi
succeeds inspect --pack head.gtpack
succeeds inspect --pack head.gtpack --format json
json 'd["max_rows"] == 4 and {k["format"] for k in d["kernels"]} == {"shared_object"}'
succeeds sample "${four[@]}" --format json --pack head.gtpack
json 'd["timings"]["compiles"] == 0 and d["timings"]["ready_made"] > 0 and d["target"].startswith("host:x86-64-v")'
json '[row["token"] for row in d["rows"]] == ['"$(echo $first | tr ' ' ',')"']'
succeeds bench --vocab-size 1003 --hidden-size 72 --batches 1,3 --device cpu --repeats 2 --pack head.gtpack
fails 64 '1003 x 72' sample --synthetic 1000x72x4 --device cpu --pack head.gtpack
fails 64 per_token sample "${four[@]}" --noise per_token --pack head.gtpack
fails 64 host:b1,v512 sample "${four[@]}" --schedule host:b1,v512 --pack head.gtpack
succeeds compile "${head[@]}" --targets sm_90a,sm_80 --features token --ptxas none -o gpu.gtpack --format json
json '{k["target"] for k in d["kernels"]} == {"sm_80", "sm_90a"} and {k["format"] for k in d["kernels"]} == {"ptx"}'
fails 69 'no kernels that this machine can run' sample "${four[@]}" --pack gpu.gtpack
if command -v ptxas >/dev/null; then
  succeeds compile "${head[@]}" --targets sm_80 --features token -o gpu.gtpack --format json
  json '{k["format"] for k in d["kernels"]} == {"ptx", "cubin"}'
fi
mkdir model
printf '{"vocab_size": 2006, "hidden_size": 72, "torch_dtype": "float16"}' >model/config.json
succeeds compile --model model --tp 2 --first-token 1003 --targets host:x86-64-v3 --features token -o tp.gtpack --format json
json 'd["vocab_size"] == 1003 and d["first_token"] == 1003 and d["weights_dtype"] == "f16"'
succeeds compile "${head[@]}" --targets host:x86-64-v3 --features token --token-dtype i32,i64 -o wide.gtpack --format json
json 'd["token_dtypes"] == ["i32", "i64"] and [k["token_dtype"] for k in d["kernels"]] == ["i32", "i64"]'
fails 64 u32 compile "${head[@]}" --token-dtype i32,u32 -o no.gtpack
fails 64 -o compile "${head[@]}"
fails 64 --vocab-size compile --hidden-size 72 -o no.gtpack
fails 64 sm_90a compile "${head[@]}" --targets sm_90 -o no.gtpack
fails 64 sm_33 compile "${head[@]}" --targets sm_33 -o no.gtpack
fails 64 dance compile "${head[@]}" --features dance -o no.gtpack
fails 64 '--tp' compile "${head[@]}" --tp 2 -o no.gtpack
fails 64 /no/ptxas compile "${head[@]}" --targets sm_80 --ptxas /no/ptxas -o no.gtpack
fails 73 no_folder compile "${head[@]}" --targets host:x86-64-v3 --features token -o no_folder/head.gtpack
fails 74 no_model compile --model no_model -o no.gtpack
if [[ -e no.gtpack ]]; then fail "a pack was written although gumtile compile failed"; fi
head -c 1000 head.gtpack >short.gtpack
fails 65 short.gtpack sample "${four[@]}" --pack short.gtpack
fails 65 weights.safetensors inspect --pack weights.safetensors
fails 74 missing.gtpack sample "${four[@]}" --pack missing.gtpack

# ---- bench --------------------------------------------------------------------------------------------------
bench=(bench --vocab-size 256 --hidden-size 64 --batches '1,3' --device cpu --repeats 2)
succeeds "${bench[@]}" --format json
json '[m["batch"] for m in d["results"]] == [1, 3] and d["ceiling"]["gigabytes_per_second"] > 0'
json 'all(m["command"].startswith("gumtile bench ") and m["median_us"] > 0 for m in d["results"])'
# A batch size whenever a line asks for one, a line of JSON for each.
checks=$((checks + 1))
answers=$(printf '3\n1\n3\n' | "$gumtile" "${bench[@]}" --on-request 2>stderr | grep -o '"batch":[0-9]*' | tr '\n' ' ')
if [[ $answers != '"batch":3 "batch":1 "batch":3 ' ]]; then fail "bench --on-request answered '$answers'"; fi
fails 64 '1,0' bench --batches 1,0
fails 64 'hidden size' bench --hidden-size 0

# ---- cache --------------------------------------------------------------------------------------------------
entry=0123456789abcdef0123456789abcdef.gtk
mkdir -m 700 kernels
printf 'nonsense' >kernels/$entry
printf 'half' >kernels/.$entry.1-0123456789abcdef.tmp
printf 'mine' >kernels/notes.txt
succeeds cache stats --folder kernels --format json
json 'd["entries"] == 1 and d["bytes"] == 8 and d["leftovers"] == 1 and d["folder"].endswith("/kernels")'
GUMTILE_CACHE_DIR=$folder/kernels succeeds cache stats
if ! grep -q '^ *1 *8 *1 .*/kernels$' stdout; then fail "$command_line: does not show the counts"; fi
succeeds cache clear --folder kernels --dry-run
if ! grep -qF 'would remove 1 entries (8 bytes)' stdout; then fail "$command_line: does not say what would go"; fi
if [[ ! -e kernels/$entry ]]; then fail "$command_line: removed an entry"; fi
succeeds cache clear --folder kernels
if [[ $(ls -A kernels) != notes.txt ]]; then fail "$command_line: left or took the wrong files"; fi
succeeds cache stats --folder no_such_folder --format json
json 'd["entries"] == 0 and d["bytes"] == 0'
if [[ -e no_such_folder ]]; then fail "$command_line: made the folder"; fi
ln -s kernels linked
fails 74 'symbolic link' cache stats --folder linked
fails 74 'symbolic link' cache clear --folder linked/
fails 74 0777 cache clear --folder everyones
fails 74 'not a folder' cache stats --folder nonsense.txt
HOME='' XDG_CACHE_HOME='' GUMTILE_CACHE_DIR='' fails 74 HOME cache stats
fails 64 xml cache stats --format xml
fails 64 folder cache stats --folder ''
fails 64 subcommand cache
fails 64 --dry-run cache stats --dry-run

# ---- tune ---------------------------------------------------------------------------------------------------
export GUMTILE_TUNING_DIR=$folder/tuning
tune=(tune --vocab-size 2000 --hidden-size 64 --device cpu --no-read-floor --budget 60s)
count_records() { find "$GUMTILE_TUNING_DIR" -name "${1:-*.json}" | wc -l; }

succeeds "${tune[@]}" --batches 1 --why --format json
json '[c["rule"] for c in d["choices"]] == ["built-in choice"]'
succeeds "${tune[@]}" --batches 1,4 --format json --report report.html
json '[b["batch"] for b in d["problems"][0]["buckets"]] == [1, 4] and not d["interrupted"]'
json 'all(not c["rejected"] and c["median_us"] > 0 for b in d["problems"][0]["buckets"] for c in b["record"]["candidates"])'
json 'all(b["record"]["complete"] and b["record"]["winner"] for b in d["problems"][0]["buckets"])'
if (($(count_records) != 2)); then fail "$command_line: not one record for each bucket"; fi
if grep -qE 'https?://|<script' report.html; then fail "$command_line: the report is not self-contained"; fi
if ! grep -q '</svg>' report.html; then fail "$command_line: the report has no plot"; fi
if command -v python3 >/dev/null; then
  sed 's/<!DOCTYPE html>//' report.html | python3 -c 'import sys, xml.dom.minidom as m; m.parseString(sys.stdin.read())' \
    2>stderr || fail "$command_line: the report is not well-formed"
fi
succeeds "${tune[@]}" --batches 3,1 --why --format json
json 'all(c["rule"].startswith("user record ") for c in d["choices"])'
succeeds "${tune[@]}" --batches 1 --features token --why --format json
json 'd["choices"][0]["rule"] == "built-in choice" and "another Program" in d["choices"][0]["not_used"][0]'
succeeds "${tune[@]}" --batches 1,4,8 --resume --format json
json '[b["resumed"] for b in d["problems"][0]["buckets"]] == [True, True, False]'

# One that aborts, answers nonsense or wrongly, or comes damaged costs itself; so does one that hangs.
faulty=("${tune[@]}" --batches 4 --format json --compile-deadline 6 --launch-deadline 3)
succeeds "${faulty[@]}" --inject-fault compile:abort:1 --inject-fault compile:garbage:2 \
  --inject-fault compile:corrupt:3 --inject-fault check:wrong:4 --inject-fault check:abort:5
json '[bool(c["rejected"]) for c in d["problems"][0]["buckets"][0]["record"]["candidates"]] == [False] + 5 * [True]'
json '"Aborted" in d["problems"][0]["buckets"][0]["record"]["candidates"][1]["rejected"]'
json '"other tokens" in d["problems"][0]["buckets"][0]["record"]["candidates"][4]["rejected"]'
succeeds "${faulty[@]}" --inject-fault compile:hang:1 --inject-fault check:hang:2 --inject-fault time:abort:3
json '[bool(c["rejected"]) for c in d["problems"][0]["buckets"][0]["record"]["candidates"]] == [False] + 3 * [True] + 2 * [False]'
json '"no answer" in d["problems"][0]["buckets"][0]["record"]["candidates"][2]["rejected"]'
run 1 "${faulty[@]}" --inject-fault check:abort:0  # the built-in choice itself: no record, and the command says so
json '"Aborted" in d["problems"][0]["buckets"][0]["fault"]'

# Ctrl-C: the records of finished buckets are there, and what an unfinished one learnt.
rm -r "$GUMTILE_TUNING_DIR"
checks=$((checks + 1))
command_line='gumtile tune, interrupted'
"$gumtile" "${tune[@]}" --inject-fault time:hang:1 --launch-deadline 50 --batches 1 >stdout 2>stderr &
tuner=$!
sleep 5 # by now it measures
kill -INT $tuner
code=0
wait $tuner || code=$?
if ((code != 130)); then fail "$command_line: exit code $code, expected 130"; fi
if (($(count_records) != 0 || $(count_records '*.partial') != 1)); then
  fail "$command_line: not one incomplete record"
fi
succeeds "${tune[@]}" --batches 1 --resume --format json
json 'd["problems"][0]["buckets"][0]["record"]["complete"]'
if (($(count_records) != 1 || $(count_records '*.partial') != 0)); then
  fail "$command_line: the incomplete record is still there"
fi

printf '{"text_config": {"vocab_size": 2000, "hidden_size": 64}, "torch_dtype": "float32"}' >config.json
succeeds tune --model . --tp 3 --device cpu --batches 1,2 --why --format json
json 'len(d["choices"]) == 6 and {c["first_token"] for c in d["choices"]} == {0, 667, 1334}'
fails 64 --model tune --device cpu
fails 74 config.json tune --model nowhere
fails 64 telepathy "${tune[@]}" --features token,telepathy
fails 64 --tp "${tune[@]}" --tp 0
fails 64 '0' "${tune[@]}" --batches 0
fails 69 cuda:9 tune --vocab-size 100 --hidden-size 64 --device cuda:9
unset GUMTILE_TUNING_DIR

printf 'test_cli: %d checks, %d failed\n' "$checks" "$failures"
((failures == 0))

#!/usr/bin/env bash
# gumtile compile, and the commands that use packs.
# shellcheck source-path=SCRIPTDIR
source "$(dirname "$0")/prelude.sh"

succeeds sample "${four[@]}" --format json
first=$(tokens)
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
json '[row["token"] for row in d["rows"]] == ['"$(echo "$first" | paste -sd,)"']'
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
safetensors weights.safetensors '{"w":{"dtype":"F32","shape":[5,8],"data_offsets":[0,160]}}' 160
fails 65 weights.safetensors inspect --pack weights.safetensors
fails 74 missing.gtpack sample "${four[@]}" --pack missing.gtpack

finish

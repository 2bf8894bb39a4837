#!/usr/bin/env bash
# Which matrix of a model is used as its head, and the notes about it: sample, compile --model, tune --model.
# shellcheck source-path=SCRIPTDIR
source "$(dirname "$0")/prelude.sh"

# repeat TEXT COUNT: for printf.
repeat() {
  local i
  for ((i = 0; i < $2; i++)); do printf '%s' "$1"; done
}
one='\x00\x00\x80\x3f'
minus_one='\x00\x00\x80\xbf'

# A model of three tokens whose head has five rows: the last two, the padding, have the largest logits.
mkdir model
header='{"lm_head.weight":{"dtype":"F32","shape":[5,8],"data_offsets":[0,160]}}'
printf '%b' "$(little_endian ${#header})" >model/model.safetensors
printf '%s' "$header" >>model/model.safetensors
printf '%b' "$(repeat $minus_one 24)" >>model/model.safetensors
head -c 64 /dev/zero >>model/model.safetensors
header='{"h":{"dtype":"F32","shape":[2,8],"data_offsets":[0,64]}}'
printf '%b' "$(little_endian ${#header})" >hidden.safetensors
printf '%s' "$header" >>hidden.safetensors
printf '%b' "$(repeat $one 16)" >>hidden.safetensors

# says TEXT: the previous command printed TEXT on stderr. silent: it printed nothing there.
says() {
  if ! grep -qF -- "$1" stderr; then fail "$command_line: does not say '$1'"; fi
}
silent() {
  if [[ -s stderr ]]; then fail "$command_line: wrote to stderr"; fi
}

greedy=(sample --device cpu --hidden-states hidden.safetensors --temperature 0 --format json)

# ---- Padding, ranges and what is said of the head -------------------------------------------------------------
succeeds "${greedy[@]}" --weights model
silent
json '[row["token"] for row in d["rows"]] == [3, 3] and d["vocab_size"] == 5'
json 'd["weights"]["file"].endswith("model/model.safetensors") and d["weights"]["tensor"] == "lm_head.weight"'
json 'd["hidden_states"]["tensor"] == "h"'
succeeds "${greedy[@]}" --weights model --vocab-size 3
silent
json '[row["token"] for row in d["rows"]] == [0, 0] and d["vocab_size"] == 3'
succeeds "${greedy[@]}" --weights model --first-token 1 --vocab-size 2
json '[row["token"] for row in d["rows"]] == [1, 1] and d["first_token"] == 1'
succeeds "${greedy[@]}" --weights model --first-token 4
json '[row["token"] for row in d["rows"]] == [4, 4] and d["vocab_size"] == 1'
for range in '--vocab-size 6' '--first-token 5' '--first-token 3 --vocab-size 3'; do
  # shellcheck disable=SC2086 # words
  fails 64 '5 rows' "${greedy[@]}" --weights model $range
done
succeeds sample --device cpu --synthetic 100x8 --first-token 64 --vocab-size 7 --seed 1 --format json
json '64 <= d["rows"][0]["token"] < 71'

printf '{"vocab_size": 3, "hidden_size": 8}' >model/config.json
for weights in model model/model.safetensors model/model.safetensors:lm_head.weight; do
  succeeds "${greedy[@]}" --weights "$weights"
  says padding
  json '[row["token"] for row in d["rows"]] == [0, 0] and d["vocab_size"] == 3'
done
succeeds "${greedy[@]}" --weights model --vocab-size 5
silent
json '[row["token"] for row in d["rows"]] == [3, 3]'
succeeds sample --device cpu --hidden-states hidden.safetensors --temperature 0 --weights model
if ! grep -qF "head: 'model/model.safetensors' (tensor 'lm_head.weight')" stdout; then
  fail "$command_line: does not name the head's tensor"
fi
printf '{"vocab_size": 9, "hidden_size": 4, "text_config": {"final_logit_softcapping": 30.0}}' >model/config.json
succeeds "${greedy[@]}" --weights model
says 'vocab_size is 9'
says 'hidden_size is 4'
json 'd["vocab_size"] == 5 and d["hidden_size"] == 8 and d["settings"] == "softcap=30"'
printf '{"vocab_size": 5, "rope": [Infinity, NaN]}' >model/config.json
succeeds "${greedy[@]}" --weights model
silent
printf '{"vocab_size": 5}\0{' >model/config.json
fails 65 config.json "${greedy[@]}" --weights model
succeeds "${greedy[@]}" --weights model:lm_head.weight
says config.json

# ---- What else a head does to its logits ----------------------------------------------------------------------
# A bias of 0, 0, 0, 9, 0 beside a head whose rows 3 and 4 have the largest logits.
mkdir biased
printf '{"logit_scale": -1, "final_logit_softcapping": 6}' >biased/config.json
header='{"lm_head.weight":{"dtype":"F32","shape":[5,8],"data_offsets":[0,160]},"lm_head.bias":{"dtype":"F32","shape":[5],"data_offsets":[160,180]}}'
{
  printf '%b%s' "$(little_endian ${#header})" "$header"
  printf '%b' "$(repeat $minus_one 24)"
  head -c 64 /dev/zero
  printf '%b' '\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x10\x41\x00\x00\x00\x00'
} >biased/model.safetensors
succeeds "${greedy[@]}" --weights biased --logit-scale 0 --softcap 0
silent
json 'd["settings"] == "bias=f32" and [row["token"] for row in d["rows"]] == [3, 3]'
json 'all(abs(row["logprob"] + 0.000124) < 1e-5 for row in d["rows"])'
succeeds "${greedy[@]}" --weights biased --logit-scale 0 --softcap 0 --first-token 4
json '[row["token"] for row in d["rows"]] == [4, 4]'
succeeds "${greedy[@]}" --weights biased # logits -8, -8, -8, 9, 0; capped at 6, and with the other sign
silent
json 'd["settings"] == "softcap=6,logit_scale=-1,bias=f32" and [row["token"] for row in d["rows"]] == [0, 0]'
succeeds "${greedy[@]}" --weights biased --bias none --softcap 0 --logit-scale 1
json '[row["token"] for row in d["rows"]] == [3, 3] and d["settings"] == "logit_scale=1"'
rm model/config.json
succeeds "${greedy[@]}" --weights model --bias biased/model.safetensors:lm_head.bias
json 'd["settings"] == "bias=f32" and [row["token"] for row in d["rows"]] == [3, 3]'
succeeds "${greedy[@]}" --weights model --bias biased/model.safetensors # its lm_head.bias
json 'd["settings"] == "bias=f32" and [row["token"] for row in d["rows"]] == [3, 3]'
fails 64 --bias "${greedy[@]}" --weights biased --bias ''
fails 65 '[2, 8]' "${greedy[@]}" --weights model --bias hidden.safetensors:h
fails 64 --softcap "${greedy[@]}" --weights biased --softcap -1
fails 64 --logit-scale "${greedy[@]}" --weights biased --logit-scale nan
succeeds sample --device cpu --synthetic 100x8 --seed 1 --bias bf16 --softcap 5 --format json
json 'd["settings"] == "softcap=5,bias=bf16"'
succeeds compile --targets host:x86-64-v3 --features token --max-rows 1 -o head.gtpack --format json --model biased
json 'd["settings"] == "softcap=6,logit_scale=-1,bias=f32"'
succeeds "${greedy[@]}" --weights biased --pack head.gtpack --no-logprob
json '[row["token"] for row in d["rows"]] == [0, 0] and d["timings"]["compiles"] == 0'
fails 64 'softcap=6' "${greedy[@]}" --weights biased --pack head.gtpack --no-logprob --softcap 7
succeeds tune --device cpu --batches 1 --why --format json --model biased
rm head.gtpack

# ---- Heads that cannot be taken -------------------------------------------------------------------------------
mkdir quantised
safetensors quantised/model.safetensors '{"model.embed_tokens.weight":{"dtype":"F32","shape":[5,8],"data_offsets":[0,160]},'`
  `'"lm_head.qweight":{"dtype":"I32","shape":[1,5],"data_offsets":[160,180]}}' 180
compile=(compile --targets host:x86-64-v3 --features token --max-rows 1 -o head.gtpack --format json)
tune=(tune --device cpu --batches 1 --why --format json)
fails 65 "'lm_head.qweight'" "${greedy[@]}" --weights quantised
fails 65 "'lm_head.qweight'" "${compile[@]}" --model quantised
fails 65 "'lm_head.qweight'" "${tune[@]}" --model quantised
if [[ -e head.gtpack ]]; then fail "a pack was written of a head that was refused"; fi
succeeds "${greedy[@]}" --weights quantised:model.embed_tokens.weight
json 'd["weights"]["tensor"] == "model.embed_tokens.weight"'
succeeds "${compile[@]}" --model quantised:model.embed_tokens.weight
json 'd["head"]["tensor"] == "model.embed_tokens.weight" and d["weights_dtype"] == "f32"'
fails 64 "a model's head" sample --device cpu --weights model:lm_head.weight --hidden-states model

# ---- Sizes and types of compile and tune ----------------------------------------------------------------------
printf '{"vocab_size": 5, "hidden_size": 4, "torch_dtype": "bfloat16", "logit_scale": 0.5}' >model/config.json
succeeds "${compile[@]}" --model model
says hidden_size
says bfloat16
json 'd["settings"] == "logit_scale=0.5"'
json '(d["vocab_size"], d["hidden_size"], d["weights_dtype"]) == (5, 8, "f32")'
json 'd["head"]["file"].endswith("model.safetensors") and d["head"]["tensor"] == "lm_head.weight"'
succeeds "${tune[@]}" --model model
says hidden_size
json 'd["head"]["tensor"] == "lm_head.weight"'
succeeds "${compile[@]}" --model model --vocab-size 4 --hidden-size 16 --dtype bf16
says --hidden-size
json '(d["vocab_size"], d["hidden_size"], d["weights_dtype"]) == (4, 16, "bf16")'
succeeds "${tune[@]}" --model model --vocab-size 4 --dtype bf16
mkdir sizes
printf '{"thinker_config": {"text_config": {"n_vocab": 64, "d_model": 16}}, "dtype": "auto"}' >sizes/config.json
fails 65 --dtype "${compile[@]}" --model sizes
fails 65 --dtype "${tune[@]}" --model sizes
succeeds "${compile[@]}" --model sizes --dtype f16
json '(d["vocab_size"], d["hidden_size"], d["weights_dtype"]) == (64, 16, "f16")'
json 'd["head"]["file"].endswith("sizes/config.json") and d["head"]["tensor"] is None'
printf '{"d_model": 16}' >sizes/config.json
fails 65 --vocab-size "${compile[@]}" --model sizes
succeeds "${compile[@]}" --model sizes --vocab-size 64
json 'd["vocab_size"] == 64'
succeeds "${tune[@]}" --model sizes --vocab-size 64
printf '{"vocab_size": 64}' >sizes/config.json
fails 65 --hidden-size "${tune[@]}" --model sizes
succeeds "${tune[@]}" --model sizes --hidden-size 16
json 'd["head"]["file"].endswith("sizes/config.json")'

# ---- Seeds ------------------------------------------------------------------------------------------------------
unseeded=(sample --device cpu --synthetic 1000x8x4 --temperature 2)
succeeds "${unseeded[@]}" --format json
json 'len(set(d["seeds"])) == 4 and d["seeds_drawn"] and [row["seed"] for row in d["rows"]] == d["seeds"]'
json 'all(seed < 2**53 for seed in d["seeds"])'
first=$(tokens)
if command -v python3 >/dev/null; then
  seeds=$(python3 -c 'import json; print(",".join(map(str, json.load(open("stdout"))["seeds"])))')
  succeeds "${unseeded[@]}" --format json --seed "$seeds"
  json 'not d["seeds_drawn"]'
  if [[ $(tokens) != "$first" ]]; then fail "$command_line: other tokens with the seeds that were shown"; fi
fi
succeeds "${unseeded[@]}"
rows() { sed -n 's/^ *[0-9]\{1,\}  *\([0-9]*\) .*ok$/\1/p' stdout; }
first=$(rows)
seeds=$(sed -n 's/^seeds were drawn.*--seed //p' stdout)
succeeds "${unseeded[@]}" --seed "$seeds"
if [[ -z $first || $(rows) != "$first" ]]; then fail "$command_line: other tokens with the seeds that were shown"; fi
if grep -q 'seeds were drawn' stdout; then fail "$command_line: says that seeds were drawn"; fi
succeeds "${unseeded[@]}" --row-slot 2,0,-1,2 --format json
json 'len(d["seeds"]) == 3 and [row["seed"] for row in d["rows"]] == [d["seeds"][i] for i in (2, 0, 2)]'

# ---- A file that is truncated while it is read --------------------------------------------------------------------
if [[ -r /proc/self/maps ]]; then
  header='{"lm_head.weight":{"dtype":"F32","shape":[100000,64],"data_offsets":[0,25600000]}}'
  printf '%b%s' "$(little_endian ${#header})" "$header" >large.safetensors
  truncate -s $((8 + ${#header} + 25600000)) large.safetensors
  header='{"h":{"dtype":"F32","shape":[1,64],"data_offsets":[0,256]}}'
  safetensors wide.safetensors "$header" 256
  checks=$((checks + 1))
  command_line='gumtile sample, of a file that is cut short'
  GUMTILE_CACHE_DIR=$folder/cold "$gumtile" sample --device cpu --weights large.safetensors \
    --hidden-states wide.safetensors >stdout 2>stderr &
  sampler=$!
  for ((i = 0; i < 2000; i++)); do # compiling follows, which takes long enough
    if grep -q large.safetensors "/proc/$sampler/maps" 2>/dev/null; then break; fi
    sleep 0.001
  done
  truncate -s 1000 large.safetensors
  code=0
  wait $sampler || code=$?
  if ((code != 74)) || [[ -s stdout ]] || ! grep -qF "large.safetensors" stderr; then
    fail "$command_line: exit code $code, expected 74 and the file's name"
  fi
fi

finish

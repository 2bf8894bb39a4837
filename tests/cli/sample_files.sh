#!/usr/bin/env bash
# gumtile sample on files, whole and damaged.
# shellcheck source-path=SCRIPTDIR
source "$(dirname "$0")/prelude.sh"

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

# A NaN in the weights: every row reports a failure, and the command succeeds. 0x7fc00000 is a NaN.
cp weights.safetensors nan.safetensors
printf '\x00\x00\xc0\x7f' | dd of=nan.safetensors bs=1 conv=notrunc status=none \
  seek=$(($(wc -c <nan.safetensors) - 4))
succeeds sample --device cpu --weights nan.safetensors --hidden-states hidden.safetensors:h --format json
json 'all(row["token"] == -1 and row["logprob"] is None and row["status"] == ["nan_logit"] for row in d["rows"])'

finish

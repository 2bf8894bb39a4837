#!/usr/bin/env python3
"""Writes what a model's LM head takes: the hidden states at the end of each prompt, and a folder with the weights.

    last_hidden_states.py MODEL hidden.npy FOLDER PROMPT...

MODEL is a name or a folder that transformers knows. Then:

    gumtile sample --weights FOLDER --hidden-states hidden.npy --temperature 0

Prints the most likely next token of each prompt by float32 logits, which is what gumtile's should be, and by the
model's own logits, which differ from it now and then (docs/accuracy.md). Needs torch, transformers and numpy.
"""
import sys

import numpy
import torch
from transformers import AutoModelForCausalLM, AutoTokenizer


@torch.no_grad()
def main(name, hidden_file, folder, *prompts):
    tokenizer = AutoTokenizer.from_pretrained(name)
    model = AutoModelForCausalLM.from_pretrained(name, dtype="auto").eval()
    head = model.get_output_embeddings()
    rows, own = [], []
    head.register_forward_pre_hook(lambda _, inputs: rows.append(inputs[0][0, -1]))
    for prompt in prompts:
        logits = model(**tokenizer(prompt, return_tensors="pt")).logits
        own.append(int(logits[0, -1].argmax()))
    hidden = torch.stack(rows).float()  # float32 holds every bf16 and f16 number
    numpy.save(hidden_file, hidden.numpy())
    model.save_pretrained(folder)

    exact = (hidden @ head.weight.float().T).argmax(dim=-1).tolist()
    for prompt, token, own_token in zip(prompts, exact, own):
        print(f"{prompt!r}: {token} {tokenizer.decode([token])!r}; by the model's own logits {own_token}")


if __name__ == "__main__":
    if len(sys.argv) < 5:
        sys.exit(__doc__)
    main(*sys.argv[1:])

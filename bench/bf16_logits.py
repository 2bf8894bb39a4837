#!/usr/bin/env python3
"""How often do greedy tokens differ if logits are rounded to bf16 before the argmax? Needs only numpy.

Rows of independent normal logits, with each of the standard deviations in `--deviations`, stand for rows from sharp to
flat. Each row is decided twice: from float32 logits, and from the same logits rounded to bf16 (to nearest, ties to
even), of which the lowest index wins a tie, as in torch.argmax. `step` is the distance between adjacent bf16 numbers at
the largest logit.
"""
import argparse

import numpy as np


def to_bf16(values):
    """float32 values rounded to bf16, as float32."""
    bits = values.view(np.uint32)
    rounded = bits + 0x7FFF + ((bits >> 16) & 1)
    return (rounded & 0xFFFF0000).astype(np.uint32).view(np.float32)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--vocab-size", type=int, default=151936)
    parser.add_argument("--rows", type=int, default=2000)
    parser.add_argument("--deviations", default="1,2,4,6")
    parser.add_argument("--seed", type=int, default=1)
    args = parser.parse_args()

    print("deviation  largest logit  its probability   step  tied in bf16  other token")
    for deviation in map(float, args.deviations.split(",")):
        random = np.random.default_rng([args.seed, int(deviation * 1000)])
        tied = differ = 0
        largest, probability, step = [], [], []
        for _ in range(args.rows):
            logits = random.standard_normal(args.vocab_size, dtype=np.float32) * np.float32(deviation)
            rounded = to_bf16(logits)
            top = int(np.argmax(logits))
            differ += int(np.argmax(rounded)) != top
            tied += np.count_nonzero(rounded == rounded[top]) > 1
            largest.append(logits[top])
            probability.append(1 / np.sum(np.exp(logits - logits[top]), dtype=np.float64))
            step.append(2.0 ** (np.floor(np.log2(logits[top])) - 7))
        print(f"{deviation:9g}  {np.median(largest):13.1f}  {np.median(probability):15.3f}  {np.median(step):5g}"
              f"  {tied / args.rows:12.1%}  {differ / args.rows:11.1%}")


if __name__ == "__main__":
    main()

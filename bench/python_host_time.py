#!/usr/bin/env python3
"""Measures the host time of a sampling call from Python, with a head so small that its work hardly counts.

    python3 bench/python_host_time.py [--device cpu | cuda:N]     the CPU with numpy, a GPU with torch

Prints microseconds per call: the best of 15 runs of 500 calls (50 on a GPU, so that its queue never fills).
"""

from __future__ import annotations

import argparse
import sys
import time
from typing import Any, Callable

import gumtile

VOCAB, HIDDEN = 1024, 64


def best_us(call: Callable[[], Any], calls: int, wait: Callable[[], Any]) -> float:
    best = float("inf")
    for _ in range(15):
        wait()
        start = time.perf_counter()
        for _ in range(calls):
            call()
        best = min(best, (time.perf_counter() - start) / calls)
    wait()
    return best * 1e6


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--device", default="cpu")
    device = parser.parse_args().device
    engine = gumtile.Engine(device, cpu_threads=1)
    wait: Callable[[], Any]
    if device == "cpu":
        import numpy as np

        weights: Any = np.ones((VOCAB, HIDDEN), np.float32)
        hidden: Any = np.ones((1, HIDDEN), np.float32)
        temperature: Any = np.ones(1, np.float32)
        seed: Any = np.zeros(1, np.uint64)
        calls, wait = 500, lambda: None
    else:
        import torch

        weights = torch.ones(VOCAB, HIDDEN, dtype=torch.bfloat16, device=device)
        hidden = torch.ones(1, HIDDEN, dtype=torch.bfloat16, device=device)
        temperature = torch.ones(1, device=device)
        seed = torch.zeros(1, dtype=torch.int64, device=device)
        calls, wait = 50, torch.cuda.synchronize
    head = gumtile.Head(engine, weights)
    head.prepare(1)
    arrays = {"temperature": temperature, "seed": seed, "offset": seed}
    workspace = head.workspace(like=hidden)
    launch = head.bind(hidden, **arrays, workspace=workspace)
    empty = head.bind(hidden, **arrays, workspace=workspace)
    empty.set_hidden_states(hidden[:0])
    result = launch.result

    def report(name: str, call: Callable[[], Any]) -> None:
        print(f"{best_us(call, calls, wait):8.2f} us  {name}", flush=True)

    print(f"{engine.device.name}, Python {sys.version.split()[0]}, gumtile {gumtile.__version__}")
    report("launch(0) of no rows: what Python adds", lambda: empty(0))
    report("launch()", launch)
    report("head.sample", lambda: head.sample(hidden, **arrays, workspace=workspace))
    if device != "cpu":
        import torch

        from gumtile import torch as gumtile_torch

        number = gumtile_torch.register(head)
        memory = gumtile_torch.new_workspace(head, like=hidden)
        outputs = (result.token, result.logprob, result.status)
        op, op_out = torch.ops.gumtile.sample, torch.ops.gumtile.sample_out
        report("torch.ops.gumtile.sample", lambda: op(number, hidden, temperature, seed, seed))
        report(
            "torch.ops.gumtile.sample_out", lambda: op_out(number, hidden, *outputs, memory, temperature, seed, seed)
        )


if __name__ == "__main__":
    main()

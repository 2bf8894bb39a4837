#!/usr/bin/env python3
"""Times gumtile's sampling head against cuBLAS's GEMM alone (through PyTorch) on one GPU, interleaved.

Each round times, for every batch size, the GEMM as a CUDA graph between events, then `gumtile bench`; the table shows
the medians over all rounds. Needs PyTorch with CUDA.

    bench/compare_gemm.py --gumtile build/release/bin/gumtile --out bench/results/h200.json
"""
import argparse
import json
import statistics
import subprocess
import sys

import torch


def time_graph(call, repeats):
    """Times of graph replays of `call`, in microseconds."""
    stream = torch.cuda.Stream()
    with torch.cuda.stream(stream):
        for _ in range(3):
            call()
    torch.cuda.synchronize()
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        call()
    for _ in range(3):
        graph.replay()
    events = [torch.cuda.Event(enable_timing=True) for _ in range(repeats + 1)]
    events[0].record()
    for event in events[1:]:
        graph.replay()
        event.record()
    torch.cuda.synchronize()
    return [1000 * a.elapsed_time(b) for a, b in zip(events, events[1:])]


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--gumtile", default="build/release/bin/gumtile")
    parser.add_argument("--vocab-size", type=int, default=151936)
    parser.add_argument("--hidden-size", type=int, default=4096)
    parser.add_argument("--batches", default="1,4,16,32,64,128")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--repeats", type=int, default=30)
    parser.add_argument("--out")
    parser.add_argument("bench_options", nargs="*", help="after --: further options of `gumtile bench`")
    args = parser.parse_args()
    batches = [int(b) for b in args.batches.split(",")]

    weights = torch.randn(args.vocab_size, args.hidden_size, device="cuda", dtype=torch.bfloat16)
    weights /= args.hidden_size**0.5
    gemm = {b: [] for b in batches}
    ours = {b: [] for b in batches}
    schedule = {}
    command = [args.gumtile, "bench", "--vocab-size", str(args.vocab_size), "--hidden-size", str(args.hidden_size),
               "--batches", args.batches, "--device", "cuda:0", "--repeats", str(args.repeats), "--format", "jsonl",
               *args.bench_options]
    for _ in range(args.rounds):
        for b in batches:
            hidden = torch.randn(b, args.hidden_size, device="cuda", dtype=torch.bfloat16)
            logits = torch.empty(b, args.vocab_size, device="cuda", dtype=torch.bfloat16)
            gemm[b] += time_graph(lambda: torch.mm(hidden, weights.t(), out=logits), args.repeats)
        run = subprocess.run(command, check=True, capture_output=True, text=True)
        for line in run.stdout.splitlines():
            row = json.loads(line)
            if "batch" in row:
                ours[row["batch"]].append(row["median_us"])
                schedule[row["batch"]] = row.get("schedule")

    commit = subprocess.run(["git", "rev-parse", "HEAD"], capture_output=True, text=True).stdout.strip()
    driver = subprocess.run(["nvidia-smi", "--query-gpu=driver_version", "--format=csv,noheader"], capture_output=True,
                            text=True).stdout.strip()
    result = {"gpu": torch.cuda.get_device_name(), "driver": driver, "torch": torch.__version__, "commit": commit,
              "command": " ".join(sys.argv), "vocab_size": args.vocab_size, "hidden_size": args.hidden_size, "rows": []}
    print(f"{result['gpu']}, {args.vocab_size} x {args.hidden_size} bf16; microseconds, medians of {args.rounds} rounds")
    print(f"{'batch':>5} {'cuBLAS GEMM':>12} {'gumtile':>9} {'ratio':>6}  schedule")
    for b in batches:
        g, o = statistics.median(gemm[b]), statistics.median(ours[b])
        result["rows"].append({"batch": b, "gemm_us": g, "gumtile_us": o, "ratio": o / g, "schedule": schedule[b]})
        print(f"{b:5} {g:12.1f} {o:9.1f} {o / g:6.3f}  {schedule[b]}")
    if args.out:
        with open(args.out, "w", encoding="utf-8") as file:
            json.dump(result, file, indent=1)


if __name__ == "__main__":
    main()

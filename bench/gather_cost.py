#!/usr/bin/env python3
"""Measures what gathering hidden states costs: CUDA graphs of launches with and without `hidden_index`, alternating.

Prints one line of JSON per batch size, with the median over the rounds of the time per launch, in microseconds. Needs
PyTorch with CUDA and the Python module.
"""
import argparse
import json
import statistics

import torch

import gumtile


def capture(launch):
    stream = torch.cuda.Stream()
    with torch.cuda.stream(stream):
        launch()
    torch.cuda.synchronize()
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        launch()
    return graph


def time_us(graph, repeats):
    start, end = torch.cuda.Event(enable_timing=True), torch.cuda.Event(enable_timing=True)
    start.record()
    for _ in range(repeats):
        graph.replay()
    end.record()
    torch.cuda.synchronize()
    return 1e3 * start.elapsed_time(end) / repeats


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--vocab-size", type=int, default=151936)
    parser.add_argument("--hidden-size", type=int, default=4096)
    parser.add_argument("--batches", type=lambda text: [int(b) for b in text.split(",")], default=[1, 64, 256])
    parser.add_argument("--rounds", type=int, default=10)
    parser.add_argument("--repeats", type=int, default=10)
    options = parser.parse_args()

    engine = gumtile.Engine("cuda:0")
    weights = torch.randn(options.vocab_size, options.hidden_size, device="cuda", dtype=torch.bfloat16)
    weights *= options.hidden_size**-0.5
    head = gumtile.Head(engine, weights)
    head.prepare(max(options.batches), features=[()])
    for rows in options.batches:
        hidden = torch.randn(rows, options.hidden_size, device="cuda", dtype=torch.bfloat16)
        index = torch.randperm(rows, device="cuda").to(torch.int32)
        launches = {
            name: head.bind(hidden, logprob=None, hidden_index=given, workspace=head.workspace(rows))
            for name, given in (("plain", None), ("gathered", index))
        }
        graphs = {name: capture(launch) for name, launch in launches.items()}
        times = {name: [] for name in graphs}
        for _ in range(options.rounds):
            for name, graph in graphs.items():
                times[name].append(time_us(graph, options.repeats))
        medians = {name: round(statistics.median(values), 2) for name, values in times.items()}
        print(json.dumps({"device": torch.cuda.get_device_name(), "rows": rows, "shape": [options.vocab_size, options.hidden_size],
                          "us": medians, "gathering_us": round(medians["gathered"] - medians["plain"], 2)}))


if __name__ == "__main__":
    main()

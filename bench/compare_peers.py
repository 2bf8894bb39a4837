#!/usr/bin/env python3
"""Times gumtile and other ways to sample from an LM head on one GPU, interleaved, and prints one table.

For every batch size, each round times every peer (a CUDA graph between events) and every variant of gumtile (a process
that measures on request), a few replays each, so that heat and power limits affect all alike. Each round begins with
another contender. Reports medians over the rounds, in microseconds. Peers (bf16, one temperature per row):

    gemm                 cuBLAS's GEMM alone, bf16 logits: no sampling
    compiled_gumbel      torch.compile of GEMM, temperature, Gumbel noise and argmax
    softmax_multinomial  GEMM, softmax, torch.multinomial
    flashinfer           GEMM, temperature, flashinfer.sampling.sampling_from_logits

The floor is the larger of two times: that of reading the weights once at the rate that `gumtile bench` measures in the
same run, and that of the matrix product at --peak-tflops. Needs PyTorch with CUDA, and FlashInfer for its peer. A peer
or a variant that fails is named on stderr and left out.
"""
import argparse
import json
import os
import re
import shlex
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

try:
    import torch
except ImportError:  # --summary does not need it
    torch = None

EXAMPLE = """example:
  bench/compare_peers.py --gumtile build/release/bin/gumtile --shapes 151936x4096,128256x8192 \\
      --variant tokens=--no-logprob --variant logprob= --variant per_token="--noise per_token --no-logprob" \\
      --out bench/results/h200-peers.json
  bench/compare_peers.py --summary bench/results/h200-peers.json
"""
FORMAT = "gumtile compare_peers 1"
WEIGHT_BYTES = 2  # bf16
WARMUPS = 3
ENOUGH_BYTES = 2**30  # several times the largest last-level caches


# Peers: from tensors to a call that a CUDA graph can capture.


def scaled_logits(hidden, weights, temperature):
    """float32 logits divided by their temperatures. The division also converts: one pass over the logits, not two."""
    return hidden @ weights.t() / temperature[:, None]


def make_gemm(hidden, weights, _temperature):
    logits = torch.empty(hidden.shape[0], weights.shape[0], device="cuda", dtype=torch.bfloat16)
    return lambda: torch.mm(hidden, weights.t(), out=logits)


def make_compiled_gumbel(hidden, weights, temperature):
    def sample(hidden, weights, temperature):
        scaled = (hidden @ weights.t()).float() / temperature[:, None]
        exponential = -torch.log(torch.rand_like(scaled))  # above 0, as rand is below 1; infinite for 0: cannot win
        return torch.argmax(scaled - torch.log(exponential), dim=-1)

    allow_recompiles()
    compiled = torch.compile(sample, dynamic=False)
    return lambda: compiled(hidden, weights, temperature)


def make_softmax_multinomial(hidden, weights, temperature):
    return lambda: torch.multinomial(torch.softmax(scaled_logits(hidden, weights, temperature), dim=-1), 1)


def make_flashinfer(hidden, weights, temperature):
    os.environ.setdefault("FLASHINFER_DISABLE_VERSION_CHECK", "1")
    from flashinfer.sampling import sampling_from_logits

    return lambda: sampling_from_logits(scaled_logits(hidden, weights, temperature), seed=1, offset=0)


PEERS = {"gemm": make_gemm, "compiled_gumbel": make_compiled_gumbel, "softmax_multinomial": make_softmax_multinomial,
         "flashinfer": make_flashinfer}


def allow_recompiles():
    """Lets torch.compile specialize for every shape; past its limit it would silently fall back to eager code."""
    config = torch._dynamo.config
    name = "recompile_limit" if hasattr(config, "recompile_limit") else "cache_size_limit"
    setattr(config, name, max(getattr(config, name), 256))


# Timing


class Replay:
    """Calls captured as one CUDA graph. Graphs of one `pool` share memory, so their outputs must not be read."""

    def __init__(self, calls, pool):
        self.calls = calls  # keeps alive what the graph reads
        stream = torch.cuda.Stream()
        stream.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(stream):
            for _ in range(WARMUPS):
                for call in calls:
                    call()
        torch.cuda.synchronize()
        self.graph = torch.cuda.CUDAGraph()
        with torch.cuda.graph(self.graph, pool=pool):
            for call in calls:
                call()

    def time(self, repeats):
        """The time per call in each replay, in microseconds."""
        for _ in range(WARMUPS):
            self.graph.replay()
        events = [torch.cuda.Event(enable_timing=True) for _ in range(repeats + 1)]
        events[0].record()
        for event in events[1:]:
            self.graph.replay()
            event.record()
        torch.cuda.synchronize()
        return [1000 * a.elapsed_time(b) / len(self.calls) for a, b in zip(events, events[1:])]

    def keep_busy(self):
        """Keeps the GPU busy for a moment."""
        for _ in range(8):
            self.graph.replay()
        torch.cuda.synchronize()


def prepare_peers(peers, shape, batches):
    """Graphs by batch size and name. A peer that fails is removed from `peers`."""
    vocab_size, hidden_size = shape
    # As in `gumtile bench`, weights that a cache could hold are used in several copies, in one graph.
    copies = min(max(-(-ENOUGH_BYTES // (vocab_size * hidden_size * WEIGHT_BYTES)), 1), 16)
    weights = torch.randn(copies, vocab_size, hidden_size, device="cuda", dtype=torch.bfloat16)
    weights /= hidden_size**0.5
    pools = {name: torch.cuda.graph_pool_handle() for name in peers}  # separate: a failed capture spoils only its own
    replays = {batch: {} for batch in batches}
    for batch in batches:
        hidden = torch.randn(batch, hidden_size, device="cuda", dtype=torch.bfloat16)
        temperature = torch.ones(batch, device="cuda", dtype=torch.float32)
        for name in list(peers):
            try:
                calls = [PEERS[name](hidden, copy, temperature) for copy in weights]
                replays[batch][name] = Replay(calls, pools[name])
            except Exception as error:  # a library may throw anything; the other peers are worth timing
                leave_out(peers, name, error)
    return replays


def leave_out(names, name, error):
    """Removes a contender that failed, and prints why in one line."""
    lines = str(error).strip().splitlines() or [""]
    print(f"left out from here on: {name}: {type(error).__name__}: {lines[0]}", file=sys.stderr)
    names.remove(name)


class Gumtile:
    """A `gumtile bench` process that measures on request, so that it can alternate with other contenders."""

    def __init__(self, args, shape, options):
        vocab_size, hidden_size = shape
        command = [args.gumtile, "bench", "--vocab-size", str(vocab_size), "--hidden-size", str(hidden_size),
                   "--batches", ",".join(map(str, args.batches)), "--device", "cuda:0", "--repeats", str(args.repeats),
                   "--on-request", *shlex.split(options)]
        self.errors = tempfile.TemporaryFile("w+")
        self.process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=self.errors,
                                        text=True)

    def measure(self, batch):
        """What `gumtile bench` reports for one batch size."""
        try:
            self.process.stdin.write(f"{batch}\n")
            self.process.stdin.flush()
        except BrokenPipeError:
            pass
        line = self.process.stdout.readline()
        if not line:
            status = self.process.wait()
            self.errors.seek(0)
            raise RuntimeError(self.errors.read().strip() or f"exit status {status}")
        return json.loads(line)

    def close(self):
        self.process.stdin.close()
        self.process.wait()


class ShapeTimes:
    """All measurements for one shape: the spread of every round, per batch size and name."""

    def __init__(self, shape, batches):
        self.shape = shape
        self.peers = {batch: {} for batch in batches}
        self.variants = {batch: {} for batch in batches}
        self.last_bench = {}  # by batch and variant: what `gumtile bench` printed last
        self.read_rates = []  # GB/s

    def add_peer(self, batch, name, times):
        spread = {"median_us": statistics.median(times), "p5_us": percentile(times, 0.05),
                  "p95_us": percentile(times, 0.95)}
        self.peers[batch].setdefault(name, []).append(spread)

    def add_variant(self, name, row):
        self.variants[row["batch"]].setdefault(name, []).append(row)
        self.last_bench[row["batch"], name] = row
        self.read_rates.append(row["ceiling"]["gigabytes_per_second"])

    def report(self, peak_tflops):
        """This shape's part of the results."""
        vocab_size, hidden_size = self.shape
        read_rate = statistics.median(self.read_rates) if self.read_rates else None
        read_us = vocab_size * hidden_size * WEIGHT_BYTES / read_rate * 1e-3 if read_rate else None
        rows = [self.row(batch, read_us, peak_tflops) for batch in self.peers
                if self.peers[batch] or self.variants[batch]]
        return {"vocab_size": vocab_size, "hidden_size": hidden_size, "read_gigabytes_per_second": rounded(read_rate),
                "read_floor_us": rounded(read_us), "rows": rows}

    def row(self, batch, read_us, peak_tflops):
        """Medians, and each variant's ratios to the floor, the GEMM and the fastest peer that samples."""
        vocab_size, hidden_size = self.shape
        compute_us = 2 * batch * vocab_size * hidden_size / peak_tflops * 1e-6
        floor_us = max(read_us, compute_us) if read_us else None
        peers = {name: over_rounds(rounds) for name, rounds in self.peers[batch].items()}
        sampling = [name for name in peers if name != "gemm"]
        fastest = min(sampling, key=lambda name: peers[name]["median_us"], default=None)
        variants = {}
        for name, rounds in self.variants[batch].items():
            variant = over_rounds(rounds)
            variant["of_floor"] = ratio(variant, floor_us)
            variant["of_gemm"] = ratio(variant, peers.get("gemm", {}).get("median_us"))
            variant["of_fastest_peer"] = ratio(variant, peers.get(fastest, {}).get("median_us"))
            for key in ("schedule", "command"):
                variant[key] = self.last_bench[batch, name].get(key)
            variants[name] = variant
        return {"batch": batch, "floor_us": rounded(floor_us), "compute_floor_us": rounded(compute_us), "peers": peers,
                "fastest_sampling_peer": fastest, "variants": variants}


def percentile(values, share):
    """A quantile, interpolated linearly between the two nearest values."""
    ordered = sorted(values)
    position = share * (len(ordered) - 1)
    low = int(position)
    high = min(low + 1, len(ordered) - 1)
    return ordered[low] + (position - low) * (ordered[high] - ordered[low])


def over_rounds(rounds):
    """Medians over the rounds, and the median of each round."""
    medians = {key: rounded(statistics.median(r[key] for r in rounds)) for key in ("median_us", "p5_us", "p95_us")}
    return {**medians, "rounds_us": [rounded(r["median_us"]) for r in rounds]}


def rounded(number):
    return None if number is None else round(number, 3)


def ratio(variant, base_us):
    return round(variant["median_us"] / base_us, 4) if base_us else None


# The machine and the versions


def output_of(command, meanwhile=None):
    """What a command prints, or None if it fails. `meanwhile` is called until the command ends."""
    try:
        process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
    except OSError:
        return None
    while meanwhile and process.poll() is None:
        meanwhile()
    text = process.communicate()[0].strip()
    return text if process.returncode == 0 and text else None


def query_gpu(fields, meanwhile=None):
    """Values of nvidia-smi for the GPU that PyTorch calls cuda:0."""
    uuid = getattr(torch.cuda.get_device_properties(0), "uuid", None)
    gpu = f"GPU-{uuid}" if uuid else "0"
    text = output_of(["nvidia-smi", f"--id={gpu}", f"--query-gpu={fields}", "--format=csv,noheader,nounits"], meanwhile)
    return [value.strip() for value in text.split(",")] if text else None


def query_clocks(replay):
    """The clocks and what limits them while the GPU is busy: an idle GPU reports other values."""
    meanwhile = replay.keep_busy if replay else None
    for reasons in ("clocks_throttle_reasons.active", "clocks_event_reasons.active"):  # older and newer drivers
        values = query_gpu(f"clocks.sm,clocks.mem,{reasons}", meanwhile)
        if values:
            return dict(zip(("clocks.sm", "clocks.mem", "clocks_throttle_reasons.active"), values))
    return {"clocks.sm": None, "clocks.mem": None, "clocks_throttle_reasons.active": None}


def describe_run(args):
    """The results without the measurements."""
    git = ["git", "-C", str(Path(__file__).resolve().parent), "rev-parse", "HEAD"]
    driver = query_gpu("driver_version")
    return {"format": FORMAT, "gpu": torch.cuda.get_device_name(), "driver": driver and driver[0],
            "torch": torch.__version__, "flashinfer": None, "commit": output_of(git), "command": shlex.join(sys.argv),
            "rounds": args.rounds, "repeats": args.repeats, "peak_tflops": args.peak_tflops, "variants": args.variants,
            "clocks": [], "shapes": []}


# Running


def start_variants(args, shape, variants):
    """Starts one process per variant of gumtile. A variant that fails is removed from `variants`."""
    running = {}
    for name in list(variants):
        try:
            running[name] = Gumtile(args, shape, args.variants[name])
            running[name].measure(args.batches[0])  # compiles, and fails early
        except (OSError, RuntimeError) as error:
            leave_out(variants, name, error)
            running.pop(name, None)
    return running


def measure_batch(args, times, batch, replays, running, variants):
    """Measures all contenders in turn, a few replays each, so that heat and power limits affect them alike. Each round
    begins with another one, so that none always follows the same."""
    def time_peer(name):
        times.add_peer(batch, name, replays[name].time(args.repeats))

    def time_variant(name):
        try:
            times.add_variant(name, running[name].measure(batch))
        except RuntimeError as error:
            running.pop(name)
            leave_out(variants, name, error)

    for turn in range(args.rounds):
        contenders = [(time_peer, name) for name in replays] + [(time_variant, name) for name in running]
        begin = turn % len(contenders)
        for measure_one, name in contenders[begin:] + contenders[:begin]:
            measure_one(name)


def measure(args):
    """Measures everything. The file is written after each batch size, so that an interrupted run keeps its results."""
    result = describe_run(args)
    peers, variants = list(args.peers), list(args.variants)
    for shape in args.shapes:
        begin = time.monotonic()
        replays = prepare_peers(peers, shape, args.batches)
        running = start_variants(args, shape, variants)
        times = ShapeTimes(shape, args.batches)
        done = result["shapes"]
        progress(shape, "prepared", begin)
        for batch in args.batches:
            begin = time.monotonic()
            measure_batch(args, times, batch, replays[batch], running, variants)
            busy = next(iter(replays[batch].values()), None)
            result["clocks"].append({"shape": shape_name(shape), "batch": batch, **query_clocks(busy)})
            result["shapes"] = [*done, times.report(args.peak_tflops)]
            result["flashinfer"] = getattr(sys.modules.get("flashinfer"), "__version__", None)
            write_json(args.out, result)
            progress(shape, f"batch {batch}", begin)
        for gumtile in running.values():
            gumtile.close()
        del replays, busy
        torch.cuda.empty_cache()
    return result


def progress(shape, what, begin):
    print(f"{shape_name(shape)}: {what}, {time.monotonic() - begin:.1f} s", file=sys.stderr)


def shape_name(shape):
    return "x".join(map(str, shape))


def write_json(path, result):
    if path:
        Path(path).write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")


# Tables


def names_in(result, kind):
    """The names of the peers or variants that occur in any row, in their order."""
    return list(dict.fromkeys(name for shape in result["shapes"] for row in shape["rows"] for name in row[kind]))


def cell(value, decimals):
    return "-" if value is None else f"{value:.{decimals}f}"


def table(result, ratio_header):
    """Lines of cells, the header first. `ratio_header` heads a ratio's column, given the variant and the base."""
    variants = names_in(result, "variants")
    sampling = [name for name in names_in(result, "peers") if name != "gemm"]
    ratios = {"of_floor": "floor", "of_gemm": "gemm", "of_fastest_peer": "best peer"}
    header = ["shape", "batch", "floor", "gemm"]
    for name in variants:
        header += [name, *(ratio_header(name, base) for base in ratios.values())]
    lines = [header + sampling]
    for shape in result["shapes"]:
        for row in shape["rows"]:
            time_of = {name: peer["median_us"] for name, peer in row["peers"].items()}
            line = [shape_name((shape["vocab_size"], shape["hidden_size"])), str(row["batch"]),
                    cell(row["floor_us"], 1), cell(time_of.get("gemm"), 1)]
            for name in variants:
                variant = row["variants"].get(name, {})
                line += [cell(variant.get("median_us"), 1), *(cell(variant.get(key), 3) for key in ratios)]
            lines.append(line + [cell(time_of.get(name), 1) for name in sampling])
    return lines


def to_text(lines):
    widths = [max(map(len, column)) for column in zip(*lines)]
    return "\n".join("  ".join(text.rjust(width) for text, width in zip(line, widths)) for line in lines)


def to_markdown(lines):
    rows = ["| " + " | ".join(line) + " |" for line in lines]
    return "\n".join([rows[0], "|" + "---|" * len(lines[0]), *rows[1:]])


def caption(result):
    """One line about what was measured, and on what."""
    parts = [result["gpu"], f"driver {result['driver'] or 'unknown'}", f"PyTorch {result['torch']}"]
    if result["commit"]:
        parts.append(f"commit {result['commit'][:12]}")
    rates = ", ".join(f"{shape['read_gigabytes_per_second']:.0f}" for shape in result["shapes"]
                      if shape["read_gigabytes_per_second"])
    parts.append(f"bf16; us, medians of {result['rounds']} x {result['repeats']} measurements")
    floor = f"floor: weights read at {rates} GB/s, product at {result['peak_tflops']:g} TFLOP/s"
    return f"{', '.join(parts)}; {floor}" if rates else ", ".join(parts)


def clocks_line(result):
    """The ranges of the clocks, and all reasons for lower clocks."""
    known = [clocks for clocks in result["clocks"] if clocks["clocks.sm"] is not None]
    if not known:
        return "Clocks: unknown."
    ranges = []
    for key in ("clocks.sm", "clocks.mem"):
        values = sorted({clocks[key] for clocks in known}, key=lambda value: (len(value), value))
        ranges.append(f"{key[7:]} {'-'.join(values[:1] + values[1:][-1:])} MHz")
    reasons = sorted({clocks["clocks_throttle_reasons.active"] for clocks in known})
    return f"Clocks at the end of the rounds: {', '.join(ranges)}; active throttle reasons {', '.join(reasons)}."


def summary(paths):
    """Results as Markdown."""
    parts = []
    for path in paths:
        result = json.loads(Path(path).read_text(encoding="utf-8"))
        if result.get("format") != FORMAT:
            raise SystemExit(f"{path}: not written by compare_peers.py (no \"format\": \"{FORMAT}\")")
        lines = table(result, lambda variant, base: f"{variant} / {base}")
        parts += [caption(result) + ".", to_markdown(lines), clocks_line(result), f"`{result['command']}`"]
    return "\n\n".join(parts)


# Options


def parse_batches(text):
    if not re.fullmatch(r"[1-9]\d*(,[1-9]\d*)*", text):
        raise argparse.ArgumentTypeError(f"'{text}' is not a comma list of batch sizes, e.g. 1,16,64")
    return list(dict.fromkeys(map(int, text.split(","))))


def parse_shapes(text):
    if not re.fullmatch(r"[1-9]\d*x[1-9]\d*(,[1-9]\d*x[1-9]\d*)*", text):
        raise argparse.ArgumentTypeError(f"'{text}' is not a comma list of VxK, e.g. 151936x4096")
    return [tuple(map(int, shape.split("x"))) for shape in text.split(",")]


def parse_peers(text):
    names = [name for name in text.split(",") if name]
    for name in names:
        if name not in PEERS:
            raise argparse.ArgumentTypeError(f"unknown peer '{name}'; known are {', '.join(PEERS)}")
    return names


def parse_variant(text):
    name, separator, options = text.partition("=")
    if not name or not separator:
        raise argparse.ArgumentTypeError(f"'{text}' is not NAME=OPTIONS")
    return name, options


def parse_args():
    parser = argparse.ArgumentParser(description=__doc__, epilog=EXAMPLE, allow_abbrev=False,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--gumtile", default="build/release/bin/gumtile", help="the executable (default: %(default)s)")
    parser.add_argument("--shapes", type=parse_shapes, default="151936x4096",
                        help="comma list of vocab x hidden (default: %(default)s)")
    parser.add_argument("--batches", type=parse_batches, default="1,16,64,128,256,512",
                        help="comma list (default: %(default)s)")
    parser.add_argument("--rounds", type=int, default=3, help="default: %(default)s")
    parser.add_argument("--repeats", type=int, default=20, help="measurements in a round (default: %(default)s)")
    parser.add_argument("--peers", type=parse_peers, default=",".join(PEERS),
                        help="comma list, may be empty (default: %(default)s)")
    parser.add_argument("--variant", type=parse_variant, action="append", metavar="NAME=OPTIONS",
                        help="times `gumtile bench OPTIONS` as NAME; may be given repeatedly (default: gumtile=)")
    parser.add_argument("--bench-options", default="", metavar="OPTIONS",
                        help="of `gumtile bench`, for all variants; write --bench-options=--no-logprob, with the =")
    parser.add_argument("--peak-tflops", type=float, default=790,
                        help="rate of the matrix product that the floor assumes (default: %(default)s)")
    parser.add_argument("--out", metavar="FILE", help="results as JSON")
    parser.add_argument("--summary", nargs="+", metavar="RESULT.json",
                        help="measure nothing: print these results as Markdown")
    args = parser.parse_args()
    args.variant = args.variant or [("gumtile", "")]
    if args.rounds < 1 or args.repeats < 1:
        parser.error("--rounds and --repeats must be at least 1")
    args.variants = {name: f"{args.bench_options} {options}".strip() for name, options in args.variant}
    return args


def main():
    args = parse_args()
    if args.summary:
        print(summary(args.summary))
        return
    if torch is None or not torch.cuda.is_available():
        raise SystemExit("compare_peers.py needs PyTorch with CUDA and a GPU")
    result = measure(args)
    print(caption(result))
    print(to_text(table(result, lambda _variant, base: f"/{base}")))
    print(clocks_line(result))


if __name__ == "__main__":
    main()

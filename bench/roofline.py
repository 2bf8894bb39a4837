#!/usr/bin/env python3
"""Draws results of compare_peers.py as SVG: time against batch size, one panel per shape and file.

Lines without points are the floors: reading the weights once at the rate measured in the same run, and the matrix
product at the rate that the results assume. Points have their values as tooltips. Needs only Python.
"""
import argparse
import json
import math
from pathlib import Path
from xml.sax.saxutils import escape

EXAMPLE = """example:
  bench/roofline.py bench/results/h200-peers.json --out docs/roofline.svg
"""
FORMAT = "gumtile compare_peers 1"
COLUMNS = 2
PANEL_WIDTH, PANEL_HEIGHT = 500, 390
LEFT, RIGHT, TOP, BOTTOM = 64, 18, 58, 50  # around a panel's plot
LEGEND_WIDTH, LEGEND_LINE = 250, 22
GRAY, GEMM_COLOR, PEER_COLOR = "#666666", "#000000", "#D55E00"
VARIANT_COLORS = ("#0072B2", "#009E73", "#CC79A7", "#E69F00", "#56B4E9")  # distinct for color-blind readers, too
STYLE = """
  text { font-family: Helvetica, Arial, sans-serif; font-size: 12px; fill: #222222 }
  .title { font-size: 14px; font-weight: bold }
  .grid { stroke: #e2e2e2 } .frame { stroke: #888888; fill: none }
  .series { fill: none; stroke-width: 2 }
"""


class Series:
    """A line through (batch, microseconds). Measured lines have points. Lines of one `key` share a legend entry."""

    def __init__(self, key, label, color, points, dash="", measured=True, notes=None):
        self.key, self.label, self.color, self.points = key, label, color, points
        self.dash, self.measured = dash, measured
        self.notes = notes or [label] * len(points)


class Panel:
    """One shape of one file."""

    def __init__(self, result, shape, variant_names):
        self.title = f"{result['gpu']}, {shape['vocab_size']} x {shape['hidden_size']} bf16"
        read_rate = shape["read_gigabytes_per_second"]
        self.subtitle = f"measured read rate: {f'{read_rate:.0f} GB/s' if read_rate else 'unknown'}"
        self.batches = [row["batch"] for row in shape["rows"]]
        self.series = [series for series in self.make_series(result, shape, variant_names) if series.points]
        times = [us for series in self.series if series.key != "compute" for _, us in series.points]
        self.low, self.high = decade_step_below(min(times) * 0.9), decade_step_above(max(times) * 1.05)

    def make_series(self, result, shape, variant_names):
        rows = shape["rows"]
        ends = [min(self.batches) / 2**0.4, max(self.batches) * 2**0.4]
        read_us = shape["read_floor_us"]
        compute = 2 * shape["vocab_size"] * shape["hidden_size"] / result["peak_tflops"] * 1e-6  # us per row
        yield Series("read", "floor: reading the weights", GRAY, [(b, read_us) for b in ends] if read_us else [],
                     "7 4", measured=False)
        yield Series("compute", f"floor: product at {result['peak_tflops']:g} TFLOP/s", GRAY,
                     [(b, compute * b) for b in ends], "2 3", measured=False)
        yield Series("gemm", "cuBLAS GEMM alone", GEMM_COLOR, times_of(rows, "peers", "gemm"))
        for name in variant_names:
            color = VARIANT_COLORS[variant_names.index(name) % len(VARIANT_COLORS)]
            label = name if name.startswith("gumtile") else f"gumtile, {name}"
            yield Series(f"variant {name}", label, color, times_of(rows, "variants", name))
        best = [(row, row["fastest_sampling_peer"]) for row in rows if row["fastest_sampling_peer"]]
        yield Series("peer", "fastest sampling peer", PEER_COLOR,
                     [(row["batch"], row["peers"][name]["median_us"]) for row, name in best],
                     notes=[name for _, name in best])


def times_of(rows, kind, name):
    return [(row["batch"], row[kind][name]["median_us"]) for row in rows if name in row[kind]]


# Scales


def decade_steps():
    """1, 2 and 5 times all powers of ten that times can be near."""
    return [step * 10**power for power in range(-3, 9) for step in (1, 2, 5)]


def decade_step_below(value):
    return max(step for step in decade_steps() if step <= value)


def decade_step_above(value):
    return min(step for step in decade_steps() if step >= value)


class Scale:
    """Maps batch sizes and microseconds to positions in the drawing."""

    def __init__(self, panel, left, top):
        self.left, self.right = left + LEFT, left + PANEL_WIDTH - RIGHT
        self.top, self.bottom = top + TOP, top + PANEL_HEIGHT - BOTTOM
        self.first, self.last = math.log2(min(panel.batches)) - 0.4, math.log2(max(panel.batches)) + 0.4
        self.low, self.high = math.log10(panel.low), math.log10(panel.high)

    def x(self, batch):
        return self.left + (math.log2(batch) - self.first) / (self.last - self.first) * (self.right - self.left)

    def y(self, us):
        return self.bottom - (math.log10(us) - self.low) / (self.high - self.low) * (self.bottom - self.top)


# SVG


def line(x1, y1, x2, y2, attributes):
    return f'<line x1="{x1:.1f}" y1="{y1:.1f}" x2="{x2:.1f}" y2="{y2:.1f}" {attributes}/>'


def text(x, y, content, attributes=""):
    return f'<text x="{x:.1f}" y="{y:.1f}" {attributes}>{escape(content)}</text>'


def stroke(series):
    dash = f' stroke-dasharray="{series.dash}"' if series.dash else ""
    return f'class="series" stroke="{series.color}"{dash}'


def draw_axes(panel, scale):
    middle_x, middle_y = (scale.left + scale.right) / 2, (scale.top + scale.bottom) / 2
    for us in decade_steps():
        if panel.low <= us <= panel.high:
            yield line(scale.left, scale.y(us), scale.right, scale.y(us), 'class="grid"')
            yield text(scale.left - 6, scale.y(us) + 4, f"{us:g}", 'text-anchor="end"')
    for batch in panel.batches:
        yield line(scale.x(batch), scale.top, scale.x(batch), scale.bottom, 'class="grid"')
        yield text(scale.x(batch), scale.bottom + 17, str(batch), 'text-anchor="middle"')
    yield (f'<rect class="frame" x="{scale.left:.1f}" y="{scale.top:.1f}" width="{scale.right - scale.left:.1f}" '
           f'height="{scale.bottom - scale.top:.1f}"/>')
    yield text(middle_x, scale.bottom + 37, "batch, rows", 'text-anchor="middle"')
    x = scale.left - 46
    yield text(x, middle_y, "microseconds", f'text-anchor="middle" transform="rotate(-90 {x:.1f} {middle_y:.1f})"')


def draw_series(series, scale):
    places = " ".join(f"{scale.x(batch):.1f},{scale.y(us):.1f}" for batch, us in series.points)
    yield f'<polyline {stroke(series)} points="{places}"/>'
    for (batch, us), note in zip(series.points, series.notes if series.measured else []):
        yield (f'<circle cx="{scale.x(batch):.1f}" cy="{scale.y(us):.1f}" r="3.5" fill="{series.color}">'
               f"<title>{escape(note)}, batch {batch}: {us:.1f} us</title></circle>")


def draw_panel(panel, number):
    left, top = number % COLUMNS * PANEL_WIDTH, number // COLUMNS * PANEL_HEIGHT
    scale = Scale(panel, left, top)
    yield text(scale.left, top + 28, panel.title, 'class="title"')
    yield text(scale.left, top + 46, panel.subtitle)
    yield from draw_axes(panel, scale)
    yield (f'<clipPath id="plot{number}"><rect x="{scale.left:.1f}" y="{scale.top:.1f}" '
           f'width="{scale.right - scale.left:.1f}" height="{scale.bottom - scale.top:.1f}"/></clipPath>')
    yield f'<g clip-path="url(#plot{number})">'
    for series in panel.series:
        yield from draw_series(series, scale)
    yield "</g>"


def draw_legend(entries, columns, top):
    for index, series in enumerate(entries):
        x = LEFT + index % columns * LEGEND_WIDTH
        y = top + index // columns * LEGEND_LINE
        yield line(x, y, x + 30, y, stroke(series))
        if series.measured:
            yield f'<circle cx="{x + 15}" cy="{y}" r="3.5" fill="{series.color}"/>'
        yield text(x + 38, y + 4, series.label)


def draw(panels):
    """The whole drawing, on white, so that it is readable on dark pages, too."""
    columns, rows = min(COLUMNS, len(panels)), math.ceil(len(panels) / COLUMNS)
    entries = list({series.key: series for panel in panels for series in panel.series}.values())
    width, legend_top = columns * PANEL_WIDTH, rows * PANEL_HEIGHT + 12
    legend_columns = max(1, (width - LEFT) // LEGEND_WIDTH)
    height = legend_top + math.ceil(len(entries) / legend_columns) * LEGEND_LINE + 4
    parts = [f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{height}" '
             f'viewBox="0 0 {width} {height}" role="img">',
             f"<title>{escape('Time to sample against batch size: ' + '; '.join(p.title for p in panels))}</title>",
             f"<style>{STYLE}</style>", f'<rect width="{width}" height="{height}" fill="white"/>']
    for number, panel in enumerate(panels):
        parts += draw_panel(panel, number)
    return "\n".join([*parts, *draw_legend(entries, legend_columns, legend_top), "</svg>", ""])


def load(path):
    result = json.loads(Path(path).read_text(encoding="utf-8"))
    if result.get("format") != FORMAT:
        raise SystemExit(f"{path}: not written by compare_peers.py (no \"format\": \"{FORMAT}\")")
    return result


def measured(shape):
    return any(row["peers"] or row["variants"] for row in shape["rows"])


def main():
    parser = argparse.ArgumentParser(description=__doc__, epilog=EXAMPLE,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("results", nargs="+", metavar="RESULT.json", help="written by compare_peers.py --out")
    parser.add_argument("--out", required=True, metavar="FILE.svg")
    args = parser.parse_args()
    results = [load(path) for path in args.results]
    names = list(dict.fromkeys(name for result in results for name in result["variants"]))
    panels = [Panel(result, shape, names) for result in results for shape in result["shapes"] if measured(shape)]
    if not panels:
        raise SystemExit("the results hold no measurement")
    Path(args.out).write_text(draw(panels), encoding="utf-8")


if __name__ == "__main__":
    main()

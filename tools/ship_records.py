#!/usr/bin/env python3
"""Copies tuning records into the folder of shipped ones, reduced to what chooses: the built-in choice and the winner.

Shipped records travel in every build of gumtile, so they keep two candidates of some thirty, on one line, and ranges
that were measured once share a record: the one of the range that was measured.
"""
import argparse
import json
from pathlib import Path

TIE = 0.01  # kTuningTie in include/gumtile/tuning.h
SHIPPED = Path(__file__).resolve().parent.parent / "runtime" / "tune" / "shipped"


def read(file):
    """A complete record, or an exit that names the file."""
    try:
        record = json.loads(file.read_text())
        if record["format"] == "gumtile tuning 2" and record["complete"]:
            return record
        reason = "not a complete record: 'gumtile tune --resume' measures the rest"
        if record["format"] == "gumtile tuning 1":
            reason = "a record of gumtile 0.1: tools/convert_records.py converts it"
    except (OSError, ValueError, KeyError, TypeError) as error:
        reason = f"not a tuning record: {error!r}"
    raise SystemExit(f"{file}: {reason}")


def reduced(record):
    times = {c["schedule"]: c["median_us"] for c in record["candidates"]}
    ratios = {c["schedule"]: c.get("of_built_in") for c in record["candidates"]}
    gain = ratios[record["winner"]] or times[record["winner"]] / times[record["heuristic"]]
    if gain > 1 - TIE:  # older tuners asked for less
        record["winner"] = record["heuristic"]
    kept = {record["winner"], record["heuristic"]}
    record["candidates"] = [c for c in record["candidates"] if c["schedule"] in kept]
    for candidate in record["candidates"]:
        for key in ("median_us", "p5_us", "p95_us"):
            candidate[key] = candidate[key] and round(candidate[key], 2)
        for key in {"of_built_in", "spread"} & candidate.keys():
            candidate[key] = round(candidate[key], 4)
    return record


def ranges_alike(record):
    """What records of ranges that were measured once have in common."""
    problem = {**record["problem"], "first_column": None}
    key = [record[name] for name in ("device", "target", "workload", "measured_first_column")]
    return json.dumps([problem, key])


def merged(records):
    """By file name, with the other first columns that each is for."""
    alike = {}
    for name, record in records.items():
        alike.setdefault(ranges_alike(record), []).append((name, record))
    result = {}
    for group in alike.values():
        first_columns = {r["problem"]["first_column"]: n for n, r in group}
        measured = group[0][1]["measured_first_column"]
        if measured not in first_columns:
            raise SystemExit(f"{group[0][0]}: the record of the range from {measured}, which was measured, is missing")
        name = first_columns.pop(measured)
        record = dict(group)[name]
        others = sorted({*first_columns, *record.get("also_first_columns", [])})
        result[name] = {**record, "also_first_columns": others} if others else record
    return result


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("records", nargs="+", type=Path, help="files or folders of 'gumtile tune --out'")
    parser.add_argument("--to", type=Path, default=SHIPPED, help="default: %(default)s")
    args = parser.parse_args()
    files = [f for path in args.records for f in (sorted(path.glob("*.json")) if path.is_dir() else [path])]
    if not files:
        raise SystemExit("there are no records to ship")
    shipped = merged({file.name: reduced(read(file)) for file in files})
    args.to.mkdir(parents=True, exist_ok=True)
    for name, record in shipped.items():
        (args.to / name).write_text(json.dumps(record, separators=(",", ":")) + "\n")
    print(f"{len(shipped)} records in {args.to}")


if __name__ == "__main__":
    main()

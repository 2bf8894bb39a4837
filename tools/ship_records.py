#!/usr/bin/env python3
"""Copies tuning records into the folder of shipped ones, reduced to what chooses: the built-in choice and the winner.

Shipped records travel in every build of gumtile, so they keep two candidates of some thirty, on one line.
"""
import argparse
import json
from pathlib import Path

SHIPPED = Path(__file__).resolve().parent.parent / "runtime" / "tune" / "shipped"


def reduced(record):
    kept = {record["winner"], record["heuristic"]}
    record["candidates"] = [c for c in record["candidates"] if c["schedule"] in kept]
    for candidate in record["candidates"]:
        for key in ("median_us", "p5_us", "p95_us"):
            candidate[key] = candidate[key] and round(candidate[key], 2)
    return record


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("records", nargs="+", type=Path, help="files or folders of 'gumtile tune --out'")
    parser.add_argument("--to", type=Path, default=SHIPPED, help="default: %(default)s")
    args = parser.parse_args()
    files = [f for path in args.records for f in (sorted(path.glob("*.json")) if path.is_dir() else [path])]
    args.to.mkdir(parents=True, exist_ok=True)
    for file in files:
        text = json.dumps(reduced(json.loads(file.read_text())), separators=(",", ":"))
        (args.to / file.name).write_text(text + "\n")
    print(f"{len(files)} records in {args.to}")


if __name__ == "__main__":
    main()

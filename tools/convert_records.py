#!/usr/bin/env python3
"""Converts tuning records of gumtile 0.1, in place.

Format 1 names a Program by its digest, format 2 by its workload class. What else is in a record stays byte for byte, and
the file gets the name that goes with the key. Users need none of this: gumtile reads both formats.
"""
import argparse
import ctypes
import ctypes.util
import json
import re
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
TYPES = ("bf16", "f16", "f32")


def classes():
    """By digest: the table in runtime/tune/digests_0_1.cpp, which a test holds."""
    table = {}
    index = 0
    for text in re.findall(r'"(sweeps=[^"]*|[0-9a-f]{32})"', (ROOT / "runtime/tune/digests_0_1.cpp").read_text()):
        if text.startswith("sweeps"):
            rest, index = text, 0
            continue
        hidden, weights = TYPES[index // len(TYPES)], TYPES[index % len(TYPES)]
        table[text] = f"left={hidden},right={weights},operands={weights},{rest}"
        index += 1
    return table


class Hash(ctypes.Structure):
    _fields_ = [("low", ctypes.c_uint64), ("high", ctypes.c_uint64)]


def hash_hex(text):
    """src/support/hash.h"""
    library = ctypes.util.find_library("xxhash")
    if library is None:
        raise SystemExit("libxxhash is not installed")
    xxhash = ctypes.CDLL(library)
    xxhash.XXH3_128bits.restype = Hash
    xxhash.XXH3_128bits.argtypes = [ctypes.c_char_p, ctypes.c_size_t]
    value = xxhash.XXH3_128bits(text.encode(), len(text.encode()))
    return f"{value.high:016x}{value.low:016x}"


def key_hash(record, program):
    """The end of a file's name (runtime/tune/record_file.cpp); `program` is its digest or its class."""
    device, problem = record["device"], record["problem"]
    key = "\n".join([device["name"], str(device["workers"]), str(device["memory_class"]), record["target"], program])
    key += (f"\ncolumns {problem['columns']} from {problem['first_column']}, contracted {problem['contracted']}, "
            f"rows {problem['max_rows']}, weights aligned to {problem['weights_alignment']}\n")
    return hash_hex(key)[:16]


def convert(file, table):
    """Whether the record was of format 1."""
    text = file.read_text()
    record = json.loads(text)
    if record.get("format") != "gumtile tuning 1":
        return False
    digest = record["program"]
    if digest not in table:
        raise SystemExit(f"{file}: the digest {digest} is not of a head of gumtile 0.1")
    stem, old_hash = file.stem.rsplit("-", 1)
    if key_hash(record, digest) != old_hash:
        raise SystemExit(f"{file}: not the name of its key")
    text, formats = re.subn(r'"gumtile tuning 1"', '"gumtile tuning 2"', text, count=1)
    text, programs = re.subn(rf'"program"(: ?)"{digest}"', rf'"workload"\1"{table[digest]}"', text)
    if (formats, programs) != (1, 1):
        raise SystemExit(f"{file}: not laid out as gumtile writes records")
    to = file.with_name(f"{stem}-{key_hash(record, table[digest])}.json")
    if to.exists():
        raise SystemExit(f"{file}: there is a record of its class and problem, {to.name}")
    to.write_text(text)
    file.unlink()
    return True


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folders", nargs="+", type=Path, help="folders of records")
    table = classes()
    files = [file for folder in parser.parse_args().folders for file in sorted(folder.glob("*.json"))]
    converted = sum(convert(file, table) for file in files)
    print(f"{converted} of {len(files)} records converted")


if __name__ == "__main__":
    main()

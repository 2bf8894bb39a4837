#!/usr/bin/env python3
"""Checks which way the sources include each other: never up, and never in a circle.

It reads the #include "..." lines. Folders may include those of their own layer and of layers below it, folders do not
include each other in a circle, and neither do files. Whatever is wrong is named with file and line.
"""
import argparse
import os
import re
import sys
from pathlib import Path

# From the lowest up. Layers side by side do not include each other. include/gumtile is the public interface; a folder
# inside of a layer may be a layer of its own.
LAYERS = [["include/gumtile"], ["src"], ["src/files"], ["codegen", "runtime"], ["tools"]]
SUFFIXES = {".c", ".cpp", ".h", ".hpp", ".inc"}
# The same inside of a layer, for its folders. One that is not listed may be included by none of the others.
FOLDERS = {
    "src": [
        ["src/support", "src/abi"],
        ["src/ir"],
        ["src/dsl", "src/plan"],
        ["src/plan/families", "src/head"],
        ["src/head/fragments", "src/programs"],
    ],
    "codegen": [["codegen/common"], ["codegen/host", "codegen/nvptx"], ["codegen"]],
    "runtime": [
        ["runtime/io", "runtime/cuda", "runtime/cpu", "runtime/cache"],
        ["runtime/assembler", "runtime/tune"],
        ["runtime/engine"],
        ["runtime/head"],
        ["runtime/pack"],
        ["runtime/capi"],
    ],
    "tools": [["tools", "tools/fields"], ["tools/tune"]],
}
INCLUDE = re.compile(r'\s*#\s*include\s+["<]([^">]+)[">]')
MOST_SHOWN = 3  # of the includes that make one step of a circle of folders

HEIGHTS = {layer: height for height, layers in enumerate(LAYERS) for layer in layers}
FOLDER_HEIGHTS = {
    folder: height for order in FOLDERS.values() for height, folders in enumerate(order) for folder in folders
}


def layer_of(file):
    return max((layer for layer in HEIGHTS if layer in map(str, file.parents)), key=len)


def normal(path):
    """Without "..", which a Path keeps."""
    return Path(os.path.normpath(path))


def find_includes(root):
    """(file, line, included file), relative to the root. What is not in these layers is generated."""
    files = {
        path.relative_to(root)
        for layer in HEIGHTS
        for path in sorted((root / layer).rglob("*"))
        if path.suffix in SUFFIXES
    }
    for file in sorted(files):
        for number, line in enumerate((root / file).read_text().splitlines(), 1):
            if match := INCLUDE.match(line):
                name = match[1]
                places = [file.parent / name, Path(name), Path("src", name), Path("include", name)]
                if included := next((place for place in map(normal, places) if place in files), None):
                    yield file, number, included


def find_circles(graph):
    """A circle for each edge that closes one, as a list of nodes that begins and ends with the same one."""
    path, done = [], set()

    def visit(node):
        path.append(node)
        for other in sorted(graph.get(node, ())):
            if other in path:
                yield [*path[path.index(other):], other]
            elif other not in done:
                yield from visit(other)
        done.add(path.pop())

    for node in sorted(graph):
        if node not in done:
            yield from visit(node)


def explained(circle, graph):
    """A circle with the includes that make it."""
    text = " -> ".join(map(str, circle))
    for step in zip(circle, circle[1:]):
        lines = graph[step[0]][step[1]]
        for file, number, included in lines[:MOST_SHOWN]:
            text += f"\n  {file}:{number} includes {included}"
        if len(lines) > MOST_SHOWN:
            text += f"\n  and {len(lines) - MOST_SHOWN} more from {step[0]} to {step[1]}"
    return text


def runs_down(folder, included):
    """Whether a folder may include another one of its layer."""
    heights = [FOLDER_HEIGHTS.get(str(f)) for f in (folder, included)]
    return None not in heights and heights[1] < heights[0]


def find_faults(root):
    files, folders = {}, {}
    for include in find_includes(root):
        file, number, included = include
        low, high = layer_of(included), layer_of(file)
        if low != high and HEIGHTS[low] >= HEIGHTS[high]:
            yield f"{file}:{number}: {high} must not include {low}, but includes {included}"
        elif low == high and file.parent != included.parent and not runs_down(file.parent, included.parent):
            yield f"{file}:{number}: {file.parent} must not include {included.parent}, but includes {included}"
        files.setdefault(file, {}).setdefault(included, []).append(include)
        if file.parent != included.parent:
            folders.setdefault(file.parent, {}).setdefault(included.parent, []).append(include)
    for circle in find_circles(folders):
        yield f"folders include each other in a circle: {explained(circle, folders)}"
    for circle in find_circles(files):
        yield f"files include each other in a circle: {explained(circle, files)}"


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("root", nargs="?", type=Path, default=Path(__file__).parent.parent, help="default: this tree")
    root = parser.parse_args().root.resolve()
    missing = [layer for layer in HEIGHTS if not (root / layer).is_dir()]
    if missing:
        raise SystemExit(f"check_includes: {root} lacks {', '.join(missing)}")
    faults = list(find_faults(root))
    for fault in faults:
        print(f"check_includes: {fault}", file=sys.stderr)
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main())

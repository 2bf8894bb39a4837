"""The `gumtile` command of an installed wheel: `gumtile` on PATH, and `python -m gumtile`."""

from __future__ import annotations

import os
import pathlib
import sys
from typing import NoReturn


def command_path() -> pathlib.Path:
    """The program in this package."""
    return pathlib.Path(__file__).parent / "bin" / "gumtile"


def main() -> NoReturn:
    """Replaces this process by the program, with the same arguments."""
    program = command_path()
    if not program.exists():
        sys.exit(f"gumtile: {program} is missing: only wheels have the command (pip install), builds have it in bin/")
    os.execv(program, ["gumtile", *sys.argv[1:]])

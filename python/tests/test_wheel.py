"""What an installed wheel promises about its library. Skipped if the tests use another library."""

from __future__ import annotations

import os
import pathlib
import re
import shutil
import subprocess
import sys
import sysconfig
from typing import List

import pytest

import gumtile

GLIBC_FLOOR = (2, 34)  # as docs/python.md says
SIZE_LIMIT = 64 << 20

path = pathlib.Path(gumtile.library_path())
if "GUMTILE_LIBRARY" in os.environ or not path.is_absolute():
    pytest.skip("this is not an installed wheel", allow_module_level=True)
if shutil.which("objdump") is None:
    pytest.skip("objdump is not installed", allow_module_level=True)


def objdump(option: str) -> List[str]:
    return subprocess.run(["objdump", option, str(path)], check=True, capture_output=True, text=True).stdout.splitlines()


def test_glibc_floor() -> None:
    versions = {tuple(map(int, found.split("."))) for found in re.findall(r"GLIBC_(\d+(?:\.\d+)+)", "\n".join(objdump("-T")))}
    assert max(versions)[:2] <= GLIBC_FLOOR


def test_needs_nothing_but_glibc() -> None:
    needed = {line.split()[1] for line in objdump("-p") if line.split()[:1] == ["NEEDED"]}
    assert needed <= {"libc.so.6", "libm.so.6", "libgcc_s.so.1", "libdl.so.2", "libpthread.so.0", "ld-linux-x86-64.so.2"}


def test_exports_only_the_c_interface() -> None:
    symbols = [line.split()[-1] for line in objdump("-T") if re.match(r"[0-9a-f]{8,} ", line) and "*UND*" not in line]
    assert symbols
    assert [name for name in symbols if not name.startswith("gumtile_") and name != "GUMTILE_0"] == []


def test_size() -> None:
    assert path.stat().st_size < SIZE_LIMIT


def test_the_command_is_on_path() -> None:
    program = pathlib.Path(sysconfig.get_path("scripts")) / "gumtile"
    for command in ([str(program)], [sys.executable, "-m", "gumtile"]):
        found = subprocess.run([*command, "--version"], check=True, capture_output=True, text=True)
        assert gumtile.__version__ in found.stdout
        arguments = ["sample", "--synthetic", "1000x64x2", "--device", "cpu", "--seed", "1,2"]
        assert subprocess.run([*command, *arguments], capture_output=True).returncode == 0
        assert subprocess.run([*command, "sample", "--nonsense"], capture_output=True).returncode == 64


def test_the_command_adds_little() -> None:
    assert (path.parents[1] / "bin" / "gumtile").stat().st_size < 1 << 20  # the compiler is in the library

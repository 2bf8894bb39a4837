from __future__ import annotations

import pathlib
import re

import pytest

import gumtile


def test_version_is_the_projects() -> None:
    root = pathlib.Path(__file__).parents[2]
    text = (root / "CMakeLists.txt").read_text()
    match = re.search(r"project\(gumtile VERSION ([0-9.]+)", text)
    assert match is not None and match.group(1) == gumtile.__version__


def test_describes_the_cpu(engine: gumtile.Engine) -> None:
    assert engine.device.id == "cpu"
    assert engine.device.target == "host"
    assert not engine.device.is_gpu
    assert engine.device.workers >= 1
    assert "cpu" in repr(engine)


def test_stats_count(engine: gumtile.Engine, head: gumtile.Head) -> None:
    stats = engine.stats()
    assert stats.loads > 0
    assert stats.compile_ms > 0


def test_unknown_device() -> None:
    with pytest.raises(gumtile.GumtileError, match="toaster") as raised:
        gumtile.Engine("toaster")
    assert raised.value.status in (gumtile.Status.USAGE, gumtile.Status.DEVICE_UNAVAILABLE)


def test_cache_folder(tmp_path: pathlib.Path) -> None:
    messages = []
    tmp_path.chmod(0o700)
    engine = gumtile.Engine("cpu", cache_folder=tmp_path / "cache", log=lambda level, text: messages.append((level, text)))
    assert engine.device.id == "cpu"
    assert all(isinstance(level, int) and isinstance(text, str) for level, text in messages)


def test_status_of_a_newer_library() -> None:
    assert gumtile.Status(4711) is gumtile.Status.UNKNOWN

"""Launches that are bound once, and launches from several threads."""

from __future__ import annotations

import threading
from typing import List, Tuple

import numpy as np
import pytest
from conftest import HIDDEN, ROWS

import gumtile

Data = Tuple[np.ndarray, np.ndarray]


def test_bound_arrays_change_in_place(head: gumtile.Head, data: Data) -> None:
    seed = np.zeros(ROWS, np.uint64)
    launch = head.bind(data[1], seed=seed)
    launch.validate()
    assert launch.rows == ROWS
    for step in range(20):
        seed[:] = np.arange(ROWS) + 10 * step
        launch()
        np.testing.assert_array_equal(launch.result.token, head.sample(data[1], seed=seed).token)


def test_other_hidden_states(head: gumtile.Head, data: Data, logits: np.ndarray) -> None:
    launch = head.bind(data[1], temperature=np.zeros(ROWS, np.float32))
    launch.set_hidden_states(data[1][3:].copy())
    assert launch.rows == ROWS - 3
    launch()
    np.testing.assert_array_equal(launch.result.token[: ROWS - 3], logits[3:].argmax(axis=1))
    with pytest.raises(ValueError, match="9 rows, but 8 were bound"):
        launch.set_hidden_states(np.zeros((ROWS + 1, HIDDEN), np.float32))


def test_validate_tells(head: gumtile.Head, data: Data) -> None:
    memory = np.zeros(ROWS * 4 + 1, np.uint8)
    crooked = memory[1:].view(np.float32) if memory.ctypes.data % 4 == 0 else memory[:-1].view(np.float32)
    launch = head.bind(data[1], temperature=crooked)
    if crooked.ctypes.data % 4 == 0:
        pytest.skip("the array is aligned")
    with pytest.raises(ValueError, match="temperature"):
        launch.validate()


def test_threads(head: gumtile.Head, data: Data) -> None:
    seeds = [np.arange(ROWS, dtype=np.uint64) + np.uint64(1000 * index) for index in range(4)]
    expected = [head.sample(data[1], seed=seed).token for seed in seeds]
    failures: List[str] = []

    def work(index: int) -> None:
        launch = head.bind(data[1], seed=seeds[index])
        for _ in range(50):
            launch()
            sampled = head.sample(data[1], seed=seeds[index])  # with this thread's default workspace
            for token in (launch.result.token, sampled.token):
                if not (token == expected[index]).all():
                    failures.append(f"thread {index}: {token} instead of {expected[index]}")

    threads = [threading.Thread(target=work, args=(index,)) for index in range(len(seeds))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not failures


def test_workspaces_are_released(data: Data) -> None:
    engine = gumtile.Engine("cpu", cache=False)
    head = gumtile.Head(engine, data[0])
    head.prepare(1)
    before = engine.stats().allocated_bytes
    workspace = head.workspace()
    assert engine.stats().allocated_bytes > before
    del workspace
    assert engine.stats().allocated_bytes == before
    assert head.workspace(like=data[1]).owner.dtype == np.uint8
    assert engine.stats().allocated_bytes == before

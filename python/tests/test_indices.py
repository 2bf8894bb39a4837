"""Indices on the CPU that point outside of the arrays that they index."""

from __future__ import annotations

from typing import Any, Dict, Tuple

import numpy as np
import pytest
from conftest import ROWS

import gumtile

Data = Tuple[np.ndarray, np.ndarray]

SLOTS = np.ones(3, np.float32)


def words(*values: int) -> np.ndarray:
    """ROWS indices: those given, then zeros."""
    return np.array([*values, *[0] * (ROWS - len(values))], np.int32)


FAULTS = [
    ({"hidden_index": words(0, ROWS)}, f"hidden_index: row 1 names {ROWS}, but hidden_states has {ROWS} rows"),
    ({"hidden_index": words(10**8)}, "hidden_index: row 0 names 100000000"),
    ({"row_slot": words(0, 0, 3), "temperature": SLOTS}, "row_slot: row 2 names 3, but temperature has 3 slots"),
    ({"row_slot": words(5), "seed": np.zeros(5, np.uint64)}, "row_slot: row 0 names 5, but seed has 5 slots"),
    (
        {"token": np.zeros(4, np.int32), "token_position": words(1, 2, 4)},
        "token_position: row 2 names 4, but token has 4 elements",
    ),
    ({"num_rows": np.array([ROWS + 1], np.int32)}, "num_rows: 0 to 8, the rows of the launch, is needed, not 9"),
    ({"num_rows": np.array([-1], np.int32)}, "num_rows: .* not -1"),
]


@pytest.mark.parametrize(("arguments", "message"), FAULTS)
def test_a_launch_is_told(head: gumtile.Head, data: Data, arguments: Dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        head.bind(data[1], **arguments).validate()


@pytest.mark.parametrize(("arguments", "message"), FAULTS)
def test_a_sample_is_refused(head: gumtile.Head, data: Data, arguments: Dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        head.sample(data[1], **arguments)


def test_every_fault_has_a_line(head: gumtile.Head, data: Data) -> None:
    with pytest.raises(ValueError) as raised:
        head.sample(data[1], row_slot=words(7), temperature=SLOTS, hidden_index=words(-1, 99))
    assert [line.partition(":")[0] for line in str(raised.value).split("\n")] == ["row_slot", "hidden_index"]


def test_rows_that_are_left_out_may_name_anything(head: gumtile.Head, data: Data) -> None:
    huge = 2**31 - 1
    row_slot = np.array([0, -1, 2, 1, 0, huge, huge, huge], np.int32)
    position = np.array([3, huge, 2, -1, 0, huge, huge, huge], np.int32)
    token = np.full(4, -7, np.int32)
    arguments: Dict[str, Any] = {
        "row_slot": row_slot,
        "temperature": np.zeros(3, np.float32),
        "num_rows": np.array([5], np.int32),
        "token": token,
        "token_position": position,
        "hidden_index": words(-1, 7),
    }
    head.bind(data[1], **arguments).validate()
    head.sample(data[1], **arguments)
    assert token[1] == -7 and (token[[0, 2, 3]] >= 0).all()


def test_values_that_change_are_seen(head: gumtile.Head, data: Data) -> None:
    index = words()
    launch = head.bind(data[1], hidden_index=index)
    launch.validate()
    index[4] = ROWS
    with pytest.raises(ValueError, match="hidden_index: row 4"):
        launch.validate()

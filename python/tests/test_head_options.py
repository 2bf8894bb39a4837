"""The options of a head beside its weights, for every row of the table of fields."""

from __future__ import annotations

import gc
import weakref
from typing import Any, Tuple

import numpy as np
import pytest
from conftest import ROWS, VOCAB

import gumtile
from gumtile._fields import HEAD_FIELDS, MATRIX_DTYPES

Data = Tuple[np.ndarray, np.ndarray]

settings = pytest.mark.parametrize("name", [field.name for field in HEAD_FIELDS if field.kind == "setting"])
arrays = pytest.mark.parametrize("name", [field.name for field in HEAD_FIELDS if field.kind == "array"])


@settings
def test_settings_are_attributes(engine: gumtile.Engine, head: gumtile.Head, data: Data, name: str) -> None:
    assert getattr(head, name) == 0
    assert getattr(gumtile.Head(engine, data[0], **{name: 2}), name) == 2
    assert getattr(gumtile.Head(engine, data[0], **{name: None}), name) == 0


@settings
@pytest.mark.parametrize("value", ["much", True, [1.0]])
def test_settings_are_numbers(engine: gumtile.Engine, data: Data, name: str, value: Any) -> None:
    with pytest.raises(TypeError, match=f"^{name}: "):
        gumtile.Head(engine, data[0], **{name: value})


@arrays
@pytest.mark.parametrize(
    ("array", "message"),
    [
        (np.zeros(VOCAB - 1, np.float32), rf"the shape \[{VOCAB}\] is needed, not \[{VOCAB - 1}\]"),
        (np.zeros((VOCAB, 1), np.float32), "the shape"),
        (np.zeros(VOCAB), " or ".join((*MATRIX_DTYPES, "uint16")) + " is needed, not float64"),
        (np.zeros(2 * VOCAB, np.float32)[::2], "its elements must be adjacent, not 2 apart"),
    ],
)
def test_arrays_are_checked(engine: gumtile.Engine, data: Data, name: str, array: np.ndarray, message: str) -> None:
    with pytest.raises(ValueError, match=f"^{name}: {message}"):
        gumtile.Head(engine, data[0], **{name: array})


@arrays
def test_bits_of_bfloat16_are_bfloat16(engine: gumtile.Engine, data: Data, name: str) -> None:
    tokens = []
    for array in (np.full(VOCAB, 0x3F80, np.uint16), np.ones(VOCAB, np.float32)):
        array[7] = 0x42C8 if array.dtype == np.uint16 else 100
        head = gumtile.Head(engine, data[0], **{name: array})
        head.prepare(ROWS)
        tokens.append(head.sample(data[1], temperature=0).token.tolist())
    assert tokens[0] == tokens[1] == [7] * ROWS


@arrays
def test_arrays_stay_alive_until_they_are_replaced(engine: gumtile.Engine, data: Data, name: str) -> None:
    array = np.zeros(VOCAB, np.float16)
    head = gumtile.Head(engine, data[0], **{name: array})
    head.prepare(ROWS)
    alive = weakref.ref(array)
    del array
    gc.collect()
    assert alive() is not None
    head.sample(data[1])
    head.set_array(name, np.ones(VOCAB, np.float16))
    gc.collect()
    assert alive() is None
    head.sample(data[1])


@arrays
def test_other_arrays_are_of_the_same_dtype(engine: gumtile.Engine, data: Data, name: str) -> None:
    head = gumtile.Head(engine, data[0], **{name: np.zeros(VOCAB, np.float16)})
    with pytest.raises(ValueError, match=f"^{name}: float16 is needed, not float32"):
        head.set_array(name, np.zeros(VOCAB, np.float32))
    with pytest.raises(ValueError, match=f"^{name}: the shape"):
        head.set_array(name, np.zeros(VOCAB - 1, np.float16))


def test_only_arrays_that_the_head_was_made_with_are_replaced(head: gumtile.Head) -> None:
    with pytest.raises(ValueError, match=r"^name: an array that the head was made with is needed \(none\), not 'weight'"):
        head.set_array("weight", np.zeros(VOCAB, np.float32))
    with pytest.raises(TypeError, match="^name: a str is needed"):
        head.set_array(3, np.zeros(VOCAB, np.float32))  # type: ignore[arg-type]

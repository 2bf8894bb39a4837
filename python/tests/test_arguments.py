"""Arrays that do not fit are refused before anything is launched."""

from __future__ import annotations

from typing import Any, Dict, Tuple

import numpy as np
import pytest
from conftest import HIDDEN, ROWS, VOCAB

import gumtile

Data = Tuple[np.ndarray, np.ndarray]


class OnGpu:
    """Claims to be an array in a GPU's memory."""

    def __init__(self, array: np.ndarray) -> None:
        self.__cuda_array_interface__ = {**array.__array_interface__, "version": 3}


class DLPackOnly:
    """An array of a library that speaks DLPack and nothing else."""

    def __init__(self, array: np.ndarray) -> None:
        self.array = array

    def __dlpack__(self, **options: Any) -> Any:
        return self.array.__dlpack__(**options)

    def __dlpack_device__(self) -> Tuple[int, int]:
        return self.array.__dlpack_device__()


READ_ONLY = np.zeros(ROWS, np.int32)
READ_ONLY.flags.writeable = False


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"temperature": np.zeros(ROWS)}, "temperature: float32 is needed, not float64"),
        ({"temperature": np.zeros(ROWS - 1, np.float32)}, r"temperature: the shape \[8\] is needed, not \[7\]"),
        ({"temperature": np.zeros((ROWS, 1), np.float32)}, r"temperature: the shape \[8\] is needed"),
        ({"temperature": np.zeros(2 * ROWS, np.float32)[::2]}, "temperature: its elements must be adjacent"),
        ({"temperature": OnGpu(np.zeros(ROWS, np.float32))}, "temperature: memory of cpu is needed, not of a GPU"),
        ({"seed": np.zeros(ROWS, np.int32)}, "seed: uint64 or int64 is needed, not int32"),
        ({"offset": np.zeros(1, np.uint64)}, "offset: the shape"),
        ({"row_slot": np.zeros(ROWS, np.int64)}, "row_slot: int32 is needed, not int64"),
        ({"num_rows": np.zeros(2, np.int32)}, "num_rows: an array of one element is needed"),
        ({"hidden_index": np.zeros((2, 2), np.int32)}, "hidden_index: the shape"),
        ({"token": np.zeros(ROWS, np.int64)}, "token: int32 is needed, not int64"),
        ({"token": READ_ONLY}, "token: the array is read-only"),
        ({"token": np.zeros(ROWS - 1, np.int32)}, "token: the shape"),
        ({"token_position": np.zeros(ROWS, np.int32)}, "pass token="),
        ({"logprob": np.zeros(ROWS, np.float16)}, "logprob: float32 is needed, not float16"),
        ({"status": np.zeros(ROWS, np.uint8)}, "status: uint32 or int32 is needed, not uint8"),
        ({"any_status": np.zeros(0, np.uint32)}, "any_status: the shape"),
    ],
)
def test_refused(head: gumtile.Head, data: Data, arguments: Dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        head.sample(data[1], **arguments)


@pytest.mark.parametrize(
    ("hidden", "message"),
    [
        (np.zeros(HIDDEN, np.float32), r"hidden_states: the shape \[rows, 64\] is needed, not \[64\]"),
        (np.zeros((2, HIDDEN + 1), np.float32), r"not \[2, 65\]"),
        (np.zeros((2, HIDDEN), np.float16), "hidden_states: float32 is needed, not float16"),
        (np.zeros((HIDDEN, 2), np.float32).T, "the elements of a row must be adjacent"),
        (np.broadcast_to(np.zeros((1, HIDDEN), np.float32), (2, HIDDEN)), "rows must not overlap"),
        (OnGpu(np.zeros((2, HIDDEN), np.float32)), "hidden_states: memory of cpu is needed, not of a GPU"),
    ],
)
def test_hidden_states_refused(head: gumtile.Head, hidden: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        head.sample(hidden)


def test_no_array(head: gumtile.Head, data: Data) -> None:
    with pytest.raises(TypeError, match="temperature: an array is needed, not float"):
        head.sample(data[1], temperature=0.7)


@pytest.mark.parametrize(
    ("weights", "options", "message"),
    [
        (np.zeros((VOCAB, HIDDEN)), {}, "not float64"),
        (np.zeros((VOCAB, HIDDEN), np.uint16), {}, 'weights_dtype="bfloat16"'),
        (np.zeros((VOCAB, HIDDEN), np.float32), {"weights_dtype": "bfloat16"}, "not float32"),
        (np.zeros(HIDDEN, np.float32), {}, r"\[vocab_size, hidden_size\]"),
        (np.zeros((HIDDEN, VOCAB), np.float32).T, {}, "adjacent"),
        (np.zeros((VOCAB, HIDDEN), np.float32), {"noise": "pink"}, "noise: one of grouped, per_token"),
        (np.zeros((VOCAB, HIDDEN), np.float32), {"hidden_dtype": "int32"}, "hidden_dtype"),
        (np.zeros((VOCAB, HIDDEN), np.float32), {"token_dtype": "float32"}, "token_dtype"),
        (OnGpu(np.zeros((VOCAB, HIDDEN), np.float32)), {}, "weights: memory of cpu is needed"),
    ],
)
def test_weights_refused(engine: gumtile.Engine, weights: Any, options: Dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        gumtile.Head(engine, weights, **options)


def test_dlpack(engine: gumtile.Engine, data: Data, logits: np.ndarray) -> None:
    head = gumtile.Head(engine, DLPackOnly(data[0]))
    head.prepare(ROWS)
    temperature = DLPackOnly(np.zeros(ROWS, np.float32))
    result = head.sample(DLPackOnly(data[1]), temperature=temperature)
    np.testing.assert_array_equal(result.token, logits.argmax(axis=1))

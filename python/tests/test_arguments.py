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
    """An array of a library with only DLPack."""

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
        ({"temperature": np.zeros(ROWS, np.complex64)}, "temperature: float32 is needed, not complex64"),
        ({"temperature": np.zeros(ROWS, bool)}, "temperature: float32 is needed, not bool"),
        ({"temperature": np.zeros(ROWS - 1, np.float32)}, r"temperature: the shape \[8\] is needed, not \[7\]"),
        ({"temperature": np.zeros((ROWS, 2), np.float32)}, r"temperature: the shape \[8\] is needed"),
        ({"temperature": np.zeros((1, ROWS), np.float32)}, r"temperature: the shape \[8\] is needed"),
        ({"token": np.zeros(2 * ROWS, np.int32)[::2]}, "token: its elements must be adjacent"),
        ({"temperature": OnGpu(np.zeros(ROWS, np.float32))}, "temperature: memory of cpu is needed, not of a GPU"),
        ({"seed": np.zeros(ROWS, np.float32)}, "seed: uint64 or int64 is needed, not float32"),
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
        (np.lib.stride_tricks.sliding_window_view(np.zeros(HIDDEN + 1, np.float32), HIDDEN), "rows must not overlap"),
        (OnGpu(np.zeros((2, HIDDEN), np.float32)), "hidden_states: memory of cpu is needed, not of a GPU"),
    ],
)
def test_hidden_states_refused(head: gumtile.Head, hidden: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        head.sample(hidden)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"temperature": "warm"}, "temperature: an array is needed, not str"),
        ({"temperature": {0.7}}, "temperature: an array is needed, not set"),
        ({"temperature": True}, "temperature: a number is needed, not bool"),
        ({"temperature": [0.7] * 7 + [None]}, "temperature: numbers are needed, not NoneType"),
        ({"seed": 1.5}, "seed: an integer is needed, not float"),
        ({"seed": [True] * ROWS}, "seed: a number is needed, not bool"),
        ({"token": [0] * ROWS}, "token: an array is needed, not list"),
        ({"logprob": "yes"}, "logprob: an array is needed, not str"),
        ({"workspace": 4096}, "workspace: a gumtile.Workspace is needed, not int"),
        ({"stream": "main"}, "stream: "),
    ],
)
def test_other_types_are_refused(head: gumtile.Head, data: Data, arguments: Dict[str, Any], message: str) -> None:
    with pytest.raises(TypeError, match=message):
        head.sample(data[1], **arguments)
    with pytest.raises(TypeError, match="hidden_states: an array is needed, not list"):
        head.sample(data[1].tolist())  # type: ignore[arg-type]


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

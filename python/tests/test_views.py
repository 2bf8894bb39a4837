"""Arrays that an address and a shape do not describe are refused, naming the argument."""

from __future__ import annotations

from typing import Any, Dict, Tuple

import numpy as np
import pytest
from conftest import HIDDEN, ROWS, VOCAB

import gumtile

Data = Tuple[np.ndarray, np.ndarray]

N = np.arange(ROWS)
INPUTS: Dict[str, np.ndarray] = {
    "temperature": np.ones(ROWS, np.float32),
    "seed": N.astype(np.uint64),
    "offset": N.astype(np.int64),
    "row_slot": N.astype(np.int32),
    "num_rows": np.array([ROWS], np.int32),
    "hidden_index": N.astype(np.int32),
    "invalid_token": np.array([-1], np.int32),
}
OUTPUTS: Dict[str, np.ndarray] = {
    "token": np.zeros(ROWS, np.int32),
    "logprob": np.zeros(ROWS, np.float32),
    "status": np.zeros(ROWS, np.uint32),
    "any_status": np.zeros(1, np.uint32),
}


def other_order(array: np.ndarray) -> np.ndarray:
    return array.astype(array.dtype.newbyteorder())


class Interface:
    """An array of no library, with the test's interface."""

    def __init__(self, like: np.ndarray, **changes: Any) -> None:
        self.__array_interface__ = {**like.__array_interface__, **changes}


class NowhereInDLPack:
    """Has DLPack, but no memory."""

    def __init__(self, like: np.ndarray) -> None:
        import ctypes

        from gumtile._arrays import _capsule_pointer, _DLTensor

        self.capsule = like.__dlpack__()
        self.device = like.__dlpack_device__()
        tensor = _DLTensor.from_address(_capsule_pointer(self.capsule, b"dltensor"))
        tensor.data = ctypes.c_void_p(0)
        tensor.byte_offset = 64

    def __dlpack__(self, **options: Any) -> Any:
        return self.capsule

    def __dlpack_device__(self) -> Any:
        return self.device


@pytest.mark.parametrize("name", [*INPUTS, *OUTPUTS])
def test_the_other_byte_order_is_refused(head: gumtile.Head, data: Data, name: str) -> None:
    with pytest.raises(ValueError, match=f"^{name}: elements in this machine's byte order are needed"):
        head.sample(data[1], **{name: other_order({**INPUTS, **OUTPUTS}[name])})


def test_matrices_in_the_other_byte_order_are_refused(engine: gumtile.Engine, head: gumtile.Head, data: Data) -> None:
    with pytest.raises(ValueError, match="hidden_states: elements in this machine's byte order"):
        head.sample(other_order(data[1]))
    with pytest.raises(ValueError, match="weights: elements in this machine's byte order"):
        gumtile.Head(engine, other_order(data[0]))
    with pytest.raises(ValueError, match="weights: elements in this machine's byte order"):
        head.set_weights(other_order(data[0]))
    with pytest.raises(ValueError, match="weights: elements in this machine's byte order"):
        gumtile.Head(engine, np.zeros((VOCAB, HIDDEN), ">u2"), weights_dtype="bfloat16")


@pytest.mark.parametrize("name", [*INPUTS, *OUTPUTS])
@pytest.mark.parametrize("nowhere", [lambda a: Interface(a, data=(0, False)), lambda a: Interface(a, data=(None, False)), NowhereInDLPack])
def test_arrays_without_memory_are_not_absent(head: gumtile.Head, data: Data, name: str, nowhere: Any) -> None:
    with pytest.raises(ValueError, match=f"^{name}: this .* has no memory of its own"):
        head.sample(data[1], **{name: nowhere({**INPUTS, **OUTPUTS}[name].copy())})
    with pytest.raises(ValueError, match=f"^{name}: this .* has no memory of its own"):
        head.bind(data[1], **{name: nowhere({**INPUTS, **OUTPUTS}[name].copy())})


def test_matrices_without_memory(engine: gumtile.Engine, head: gumtile.Head, data: Data) -> None:
    with pytest.raises(ValueError, match="^hidden_states: .* no memory"):
        head.sample(Interface(data[1], data=(0, False)))
    with pytest.raises(ValueError, match="^weights: .* no memory"):
        gumtile.Head(engine, Interface(data[0], data=(0, False)))
    with pytest.raises(ValueError, match="^weights: .* no memory"):
        head.set_weights(NowhereInDLPack(data[0].copy()))
    with pytest.raises(ValueError, match="^like: .* no memory"):
        head.workspace(like=Interface(data[1], data=(0, False)))


def test_empty_arrays_are_not_absent(head: gumtile.Head, data: Data) -> None:
    slots = np.zeros(ROWS, np.int32)
    for name, dtype in (("temperature", np.float32), ("seed", np.uint64)):
        with pytest.raises(ValueError, match=f"^{name}: the shape"):
            head.sample(data[1], row_slot=slots, **{name: np.zeros(0, dtype)})
    with pytest.raises(ValueError, match="^token: the array has no elements"):
        head.sample(data[1], token=np.zeros(0, np.int32), token_position=slots)
    with pytest.raises(ValueError, match="^hidden_states: it has no rows"):
        head.sample(np.zeros((0, HIDDEN), np.float32), hidden_index=slots)


@pytest.mark.parametrize("data_", [b"bytes", None, ("address", False), (1, 2, 3)])
def test_interfaces_that_tell_no_address(head: gumtile.Head, data: Data, data_: Any) -> None:
    with pytest.raises(ValueError, match="^temperature: .* does not tell the address"):
        head.sample(data[1], temperature=Interface(INPUTS["temperature"], data=data_))


def test_masks_are_refused(head: gumtile.Head, data: Data) -> None:
    masked = np.ma.masked_array(INPUTS["temperature"], mask=N % 2)
    with pytest.raises(ValueError, match="^temperature: an array without a mask"):
        head.sample(data[1], temperature=masked)
    with pytest.raises(ValueError, match="^seed: an array without a mask"):
        head.sample(data[1], seed=Interface(INPUTS["seed"], mask=N % 2))


def test_what_dlpack_refuses_is_named(head: gumtile.Head, data: Data) -> None:
    class Refuses:
        def __dlpack__(self, **options: Any) -> Any:
            raise BufferError("read-only")

        def __dlpack_device__(self) -> Tuple[int, int]:
            return (1, 0)

    with pytest.raises(ValueError, match="^offset: .* cannot be seen through DLPack: read-only"):
        head.sample(data[1], offset=Refuses())


def test_rows_that_are_left_out_have_outputs(head: gumtile.Head, data: Data) -> None:
    row_slot = np.full(ROWS, -1, np.int32)
    row_slot[3] = 3
    for _ in range(20):
        noise = [np.full(ROWS, 12345, dtype) for dtype in (np.int32, np.float32, np.uint32)]
        del noise  # what new arrays may be made of
        for result in (
            head.sample(data[1], row_slot=row_slot, any_status=True),
            head.sample(data[1], num_rows=0, any_status=True),
            head.bind(data[1], any_status=True).result,
        ):
            left_out = np.arange(ROWS) != 3
            assert (result.token[left_out] == -1).all()
            assert (result.logprob[left_out] == 0).all() and (result.status == 0).all()
            assert result.any_status[0] == 0

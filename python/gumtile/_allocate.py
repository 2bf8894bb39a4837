"""New arrays of the library that given arrays are of, and that library's current stream."""

from __future__ import annotations

import sys
from typing import Any, Tuple

from ._arrays import ArrayView, is_torch

#: torch computes little with unsigned words: status words are int32 there.
_TORCH_DTYPE = {"uint32": "int32"}


def empty(shape: Tuple[int, ...], dtype: str, like: ArrayView) -> Any:
    """An array of `like`'s library on `like`'s device, uninitialised.

    torch tensors for torch, CuPy arrays for CuPy, numpy arrays for other arrays on the CPU. Raises ValueError for
    other arrays on a GPU.
    """
    owner = like.owner
    if is_torch(owner):
        torch = sys.modules["torch"]
        return torch.empty(shape, dtype=getattr(torch, _TORCH_DTYPE.get(dtype, dtype)), device=owner.device)
    if type(owner).__module__.partition(".")[0] == "cupy":
        return sys.modules["cupy"].empty(shape, dtype=dtype)
    if not like.on_gpu:
        import numpy

        return numpy.empty(shape, dtype=dtype)
    raise ValueError(
        "outputs cannot be made in the library of the hidden states: pass token=, and arrays or None for logprob= and "
        "status="
    )


def current_stream(like: ArrayView) -> int:
    """The CUDA stream that `like`'s library works on now, as a number; 0 (the legacy default stream) where it has
    none or `like` is on the CPU."""
    if not like.on_gpu:
        return 0
    if is_torch(like.owner):
        stream: int = sys.modules["torch"].cuda.current_stream(like.owner.device).cuda_stream
        return stream
    if type(like.owner).__module__.partition(".")[0] == "cupy":
        pointer: int = sys.modules["cupy"].cuda.get_current_stream().ptr
        return pointer
    return 0


def is_capturing(like: ArrayView) -> bool:
    """Whether `like`'s library is capturing a CUDA graph, where it can tell."""
    if not like.on_gpu:
        return False
    if is_torch(like.owner):
        capturing: bool = sys.modules["torch"].cuda.is_current_stream_capturing()
        return capturing
    if type(like.owner).__module__.partition(".")[0] == "cupy":
        return bool(sys.modules["cupy"].cuda.get_current_stream().is_capturing())
    return False


def stream_number(stream: Any) -> int:
    """A CUDA stream as a number: an int, a torch stream, a CuPy stream, or what has `__cuda_stream__`."""
    if isinstance(stream, int):
        return stream
    for attribute in ("cuda_stream", "ptr"):
        number = getattr(stream, attribute, None)
        if isinstance(number, int):
            return number
    protocol = getattr(stream, "__cuda_stream__", None)
    if protocol is not None:
        return int((protocol() if callable(protocol) else protocol)[1])
    raise TypeError(f"a stream is needed (a number, or an object of torch or CuPy), not {type(stream).__name__}")

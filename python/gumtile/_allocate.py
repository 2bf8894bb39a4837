"""New arrays of the same library as given arrays, and that library's random numbers and streams."""

from __future__ import annotations

import contextlib
import sys
from typing import Any, ContextManager, Optional, Sequence, Tuple, Union

from ._arrays import ArrayView, is_torch
from ._checks import UINT64_MAX, integer
from ._types import Stream

#: torch supports few operations on unsigned words: status words and seeds are signed there.
_TORCH_DTYPE = {"uint32": "int32", "uint64": "int64"}


class TorchArrays:
    """Makes tensors on one device."""

    def __init__(self, device: Any) -> None:
        self._torch = sys.modules["torch"]
        self._device = device

    def _dtype(self, dtype: str) -> Any:
        return getattr(self._torch, _TORCH_DTYPE.get(dtype, dtype))

    def empty(self, shape: Tuple[int, ...], dtype: str) -> Any:
        return self._torch.empty(shape, dtype=self._dtype(dtype), device=self._device)

    def full(self, shape: Tuple[int, ...], value: Union[int, float], dtype: str) -> Any:
        return self._torch.full(shape, _signed(value, dtype), dtype=self._dtype(dtype), device=self._device)

    def vector(self, values: Sequence[Union[int, float]], dtype: str) -> Any:
        signed = [_signed(value, dtype) for value in values]
        return self._torch.tensor(signed, dtype=self._dtype(dtype), device=self._device)

    def count(self, length: int) -> Any:
        """0, 1, 2, … in int64."""
        return self._torch.arange(length, dtype=self._torch.int64, device=self._device)

    def converted(self, given: ArrayView, shape: Tuple[int, ...], dtype: str) -> Any:
        """A copy of an array of this library, broadcast to `shape`."""
        made = given.owner.detach().to(self._dtype(dtype)).expand(shape)
        return made.clone(memory_format=self._torch.contiguous_format)

    def undrawn(self, length: int) -> Any:
        """Seeds for `draw`, which may run in any mode: tensors of inference mode cannot be filled outside of it."""
        with self._torch.inference_mode(False):
            return self.full((length,), 0, "uint64")

    def draw(self, seeds: Any) -> None:
        """Fills `seeds` from the device's default generator, that of `torch.manual_seed`; may be captured."""
        seeds.random_()


class NumpyArrays:
    """Makes arrays of numpy, or of CuPy, which has the same functions."""

    def __init__(self, module: Any) -> None:
        self._module = module
        self._is_numpy = module.__name__ == "numpy"

    def empty(self, shape: Tuple[int, ...], dtype: str) -> Any:
        return self._module.empty(shape, dtype=dtype)

    def full(self, shape: Tuple[int, ...], value: Union[int, float], dtype: str) -> Any:
        return self._module.full(shape, value, dtype=dtype)

    def vector(self, values: Sequence[Union[int, float]], dtype: str) -> Any:
        return self._module.array(values, dtype=dtype)

    def count(self, length: int) -> Any:
        """0, 1, 2, … in int64."""
        return self._module.arange(length, dtype="int64")

    def converted(self, given: ArrayView, shape: Tuple[int, ...], dtype: str) -> Any:
        """A copy of an array of this library, or of any array on the CPU, broadcast to `shape`."""
        source = given.owner if given.on_gpu else _as_numpy(given)
        if given.dtype == "bfloat16" and dtype == "float32":
            bits = self._module.broadcast_to(source, shape).astype("uint32") << 16
            return bits.view("float32")
        as_bits = "uint16" if dtype == "bfloat16" else dtype
        with self._module.errstate(over="ignore") if self._is_numpy else contextlib.nullcontext():
            return self._module.array(self._module.broadcast_to(source, shape).astype(as_bits), order="C", copy=True)

    def undrawn(self, length: int) -> Any:
        """Seeds for `draw`."""
        return self.full((length,), 0, "uint64")

    def draw(self, seeds: Any) -> None:
        """Fills `seeds` from the library's global generator, that of `random.seed`."""
        # CuPy draws 63 bits at most.
        bound = UINT64_MAX + 1 if self._is_numpy else 2**63 - 1
        seeds[...] = self._module.random.randint(0, bound, seeds.shape, dtype="uint64")


#: Makes arrays of one library on one device.
Library = Union[TorchArrays, NumpyArrays]


class _InterfaceOnly:
    """A view's memory, for numpy to read."""

    def __init__(self, given: ArrayView) -> None:
        kind = {"f": "<f", "i": "<i", "u": "<u", "b": "<u"}[given.dtype[0]]  # bfloat16: its bits
        item = 2 if given.dtype == "bfloat16" else int(given.dtype.lstrip("floatuin")) // 8
        self.__array_interface__ = {
            "shape": given.shape,
            "typestr": f"{kind}{item}",
            "data": (given.pointer, True),
            "strides": tuple(stride * item for stride in given.strides),
            "version": 3,
        }


def _as_numpy(given: ArrayView) -> Any:
    import numpy

    return numpy.asarray(_InterfaceOnly(given))


def _signed(value: Union[int, float], dtype: str) -> Union[int, float]:
    """A number of an unsigned dtype, as the number with the same bits of the signed dtype that torch has for it."""
    if dtype not in _TORCH_DTYPE:
        return value
    values = 2 ** int(dtype.lstrip("uint"))
    return value - values if value >= values // 2 else value


def _is_cupy(array: object) -> bool:
    return type(array).__module__.partition(".")[0] == "cupy"


def library_of(array: ArrayView) -> Optional[Library]:
    """The factory for arrays like `array`, on its device.

    torch tensors for torch, CuPy arrays for CuPy, numpy arrays for other arrays on the CPU; None for other arrays on a
    GPU.
    """
    if is_torch(array.owner):
        return TorchArrays(array.owner.device)
    if _is_cupy(array.owner):
        return NumpyArrays(sys.modules["cupy"])
    if array.on_gpu:
        return None
    import numpy

    return NumpyArrays(numpy)


def can_draw(like: ArrayView) -> bool:
    """Whether the library can draw numbers now: CuPy cannot while it captures."""
    return not (_is_cupy(like.owner) and is_capturing(like))


def current_stream(like: ArrayView) -> int:
    """The CUDA stream that `like`'s library works on now, as a number; 0 (the legacy default stream) where it has
    none or `like` is on the CPU."""
    if not like.on_gpu:
        return 0
    if is_torch(like.owner):
        stream: int = sys.modules["torch"].cuda.current_stream(like.owner.device).cuda_stream
        return stream
    if _is_cupy(like.owner):
        pointer: int = sys.modules["cupy"].cuda.get_current_stream().ptr
        return pointer
    return 0


def working_on(like: ArrayView, stream: Stream) -> ContextManager[Any]:
    """Makes `stream` the current one of `like`'s library, so that what the library fills and draws is in the order of
    the launch. None: the current one, as it is."""
    if stream is None or not like.on_gpu:
        return contextlib.nullcontext()
    number = stream_number(stream)
    if number == current_stream(like):
        return contextlib.nullcontext()
    context: ContextManager[Any] = contextlib.nullcontext()
    if is_torch(like.owner):
        torch = sys.modules["torch"]
        context = torch.cuda.stream(torch.cuda.ExternalStream(number, device=like.owner.device))
    elif _is_cupy(like.owner):
        context = sys.modules["cupy"].cuda.ExternalStream(number)
    return context


def is_capturing(like: ArrayView) -> bool:
    """Whether `like`'s library is capturing a CUDA graph, if it can tell."""
    if not like.on_gpu:
        return False
    if is_torch(like.owner):
        capturing: bool = sys.modules["torch"].cuda.is_current_stream_capturing()
        return capturing
    if _is_cupy(like.owner):
        return bool(sys.modules["cupy"].cuda.get_current_stream().is_capturing())
    return False


def stream_number(stream: Stream) -> int:
    """A CUDA stream as a number: from an int, a torch stream, a CuPy stream, or an object with `__cuda_stream__`."""
    if isinstance(stream, int):
        return integer("stream", stream, 0, UINT64_MAX)
    for attribute in ("cuda_stream", "ptr"):
        number = getattr(stream, attribute, None)
        if isinstance(number, int):
            return number
    protocol = getattr(stream, "__cuda_stream__", None)
    if protocol is not None:
        return int((protocol() if callable(protocol) else protocol)[1])
    raise TypeError(f"stream: a number, or a stream of torch or CuPy is needed, not {type(stream).__name__}")

"""Arrays of any library, seen as an address with a shape: torch, numpy, CuPy, and what speaks DLPack.

Nothing here copies, allocates or synchronises.
"""

from __future__ import annotations

import ctypes
import sys
from typing import Any, NamedTuple, Optional, Tuple

#: Bytes of an element of the dtypes that gumtile knows.
ITEM_BYTES = {
    "bfloat16": 2,
    "float16": 2,
    "float32": 4,
    "int32": 4,
    "uint32": 4,
    "int64": 8,
    "uint64": 8,
    "uint8": 1,
    "uint16": 2,
    "int16": 2,
}

_TYPESTR = {
    "<f2": "float16",
    "<f4": "float32",
    "<i2": "int16",
    "<u2": "uint16",
    "<i4": "int32",
    "<u4": "uint32",
    "<i8": "int64",
    "<u8": "uint64",
    "|u1": "uint8",
}


class ArrayView(NamedTuple):
    """Where an array lies. `strides` count elements. `owner` keeps the memory alive."""

    pointer: int
    shape: Tuple[int, ...]
    strides: Tuple[int, ...]
    dtype: str
    on_gpu: bool
    #: The GPU's number; None where the array does not say, and on the CPU.
    gpu: Optional[int]
    writable: bool
    owner: Any

    @property
    def device(self) -> str:
        if not self.on_gpu:
            return "cpu"
        return "a GPU" if self.gpu is None else f"cuda:{self.gpu}"

    @property
    def size(self) -> int:
        count = 1
        for length in self.shape:
            count *= length
        return count


def is_torch(array: object) -> bool:
    """Whether `array` is a torch tensor. torch is never imported by asking."""
    torch = sys.modules.get("torch")
    return torch is not None and isinstance(array, torch.Tensor)


def view(array: Any, name: str = "array") -> ArrayView:
    """The view of a torch tensor, or of an object with one of `__cuda_array_interface__`, `__array_interface__` or
    `__dlpack__`. Raises TypeError for anything else; `name`: the argument that it names."""
    if isinstance(array, ArrayView):
        return array
    if is_torch(array):
        return _view_torch(array)
    interface = getattr(array, "__cuda_array_interface__", None)
    if interface is not None:
        device = getattr(getattr(array, "device", None), "id", None)
        return _view_interface(array, interface, True, device if isinstance(device, int) else None)
    interface = getattr(array, "__array_interface__", None)
    if interface is not None:
        return _view_interface(array, interface, False, None)
    if hasattr(array, "__dlpack__"):
        return _view_dlpack(array)
    raise TypeError(
        f"{name}: an array is needed, not {type(array).__name__}: a torch tensor, or an object with "
        "__cuda_array_interface__, __array_interface__ or __dlpack__"
    )


def _view_torch(tensor: Any) -> ArrayView:
    device = tensor.device
    if device.type not in ("cpu", "cuda"):
        raise ValueError(f"a tensor on 'cpu' or 'cuda' is needed, not on '{device}'")
    return ArrayView(
        pointer=tensor.data_ptr(),
        shape=tuple(tensor.shape),
        strides=tuple(tensor.stride()),
        dtype=str(tensor.dtype)[6:],  # "torch.bfloat16"
        on_gpu=device.type == "cuda",
        gpu=device.index,
        writable=True,
        owner=tensor,
    )


def _contiguous(shape: Tuple[int, ...]) -> Tuple[int, ...]:
    strides = []
    step = 1
    for length in reversed(shape):
        strides.append(step)
        step *= length
    return tuple(reversed(strides))


def _view_interface(array: Any, interface: Any, on_gpu: bool, gpu: Optional[int]) -> ArrayView:
    shape = tuple(interface["shape"])
    typestr = interface["typestr"]
    name = _TYPESTR.get(typestr)
    if name is None:
        # ml_dtypes' bfloat16 calls itself "<V2" here; its dtype knows better.
        named = str(getattr(getattr(array, "dtype", None), "name", typestr))
        name = named
    if name in ITEM_BYTES:
        item = ITEM_BYTES[name]
    else:
        item = max(int(getattr(getattr(array, "dtype", None), "itemsize", 1)), 1)
    strides_bytes = interface.get("strides")
    if strides_bytes is None:
        strides = _contiguous(shape)
    else:
        if any(stride % item for stride in strides_bytes):
            raise ValueError(f"the array's strides {tuple(strides_bytes)} are not multiples of its {item}-byte elements")
        strides = tuple(stride // item for stride in strides_bytes)
    pointer, read_only = interface["data"]
    return ArrayView(
        pointer=int(pointer or 0),
        shape=shape,
        strides=strides,
        dtype=name,
        on_gpu=on_gpu,
        gpu=gpu,
        writable=not read_only,
        owner=array,
    )


# ---- DLPack: https://dmlc.github.io/dlpack/latest/c_api.html ----

_DL_CPU, _DL_CUDA, _DL_CUDA_HOST, _DL_CUDA_MANAGED = 1, 2, 3, 13
_DL_DTYPE = {
    (4, 16): "bfloat16",
    (2, 16): "float16",
    (2, 32): "float32",
    (0, 16): "int16",
    (0, 32): "int32",
    (0, 64): "int64",
    (1, 8): "uint8",
    (1, 16): "uint16",
    (1, 32): "uint32",
    (1, 64): "uint64",
}


class _DLTensor(ctypes.Structure):
    _fields_ = [
        ("data", ctypes.c_void_p),
        ("device_type", ctypes.c_int32),
        ("device_id", ctypes.c_int32),
        ("ndim", ctypes.c_int32),
        ("code", ctypes.c_uint8),
        ("bits", ctypes.c_uint8),
        ("lanes", ctypes.c_uint16),
        ("shape", ctypes.POINTER(ctypes.c_int64)),
        ("strides", ctypes.POINTER(ctypes.c_int64)),
        ("byte_offset", ctypes.c_uint64),
    ]


_capsule_pointer = ctypes.pythonapi.PyCapsule_GetPointer
_capsule_pointer.restype = ctypes.c_void_p
_capsule_pointer.argtypes = [ctypes.py_object, ctypes.c_char_p]


def _view_dlpack(array: Any) -> ArrayView:
    device_type, device_id = array.__dlpack_device__()
    on_gpu = device_type in (_DL_CUDA, _DL_CUDA_MANAGED)
    if not on_gpu and device_type not in (_DL_CPU, _DL_CUDA_HOST):
        raise ValueError(f"an array on the CPU or a CUDA device is needed, not on DLPack's device type {device_type}")
    # -1: the producer does not synchronise; launches are in the order of the stream that they are given.
    capsule = array.__dlpack__(stream=-1) if on_gpu else array.__dlpack__()
    # The capsule is not consumed: it owns the tensor until it is collected.
    tensor = _DLTensor.from_address(_capsule_pointer(capsule, b"dltensor"))
    shape = tuple(tensor.shape[i] for i in range(tensor.ndim))
    strides = tuple(tensor.strides[i] for i in range(tensor.ndim)) if tensor.strides else _contiguous(shape)
    dtype = _DL_DTYPE.get((tensor.code, tensor.bits)) if tensor.lanes == 1 else None
    return ArrayView(
        pointer=(tensor.data or 0) + tensor.byte_offset,
        shape=shape,
        strides=strides,
        dtype=dtype or f"DLPack type code {tensor.code} with {tensor.bits} bits",
        on_gpu=on_gpu,
        gpu=int(device_id) if on_gpu else None,
        writable=True,
        owner=(array, capsule),
    )

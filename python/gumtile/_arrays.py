"""Arrays of any library, seen as an address with a shape: torch, numpy, CuPy, and others with DLPack.

Nothing here copies, allocates or synchronises. What an address and a shape cannot say (another byte order, a mask, a
pending negation, no memory at all) is refused.
"""

from __future__ import annotations

import ctypes
import sys
from typing import Any, NamedTuple, Optional, Tuple

from ._fields import DTYPE_BYTES

#: Bytes of an element of the dtypes that arrays may have.
ITEM_BYTES = {
    **DTYPE_BYTES,
    "float64": 8,
    "int8": 1,
    "int16": 2,
    "uint8": 1,
    "uint16": 2,
    "uint32": 4,
    "uint64": 8,
}

#: Kinds of the array interface.
_KIND = {"f": "float", "i": "int", "u": "uint"}
_NATIVE_ORDER = "<" if sys.byteorder == "little" else ">"
#: "<f4": "float32"
_TYPESTR = {
    f"{order}{kind}{bytes_}": f"{name}{8 * bytes_}"
    for kind, name in _KIND.items()
    for bytes_ in (1, 2, 4, 8)
    for order in ("|" if bytes_ == 1 else _NATIVE_ORDER)
}


class ArrayView(NamedTuple):
    """An array's address and layout. `strides` count elements. `owner` and `memory` keep the memory alive."""

    pointer: int
    shape: Tuple[int, ...]
    strides: Tuple[int, ...]
    dtype: str
    on_gpu: bool
    #: The GPU's number; None if the array does not say, and on the CPU.
    gpu: Optional[int]
    writable: bool
    #: The array itself.
    owner: Any
    #: The owner of the array's memory: an array may get other memory later, e.g. a module's parameter.
    memory: Any

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
    """Whether `array` is a torch tensor. Does not import torch."""
    torch = sys.modules.get("torch")
    return torch is not None and isinstance(array, torch.Tensor)


def view(array: Any, name: str = "array") -> ArrayView:
    """The view of a torch tensor, or of an object with one of `__cuda_array_interface__`, `__array_interface__` or
    `__dlpack__`.

    Raises TypeError for anything else, ValueError for an array that has no memory of its own, or whose memory does not
    say what its elements are; `name`: the argument that they name.
    """
    if isinstance(array, ArrayView):
        return array
    if is_torch(array):
        found = _view_torch(array, name)
    else:
        found = _view_other(array, name)
    if found.pointer == 0 and found.size != 0:
        raise ValueError(_no_memory(name, array))
    return found


def is_array(array: object) -> bool:
    """Whether `view` accepts `array`. numpy's scalars count as numbers, since their memory is temporary."""
    if is_torch(array):
        return True
    numpy = sys.modules.get("numpy")
    if numpy is not None and isinstance(array, (numpy.ndarray, numpy.generic)):
        return isinstance(array, numpy.ndarray)
    return any(hasattr(array, name) for name in ("__cuda_array_interface__", "__array_interface__", "__dlpack__"))


def _no_memory(name: str, array: object) -> str:
    return (
        f"{name}: this {type(array).__name__} has no memory of its own, its address is null: an array with memory is "
        "needed (of a DTensor its to_local())"
    )


def _view_torch(tensor: Any, name: str) -> ArrayView:
    device = tensor.device
    if device.type not in ("cpu", "cuda"):
        raise ValueError(f"{name}: a tensor on 'cpu' or 'cuda' is needed, not on '{device}'")
    if str(tensor.layout) != "torch.strided" or tensor.is_nested:
        raise ValueError(f"{name}: a dense tensor is needed, not a nested one or one of layout {tensor.layout}")
    if tensor.is_neg() or tensor.is_conj():
        raise ValueError(
            f"{name}: the tensor is a lazily negated or conjugated view, whose memory holds other numbers: give "
            "tensor.resolve_neg().resolve_conj()"
        )
    dtype = str(tensor.dtype)[6:]  # "torch.bfloat16"
    shape, strides = tuple(tensor.shape), tuple(tensor.stride())
    try:
        pointer = tensor.data_ptr()
        storage = tensor.untyped_storage()
        start, held = storage.data_ptr(), storage.nbytes()
    except (RuntimeError, NotImplementedError):  # tensors of torch.func, and wrappers of others
        raise ValueError(_no_memory(name, tensor)) from None
    if 0 not in shape:
        last = sum((length - 1) * stride for length, stride in zip(shape, strides))
        needed = (pointer - start) + (last + 1) * ITEM_BYTES.get(dtype, 1)
        if start == 0 or needed > held:
            raise ValueError(
                _no_memory(name, tensor)
                if start == 0 and held
                else f"{name}: the tensor's storage has {held} bytes, less than the tensor needs: it was resized"
            )
    return ArrayView(
        pointer=pointer,
        shape=shape,
        strides=strides,
        dtype=dtype,
        on_gpu=device.type == "cuda",
        gpu=device.index,
        writable=True,
        owner=tensor,
        memory=storage,
    )


def _view_other(array: Any, name: str) -> ArrayView:
    interface = getattr(array, "__cuda_array_interface__", None)
    if interface is not None:
        device = getattr(getattr(array, "device", None), "id", None)
        return _view_interface(array, interface, True, device if isinstance(device, int) else None, name)
    interface = getattr(array, "__array_interface__", None)
    if interface is not None:
        return _view_interface(array, interface, False, None, name)
    if hasattr(array, "__dlpack__"):
        return _view_dlpack(array, name)
    raise TypeError(
        f"{name}: an array is needed, not {type(array).__name__}: a torch tensor, or an object with "
        "__cuda_array_interface__, __array_interface__ or __dlpack__"
    )


def _contiguous(shape: Tuple[int, ...]) -> Tuple[int, ...]:
    strides = []
    step = 1
    for length in reversed(shape):
        strides.append(step)
        step *= length
    return tuple(reversed(strides))


def _is_masked(array: object) -> bool:
    """Whether it is a masked array of numpy, whose interface does not show the mask."""
    masked = sys.modules.get("numpy.ma")
    return masked is not None and isinstance(array, masked.MaskedArray)


def _dtype_of(array: Any, typestr: str, name: str) -> str:
    """"<f4": "float32". Raises ValueError for elements in the other byte order."""
    known = _TYPESTR.get(typestr)
    if known is not None:
        return known
    order, size = typestr[:1], typestr[2:]
    if order in "<>" and order != _NATIVE_ORDER and size != "1":
        raise ValueError(
            f"{name}: elements in this machine's byte order are needed, not {typestr!r}: give "
            f"array.astype({_NATIVE_ORDER + typestr[1:]!r})"
        )
    # ml_dtypes' bfloat16 is "<V2" here; its dtype has the real name.
    return str(getattr(getattr(array, "dtype", None), "name", typestr))


def _view_interface(array: Any, interface: Any, on_gpu: bool, gpu: Optional[int], name: str) -> ArrayView:
    mask = interface.get("mask")
    if mask is not None or _is_masked(array):
        raise ValueError(f"{name}: an array without a mask is needed: give array.filled(…) or array.data")
    try:
        pointer, read_only = interface["data"]
        pointer = int(pointer or 0)
    except (KeyError, TypeError, ValueError):
        raise ValueError(f"{name}: this {type(array).__name__} does not tell the address of its memory") from None
    shape = tuple(interface["shape"])
    dtype = _dtype_of(array, interface["typestr"], name)
    item = ITEM_BYTES.get(dtype) or max(int(getattr(getattr(array, "dtype", None), "itemsize", 1)), 1)
    strides_bytes = interface.get("strides")
    if strides_bytes is None:
        strides = _contiguous(shape)
    else:
        if any(stride % item for stride in strides_bytes):
            raise ValueError(
                f"{name}: the array's strides {tuple(strides_bytes)} are not multiples of its {item}-byte elements"
            )
        strides = tuple(stride // item for stride in strides_bytes)
    return ArrayView(
        pointer=pointer,
        shape=shape,
        strides=strides,
        dtype=dtype,
        on_gpu=on_gpu,
        gpu=gpu,
        writable=not read_only,
        owner=array,
        memory=interface,
    )


# ---- DLPack: https://dmlc.github.io/dlpack/latest/c_api.html ----

_DL_CPU, _DL_CUDA, _DL_CUDA_HOST, _DL_CUDA_MANAGED = 1, 2, 3, 13
_DL_DTYPE = {
    (4, 16): "bfloat16",
    (2, 16): "float16",
    (2, 32): "float32",
    (2, 64): "float64",
    (0, 8): "int8",
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


def _view_dlpack(array: Any, name: str) -> ArrayView:
    device_type, device_id = array.__dlpack_device__()
    on_gpu = device_type in (_DL_CUDA, _DL_CUDA_MANAGED)
    if not on_gpu and device_type not in (_DL_CPU, _DL_CUDA_HOST):
        raise ValueError(
            f"{name}: an array on the CPU or a CUDA device is needed, not on DLPack's device type {device_type}"
        )
    try:
        # -1: the producer does not synchronise; launches are in the order of the stream that they are given.
        capsule = array.__dlpack__(stream=-1) if on_gpu else array.__dlpack__()
    except (BufferError, RuntimeError) as error:
        raise ValueError(f"{name}: this {type(array).__name__} cannot be seen through DLPack: {error}") from error
    # The capsule is not consumed: it owns the tensor until it is collected.
    tensor = _DLTensor.from_address(_capsule_pointer(capsule, b"dltensor"))
    shape = tuple(tensor.shape[i] for i in range(tensor.ndim))
    strides = tuple(tensor.strides[i] for i in range(tensor.ndim)) if tensor.strides else _contiguous(shape)
    dtype = _DL_DTYPE.get((tensor.code, tensor.bits)) if tensor.lanes == 1 else None
    return ArrayView(
        pointer=tensor.data + tensor.byte_offset if tensor.data else 0,
        shape=shape,
        strides=strides,
        dtype=dtype or f"DLPack type code {tensor.code} with {tensor.bits} bits",
        on_gpu=on_gpu,
        gpu=int(device_id) if on_gpu else None,
        writable=True,
        owner=array,
        memory=capsule,
    )

"""Conversions to arrays of a launch, made once: from numbers, lists, and arrays of other types and layouts."""

from __future__ import annotations

import ctypes
import numbers
import operator
import sys
from typing import Any, Dict, List, NamedTuple, Optional, Tuple, Union

from ._allocate import Library, is_capturing, library_of
from ._arrays import ArrayView, is_array, view
from ._checks import INT32_MAX, INT64_MAX, UINT32_MAX, UINT64_MAX, is_bool

_INTEGERS = ("int8", "uint8", "int16", "uint16", "int32", "uint32", "int64", "uint64")
_FLOATS = ("float16", "bfloat16", "float32", "float64")


class Kind(NamedTuple):
    """The kinds of elements that an argument may have."""

    #: The dtypes that the library reads; numbers become the first.
    dtypes: Tuple[str, ...]
    #: The dtypes that arrays are converted from.
    converted_from: Tuple[str, ...] = ()
    #: The range of integers, both ends included; None: any real number.
    low: Optional[int] = None
    high: Optional[int] = None


#: By the dtype that the table of fields has. torch has little use for unsigned words: signed ones of the same bits will
#: do, and negative numbers stand for those of uint64.
KINDS: Dict[str, Kind] = {
    "float32": Kind(("float32",), _FLOATS + _INTEGERS),
    "int32": Kind(("int32",), (), -INT32_MAX - 1, INT32_MAX),
    "uint32": Kind(("uint32", "int32"), (), 0, UINT32_MAX),
    "int64": Kind(("int64",), _INTEGERS, -INT64_MAX - 1, INT64_MAX),
    "uint64": Kind(("uint64", "int64"), _INTEGERS, -(2**63), UINT64_MAX),
}


def number_of(name: str, given: Any) -> Union[int, float, None]:
    """A number of Python or numpy as Python's; None for anything else. Raises TypeError for truth values."""
    numpy = sys.modules.get("numpy")
    if numpy is not None and isinstance(given, numpy.generic):
        given = given.item()
    if is_bool(given):
        raise TypeError(f"{name}: a number is needed, not {type(given).__name__}")
    if isinstance(given, numbers.Integral):
        return operator.index(given)
    return float(given) if isinstance(given, numbers.Real) else None


def is_greedy(given: Any) -> bool:
    """Whether a temperature is the number 0."""
    return not is_array(given) and isinstance(given, numbers.Real) and given == 0


def length_of(name: str, given: Any) -> Optional[int]:
    """How many elements `given` has; None for a number, which stands for as many as are needed."""
    if given is None or isinstance(given, numbers.Real):
        return None
    if is_array(given):
        shape = view(given, name).shape
        return shape[0] if shape else None
    return len(given) if hasattr(given, "__len__") else None


def element(name: str, kind: Kind, value: Any) -> Union[int, float]:
    """One number converted to the argument's type. Raises TypeError, ValueError."""
    number = number_of(name, value)
    if number is None:
        raise TypeError(f"{name}: numbers are needed, not {type(value).__name__}")
    if kind.low is None or kind.high is None:
        try:
            return ctypes.c_float(number).value  # rounded as the kernel would read it; too large: infinite
        except OverflowError:
            raise ValueError(f"{name}: {number} is larger than any float") from None
    if not isinstance(number, int):
        raise TypeError(f"{name}: an integer is needed, not {type(value).__name__}")
    if not kind.low <= number <= kind.high:
        raise ValueError(f"{name}: integers from {kind.low} to {kind.high} are needed, not {number}")
    return number & UINT64_MAX if kind.high == UINT64_MAX else number


def is_one_number(name: str, given: Any) -> bool:
    """Whether `given` is one number for all rows or slots."""
    if given is None:
        return False
    if is_array(given):
        return length_of(name, given) is None
    return number_of(name, given) is not None


def from_numbers(
    name: str, given: Any, kind: Kind, length: int, library: Optional[Library], like: ArrayView
) -> ArrayView:
    """An array of a number, of `length` elements, or of a list, made by `like`'s library. Raises TypeError, ValueError."""
    number = number_of(name, given)
    if library is None:
        raise TypeError(
            f"{name}: an array on {like.device} is needed, not {type(given).__name__}, since gumtile cannot make one in "
            "the library of the hidden states"
        )
    if number is not None:
        return view(library.full((length,), element(name, kind, given), kind.dtypes[0]), name)
    if isinstance(given, (str, bytes, bytearray, dict, set)) or not hasattr(given, "__len__"):
        view(given, name)  # raises: it is not an array
    values: List[Union[int, float]] = []
    for row in given:
        is_column = isinstance(row, (list, tuple)) and len(row) == 1  # [rows, 1]
        values.append(element(name, kind, row[0] if is_column else row))
    if is_capturing(like):
        raise ValueError(f"{name}: a list cannot be copied to the GPU during a capture: give an array")
    return view(library.vector(values, kind.dtypes[0]), name)


def without_columns(array: ArrayView) -> ArrayView:
    """[rows, 1] as [rows]."""
    if len(array.shape) == 2 and array.shape[1] == 1:
        return array._replace(shape=array.shape[:1], strides=array.strides[:1])
    return array


def one_element(name: str, given: ArrayView, kind: Kind) -> ArrayView:
    """`given`, of any shape with one element, as [1]; itself if it is of a type that the library reads, else a copy.
    Raises ValueError for what cannot be converted."""
    if given.size != 1:
        raise ValueError(f"{name}: an array of one element is needed, not of the shape {list(given.shape)}")
    if given.dtype not in kind.dtypes:
        _require_conversion(name, given, kind)
        given = view(copied(name, given, given.shape, kind.dtypes[0]), name)
    return given._replace(shape=(1,), strides=(1,))


def _require_conversion(name: str, given: ArrayView, kind: Kind) -> None:
    if given.dtype not in kind.converted_from:
        raise ValueError(f"{name}: {' or '.join(kind.dtypes)} is needed, not {given.dtype}")


def is_adjacent(array: ArrayView) -> bool:
    return array.shape[0] <= 1 or array.strides[0] == 1


def adjacent(name: str, given: ArrayView, kind: Kind, length: int) -> ArrayView:
    """`given`, [rows], [rows, 1] or one element, as adjacent elements of a type that the library reads.

    It is `given` itself if it is that already, else a copy. Raises ValueError for what cannot be converted.
    """
    fits = given.dtype in kind.dtypes
    if fits and len(given.shape) == 1 and is_adjacent(given):
        return given
    array = without_columns(given)
    if not fits:
        _require_conversion(name, array, kind)
    if len(array.shape) > 1:
        raise ValueError(f"{name}: the shape [{length}] is needed, not {list(given.shape)}")
    if fits and array.shape and is_adjacent(array):
        return array
    shape = array.shape if array.shape else (length,)
    made = copied(name, given, (*shape, 1) if len(given.shape) == 2 else shape, array.dtype if fits else kind.dtypes[0])
    return without_columns(view(made, name))


def copied(name: str, given: ArrayView, shape: Tuple[int, ...], dtype: str) -> Any:
    """A copy without gaps in the same memory. Raises ValueError for libraries that gumtile cannot ask for one."""
    library = library_of(given)
    if library is None:
        raise ValueError(f"{name}: adjacent elements of {dtype} are needed, not {given.dtype} at strides {given.strides}")
    return library.converted(given, shape, dtype)

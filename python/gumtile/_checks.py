"""Checks of arguments that are not arrays: errors name the argument, and ctypes gets nothing that it would truncate."""

from __future__ import annotations

import operator
import os
from typing import Any, Optional

INT32_MAX, UINT32_MAX, INT64_MAX, UINT64_MAX = 2**31 - 1, 2**32 - 1, 2**63 - 1, 2**64 - 1


def is_bool(value: object) -> bool:
    """Whether `value` is a bool of Python or of numpy."""
    return isinstance(value, bool) or type(value).__name__ in ("bool_", "bool")


def integer(name: str, value: Any, low: int, high: int) -> int:
    """`value` as an int from `low` to `high`. Raises TypeError for other types, ValueError for other numbers."""
    try:
        if is_bool(value):
            raise TypeError
        number = operator.index(value)
    except TypeError:
        raise TypeError(f"{name}: an integer is needed, not {type(value).__name__}") from None
    if not low <= number <= high:
        raise ValueError(f"{name}: an integer from {low} to {high} is needed, not {number}")
    return number


def text(name: str, value: Any) -> str:
    """`value` if it is a str that C can read. Raises TypeError, ValueError."""
    if not isinstance(value, str):
        raise TypeError(f"{name}: a str is needed, not {type(value).__name__}")
    if "\0" in value:
        raise ValueError(f"{name}: {value!r} has a NUL character")
    return value


def path(name: str, value: Any) -> bytes:
    """`value`, a str, bytes or os.PathLike, as the system's bytes. Raises TypeError, ValueError."""
    try:
        encoded = os.fsencode(value)
    except TypeError:
        raise TypeError(f"{name}: a path is needed, not {type(value).__name__}") from None
    if b"\0" in encoded:
        raise ValueError(f"{name}: {value!r} has a NUL character")
    return encoded


def optional_path(name: str, value: Any) -> Optional[bytes]:
    return None if value is None else path(name, value)


def instance(name: str, value: Any, kind: type, remedy: str) -> None:
    """Raises TypeError unless `value` is a `kind`; `remedy`: how to get one."""
    if not isinstance(value, kind):
        raise TypeError(f"{name}: a gumtile.{kind.__name__} is needed, not {type(value).__name__}: {remedy}")

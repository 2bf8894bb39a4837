"""libgumtile through ctypes: where it is, its structs and its functions, as gumtile/gumtile.h declares them."""

from __future__ import annotations

import ctypes
import os
import pathlib
import weakref
from ctypes import (
    CFUNCTYPE,
    POINTER,
    Structure,
    c_char_p,
    c_double,
    c_int,
    c_int32,
    c_int64,
    c_size_t,
    c_uint32,
    c_uint64,
    c_void_p,
)
from typing import Any, Callable

from ._fields import HEAD_OPTIONS, SAMPLE_ARGS

ABI_VERSION = 0
SONAME = f"libgumtile.so.{ABI_VERSION}"

LogFunction = CFUNCTYPE(None, c_void_p, c_int, c_char_p)
ProgressFunction = CFUNCTYPE(c_int, c_void_p, c_int, c_int)


class SizedStruct(Structure):
    """A struct whose first field is its own size."""

    def __init__(self, **fields: object) -> None:
        super().__init__(struct_size=ctypes.sizeof(type(self)), **fields)


class EngineOptions(SizedStruct):
    _fields_ = [
        ("struct_size", c_size_t),
        ("device", c_char_p),
        ("flags", c_uint32),
        ("max_blocks", c_int32),
        ("cpu_threads", c_int32),
        ("packs", POINTER(c_char_p)),
        ("pack_count", c_size_t),
        ("cache_folder", c_char_p),
        ("cache_max_bytes", c_uint64),
        ("tuning_folder", c_char_p),
        ("log", LogFunction),
        ("log_user", c_void_p),
    ]


class DeviceInfo(SizedStruct):
    _fields_ = [
        ("struct_size", c_size_t),
        ("name", c_char_p),
        ("id", c_char_p),
        ("target", c_char_p),
        ("workers", c_int32),
        ("is_gpu", c_int32),
        ("memory_bytes", c_uint64),
    ]


class EngineStats(SizedStruct):
    _fields_ = [
        ("struct_size", c_size_t),
        ("compiles", c_uint64),
        ("cache_hits", c_uint64),
        ("loads", c_uint64),
        ("shared", c_uint64),
        ("allocated_bytes", c_uint64),
        ("compile_ms", c_double),
        ("cache_ms", c_double),
        ("load_ms", c_double),
        ("ready_made", c_uint64),
    ]


class HeadOptions(SizedStruct):
    _fields_ = HEAD_OPTIONS


class PrepareOptions(SizedStruct):
    _fields_ = [
        ("struct_size", c_size_t),
        ("max_rows", c_int64),
        ("feature_sets", POINTER(c_uint32)),
        ("feature_set_count", c_size_t),
        ("progress", ProgressFunction),
        ("progress_user", c_void_p),
        ("threads", c_int32),
        ("reserved", c_int32),
        ("wide_feature_sets", POINTER(c_uint64)),
        ("wide_feature_set_count", c_size_t),
    ]


class SampleArgs(SizedStruct):
    _fields_ = SAMPLE_ARGS


class KernelChoice(SizedStruct):
    _fields_ = [
        ("struct_size", c_size_t),
        ("features", c_uint32),
        ("max_rows", c_int64),
        ("schedule", c_char_p),
        ("rule", c_char_p),
        ("note", c_char_p),
        ("wide_features", c_uint64),
    ]


_STATUS = c_int
_PROTOTYPES = {
    "gumtile_version": (c_char_p, []),
    "gumtile_abi_version": (c_int, []),
    "gumtile_has_jit": (c_int, []),
    "gumtile_status_name": (c_char_p, [c_int]),
    "gumtile_last_error": (c_char_p, []),
    "gumtile_engine_open": (_STATUS, [POINTER(EngineOptions), POINTER(c_void_p)]),
    "gumtile_engine_close": (None, [c_void_p]),
    "gumtile_engine_describe": (_STATUS, [c_void_p, POINTER(DeviceInfo)]),
    "gumtile_engine_get_stats": (_STATUS, [c_void_p, POINTER(EngineStats)]),
    "gumtile_engine_allocate": (_STATUS, [c_void_p, c_size_t, POINTER(c_void_p)]),
    "gumtile_engine_release": (_STATUS, [c_void_p, c_void_p]),
    "gumtile_engine_synchronize": (_STATUS, [c_void_p, c_void_p]),
    "gumtile_head_create": (_STATUS, [c_void_p, POINTER(HeadOptions), POINTER(c_void_p)]),
    "gumtile_head_destroy": (None, [c_void_p]),
    "gumtile_head_prepare": (_STATUS, [c_void_p, POINTER(PrepareOptions)]),
    "gumtile_head_set_weights": (_STATUS, [c_void_p, c_void_p, c_int64]),
    "gumtile_head_set_array": (_STATUS, [c_void_p, c_char_p, c_void_p]),
    "gumtile_head_workspace_size": (_STATUS, [c_void_p, c_int64, POINTER(c_size_t), POINTER(c_size_t)]),
    "gumtile_head_workspace_init": (_STATUS, [c_void_p, c_void_p, c_void_p, c_size_t]),
    "gumtile_head_sample": (_STATUS, [c_void_p, c_void_p, POINTER(SampleArgs)]),
    "gumtile_head_validate": (_STATUS, [c_void_p, POINTER(SampleArgs), c_int64]),
    "gumtile_head_choice_count": (c_size_t, [c_void_p]),
    "gumtile_head_get_choice": (_STATUS, [c_void_p, c_size_t, POINTER(KernelChoice)]),
}


def library_path() -> str:
    """The library's file: $GUMTILE_LIBRARY, else the one in this package, else what the system's loader finds."""
    given = os.environ.get("GUMTILE_LIBRARY")
    if given:
        return given
    packaged = pathlib.Path(__file__).parent / "lib" / SONAME
    return str(packaged) if packaged.exists() else SONAME


def _load() -> ctypes.CDLL:
    path = library_path()
    try:
        # CDLL releases Python's lock during each call.
        library = ctypes.CDLL(path)
    except OSError as error:
        raise ImportError(
            f"gumtile's library cannot be loaded: {error}. It is looked for at $GUMTILE_LIBRARY, in the package's "
            f"folder lib, and as {SONAME} where the system has its libraries"
        ) from error
    for name, (result, arguments) in _PROTOTYPES.items():
        function = getattr(library, name)
        function.restype = result
        function.argtypes = arguments
    found: int = library.gumtile_abi_version()
    if found != ABI_VERSION:
        raise ImportError(f"{path} has version {found} of the C interface; this package needs {ABI_VERSION}")
    return library


lib = _load()


def release_with(owner: object, release: Callable[..., Any], *arguments: Any) -> None:
    """Calls `release(*arguments)` once `owner` is gone, but not when the interpreter ends: daemon threads may then still
    be in the library, and the system takes back what a process held."""
    weakref.finalize(owner, release, *arguments).atexit = False

"""Engines: one device each."""

from __future__ import annotations

import ctypes
import os
from dataclasses import dataclass
from typing import Any, Callable, Optional, Sequence, Tuple, Union

from . import _library as c
from ._allocate import stream_number
from ._checks import INT32_MAX, UINT64_MAX, integer, optional_path, path, text
from ._errors import check
from ._library import lib, release_with
from ._setup import Call, Calls, run
from ._types import Stream

PathLike = Union[str, "os.PathLike[str]"]
#: Called with a level (0 debug, 1 information, 2 warning) and a message, maybe by several threads at once.
Log = Callable[[int, str], None]

_CURRENT_CONTEXT, _NO_JIT, _NO_CACHE, _NO_TUNING, _NO_ASSEMBLER = 1, 2, 4, 8, 16


@dataclass(frozen=True)
class DeviceInfo:
    """The device of an engine."""

    #: "NVIDIA H200", or the CPU's brand.
    name: str
    #: "cuda:0" or "cpu".
    id: str
    #: What kernels are compiled for: "sm_90a" or "host".
    target: str
    #: Multiprocessors, or CPU threads.
    workers: int
    is_gpu: bool
    memory_bytes: int


@dataclass(frozen=True)
class EngineStats:
    """What an engine did since it was opened; times are sums over threads."""

    #: Kernels that were compiled.
    compiles: int
    #: Kernels from the cache on disk.
    cache_hits: int
    #: Kernels loaded onto the device.
    loads: int
    #: Kernels that were loaded already.
    shared: int
    #: Device memory held for workspaces of `Head.workspace` and default ones.
    allocated_bytes: int
    compile_ms: float
    cache_ms: float
    load_ms: float
    #: Kernels from packs.
    ready_made: int


class Engine:
    """Opens a device.

    An engine may be used from any number of threads. It works in the device's primary context, that of the CUDA
    runtime and of PyTorch. Heads keep their engine alive. After `os.fork` the child must open an engine of its own.
    Engines and heads that are alive when the interpreter ends are left to the system: threads may be using them.

    Raises GumtileError with status DEVICE_UNAVAILABLE if there is no such device, BAD_DATA or IO if a pack cannot be used.
    """

    def __init__(
        self,
        device: str = "auto",
        packs: Sequence[PathLike] = (),
        cache_folder: Optional[PathLike] = None,
        *,
        cache: bool = True,
        cache_max_bytes: int = 0,
        jit: bool = True,
        tuning: bool = True,
        tuning_folder: Optional[PathLike] = None,
        assembler: bool = True,
        current_context: bool = False,
        max_blocks: int = 0,
        cpu_threads: int = 0,
        log: Optional[Log] = None,
    ) -> None:
        """
        Args:
            device: "auto" (the first GPU, else the CPU), "cpu" or "cuda:N".
            packs: files of compiled kernels, searched in this order before anything is compiled.
            cache_folder: where compiled kernels are kept; None: $GUMTILE_CACHE_DIR, else the user's cache folder.
            cache: False keeps compiled kernels in memory only.
            cache_max_bytes: of the cache on disk; 0: 1 GiB.
            jit: False never compiles: only packs and the cache are used.
            tuning: False uses no tuning record.
            tuning_folder: None: $GUMTILE_TUNING_DIR, else the user's data folder.
            assembler: GPU: False runs no ptxas, even if there is one; the driver assembles compiled kernels.
            current_context: GPU: work in the CUDA context that is current on this thread, which must outlive the
                engine.
            max_blocks: GPU: limits the blocks of a launch, to share the card; 0: the whole card.
            cpu_threads: CPU: 0: all that the process may use.
            log: called with each message of set-up calls, on the thread that noticed the event, one of gumtile's own
                while the main thread waits. If it raises, the set-up call raises when it ends.

        Raises TypeError or ValueError for an argument of another type or range.
        """
        if isinstance(packs, (str, bytes, os.PathLike)):
            raise TypeError("packs: a sequence of paths is needed, not one path: [path]")
        if log is not None and not callable(log):
            raise TypeError(f"log: a function of a level and a message is needed, not {type(log).__name__}")
        pack_paths = [path("packs", pack) for pack in packs]
        pack_array = (ctypes.c_char_p * len(pack_paths))(*pack_paths)
        # The library calls it as long as the engine exists: the finalizer below keeps it.
        self._calls = Calls()
        self._log = c.LogFunction(0) if log is None else c.LogFunction(_logger(log, self._calls))
        options = c.EngineOptions(
            device=text("device", device).encode(),
            flags=(_CURRENT_CONTEXT if current_context else 0)
            | (0 if jit else _NO_JIT)
            | (0 if cache else _NO_CACHE)
            | (0 if tuning else _NO_TUNING)
            | (0 if assembler else _NO_ASSEMBLER),
            max_blocks=integer("max_blocks", max_blocks, 0, INT32_MAX),
            cpu_threads=integer("cpu_threads", cpu_threads, 0, INT32_MAX),
            packs=pack_array if pack_paths else None,
            pack_count=len(pack_paths),
            cache_folder=optional_path("cache_folder", cache_folder),
            cache_max_bytes=integer("cache_max_bytes", cache_max_bytes, 0, UINT64_MAX),
            tuning_folder=optional_path("tuning_folder", tuning_folder),
            log=self._log,
        )
        self._handle = handle = ctypes.c_void_p()
        release_with(self, _close_engine, handle, self._log)
        opening = Call(self._calls, lib.gumtile_engine_open, (ctypes.byref(options), ctypes.byref(handle)))
        run(opening, in_place=current_context)  # contexts are current on a thread
        self._device = self._describe()
        #: The GPU's number, None on the CPU.
        self._gpu: Optional[int] = int(self._device.id.partition(":")[2]) if self._device.is_gpu else None

    @property
    def device(self) -> DeviceInfo:
        """The device that was opened."""
        return self._device

    def stats(self) -> EngineStats:
        """What the engine did since it was opened. Thread safe."""
        stats = c.EngineStats()
        check(lib.gumtile_engine_get_stats(self._handle, ctypes.byref(stats)))
        fields: Tuple[str, ...] = tuple(EngineStats.__dataclass_fields__)
        return EngineStats(**{field: getattr(stats, field) for field in fields})

    def synchronize(self, stream: Stream = 0) -> None:
        """Waits for what was launched on `stream`: a CUstream as a number (0: the legacy default stream), or a stream of
        torch or CuPy."""
        check(lib.gumtile_engine_synchronize(self._handle, stream_number(stream)))

    def __repr__(self) -> str:
        return f"<gumtile.Engine {self._device.id}: {self._device.name}>"

    def _describe(self) -> DeviceInfo:
        info = c.DeviceInfo()
        check(lib.gumtile_engine_describe(self._handle, ctypes.byref(info)))
        return DeviceInfo(
            name=info.name.decode("utf-8", "replace"),
            id=info.id.decode(),
            target=info.target.decode(),
            workers=info.workers,
            is_gpu=bool(info.is_gpu),
            memory_bytes=info.memory_bytes,
        )


def _close_engine(handle: ctypes.c_void_p, log: Any) -> None:
    """`log` is only kept alive until here."""
    lib.gumtile_engine_close(handle)


def _logger(log: Log, calls: Calls) -> Callable[[Any, int, bytes], None]:
    def call(_user: Any, level: int, message: bytes) -> None:
        try:
            log(level, message.decode("utf-8", "replace"))
        except BaseException as failure:  # cannot cross the library: the set-up call raises it
            calls.failures.append(failure)

    return call


class EngineMemory:
    """Device memory of an engine, aligned to 256 bytes; released with the object."""

    def __init__(self, engine: Engine, size_bytes: int) -> None:
        memory = ctypes.c_void_p()
        check(lib.gumtile_engine_allocate(engine._handle, size_bytes, ctypes.byref(memory)))
        self.pointer: int = memory.value or 0
        # The finalizer holds the engine, so that it is closed later.
        release_with(self, _release, engine, memory)


def _release(engine: Engine, memory: ctypes.c_void_p) -> None:
    lib.gumtile_engine_release(engine._handle, memory)

"""Workspaces: the device memory through which launches share their progress."""

from __future__ import annotations

import ctypes
from typing import Any, Tuple

from ._errors import Status, check
from ._library import lib, release_with

ALIGNMENT = 256


def aligned(pointer: int, size_bytes: int) -> Tuple[int, int]:
    """The part of some memory that begins at a multiple of ALIGNMENT, as (pointer, bytes)."""
    start = -(-pointer // ALIGNMENT) * ALIGNMENT
    return start, max(size_bytes - (start - pointer), 0)


def workspace_bytes(head: HeadHandle, max_rows: int) -> int:
    """Bytes for launches of up to `max_rows` rows, from a multiple of ALIGNMENT on."""
    needed = ctypes.c_size_t()
    check(lib.gumtile_head_workspace_size(head, max_rows, ctypes.byref(needed), None))
    return needed.value


class HeadHandle(ctypes.c_void_p):
    """A gumtile_head, destroyed with the last object that holds it: a head, or a workspace that outlives it."""

    def own(self) -> None:
        release_with(self, lib.gumtile_head_destroy, self.value)


class Workspace:
    """Memory for the launches of one head in the order of one stream; created by `Head.workspace`.

    Streams that may overlap need one each, and so do threads that launch on the CPU at the same time. `owner` is what
    holds the memory.
    """

    def __init__(self, head: HeadHandle, pointer: int, size_bytes: int, owner: Any, stream: int) -> None:
        self._head = head
        self.pointer = pointer
        self.nbytes = size_bytes
        self.owner = owner
        self._ready = False
        self.init(stream)

    def init(self, stream: int = 0) -> None:
        """Makes the workspace ready, in the order of `stream`. `Head.workspace` has done it once; it is needed again
        only where something else wrote to the memory. Does not synchronise."""
        check(lib.gumtile_head_workspace_init(self._head, stream, self.pointer, self.nbytes))
        self._ready = True

    def _make_ready(self, stream: int) -> None:
        """After a launch that failed halfway."""
        if not self._ready:
            self.init(stream)

    def _after(self, status: int) -> None:
        if status in (Status.LAUNCH_FAILED, Status.CONTEXT_LOST):
            self._ready = False

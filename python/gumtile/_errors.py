"""The library's errors, as exceptions."""

from __future__ import annotations

import enum

from ._library import lib


class Status(enum.IntEnum):
    """Why a call failed: gumtile_status of gumtile.h."""

    OK = 0
    # From a launch, which then did nothing; CONTEXT_LOST also from set-up.
    NOT_PREPARED = 1
    TOO_MANY_ROWS = 2
    WORKSPACE_TOO_SMALL = 3
    INVALID_ARGUMENT = 4
    LAUNCH_FAILED = 5
    CONTEXT_LOST = 6
    FORKED = 7
    # From set-up.
    USAGE = 64
    BAD_DATA = 65
    DEVICE_UNAVAILABLE = 69
    INTERNAL = 70
    OUT_OF_MEMORY = 71
    CANNOT_CREATE = 73
    IO = 74
    CANCELLED = 130
    # From a library that is newer than this package.
    UNKNOWN = -1

    @classmethod
    def _missing_(cls, value: object) -> Status:
        return cls.UNKNOWN


class GumtileError(RuntimeError):
    """A call into the library failed.

    The text says what was expected, what was found and what to do; `status` is for programs.
    """

    def __init__(self, status: Status, message: str) -> None:
        super().__init__(f"{status.name.lower()}: {message}" if message else status.name.lower())
        self.status = status


def check(status: int) -> None:
    """Raises GumtileError unless `status` is 0."""
    if status != 0:
        message: bytes = lib.gumtile_last_error() or b""
        raise GumtileError(Status(status), message.decode("utf-8", "replace"))

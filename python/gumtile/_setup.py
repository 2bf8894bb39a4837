"""Calls that take long or call back: interruptible, and without losing exceptions.

A signal's handler runs between two steps of the main thread, and may raise there: Ctrl-C does. While the main thread
waits in the library there is no step, and no callback can catch what a handler raises at its start. So
the main thread waits in Python instead, for a thread that calls the library.
"""

from __future__ import annotations

import atexit
import os
import threading
from typing import Any, Callable, List, Set

from ._errors import GumtileError, Status
from ._library import lib


#: Longer than any kernel takes to compile.
_LONGEST_WAIT_S = 60.0


class Calls:
    """The exceptions that callbacks of one engine raised; any thread may append."""

    def __init__(self) -> None:
        self.failures: List[BaseException] = []

    def raise_failure(self) -> None:
        """Raises the first exception of a callback, once."""
        try:
            failure = self.failures.pop(0)
        except IndexError:
            return
        self.failures.clear()
        raise failure


class Call:
    """One call. Progress callbacks check `cancelled`."""

    def __init__(self, calls: Calls, function: Callable[..., int], arguments: Any) -> None:
        self.cancelled = False
        self._calls = calls
        self._function = function
        self._arguments = arguments
        self._unclaimed = [True]
        self._done = threading.Event()
        self._status = 0
        self._message = ""

    def _run(self) -> None:
        try:
            self._unclaimed.pop()
        except IndexError:
            return  # its caller was interrupted before it began
        try:
            self._status = self._function(*self._arguments)
            if self._status:  # the text is kept per thread
                self._message = (lib.gumtile_last_error() or b"").decode("utf-8", "replace")
        finally:
            self._done.set()

    def _abandon(self) -> None:
        """Ends the call as soon as possible, and waits for that: it uses the head."""
        while not self._done.is_set():
            try:
                self.end()
            except BaseException:  # a second Ctrl-C changes nothing: the first is being handled
                pass

    def end(self) -> None:
        """Cancels the call and waits for it, but not forever if its callback does not return."""
        self.cancelled = True
        try:
            self._unclaimed.pop()
            self._done.set()
        except IndexError:
            self._done.wait()

    def wait(self, in_place: bool) -> None:
        """Runs the call to its end. Raises what a signal's handler raises meanwhile, then what a callback raised, then
        GumtileError."""
        if in_place or threading.current_thread() is not threading.main_thread():
            self._run()
        else:
            try:
                threading.Thread(target=self._run, name="gumtile", daemon=True).start()
                self._done.wait()
            except BaseException:
                self._abandon()
                self._calls.failures.clear()
                raise
        self._calls.raise_failure()
        if self._status:
            raise GumtileError(Status(self._status), self._message)


_running: Set[Call] = set()
_lock = threading.Lock()
_is_exiting = False


def run(call: Call, in_place: bool = False) -> None:
    """Runs a call; `in_place`: on this thread, whichever it is."""
    with _lock:
        if _is_exiting:
            raise RuntimeError("the interpreter is exiting")
        _running.add(call)
    try:
        call.wait(in_place)
    finally:
        with _lock:
            _running.discard(call)


def set_up(calls: Calls, function: Callable[..., int], *arguments: Any) -> None:
    """Calls the library. Raises GumtileError, and what a callback or a signal's handler raised."""
    run(Call(calls, function, arguments))


@atexit.register
def _finish() -> None:
    """Before the interpreter ends: cancels what other threads prepare and waits for them, since their callbacks need an
    interpreter."""
    global _is_exiting
    with _lock:
        _is_exiting = True
        running = list(_running)
    for call in running:
        call.end()


def _forget() -> None:
    """In a forked child, which has none of its parent's other threads."""
    global _lock
    _lock = threading.Lock()
    _running.clear()


os.register_at_fork(after_in_child=_forget)

"""Lifetimes: interrupts during set-up, callbacks that raise, and the interpreter's end while threads run."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from typing import Any, List, Tuple

import numpy as np
import pytest
from conftest import HIDDEN, ROWS

import gumtile

Data = Tuple[np.ndarray, np.ndarray]

PRELUDE = """
import os, signal, sys, threading, time
import numpy as np, gumtile
weights, hidden = np.zeros((20000, 64), np.float32), np.ones((8, 64), np.float32)
"""


def run(script: str) -> "subprocess.CompletedProcess[str]":
    return subprocess.run([sys.executable, "-c", PRELUDE + script], capture_output=True, text=True, timeout=120)


@pytest.mark.parametrize("call", ["head.sample(hidden)", "launch()"])
def test_the_interpreter_ends_beside_a_sampling_thread(call: str) -> None:
    script = f"""
head = gumtile.Head(gumtile.Engine("cpu", cache=False), weights)
head.prepare(8, features=[("logprob",)])
launch = head.bind(hidden)
def work():
    while True: {call}
for _ in range({1 if call == "launch()" else 3}): threading.Thread(target=work, daemon=True).start()
time.sleep(0.1)
sys.exit(3)
"""
    for _ in range(3):
        ended = run(script)
        assert ended.returncode == 3 and ended.stderr == ""


def test_the_interpreter_ends_beside_a_preparing_thread() -> None:
    script = """
began = threading.Event()
engine = gumtile.Engine("cpu", cache=False, log=lambda level, text: None)
def work():
    began.set()
    gumtile.Head(engine, weights).prepare(64, progress=lambda done, total: True)
threading.excepthook = lambda failure: None
threading.Thread(target=work, daemon=True).start()
began.wait()
time.sleep(0.05)
sys.exit(3)
"""
    for _ in range(3):
        ended = run(script)
        assert ended.returncode == 3, ended.stderr


@pytest.mark.parametrize("delay", [0.02, 0.1, 0.2])
@pytest.mark.parametrize("progress", ["None", "lambda done, total: True"])
def test_an_interrupt_of_prepare_is_raised(delay: float, progress: str) -> None:
    ended = run(
        f"""
engine = gumtile.Engine("cpu", cache=False)
head = gumtile.Head(engine, weights)
threading.Timer({delay}, lambda: os.kill(os.getpid(), signal.SIGINT)).start()
try:
    head.prepare(64, progress={progress})
    time.sleep(5)
except KeyboardInterrupt:
    head.prepare(8)  # it is as good as new
    sys.exit(int(head.sample(hidden).token.shape != (8,)))
sys.exit(2)
"""
    )
    assert ended.returncode == 0, ended.stderr


def test_what_a_signals_handler_raises_is_raised(engine: gumtile.Engine, data: Data) -> None:
    def handler(number: int, frame: Any) -> None:
        raise TimeoutError("too slow")

    seen: List[int] = []

    def progress(done: int, total: int) -> None:
        seen.append(total)
        os.kill(os.getpid(), signal.SIGALRM)
        time.sleep(0.05)

    before = signal.signal(signal.SIGALRM, handler)
    try:
        head = gumtile.Head(engine, data[0], first_token=192)
        with pytest.raises(TimeoutError, match="too slow"):
            head.prepare(ROWS, progress=progress, threads=1)
    finally:
        signal.signal(signal.SIGALRM, before)
    assert len(seen) == 1 and seen[0] > 1  # it was cancelled
    assert head.max_rows == 0


def raising_log(failure: BaseException, when: List[bool]) -> Any:
    def log(level: int, text: str) -> None:
        if when:
            raise failure

    return log


@pytest.mark.parametrize("failure", [KeyboardInterrupt(), ValueError("of the log"), SystemExit(4)])
def test_what_a_log_raises_is_raised(data: Data, failure: BaseException) -> None:
    when: List[bool] = []
    engine = gumtile.Engine("cpu", cache=False, log=raising_log(failure, when))
    head = gumtile.Head(engine, data[0], first_token=256)
    when.append(True)
    launch = None
    with pytest.raises(type(failure)) as raised:
        head.prepare(ROWS)
        launch = head.bind(data[1], temperature=np.ones(ROWS, np.float32), seed=None)
        launch._args.seed = None  # validate has something to say about no seeds
        launch.validate()
    assert raised.value is failure
    when.clear()
    head.prepare(ROWS)
    assert head.sample(data[1]).token.shape == (ROWS,)


def test_an_interrupt_in_a_log_is_raised() -> None:
    ended = run(
        """
when = []
def log(level, text):
    if when:
        os.kill(os.getpid(), signal.SIGINT)
        time.sleep(0.05)
engine = gumtile.Engine("cpu", cache=False, log=log)
head = gumtile.Head(engine, weights)
when.append(True)
try:
    head.prepare(8)
    launch = head.bind(hidden, seed=None)
    launch._args.seed = None
    launch.validate()
except KeyboardInterrupt:
    sys.exit(0)
sys.exit(2)
"""
    )
    assert ended.returncode == 0, ended.stderr


def test_a_failure_of_a_log_is_raised_once(data: Data) -> None:
    when = [True]
    engine = gumtile.Engine("cpu", cache=False)
    engine._calls.failures += [ValueError("first"), ValueError("second")]
    with pytest.raises(ValueError, match="first"):
        gumtile.Head(engine, data[0])
    gumtile.Head(engine, data[0])
    assert when


def test_calls_from_other_threads(data: Data, engine: gumtile.Engine) -> None:
    seen: List[bool] = []

    def work() -> None:
        mine = threading.current_thread()
        head = gumtile.Head(engine, data[0], first_token=320)
        head.prepare(1, progress=lambda done, total: seen.append(threading.current_thread() is mine))

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert seen and all(seen)


def test_a_forked_child_ends(data: Data) -> None:
    ended = run(
        """
engine = gumtile.Engine("cpu", cache=False)
head = gumtile.Head(engine, weights)
began, go = threading.Event(), threading.Event()
def progress(done, total):
    began.set()
    go.wait()
thread = threading.Thread(target=lambda: head.prepare(8, progress=progress))
thread.start()
began.wait()
child = os.fork()  # beside a call that the child knows nothing of
if child == 0:
    threading.main_thread()
    sys.exit(5)
code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
go.set()
thread.join()
sys.exit(code)
"""
    )
    assert ended.returncode == 5, ended.stderr


def test_arrays_of_a_launch_are_kept(head: gumtile.Head, data: Data) -> None:
    launch = head.bind(data[1].copy(), temperature=np.zeros(ROWS, np.float32), seed=np.arange(ROWS))
    expected = head.sample(data[1], temperature=0).token
    junk = [np.full((ROWS, HIDDEN), 7, np.float32) for _ in range(32)]
    launch()
    np.testing.assert_array_equal(launch.result.token, expected)
    assert len(junk) == 32

from __future__ import annotations

import os
from typing import List, Tuple

import numpy as np
import pytest
from conftest import HIDDEN, ROWS

import gumtile

Data = Tuple[np.ndarray, np.ndarray]


def test_not_prepared(engine: gumtile.Engine, data: Data) -> None:
    head = gumtile.Head(engine, data[0])
    with pytest.raises(gumtile.GumtileError) as raised:
        head.sample(data[1])
    assert raised.value.status is not gumtile.Status.OK
    head.prepare(ROWS, features=[()])
    assert head.sample(data[1], logprob=None).token.shape == (ROWS,)
    with pytest.raises(gumtile.GumtileError) as raised:
        head.sample(data[1])
    assert raised.value.status is gumtile.Status.NOT_PREPARED


def test_too_many_rows(head: gumtile.Head) -> None:
    with pytest.raises(gumtile.GumtileError) as raised:
        head.sample(np.zeros((ROWS + 1, HIDDEN), np.float32), workspace=head.workspace())
    assert raised.value.status is gumtile.Status.TOO_MANY_ROWS


def test_workspace_too_small(engine: gumtile.Engine, data: Data) -> None:
    head = gumtile.Head(engine, data[0])
    head.prepare(64)
    small, large = head.workspace_bytes(1), head.workspace_bytes(64)
    if small == large:
        pytest.skip("a workspace for one row serves 64 here")
    with pytest.raises(gumtile.GumtileError) as raised:
        head.sample(np.zeros((64, HIDDEN), np.float32), workspace=head.workspace(1))
    assert raised.value.status is gumtile.Status.WORKSPACE_TOO_SMALL


def test_progress(engine: gumtile.Engine, data: Data) -> None:
    seen: List[Tuple[int, int]] = []
    head = gumtile.Head(engine, data[0], noise="per_token")
    head.prepare(ROWS, progress=lambda done, total: seen.append((done, total)))
    assert seen and seen[-1][0] == seen[-1][1]
    assert head.max_rows == ROWS


def test_cancel(engine: gumtile.Engine, data: Data) -> None:
    head = gumtile.Head(engine, data[0], first_token=64)
    with pytest.raises(gumtile.GumtileError) as raised:
        head.prepare(ROWS, progress=lambda done, total: False)
    assert raised.value.status is gumtile.Status.CANCELLED
    assert head.max_rows == 0


def test_exceptions_of_progress_pass(engine: gumtile.Engine, data: Data) -> None:
    def stop(done: int, total: int) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        gumtile.Head(engine, data[0], first_token=128).prepare(ROWS, progress=stop)


def test_choices(head: gumtile.Head) -> None:
    choices = head.choices()
    assert {choice.features for choice in choices} == {(), ("logprob",)}
    assert all(choice.schedule.startswith("host") and choice.rule for choice in choices)


def test_a_schedule_of_the_callers(engine: gumtile.Engine, data: Data, head: gumtile.Head) -> None:
    schedule = head.choices()[0].schedule
    given = gumtile.Head(engine, data[0], schedule=schedule)
    given.prepare(1)
    assert {choice.rule for choice in given.choices()} == {"option"}
    with pytest.raises(gumtile.GumtileError) as raised:
        gumtile.Head(engine, data[0], schedule="nonsense")
    assert raised.value.status in (gumtile.Status.USAGE, gumtile.Status.BAD_DATA)


def test_a_forked_child_is_told(head: gumtile.Head, data: Data) -> None:
    child = os.fork()
    if child == 0:
        try:
            head.sample(data[1])
        except gumtile.GumtileError as error:
            os._exit(0 if error.status is gumtile.Status.FORKED else 1)
        finally:
            os._exit(2)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    assert head.sample(data[1]).token.shape == (ROWS,)


def test_unknown_feature(engine: gumtile.Engine, data: Data) -> None:
    with pytest.raises(ValueError, match="logprob"):
        gumtile.Head(engine, data[0]).prepare(1, features=[("beauty",)])

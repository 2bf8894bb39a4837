"""Seeds that are drawn if none are given."""

from __future__ import annotations

from typing import Tuple

import numpy as np
import pytest
from conftest import HIDDEN, ROWS

import gumtile

Data = Tuple[np.ndarray, np.ndarray]


def one_prompt(data: Data) -> np.ndarray:
    return np.repeat(data[1][:1], ROWS, axis=0)


def test_rows_of_one_prompt_differ(head: gumtile.Head, data: Data) -> None:
    result = head.sample(one_prompt(data))
    assert result.seed.dtype == np.uint64 and len(set(result.seed.tolist())) == ROWS
    assert len(set(result.token.tolist())) > ROWS // 2


def test_calls_differ(head: gumtile.Head, data: Data) -> None:
    tokens = {int(head.sample(data[1][:1]).token[0]) for _ in range(32)}
    assert len(tokens) > 16


def test_drawn_seeds_repeat_the_sample(head: gumtile.Head, data: Data) -> None:
    first = head.sample(data[1])
    again = head.sample(data[1], seed=first.seed, offset=first.offset)
    assert again.seed is first.seed
    np.testing.assert_array_equal(again.token, first.token)


def test_numpys_generator_governs(head: gumtile.Head, data: Data) -> None:
    np.random.seed(7)
    first = head.sample(data[1])
    expected_next = np.random.random()
    np.random.seed(7)
    again = head.sample(data[1])
    np.testing.assert_array_equal(again.seed, first.seed)
    np.testing.assert_array_equal(again.token, first.token)
    assert np.random.random() == expected_next


def test_given_seeds_leave_the_generator_alone(head: gumtile.Head, data: Data) -> None:
    np.random.seed(7)
    expected = np.random.random()
    np.random.seed(7)
    head.sample(data[1], seed=np.arange(ROWS))
    launch = head.bind(data[1], seed=np.arange(ROWS))
    launch()
    assert type(launch) is gumtile.Launch
    assert np.random.random() == expected


@pytest.mark.parametrize("temperature", [0, 0.0, np.float32(0), np.int64(0)])
def test_greedy_draws_nothing(head: gumtile.Head, data: Data, temperature: float) -> None:
    np.random.seed(7)
    expected = np.random.random()
    np.random.seed(7)
    result = head.sample(data[1], temperature=temperature)
    assert result.seed is None
    assert np.random.random() == expected


def test_a_bound_launch_draws_at_each_call(head: gumtile.Head, data: Data) -> None:
    launch = head.bind(one_prompt(data), temperature=1.0)
    seed = launch.result.seed
    seen = set()
    np.random.seed(11)
    for _ in range(8):
        launch()
        assert launch.result.seed is seed and len(set(seed.tolist())) == ROWS
        seen.add(tuple(launch.result.token.tolist()))
        np.testing.assert_array_equal(launch.result.token, head.sample(one_prompt(data), seed=seed).token)
    assert len(seen) == 8
    np.random.seed(11)
    launch()
    assert tuple(launch.result.token.tolist()) in seen


def test_seeds_lie_by_slot(head: gumtile.Head, data: Data) -> None:
    row_slot = np.array([2, 0, -1, 1, 5, 4, 3, -1], np.int32)
    temperature = np.ones(6, np.float32)
    first = head.sample(one_prompt(data), row_slot=row_slot, temperature=temperature)
    assert first.seed.shape == (6,)
    again = head.sample(
        one_prompt(data), row_slot=row_slot, temperature=temperature, seed=first.seed, offset=first.offset
    )
    np.testing.assert_array_equal(again.token, first.token)


def test_rows_of_one_slot_differ(head: gumtile.Head, data: Data) -> None:
    row_slot = np.zeros(ROWS, np.int32)
    first = head.sample(one_prompt(data), row_slot=row_slot)
    assert len(set(first.token.tolist())) > ROWS // 2
    again = head.sample(one_prompt(data), row_slot=row_slot, seed=first.seed, offset=first.offset)
    np.testing.assert_array_equal(again.token, first.token)


def test_slots_beyond_reason_are_not_drawn_for(head: gumtile.Head, data: Data) -> None:
    with pytest.raises(ValueError, match="row_slot: it names slot 2147483647"):
        head.sample(data[1], row_slot=np.full(ROWS, 2**31 - 1, np.int32))


def test_no_rows(head: gumtile.Head) -> None:
    assert head.sample(np.zeros((0, HIDDEN), np.float32)).seed is None


def test_help_says_what_shares_noise() -> None:
    for text in (gumtile.Head.sample.__doc__, gumtile.Head.bind.__doc__ or "", gumtile.Launch.__doc__):
        assert text is not None and "seed" in text
    assert "share their noise" in (gumtile.Head.sample.__doc__ or "")

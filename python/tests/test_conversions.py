"""Numbers, lists, and arrays of other types and layouts, which are converted once."""

from __future__ import annotations

import array
from typing import Any, Dict, Tuple

import numpy as np
import pytest
from conftest import HIDDEN, ROWS

import gumtile

Data = Tuple[np.ndarray, np.ndarray]

SEED = np.arange(50, 50 + ROWS)
TEMPERATURE = np.linspace(0.5, 1.5, ROWS).astype(np.float32)


def tokens(head: gumtile.Head, data: Data, **arguments: Any) -> Any:
    """Samples with arguments of the types that the library reads, except those given."""
    plain: Dict[str, Any] = {"temperature": TEMPERATURE, "seed": SEED, "offset": SEED * 3}
    plain.update(arguments)
    sampled = head.sample(data[1], **plain).token
    launch = head.bind(data[1], **plain)
    launch()
    np.testing.assert_array_equal(launch.result.token, sampled)
    return sampled


@pytest.mark.parametrize(
    "temperature",
    [
        TEMPERATURE.astype(np.float64),
        TEMPERATURE.tolist(),
        tuple(TEMPERATURE),
        [[value] for value in TEMPERATURE],
        TEMPERATURE[:, None],
        TEMPERATURE.astype(np.float64)[:, None],
        np.repeat(TEMPERATURE, 3)[::3],
        np.stack([TEMPERATURE] * 4, axis=1)[:, 1:2],
        TEMPERATURE[::-1].copy()[::-1],
        array.array("f", TEMPERATURE),
    ],
)
def test_temperatures(head: gumtile.Head, data: Data, temperature: Any) -> None:
    np.testing.assert_array_equal(tokens(head, data, temperature=temperature), tokens(head, data))


@pytest.mark.parametrize(
    "temperature",
    [
        0.75,
        np.float64(0.75),
        np.array(0.75),
        np.array(0.75, np.float32),
        np.broadcast_to(np.float32(0.75), ROWS),
        np.full(ROWS, 0.75, np.float16),
    ],
)
def test_one_temperature(head: gumtile.Head, data: Data, temperature: Any) -> None:
    expected = tokens(head, data, temperature=np.full(ROWS, 0.75, np.float32))
    np.testing.assert_array_equal(tokens(head, data, temperature=temperature), expected)


def test_integer_temperatures(head: gumtile.Head, data: Data) -> None:
    expected = tokens(head, data, temperature=np.zeros(ROWS, np.float32))
    for temperature in (0, [0] * ROWS, np.zeros(ROWS, np.int64)):
        np.testing.assert_array_equal(tokens(head, data, temperature=temperature), expected)


@pytest.mark.parametrize("dtype", [np.int8, np.uint8, np.int16, np.uint16, np.int32, np.uint32])
def test_narrow_seeds(head: gumtile.Head, data: Data, dtype: Any) -> None:
    np.testing.assert_array_equal(tokens(head, data, seed=SEED.astype(dtype)), tokens(head, data))
    np.testing.assert_array_equal(tokens(head, data, offset=(SEED * 3).astype(np.int32)), tokens(head, data))


def test_lists_of_seeds(head: gumtile.Head, data: Data) -> None:
    high = [2**64 - 1 - row for row in range(ROWS)]
    expected = tokens(head, data, seed=np.array(high, np.uint64))
    np.testing.assert_array_equal(tokens(head, data, seed=high), expected)
    np.testing.assert_array_equal(tokens(head, data, seed=[-1 - row for row in range(ROWS)]), expected)
    negative = np.array([-1 - row for row in range(ROWS)], np.int32)
    np.testing.assert_array_equal(tokens(head, data, seed=negative), expected)
    np.testing.assert_array_equal(tokens(head, data, seed=SEED.astype(np.uint64)[:, None]), tokens(head, data))


def test_one_seed_is_for_all_rows(head: gumtile.Head, data: Data) -> None:
    expected = tokens(head, data, seed=np.full(ROWS, 9))
    for seed in (9, np.uint64(9), np.array(9), np.broadcast_to(np.int64(9), ROWS)):
        np.testing.assert_array_equal(tokens(head, data, seed=seed), expected)


def test_indices(head: gumtile.Head, data: Data) -> None:
    order = list(range(ROWS))[::-1]
    expected = tokens(head, data, hidden_index=np.array(order, np.int32), row_slot=np.array(order, np.int32))
    np.testing.assert_array_equal(tokens(head, data, hidden_index=order, row_slot=order), expected)
    columns = np.array(order, np.int32)[:, None]
    np.testing.assert_array_equal(tokens(head, data, hidden_index=columns, row_slot=columns), expected)
    for count in (3, np.int64(3), [3], np.array([[3]], np.int32)):
        result = head.sample(data[1], num_rows=count, seed=SEED, invalid_token=-9)
        assert (result.token[3:] == -1).all() and (result.token[:3] >= 0).all()


def test_broadcast_hidden_states(head: gumtile.Head, data: Data) -> None:
    one = np.broadcast_to(data[1][2:3], (ROWS, HIDDEN))
    expected = head.sample(one.copy(), seed=SEED).token
    np.testing.assert_array_equal(head.sample(one, seed=SEED).token, expected)
    launch = head.bind(data[1], seed=SEED)
    launch.set_hidden_states(one)
    launch()
    np.testing.assert_array_equal(launch.result.token, expected)


def test_columns_of_outputs(head: gumtile.Head, data: Data) -> None:
    token = np.zeros((ROWS, 1), np.int32)
    assert head.sample(data[1], seed=SEED, token=token).token is token
    np.testing.assert_array_equal(token[:, 0], head.sample(data[1], seed=SEED).token)


def test_a_bound_launch_shows_what_it_reads(head: gumtile.Head, data: Data) -> None:
    given = TEMPERATURE.astype(np.float64)
    seed = SEED.astype(np.uint64)
    launch = head.bind(data[1], temperature=given, seed=seed)
    assert launch.inputs["seed"] is seed and launch.inputs["hidden_states"] is data[1]
    launch()
    before = launch.result.token.copy()
    given[:] = 0  # the launch does not see it
    launch()
    np.testing.assert_array_equal(launch.result.token, before)
    launch.inputs["temperature"][:] = 0
    launch()
    np.testing.assert_array_equal(launch.result.token, head.sample(data[1], temperature=0).token)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"seed": 2**64}, "^seed: integers from -9223372036854775808 to 18446744073709551615"),
        ({"seed": [-(2**63) - 1] * ROWS}, "^seed: integers from"),
        ({"offset": 10**30}, "^offset: integers from"),
        ({"row_slot": 2**31}, "^row_slot: integers from -2147483648 to 2147483647"),
        ({"hidden_index": [2**32] * ROWS}, "^hidden_index: integers from"),
        ({"invalid_token": 2**31}, "^invalid_token: integers from"),
        ({"num_rows": -1}, "^num_rows: integers from 0 to 8 are needed, not -1"),
        ({"num_rows": ROWS + 1}, "^num_rows: integers from 0 to 8 are needed, not 9"),
        ({"temperature": 10**400}, "^temperature: "),
        ({"temperature": [1.0] * (ROWS - 1)}, r"^temperature: the shape \[8\] is needed, not \[7\]"),
        ({"seed": []}, r"^seed: the shape \[8\] is needed, not \[0\]"),
        ({"stream": -1}, "^stream: an integer from 0"),
    ],
)
def test_numbers_out_of_range(head: gumtile.Head, data: Data, arguments: Dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        head.sample(data[1], **arguments)


@pytest.mark.parametrize("temperature", [1e300, float("inf"), float("nan"), -1.0, -1])
def test_bad_temperatures_are_told_by_row(head: gumtile.Head, data: Data, temperature: float) -> None:
    for given in (temperature, [temperature] * ROWS, np.full(ROWS, temperature, np.float64)):
        assert (head.sample(data[1], temperature=given).status == gumtile.RowStatus.BAD_TEMPERATURE).all()


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda e, h, w: gumtile.Head("cpu", w), TypeError, "^engine: a gumtile.Engine is needed, not str"),
        (lambda e, h, w: gumtile.Head(w, e), TypeError, "^engine: "),
        (lambda e, h, w: gumtile.Head(e, w.tolist()), TypeError, "^weights: an array is needed, not list"),
        (lambda e, h, w: gumtile.Head(e, w, first_token=-1), ValueError, "^first_token: an integer from 0"),
        (lambda e, h, w: gumtile.Head(e, w, first_token=2**63), ValueError, "^first_token: "),
        (lambda e, h, w: gumtile.Head(e, w, first_token=True), TypeError, "^first_token: an integer is needed, not bool"),
        (lambda e, h, w: gumtile.Head(e, w, first_token=1.0), TypeError, "^first_token: an integer is needed, not float"),
        (lambda e, h, w: gumtile.Head(e, w, noise=1), TypeError, "^noise: a str is needed, not int"),
        (lambda e, h, w: gumtile.Head(e, w, weights_dtype=np.float32), TypeError, "^weights_dtype: a str"),
        (lambda e, h, w: gumtile.Head(e, w, schedule="a\0b"), ValueError, "^schedule: .* NUL"),
        (lambda e, h, w: gumtile.Engine(0), TypeError, "^device: a str is needed, not int"),
        (lambda e, h, w: gumtile.Engine("cpu", cpu_threads=2**32), ValueError, "^cpu_threads: "),
        (lambda e, h, w: gumtile.Engine("cpu", cpu_threads=-1), ValueError, "^cpu_threads: "),
        (lambda e, h, w: gumtile.Engine("cpu", cache_max_bytes=2**64), ValueError, "^cache_max_bytes: "),
        (lambda e, h, w: gumtile.Engine("cpu", packs="head.gtpack"), TypeError, "^packs: a sequence of paths"),
        (lambda e, h, w: gumtile.Engine("cpu", packs=[1]), TypeError, "^packs: a path is needed, not int"),
        (lambda e, h, w: gumtile.Engine("cpu", cache_folder=3), TypeError, "^cache_folder: a path is needed, not int"),
        (lambda e, h, w: gumtile.Engine("cpu", log="yes"), TypeError, "^log: a function"),
        (lambda e, h, w: h.prepare(2**64 + 1), ValueError, "^max_rows: "),
        (lambda e, h, w: h.prepare(-1), ValueError, "^max_rows: "),
        (lambda e, h, w: h.prepare(True), TypeError, "^max_rows: an integer is needed, not bool"),
        (lambda e, h, w: h.prepare(8, threads=2**32), ValueError, "^threads: "),
        (lambda e, h, w: h.prepare(8, features="logprob"), TypeError, "^features: sets of names"),
        (lambda e, h, w: h.prepare(8, features=("logprob",)), TypeError, "^features: sets of names"),
        (lambda e, h, w: h.prepare(8, progress=1), TypeError, "^progress: a function"),
        (lambda e, h, w: h.workspace(2**63), ValueError, "^max_rows: "),
        (lambda e, h, w: h.bind(w[:ROWS], workspace=h), TypeError, "^workspace: a gumtile.Workspace"),
        (lambda e, h, w: h.bind(w[:ROWS]).validate(-1), ValueError, "^slots: "),
        (lambda e, h, w: e.synchronize("all"), TypeError, "^stream: "),
    ],
)
def test_other_arguments(
    engine: gumtile.Engine, head: gumtile.Head, data: Data, call: Any, error: type, message: str
) -> None:
    with pytest.raises(error, match=message):
        call(engine, head, data[0])


def test_numpy_integers(engine: gumtile.Engine, data: Data) -> None:
    head = gumtile.Head(engine, data[0], first_token=np.int64(64))  # type: ignore[arg-type]
    head.prepare(np.int32(ROWS), threads=np.uint8(1))  # type: ignore[arg-type]
    assert head.sample(data[1], temperature=0).token.min() >= 64

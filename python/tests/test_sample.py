"""Sampling numpy arrays on the CPU, against docs/semantics.md."""

from __future__ import annotations

from typing import Tuple

import numpy as np
import pytest
from conftest import HIDDEN, ROWS, VOCAB, bf16_bits
from reference import token_noise

import gumtile

Data = Tuple[np.ndarray, np.ndarray]

GREEDY = np.zeros(ROWS, np.float32)
SEEDS = np.arange(100, 100 + ROWS, dtype=np.uint64)
OFFSETS = np.arange(ROWS, dtype=np.uint64)


def log_softmax(logits: np.ndarray) -> np.ndarray:
    top = logits.max(axis=1, keepdims=True)
    return logits - top - np.log(np.exp(logits - top).sum(axis=1, keepdims=True))


def test_greedy_is_argmax(head: gumtile.Head, data: Data, logits: np.ndarray) -> None:
    result = head.sample(data[1], temperature=GREEDY, any_status=True)
    best = logits.argmax(axis=1)
    assert result.token.dtype == np.int32 and result.token.shape == (ROWS,)
    assert result.logprob.dtype == np.float32 and result.logprob.shape == (ROWS,)
    assert result.status.dtype == np.uint32 and result.any_status.shape == (1,)
    np.testing.assert_array_equal(result.token, best)
    np.testing.assert_allclose(result.logprob, log_softmax(logits)[np.arange(ROWS), best], atol=1e-4)
    assert not result.status.any() and not result.any_status.any()


def test_per_token_noise_is_as_defined(engine: gumtile.Engine, data: Data, logits: np.ndarray) -> None:
    head = gumtile.Head(engine, data[0], noise="per_token")
    head.prepare(ROWS)
    temperature = np.linspace(0.5, 1.5, ROWS, dtype=np.float32)
    seed = np.array([2**63 + row for row in range(ROWS)], np.uint64)
    offset = np.array([2**40 * row + 7 for row in range(ROWS)], np.uint64)
    result = head.sample(data[1], temperature=temperature, seed=seed, offset=offset)
    noise = np.stack([token_noise(int(s), int(o), VOCAB) for s, o in zip(seed, offset)])
    scaled = logits / temperature[:, None]
    scores = scaled + noise
    best = scores.argmax(axis=1)
    # A near tie may fall either way; these seeds have none.
    second = np.partition(scores, -2, axis=1)[:, -2]
    assert (scores.max(axis=1) - second > 1e-3).all()
    np.testing.assert_array_equal(result.token, best)
    np.testing.assert_allclose(result.logprob, log_softmax(scaled)[np.arange(ROWS), best], atol=1e-4)


def test_same_seed_same_token(head: gumtile.Head, data: Data) -> None:
    first = head.sample(data[1], seed=SEEDS, offset=OFFSETS)
    again = head.sample(data[1], seed=SEEDS, offset=OFFSETS)
    other = head.sample(data[1], seed=SEEDS + np.uint64(1), offset=OFFSETS)
    np.testing.assert_array_equal(first.token, again.token)
    assert (first.token != other.token).any()
    alone = head.sample(data[1][3:4], seed=SEEDS[3:4], offset=OFFSETS[3:4])
    assert alone.token[0] == first.token[3]


def test_signed_seeds_are_the_same_bits(head: gumtile.Head, data: Data) -> None:
    seed = np.array([2**63 + row for row in range(ROWS)], np.uint64)
    unsigned = head.sample(data[1], seed=seed)
    signed = head.sample(data[1], seed=seed.view(np.int64), offset=np.zeros(ROWS, np.int64))
    np.testing.assert_array_equal(unsigned.token, signed.token)


def test_bf16_as_bits_and_as_ml_dtypes(engine: gumtile.Engine, data: Data, logits: np.ndarray) -> None:
    weights, hidden = (bf16_bits(values) for values in data)
    head = gumtile.Head(engine, weights, weights_dtype="bfloat16")
    head.prepare(ROWS)
    bits = head.sample(hidden, temperature=GREEDY)
    np.testing.assert_array_equal(bits.token, logits.argmax(axis=1))
    ml_dtypes = pytest.importorskip("ml_dtypes")
    typed = gumtile.Head(engine, weights.view(ml_dtypes.bfloat16))
    assert typed.weights_dtype == "bfloat16"
    typed.prepare(ROWS)
    result = typed.sample(hidden.view(ml_dtypes.bfloat16), temperature=GREEDY)
    np.testing.assert_array_equal(result.token, bits.token)


def test_hidden_states_of_another_dtype(engine: gumtile.Engine, data: Data, logits: np.ndarray) -> None:
    head = gumtile.Head(engine, bf16_bits(data[0]), weights_dtype="bfloat16", hidden_dtype="float32")
    head.prepare(ROWS)
    np.testing.assert_array_equal(head.sample(data[1], temperature=GREEDY).token, logits.argmax(axis=1))


def test_f16(engine: gumtile.Engine, data: Data) -> None:
    weights, hidden = (values.astype(np.float16) for values in data)
    head = gumtile.Head(engine, weights)
    head.prepare(ROWS)
    best = (hidden.astype(np.float64) @ weights.astype(np.float64).T).argmax(axis=1)
    np.testing.assert_array_equal(head.sample(hidden, temperature=GREEDY).token, best)


def test_row_strides(engine: gumtile.Engine, data: Data, logits: np.ndarray) -> None:
    weights = np.zeros((VOCAB, HIDDEN + 16), np.float32)
    weights[:, :HIDDEN] = data[0]
    hidden = np.zeros((ROWS, HIDDEN + 3), np.float32)
    hidden[:, :HIDDEN] = data[1]
    head = gumtile.Head(engine, weights[:, :HIDDEN])
    head.prepare(ROWS)
    result = head.sample(hidden[:, :HIDDEN], temperature=GREEDY)
    np.testing.assert_array_equal(result.token, logits.argmax(axis=1))


def test_first_token(engine: gumtile.Engine, data: Data, logits: np.ndarray) -> None:
    head = gumtile.Head(engine, data[0], first_token=64_000)
    head.prepare(ROWS)
    result = head.sample(data[1], temperature=GREEDY)
    np.testing.assert_array_equal(result.token, logits.argmax(axis=1) + 64_000)


def test_outputs_of_the_callers(head: gumtile.Head, data: Data, logits: np.ndarray) -> None:
    token = np.full(ROWS, -7, np.int32)
    logprob = np.zeros(ROWS, np.float32)
    status = np.full(ROWS, 99, np.int32)
    any_status = np.full(1, 99, np.uint32)
    result = head.sample(
        data[1], temperature=GREEDY, token=token, logprob=logprob, status=status, any_status=any_status
    )
    assert result.token is token and result.logprob is logprob
    assert result.status is status and result.any_status is any_status
    np.testing.assert_array_equal(token, logits.argmax(axis=1))
    assert (logprob < 0).all() and not status.any() and not any_status.any()


def test_nothing_but_tokens(head: gumtile.Head, data: Data, logits: np.ndarray) -> None:
    result = head.sample(data[1], temperature=GREEDY, logprob=None, status=False)
    assert result.logprob is None and result.status is None and result.any_status is None
    np.testing.assert_array_equal(result.token, logits.argmax(axis=1))


def test_slots_and_inactive_rows(head: gumtile.Head, data: Data, logits: np.ndarray) -> None:
    temperature = np.array([1.0, 0.0], np.float32)  # slot 1 is greedy
    row_slot = np.array([1, -1, 1, 1, 1, 1, 1, 1], np.int32)
    token = np.full(ROWS, -7, np.int32)
    head.sample(data[1], temperature=temperature, row_slot=row_slot, num_rows=np.array([6], np.int32), token=token)
    best = logits.argmax(axis=1)
    np.testing.assert_array_equal(token, [best[0], -7, best[2], best[3], best[4], best[5], -7, -7])


def test_bad_temperature(head: gumtile.Head, data: Data) -> None:
    temperature = np.array([0, -1, 0, 0, 0, 0, 0, np.nan], np.float32)
    result = head.sample(
        data[1], temperature=temperature, invalid_token=np.array([-5], np.int32), any_status=True
    )
    assert result.token[1] == -5 and result.token[7] == -5
    assert np.isnan(result.logprob[[1, 7]]).all()
    bad = gumtile.RowStatus.BAD_TEMPERATURE
    np.testing.assert_array_equal(result.status, [0, bad, 0, 0, 0, 0, 0, bad])
    assert gumtile.RowStatus(int(result.any_status[0])) == bad


def test_no_rows(head: gumtile.Head) -> None:
    assert head.sample(np.zeros((0, HIDDEN), np.float32)).token.shape == (0,)


def test_set_weights(engine: gumtile.Engine, data: Data, logits: np.ndarray) -> None:
    head = gumtile.Head(engine, np.zeros_like(data[0]))
    head.prepare(ROWS)
    head.set_weights(data[0].copy())  # only the head holds the copy
    np.testing.assert_array_equal(head.sample(data[1], temperature=GREEDY).token, logits.argmax(axis=1))
    with pytest.raises(ValueError, match="weights"):
        head.set_weights(data[0][1:])


def test_the_head_keeps_what_it_needs(data: Data, logits: np.ndarray) -> None:
    head = gumtile.Head(gumtile.Engine("cpu", cache=False), data[0].copy())
    head.prepare(1)
    np.testing.assert_array_equal(head.sample(data[1][:1], temperature=GREEDY).token, logits[:1].argmax(axis=1))


def test_a_workspace_outlives_its_head(engine: gumtile.Engine, data: Data) -> None:
    head = gumtile.Head(engine, data[0])
    head.prepare(1)
    workspace = head.workspace()
    del head
    workspace.init()


def test_int64_tokens(engine: gumtile.Engine, data: Data, logits: np.ndarray) -> None:
    head = gumtile.Head(engine, data[0], token_dtype="int64")
    head.prepare(ROWS)
    token = np.full(ROWS, -1, np.int64)
    head.sample(data[1], temperature=GREEDY, token=token)
    np.testing.assert_array_equal(token, logits.argmax(axis=1))


def test_hidden_index(head: gumtile.Head, data: Data, logits: np.ndarray) -> None:
    index = np.array([5, 0, 5], np.int32)
    result = head.sample(data[1], hidden_index=index, temperature=GREEDY[:3])
    best = logits.argmax(axis=1)
    np.testing.assert_array_equal(result.token, best[index])


def test_token_position(head: gumtile.Head, data: Data, logits: np.ndarray) -> None:
    token = np.full(10, -7, np.int32)
    position = np.array([9, -1, 0, 3, 4, 5, 6, 7], np.int32)
    head.sample(data[1], temperature=GREEDY, token=token, token_position=position)
    best = logits.argmax(axis=1)
    np.testing.assert_array_equal(token, [best[2], -7, -7, *best[3:8], -7, best[0]])

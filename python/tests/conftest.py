"""What the tests share: an engine on the CPU, made-up data, and a prepared head."""

from __future__ import annotations

from typing import Tuple

import numpy as np
import pytest

import gumtile

VOCAB, HIDDEN, ROWS = 1000, 64, 8


@pytest.fixture(scope="session")
def engine() -> gumtile.Engine:
    return gumtile.Engine("cpu", cache=False)


def made_up(rows: int, columns: int, seed: int) -> np.ndarray:
    """Normally distributed float32 numbers that bfloat16 holds exactly."""
    values = np.random.default_rng(seed).standard_normal((rows, columns)).astype(np.float32)
    return (values.view(np.uint32) & 0xFFFF0000).view(np.float32)


def bf16_bits(values: np.ndarray) -> np.ndarray:
    """float32 numbers that bfloat16 holds exactly, as its bits."""
    return (values.view(np.uint32) >> 16).astype(np.uint16)


@pytest.fixture(scope="session")
def data() -> Tuple[np.ndarray, np.ndarray]:
    """(weights, hidden states), float32."""
    return made_up(VOCAB, HIDDEN, 1) * 0.25, made_up(ROWS, HIDDEN, 2)


@pytest.fixture(scope="session")
def head(engine: gumtile.Engine, data: Tuple[np.ndarray, np.ndarray]) -> gumtile.Head:
    """Over float32 weights, prepared for ROWS rows."""
    made = gumtile.Head(engine, data[0])
    made.prepare(ROWS)
    return made


@pytest.fixture(scope="session")
def logits(data: Tuple[np.ndarray, np.ndarray]) -> np.ndarray:
    """[ROWS, VOCAB] float64."""
    weights, hidden = data
    return hidden.astype(np.float64) @ weights.astype(np.float64).T

"""`per_token` noise as docs/semantics.md defines it, in numpy."""

from __future__ import annotations

from typing import Sequence

import numpy as np

_MASK = np.uint64(0xFFFFFFFF)


def philox(counter: Sequence[np.ndarray], key: Sequence[int]) -> np.ndarray:
    """Philox4x32-10; four arrays of words in, [4, ...] out."""
    x = [np.asarray(word, np.uint64) for word in np.broadcast_arrays(*counter)]
    k = [key[0], key[1]]
    for _ in range(10):
        a = x[0] * np.uint64(0xD2511F53)
        b = x[2] * np.uint64(0xCD9E8D57)
        x = [
            (b >> np.uint64(32)) ^ x[1] ^ np.uint64(k[0]),
            b & _MASK,
            (a >> np.uint64(32)) ^ x[3] ^ np.uint64(k[1]),
            a & _MASK,
        ]
        k = [(k[0] + 0x9E3779B9) & 0xFFFFFFFF, (k[1] + 0xBB67AE85) & 0xFFFFFFFF]
    return np.stack(x)


def gumbel(hi: np.ndarray, lo: np.ndarray) -> np.ndarray:
    """A standard Gumbel variate of two words, in float64."""
    high = hi.astype(np.float64)
    u = np.where(high < 2**16, (high * 2.0**32 + lo.astype(np.float64) + 0.5) * 2.0**-64, (high + 0.5) * 2.0**-32)
    small = u * (1 + u / 2 + u**2 / 3 + u**3 / 4)
    large = -np.log(((~hi & _MASK).astype(np.float64) + 0.5) * 2.0**-32)
    return -np.log(np.where(u < 2.0**-6, small, large))


def token_noise(seed: int, offset: int, vocab: int) -> np.ndarray:
    """[vocab] variates of one row."""
    words = [offset & 0xFFFFFFFF, offset >> 32, 0, 0x474D5431]
    state = philox([np.array(word) for word in words], [seed & 0xFFFFFFFF, seed >> 32])
    v = np.arange(vocab)
    c = 4 * (v // 16) + (v // 2) % 4
    word = 2 * ((v // 8) % 2) + v % 2
    key = [0xA4093822, 0x299F31D0]
    hi = philox([c, state[0], state[1], state[2]], key)[word, v]
    lo = philox([c + 2**31, state[0], state[1], state[2]], key)[word, v]
    return gumbel(hi, lo)

"""The result of a call."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class SampleResult:
    """Arrays of the library of the hidden states; None for outputs that were not requested.

    For rows that were left out, arrays that gumtile created hold token -1, and 0 in all others.
    """

    # BEGIN generated: results, from src/head/fields.cpp
    #: [rows] of the head's token dtype: the sampled token; with token_position it goes where that says.
    token: Any
    #: [rows] float32: the token's log-probability.
    logprob: Any = None
    #: [rows] uint32 (int32 in torch): gumtile.RowStatus bits.
    status: Any = None
    #: One uint32 (int32 in torch): all rows' bits.
    any_status: Any = None
    # END generated: results
    #: [slots]: the seeds that were given or drawn; with `offset` they repeat the sample. None if nothing was drawn.
    seed: Any = None
    #: [rows]: the offsets that were given, or generated because seeds were drawn for slots; None: 0.
    offset: Any = None

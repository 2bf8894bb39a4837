"""Checks of indices in the CPU's memory: what a kernel would read or write outside of arrays."""

from __future__ import annotations

import ctypes
from typing import Dict, List, NamedTuple, Optional, Sequence

from . import _library as c


class Bounds(NamedTuple):
    """The lengths of the arrays that a launch's indices refer to."""

    hidden_rows: int
    #: By argument: temperature and seed, if they are given.
    slots: Dict[str, int]
    #: The elements of `token` where it has positions.
    tokens: Optional[int]


def _words(address: Optional[int], count: int) -> List[int]:
    return [] if not address else (ctypes.c_int32 * count).from_address(address)[:]


def index_faults(args: c.SampleArgs, bounds: Bounds) -> List[str]:
    """One line per argument whose indices point outside: only of host memory, read now.

    Rows that are left out count for `hidden_index` only: their hidden states are read, too.
    """
    rows: int = args.rows
    if rows <= 0:
        return []
    faults = []
    active = list(range(rows))
    if args.num_rows:
        count = _words(args.num_rows, 1)[0]
        if not 0 <= count <= rows:
            faults.append(f"num_rows: 0 to {rows}, the rows of the launch, is needed, not {count}")
        active = active[: max(count, 0)]

    def check(name: str, words: List[int], of: Sequence[int], end: int, what: str) -> None:
        for row in of:
            if words[row] >= end:
                faults.append(f"{name}: row {row} names {words[row]}, but {what}")
                return

    slots = _words(args.row_slot, rows)
    if slots:
        active = [row for row in active if slots[row] >= 0]
        for name, length in bounds.slots.items():
            check("row_slot", slots, active, length, f"{name} has {length} slots")
    index = _words(args.hidden_index, rows)
    if index:
        check("hidden_index", index, range(rows), bounds.hidden_rows, f"hidden_states has {bounds.hidden_rows} rows")
    positions = _words(args.token_position, rows)
    if positions and bounds.tokens is not None:
        check("token_position", positions, active, bounds.tokens, f"token has {bounds.tokens} elements")
    return faults

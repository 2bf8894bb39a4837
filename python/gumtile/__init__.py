"""gumtile: sampling from a language model's LM head as part of the matrix product.

    engine = gumtile.Engine()                     # the first GPU, else the CPU
    head = gumtile.Head(engine, weights)          # [vocab_size, hidden_size], e.g. a torch tensor
    head.prepare(max_rows=64)                     # compiles; nothing below does
    result = head.sample(hidden_states, temperature=temperature, seed=seed, offset=offset)
    result.token, result.logprob, result.status

docs/python.md is the guide, docs/semantics.md says what exactly a sample is. `gumtile.torch` registers the same as a
custom op for torch.compile; it is not imported from here.
"""

from __future__ import annotations

from ._engine import DeviceInfo, Engine, EngineStats
from ._errors import GumtileError, Status
from ._fields import RowStatus
from ._head import Head, KernelChoice
from ._launch import Launch
from ._library import lib as _lib
from ._library import library_path
from ._result import SampleResult
from ._types import Array, Numbers
from ._workspace import Workspace

#: The version of the library that was loaded.
__version__: str = _lib.gumtile_version().decode()


def has_jit() -> bool:
    """Whether the library can compile kernels, or only runs those of packs."""
    return bool(_lib.gumtile_has_jit())


__all__ = [
    "Array",
    "DeviceInfo",
    "Engine",
    "EngineStats",
    "GumtileError",
    "Head",
    "KernelChoice",
    "Launch",
    "Numbers",
    "RowStatus",
    "SampleResult",
    "Status",
    "Workspace",
    "has_jit",
    "library_path",
]

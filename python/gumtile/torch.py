"""Sampling as custom ops of torch, for torch.compile and CUDA graphs.

Importing this module registers two ops. Heads are named by a number, since ops take no objects:

    import gumtile.torch

    number = gumtile.torch.register(head)       # of a head that was prepared

    @torch.compile(fullgraph=True)
    def step(hidden_states, temperature, seed, offset):
        return torch.ops.gumtile.sample(number, model(hidden_states), temperature, seed, offset)

`gumtile::sample(head, hidden_states, temperature=None, seed=None, offset=None, row_slot=None, num_rows=None)` returns
new tensors (token, logprob, status). Its workspace is a new tensor, too, made ready before each launch: it needs
nothing from outside, on any stream, at the price of a small memset.

`gumtile::sample_out(head, hidden_states, token, logprob, status, workspace, temperature=None, ...)` writes to tensors
that it is given, and is one kernel. `new_workspace` makes the workspace, once; it is for one stream.

Arguments are those of `gumtile.Head.sample`; the current stream is used. Without `seed` both draw one for each slot from
torch's default generator (`torch.manual_seed`), in every call and in every replay of a graph; to repeat a call, draw
seeds yourself (`torch.randint`) and pass them. Neither op synchronises, and tensors come from torch's allocator. Neither
has a gradient.
"""

from __future__ import annotations

import inspect
import threading
from typing import Any, Dict, Optional, Tuple

import torch
from torch import Tensor

from ._allocate import current_stream
from ._arguments import Arguments
from ._arrays import view
from ._checks import instance
from ._errors import check
from ._head import Head
from ._library import lib
from ._workspace import aligned

_heads: Dict[int, Head] = {}
_next = 1
_lock = threading.Lock()


def register(head: Head) -> int:
    """The number under which the ops know `head`, which is kept alive until `unregister`. Thread safe."""
    instance("head", head, Head, "gumtile.Head(engine, weights)")
    global _next
    with _lock:
        for number, known in _heads.items():
            if known is head:
                return number
        number = _next
        _next += 1
        _heads[number] = head
        return number


def unregister(number: int) -> None:
    """Forgets a head. No compiled function or graph may use its number any more."""
    with _lock:
        _heads.pop(number, None)


def registered(number: int) -> Head:
    """The head of a number. Raises ValueError where there is none."""
    head = _heads.get(int(number))
    if head is None:
        raise ValueError(f"no head is registered as {number}: gumtile.torch.register(head) gives its number")
    return head


def new_workspace(head: Head, max_rows: Optional[int] = None, *, like: Tensor) -> Tensor:
    """A tensor for `sample_out`'s workspace on the device of `like`, made ready in the order of the current stream.

    For launches of up to `max_rows` rows (None: of as many as prepared), on one stream. It must not be written to.
    """
    instance("head", head, Head, "gumtile.Head(engine, weights)")
    memory = torch.empty(head.workspace_bytes(max_rows), dtype=torch.uint8, device=like.device)
    _init(head, memory)
    return memory


def _init(head: Head, memory: Tensor) -> None:
    pointer, size = aligned(memory.data_ptr(), memory.numel())
    check(lib.gumtile_head_workspace_init(head._handle, current_stream(view(memory)), pointer, size))


def _launch(
    head: Head,
    hidden_states: Tensor,
    token: Tensor,
    logprob: Tensor,
    status: Tensor,
    workspace: Tensor,
    temperature: Optional[Tensor],
    seed: Optional[Tensor],
    offset: Optional[Tensor],
    row_slot: Optional[Tensor],
    num_rows: Optional[Tensor],
) -> None:
    if hidden_states.shape[0] == 0:
        return
    arguments = Arguments(
        head,
        hidden_states,
        temperature=temperature,
        seed=seed,
        offset=offset,
        row_slot=row_slot,
        num_rows=num_rows,
        token=token,
        logprob=logprob,
        status=status,
    )
    faults = arguments.index_faults()
    if faults:
        raise ValueError("\n".join(faults))
    arguments.draw()
    args = arguments.args
    args.workspace, args.workspace_bytes = aligned(view(workspace, "workspace").pointer, workspace.numel())
    check(lib.gumtile_head_sample(head._handle, current_stream(arguments.like), args))


def _outputs(head: Head, hidden_states: Tensor, fill: bool) -> Tuple[Tensor, Tensor, Tensor]:
    """New tensors; `fill`: with what `Head.sample` has for rows that are left out."""
    rows = hidden_states.shape[0]
    outputs = (
        hidden_states.new_empty((rows,), dtype=getattr(torch, head.token_dtype)),
        hidden_states.new_empty((rows,), dtype=torch.float32),
        hidden_states.new_empty((rows,), dtype=torch.int32),
    )
    if fill:
        for output, value in zip(outputs, (-1, 0, 0)):
            output.fill_(value)
    return outputs


#: Ops that draw: equal calls are not one call, and none is repeated. Older versions of torch cannot be told.
_DRAWS: Dict[str, Any] = {}
if "tags" in inspect.signature(torch.library.custom_op).parameters:
    _DRAWS["tags"] = (torch.Tag.nondeterministic_seeded,)


@torch.library.custom_op("gumtile::sample", mutates_args=(), **_DRAWS)
def sample(
    head: int,
    hidden_states: Tensor,
    temperature: Optional[Tensor] = None,
    seed: Optional[Tensor] = None,
    offset: Optional[Tensor] = None,
    row_slot: Optional[Tensor] = None,
    num_rows: Optional[Tensor] = None,
) -> Tuple[Tensor, Tensor, Tensor]:
    """Samples one token a row: (token [rows], logprob [rows] float32, status [rows] int32)."""
    found = registered(head)
    token, logprob, status = _outputs(found, hidden_states, row_slot is not None or num_rows is not None)
    rows = max(hidden_states.shape[0], 1)
    workspace = torch.empty(found.workspace_bytes(rows), dtype=torch.uint8, device=hidden_states.device)
    _init(found, workspace)
    _launch(
        found, hidden_states, token, logprob, status, workspace, temperature, seed, offset, row_slot, num_rows
    )
    return token, logprob, status


@sample.register_fake
def _(
    head: int,
    hidden_states: Tensor,
    temperature: Optional[Tensor] = None,
    seed: Optional[Tensor] = None,
    offset: Optional[Tensor] = None,
    row_slot: Optional[Tensor] = None,
    num_rows: Optional[Tensor] = None,
) -> Tuple[Tensor, Tensor, Tensor]:
    return _outputs(registered(head), hidden_states, False)


@torch.library.custom_op("gumtile::sample_out", mutates_args=("token", "logprob", "status", "workspace"), **_DRAWS)
def sample_out(
    head: int,
    hidden_states: Tensor,
    token: Tensor,
    logprob: Tensor,
    status: Tensor,
    workspace: Tensor,
    temperature: Optional[Tensor] = None,
    seed: Optional[Tensor] = None,
    offset: Optional[Tensor] = None,
    row_slot: Optional[Tensor] = None,
    num_rows: Optional[Tensor] = None,
) -> None:
    """Samples one token a row into `token`, `logprob` and `status`, with a workspace of `new_workspace`."""
    _launch(
        registered(head),
        hidden_states,
        token,
        logprob,
        status,
        workspace,
        temperature,
        seed,
        offset,
        row_slot,
        num_rows,
    )


@sample_out.register_fake
def _(
    head: int,
    hidden_states: Tensor,
    token: Tensor,
    logprob: Tensor,
    status: Tensor,
    workspace: Tensor,
    temperature: Optional[Tensor] = None,
    seed: Optional[Tensor] = None,
    offset: Optional[Tensor] = None,
    row_slot: Optional[Tensor] = None,
    num_rows: Optional[Tensor] = None,
) -> None:
    return None


__all__ = ["new_workspace", "register", "registered", "sample", "sample_out", "unregister"]

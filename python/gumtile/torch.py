"""Sampling as custom ops of torch, for torch.compile and CUDA graphs.

Importing this module registers two ops. They identify heads by a number, since ops take no objects:

    import gumtile.torch

    number = gumtile.torch.register(head)       # a head that was prepared

    @torch.compile(fullgraph=True)
    def step(hidden_states, temperature, seed, offset):
        return torch.ops.gumtile.sample(number, model(hidden_states), temperature, seed, offset)

`gumtile::sample(head, hidden_states, ...)` returns new tensors (token, logprob, status). Its workspace is a new tensor,
too, made ready before each launch: it needs nothing from outside, on any stream, at the price of a small memset.

`gumtile::sample_out(head, hidden_states, token, logprob, status, workspace, ...)` writes to tensors that it is given, and
is one kernel. `new_workspace` makes the workspace, once; it is for one stream.

All other arguments are optional, and those of `gumtile.Head.sample`: of both ops its inputs, of `sample_out` also the
outputs beside those three, such as `any_status`. Pass them by name; by position they come in the order of the functions
below. The current stream is used. Without `seed` both ops draw one for each slot from torch's default generator
(`torch.manual_seed`), in every call and in every replay of a graph; to repeat a call, draw seeds yourself
(`torch.randint`) and pass them. Neither op synchronises, and tensors come from torch's allocator. Neither has a gradient.
"""

from __future__ import annotations

import inspect
import threading
from typing import Any, Dict, Optional, Tuple

import torch
from torch import Tensor

from ._allocate import current_stream
from ._arguments import OUTPUTS, Arguments
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
    """The number by which the ops identify `head`, which is kept alive until `unregister`. Thread safe."""
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
    """The head of a number. Raises ValueError if there is none."""
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


def _launch(head: Head, hidden_states: Tensor, workspace: Tensor, given: Dict[str, Any]) -> None:
    if _rows(hidden_states, given.get("hidden_index")) == 0:
        return
    arguments = Arguments(head, hidden_states, given)
    faults = arguments.index_faults()
    if faults:
        raise ValueError("\n".join(faults))
    arguments.draw()
    args = arguments.args
    args.workspace, args.workspace_bytes = aligned(view(workspace, "workspace").pointer, workspace.numel())
    check(lib.gumtile_head_sample(head._handle, current_stream(arguments.like), args))


def _rows(hidden_states: Tensor, hidden_index: Optional[Tensor]) -> int:
    return (hidden_states if hidden_index is None else hidden_index).shape[0]


def _outputs(head: Head, hidden_states: Tensor, rows: int) -> Tuple[Tensor, Tensor, Tensor]:
    return (
        hidden_states.new_empty((rows,), dtype=getattr(torch, head.token_dtype)),
        hidden_states.new_empty((rows,), dtype=torch.float32),
        hidden_states.new_empty((rows,), dtype=torch.int32),
    )


#: Marks ops that draw: equal calls must not be merged or repeated. Older versions of torch have no such tag.
_DRAWS: Dict[str, Any] = {}
if "tags" in inspect.signature(torch.library.custom_op).parameters:
    _DRAWS["tags"] = (torch.Tag.nondeterministic_seeded,)


@torch.library.custom_op("gumtile::sample", mutates_args=(), **_DRAWS)
def sample(
    head: int,
    hidden_states: Tensor,
    # BEGIN generated: op inputs, from src/head/fields.cpp
    temperature: Optional[Tensor] = None,
    seed: Optional[Tensor] = None,
    offset: Optional[Tensor] = None,
    row_slot: Optional[Tensor] = None,
    num_rows: Optional[Tensor] = None,
    hidden_index: Optional[Tensor] = None,
    invalid_token: Optional[Tensor] = None,
    token_position: Optional[Tensor] = None,
    # END generated: op inputs
) -> Tuple[Tensor, Tensor, Tensor]:
    """Samples one token per row: (token [rows], logprob [rows] float32, status [rows] int32).

    The inputs are those of `Head.sample`, as tensors. `token_position` says where in the returned tokens a row's goes.
    """
    # BEGIN generated: values of op inputs, from src/head/fields.cpp
    given = dict(
        temperature=temperature, seed=seed, offset=offset, row_slot=row_slot, num_rows=num_rows,
        hidden_index=hidden_index, invalid_token=invalid_token, token_position=token_position,
    )
    # END generated: values of op inputs
    found = registered(head)
    rows = _rows(hidden_states, hidden_index)
    token, logprob, status = _outputs(found, hidden_states, rows)
    if row_slot is not None or num_rows is not None or token_position is not None:
        for output, value in ((token, -1), (logprob, 0), (status, 0)):  # rows that are left out are not written
            output.fill_(value)
    workspace = torch.empty(found.workspace_bytes(max(rows, 1)), dtype=torch.uint8, device=hidden_states.device)
    _init(found, workspace)
    _launch(found, hidden_states, workspace, {**given, "token": token, "logprob": logprob, "status": status})
    return token, logprob, status


@sample.register_fake
def _(
    head: int,
    hidden_states: Tensor,
    # BEGIN generated: op inputs, from src/head/fields.cpp
    temperature: Optional[Tensor] = None,
    seed: Optional[Tensor] = None,
    offset: Optional[Tensor] = None,
    row_slot: Optional[Tensor] = None,
    num_rows: Optional[Tensor] = None,
    hidden_index: Optional[Tensor] = None,
    invalid_token: Optional[Tensor] = None,
    token_position: Optional[Tensor] = None,
    # END generated: op inputs
) -> Tuple[Tensor, Tensor, Tensor]:
    return _outputs(registered(head), hidden_states, _rows(hidden_states, hidden_index))


def sample_out(
    head: int,
    hidden_states: Tensor,
    token: Tensor,
    logprob: Tensor,
    status: Tensor,
    workspace: Tensor,
    # BEGIN generated: op arguments, from src/head/fields.cpp
    temperature: Optional[Tensor] = None,
    seed: Optional[Tensor] = None,
    offset: Optional[Tensor] = None,
    row_slot: Optional[Tensor] = None,
    num_rows: Optional[Tensor] = None,
    hidden_index: Optional[Tensor] = None,
    invalid_token: Optional[Tensor] = None,
    token_position: Optional[Tensor] = None,
    any_status: Optional[Tensor] = None,
    # END generated: op arguments
) -> None:
    """Samples one token per row into `token`, `logprob` and `status`, with a workspace of `new_workspace`.

    The other arguments are those of `Head.sample`, as tensors: inputs, and outputs to write to.
    """
    # BEGIN generated: values of op arguments, from src/head/fields.cpp
    given = dict(
        temperature=temperature, seed=seed, offset=offset, row_slot=row_slot, num_rows=num_rows,
        hidden_index=hidden_index, invalid_token=invalid_token, token_position=token_position, any_status=any_status,
    )
    # END generated: values of op arguments
    torch.ops.gumtile.sample_out(head, hidden_states, token, logprob, status, workspace, **given)


#: The parameters of `sample_out` after the hidden states.
_PARAMETERS = tuple(inspect.signature(sample_out).parameters.values())[2:]


def _schema_of_sample_out() -> str:
    written = {"workspace", *(field.name for field in OUTPUTS)}
    parts = ["SymInt head", "Tensor hidden_states"]
    for number, parameter in enumerate(_PARAMETERS):
        kind = f"Tensor(a{number}!)" if parameter.name in written else "Tensor"
        is_optional = parameter.default is None
        parts.append(f"{kind}? {parameter.name}=None" if is_optional else f"{kind} {parameter.name}")
    return f"sample_out({', '.join(parts)}) -> ()"


def _sample_out(head: int, hidden_states: Tensor, *arguments: Optional[Tensor]) -> None:
    given: Dict[str, Any] = {parameter.name: given for parameter, given in zip(_PARAMETERS, arguments)}
    _launch(registered(head), hidden_states, given.pop("workspace"), given)


# Not a torch.library.custom_op: of those, calls that leave out an optional argument that is written fail in most versions
# of torch.
_untyped: Any = torch
_library = _untyped.library.Library("gumtile", "FRAGMENT")
_library.define(_schema_of_sample_out(), tags=(torch.Tag.nondeterministic_seeded,))
_library.impl("sample_out", _untyped.compiler.disable(_sample_out), "CompositeExplicitAutograd")
torch.library.register_fake("gumtile::sample_out", lambda *arguments, **named: None, lib=_library)


__all__ = ["new_workspace", "register", "registered", "sample", "sample_out", "unregister"]

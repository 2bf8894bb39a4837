"""torch tensors whose memory is not what it seems, on the CPU."""

from __future__ import annotations

from typing import Any, Tuple

import numpy as np
import pytest
from conftest import HIDDEN, ROWS, VOCAB

import gumtile

torch: Any = pytest.importorskip("torch", reason="torch is not installed")

Data = Tuple[np.ndarray, np.ndarray]

SEED = np.arange(ROWS)


def fake(*shape: int, dtype: Any) -> Any:
    from torch._subclasses.fake_tensor import FakeTensorMode

    with FakeTensorMode():
        return torch.zeros(shape, dtype=dtype)


def distributed(*shape: int, dtype: Any) -> Any:
    import torch.distributed as dist

    try:
        from torch.distributed.device_mesh import init_device_mesh
        from torch.distributed.tensor import Replicate, distribute_tensor
        from torch.testing._internal.distributed.fake_pg import FakeStore
    except ImportError:
        pytest.skip("this torch has no DTensor")
    if not dist.is_initialized():
        dist.init_process_group("fake", store=FakeStore(), rank=0, world_size=2)
    return distribute_tensor(torch.zeros(shape, dtype=dtype), init_device_mesh("cpu", (2,)), [Replicate()])


def on_meta(*shape: int, dtype: Any) -> Any:
    return torch.zeros(shape, dtype=dtype, device="meta")


def functional(*shape: int, dtype: Any) -> Any:
    return torch._to_functional_tensor(torch.zeros(shape, dtype=dtype))


def emptied(*shape: int, dtype: Any) -> Any:
    """A view into storage that was released, as in sharded models."""
    tensor = torch.zeros((shape[0] + 1, *shape[1:]), dtype=dtype)[1:]
    tensor.untyped_storage().resize_(0)
    return tensor


def shrunk(*shape: int, dtype: Any) -> Any:
    tensor = torch.zeros(shape, dtype=dtype)
    tensor.untyped_storage().resize_(1)
    return tensor


def sparse(*shape: int, dtype: Any) -> Any:
    return torch.zeros(shape, dtype=dtype).to_sparse()


@pytest.mark.parametrize("make", [fake, distributed, on_meta, functional, emptied, shrunk, sparse])
def test_tensors_without_memory_are_refused(engine: gumtile.Engine, head: gumtile.Head, data: Data, make: Any) -> None:
    hidden = torch.from_numpy(data[1])
    for name, dtype in (
        ("temperature", torch.float32),
        ("seed", torch.int64),
        ("offset", torch.int64),
        ("row_slot", torch.int32),
        ("hidden_index", torch.int32),
        ("token", torch.int32),
        ("logprob", torch.float32),
        ("status", torch.int32),
    ):
        with pytest.raises(ValueError, match=f"^{name}: "):
            head.sample(hidden, **{name: make(ROWS, dtype=dtype)})
    for name in ("num_rows", "invalid_token", "any_status"):
        with pytest.raises(ValueError, match=f"^{name}: "):
            head.sample(hidden, **{name: make(1, dtype=torch.int32)})
    with pytest.raises(ValueError, match="^hidden_states: "):
        head.sample(make(ROWS, HIDDEN, dtype=torch.float32))
    with pytest.raises(ValueError, match="^weights: "):
        gumtile.Head(engine, make(VOCAB, HIDDEN, dtype=torch.float32))
    with pytest.raises(ValueError, match="^weights: "):
        head.set_weights(make(VOCAB, HIDDEN, dtype=torch.float32))


def test_tensors_within_transforms_are_refused(head: gumtile.Head, data: Data) -> None:
    hidden = torch.from_numpy(data[1])
    with pytest.raises(ValueError, match="^hidden_states: .* no memory of its own"):
        torch.func.vmap(lambda rows: head.sample(rows).token)(hidden[None])
    with pytest.raises(ValueError, match="^hidden_states: .* no memory of its own"):
        torch.func.grad(lambda rows: head.sample(rows).logprob.sum())(hidden)


def negated(values: Any) -> Any:
    """`values` as a view that is negated when it is read: its memory holds the opposite."""
    tensor = torch.complex(torch.zeros_like(values), -values).conj().imag
    assert tensor.is_neg()
    return tensor


def test_lazily_negated_tensors_are_refused(engine: gumtile.Engine, head: gumtile.Head, data: Data) -> None:
    hidden = torch.from_numpy(data[1])
    lazy = torch._neg_view(hidden)
    assert lazy.is_neg()
    with pytest.raises(ValueError, match="^hidden_states: the tensor is a lazily negated .*resolve_neg"):
        head.sample(lazy)
    with pytest.raises(ValueError, match="^weights: the tensor is a lazily negated"):
        gumtile.Head(engine, torch._neg_view(torch.from_numpy(data[0])))
    with pytest.raises(ValueError, match="^temperature: the tensor is a lazily negated"):
        head.sample(hidden, temperature=negated(torch.ones(ROWS)))
    with pytest.raises(ValueError, match="^logprob: the tensor is a lazily negated"):
        head.sample(hidden, logprob=torch._neg_view(torch.zeros(ROWS)))
    expected = head.sample(-hidden, seed=SEED).token
    assert torch.equal(head.sample(lazy.resolve_neg(), seed=SEED).token, expected)


@pytest.mark.parametrize("replace", ["half", "data", "set_", "to_empty"])
def test_the_head_keeps_the_memory_of_its_weights(engine: gumtile.Engine, data: Data, replace: str) -> None:
    module = torch.nn.Linear(HIDDEN, VOCAB, bias=False)
    module.weight.data = torch.from_numpy(data[0].copy())
    head = gumtile.Head(engine, module.weight)
    head.prepare(ROWS)
    hidden = torch.from_numpy(data[1])
    before = head.sample(hidden, seed=SEED).token
    if replace == "half":
        module.half()
    elif replace == "data":
        module.weight.data = torch.zeros(VOCAB, HIDDEN)
    elif replace == "set_":
        with torch.no_grad():
            module.weight.set_(torch.zeros(VOCAB, HIDDEN))
    else:
        module.to_empty(device="cpu")
    junk = [torch.full((VOCAB, HIDDEN), float(value)) for value in range(4)]
    assert torch.equal(head.sample(hidden, seed=SEED).token, before)
    assert len(junk) == 4


def test_a_launch_keeps_the_memory_of_its_arrays(head: gumtile.Head, data: Data) -> None:
    hidden, seed = torch.from_numpy(data[1].copy()), torch.arange(ROWS)
    launch = head.bind(hidden, seed=seed)
    expected = head.sample(hidden.clone(), seed=seed.clone()).token
    hidden.data = torch.zeros(ROWS, HIDDEN)
    seed.data = torch.zeros(ROWS, dtype=torch.int64)
    junk = [torch.full((ROWS, HIDDEN), float(value)) for value in range(16)]
    launch()
    assert torch.equal(launch.result.token, expected)
    assert len(junk) == 16


@pytest.mark.parametrize(
    ("name", "given", "plain"),
    [
        ("temperature", lambda: torch.full((ROWS,), 0.5, dtype=torch.float64), lambda: torch.full((ROWS,), 0.5)),
        ("temperature", lambda: torch.full((ROWS, 1), 0.5), lambda: torch.full((ROWS,), 0.5)),
        ("temperature", lambda: torch.tensor(0.5).expand(ROWS), lambda: torch.full((ROWS,), 0.5)),
        ("temperature", lambda: torch.tensor([[0.5]]).expand(ROWS, 1), lambda: torch.full((ROWS,), 0.5)),
        ("temperature", lambda: torch.tensor(0.5), lambda: torch.full((ROWS,), 0.5)),
        ("temperature", lambda: torch.full((ROWS,), 0.5, dtype=torch.bfloat16), lambda: torch.full((ROWS,), 0.5)),
        ("temperature", lambda: torch.full((ROWS,), 0.5, requires_grad=True) * 1, lambda: torch.full((ROWS,), 0.5)),
        ("temperature", lambda: 0.5, lambda: torch.full((ROWS,), 0.5)),
        ("temperature", lambda: [0.5] * ROWS, lambda: torch.full((ROWS,), 0.5)),
        ("seed", lambda: torch.arange(ROWS, dtype=torch.int32), lambda: torch.arange(ROWS)),
        ("seed", lambda: torch.arange(ROWS)[:, None], lambda: torch.arange(ROWS)),
        ("seed", lambda: torch.arange(2 * ROWS).view(ROWS, 2)[:, :1], lambda: 2 * torch.arange(ROWS)),
        ("seed", lambda: list(range(ROWS)), lambda: torch.arange(ROWS)),
        ("seed", lambda: 2**64 - 1, lambda: torch.full((ROWS,), -1, dtype=torch.int64)),
        ("offset", lambda: torch.arange(ROWS, dtype=torch.int16), lambda: torch.arange(ROWS)),
        ("row_slot", lambda: list(range(ROWS)), lambda: torch.arange(ROWS, dtype=torch.int32)),
        ("num_rows", lambda: 3, lambda: torch.tensor([3], dtype=torch.int32)),
        ("hidden_index", lambda: [3] * ROWS, lambda: torch.full((ROWS,), 3, dtype=torch.int32)),
    ],
)
def test_conversions(head: gumtile.Head, data: Data, name: str, given: Any, plain: Any) -> None:
    hidden = torch.from_numpy(data[1])
    seed = {} if name == "seed" else {"seed": torch.arange(ROWS)}
    expected = head.sample(hidden, **{**seed, name: plain()})
    result = head.sample(hidden, **{**seed, name: given()})
    launch = head.bind(hidden, **{**seed, name: given()})
    launch()
    assert torch.equal(result.token, expected.token) and torch.equal(launch.result.token, expected.token)
    assert result.seed.dtype == torch.int64


def test_broadcast_hidden_states(head: gumtile.Head, data: Data) -> None:
    one = torch.from_numpy(data[1][:1])
    expected = head.sample(one.repeat(ROWS, 1), seed=SEED).token
    assert torch.equal(head.sample(one.expand(ROWS, -1), seed=SEED).token, expected)


def test_rows_that_are_left_out_have_outputs(head: gumtile.Head, data: Data) -> None:
    result = head.sample(torch.from_numpy(data[1]), num_rows=0, any_status=True)
    assert result.token.tolist() == [-1] * ROWS and result.logprob.tolist() == [0.0] * ROWS
    assert result.status.tolist() == [0] * ROWS and result.any_status.tolist() == [0]

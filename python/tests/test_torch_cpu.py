"""torch tensors on the CPU, and the custom ops under torch.compile."""

from __future__ import annotations

from typing import Any, Tuple

import numpy as np
import pytest
from conftest import ROWS

import gumtile

torch: Any = pytest.importorskip("torch", reason="torch is not installed")

Data = Tuple[np.ndarray, np.ndarray]


@pytest.fixture(scope="module")
def bf16_head(engine: gumtile.Engine, data: Data) -> gumtile.Head:
    head = gumtile.Head(engine, torch.from_numpy(data[0]).to(torch.bfloat16))
    head.prepare(ROWS)
    return head


@pytest.fixture(scope="module")
def hidden(data: Data) -> Any:
    return torch.from_numpy(data[1]).to(torch.bfloat16)


@pytest.fixture(scope="module")
def number(bf16_head: gumtile.Head) -> Any:
    import gumtile.torch

    number = gumtile.torch.register(bf16_head)
    assert gumtile.torch.register(bf16_head) == number
    yield number
    gumtile.torch.unregister(number)


def test_tensors_in_and_out(bf16_head: gumtile.Head, hidden: Any, logits: np.ndarray) -> None:
    result = bf16_head.sample(hidden, temperature=torch.zeros(ROWS), any_status=True)
    assert result.token.dtype == torch.int32 and result.status.dtype == torch.int32
    np.testing.assert_array_equal(result.token.numpy(), logits.argmax(axis=1))
    assert int(result.any_status) == 0


def test_same_tokens_as_numpy(bf16_head: gumtile.Head, hidden: Any) -> None:
    seed = torch.arange(ROWS)
    of_torch = bf16_head.sample(hidden, seed=seed)
    of_numpy = bf16_head.sample(hidden.view(torch.int16).numpy(), seed=seed.numpy())
    assert isinstance(of_numpy.token, np.ndarray)
    np.testing.assert_array_equal(of_torch.token.numpy(), of_numpy.token)


def test_parameters_and_dlpack(engine: gumtile.Engine, data: Data, logits: np.ndarray) -> None:
    head = gumtile.Head(engine, torch.nn.Parameter(torch.from_numpy(data[0])))
    head.prepare(ROWS)
    result = head.sample(torch.from_numpy(data[1]), temperature=torch.zeros(ROWS))
    np.testing.assert_array_equal(result.token.numpy(), logits.argmax(axis=1))


def test_other_devices_are_refused(bf16_head: gumtile.Head, hidden: Any) -> None:
    with pytest.raises(ValueError, match="meta"):
        bf16_head.sample(hidden.to("meta"))


def test_op_equals_method(bf16_head: gumtile.Head, hidden: Any, number: int) -> None:
    seed, offset = torch.arange(ROWS), torch.arange(ROWS) * 3
    temperature = torch.full((ROWS,), 0.8)
    expected = bf16_head.sample(hidden, temperature=temperature, seed=seed, offset=offset)
    token, logprob, status = torch.ops.gumtile.sample(number, hidden, temperature, seed, offset)
    assert torch.equal(token, expected.token) and torch.equal(logprob, expected.logprob)
    assert torch.equal(status, expected.status)


def test_op_that_writes(bf16_head: gumtile.Head, hidden: Any, number: int) -> None:
    import gumtile.torch

    workspace = gumtile.torch.new_workspace(bf16_head, like=hidden)
    token = torch.empty(ROWS, dtype=torch.int32)
    logprob, status = torch.empty(ROWS), torch.empty(ROWS, dtype=torch.int32)
    seed = torch.arange(ROWS)
    for _ in range(3):
        seed += 10
        torch.ops.gumtile.sample_out(number, hidden, token, logprob, status, workspace, seed=seed)
        assert torch.equal(token, bf16_head.sample(hidden, seed=seed).token)


def test_op_gathers_and_scatters(bf16_head: gumtile.Head, hidden: Any, number: int) -> None:
    index, seed = torch.tensor([5, 0, 5], dtype=torch.int32), torch.arange(3)
    expected = bf16_head.sample(hidden, hidden_index=index, seed=seed)
    token, logprob, _ = torch.ops.gumtile.sample(number, hidden, seed=seed, hidden_index=index)
    assert torch.equal(token, expected.token) and torch.equal(logprob, expected.logprob)
    position = torch.tensor([2, -1, 0], dtype=torch.int32)
    scattered, _, _ = torch.ops.gumtile.sample(number, hidden, seed=seed, hidden_index=index, token_position=position)
    assert scattered.tolist() == [int(token[2]), -1, int(token[0])]


def test_op_that_writes_takes_every_output(bf16_head: gumtile.Head, hidden: Any, number: int) -> None:
    import gumtile.torch

    workspace = gumtile.torch.new_workspace(bf16_head, like=hidden)
    token = torch.empty(ROWS, dtype=torch.int32)
    logprob, status = torch.empty(ROWS), torch.empty(ROWS, dtype=torch.int32)
    any_status = torch.zeros(1, dtype=torch.int32)
    temperature = torch.ones(ROWS)
    temperature[3] = -1
    invalid = torch.tensor([-5], dtype=torch.int32)
    for op in (torch.ops.gumtile.sample_out, gumtile.torch.sample_out):
        any_status.zero_()
        op(
            number, hidden, token, logprob, status, workspace, temperature,
            torch.arange(ROWS), invalid_token=invalid, any_status=any_status,
        )
        assert int(token[3]) == -5 and (token != -5).sum() == ROWS - 1
        assert gumtile.RowStatus(int(any_status)) == gumtile.RowStatus.BAD_TEMPERATURE


@pytest.mark.parametrize("backend", ["aot_eager", "inductor"])
def test_compile_with_every_output(bf16_head: gumtile.Head, hidden: Any, number: int, backend: str) -> None:
    import gumtile.torch

    torch.compiler.reset()
    workspace = gumtile.torch.new_workspace(bf16_head, like=hidden)
    index, seed = torch.tensor([5, 0, 5], dtype=torch.int32), torch.arange(3)

    @torch.compile(fullgraph=True, backend=backend)  # type: ignore[untyped-decorator]
    def step(states: Any, temperature: Any, token: Any, logprob: Any, status: Any, any_status: Any) -> Any:
        gumtile.torch.sample_out(
            number, states * 2, token, logprob, status, workspace, temperature, seed,
            hidden_index=index, any_status=any_status,
        )
        return any_status + 0

    for temperature, bits in ((torch.ones(3), 0), (torch.tensor([1.0, -1.0, 1.0]), 8), (torch.ones(3), 0)):
        token, any_status = torch.zeros(3, dtype=torch.int32), torch.zeros(1, dtype=torch.int32)
        after = step(hidden, temperature, token, torch.zeros(3), torch.zeros(3, dtype=torch.int32), any_status)
        expected = bf16_head.sample(hidden * 2, temperature=temperature, seed=seed, hidden_index=index)
        assert torch.equal(token, expected.token) and int(after) == int(any_status) == bits


def test_ops_are_sound(bf16_head: gumtile.Head, hidden: Any, number: int) -> None:
    import gumtile.torch

    seed = torch.arange(ROWS)
    torch.library.opcheck(torch.ops.gumtile.sample, (number, hidden, None, seed))
    index = torch.tensor([5, 0, 5], dtype=torch.int32)
    torch.library.opcheck(torch.ops.gumtile.sample, (number, hidden, None, seed[:3]), {"hidden_index": index})
    workspace = gumtile.torch.new_workspace(bf16_head, like=hidden)
    outputs = (torch.zeros(ROWS, dtype=torch.int32), torch.zeros(ROWS), torch.zeros(ROWS, dtype=torch.int32))
    # Without the comparison of the whole workspace, which is not the op's result.
    for others in ({}, {"any_status": torch.zeros(1, dtype=torch.int32)}):
        torch.library.opcheck(
            torch.ops.gumtile.sample_out,
            (number, hidden, *outputs, workspace, None, seed),
            others,
            test_utils=("test_schema", "test_autograd_registration", "test_faketensor"),
        )


def test_unknown_number(hidden: Any) -> None:
    import gumtile.torch

    with pytest.raises(ValueError, match="no head is registered as 12345"):
        torch.ops.gumtile.sample(12345, hidden)


@pytest.mark.parametrize("backend", ["aot_eager", "inductor"])
def test_compile(bf16_head: gumtile.Head, hidden: Any, number: int, backend: str) -> None:
    torch.compiler.reset()

    def step(states: Any, temperature: Any, seed: Any, offset: Any) -> Any:
        token, logprob, status = torch.ops.gumtile.sample(number, states * 2, temperature, seed, offset)
        return token + 0, logprob, status

    compiled = torch.compile(step, fullgraph=True, backend=backend)
    temperature, offset = torch.ones(ROWS), torch.arange(ROWS)
    for round_ in range(3):
        seed = torch.arange(ROWS) + 100 * round_
        expected = step(hidden, temperature, seed, offset)
        got = compiled(hidden, temperature, seed, offset)
        assert torch.equal(got[0], expected[0])
        assert torch.allclose(got[1], expected[1], atol=1e-5)


@pytest.mark.parametrize("backend", ["aot_eager", "inductor"])
def test_compile_of_the_op_that_writes(bf16_head: gumtile.Head, hidden: Any, number: int, backend: str) -> None:
    import gumtile.torch

    torch.compiler.reset()
    workspace = gumtile.torch.new_workspace(bf16_head, like=hidden)
    token = torch.empty(ROWS, dtype=torch.int32)
    logprob, status = torch.empty(ROWS), torch.empty(ROWS, dtype=torch.int32)

    @torch.compile(fullgraph=True, backend=backend)  # type: ignore[untyped-decorator]
    def step(states: Any, seed: Any, token: Any, logprob: Any, status: Any, workspace: Any) -> Any:
        torch.ops.gumtile.sample_out(number, states * 2, token, logprob, status, workspace, seed=seed)
        return token + 1

    for round_ in range(3):
        seed = torch.arange(ROWS) + 100 * round_
        after = step(hidden, seed, token, logprob, status, workspace)
        assert torch.equal(token, bf16_head.sample(hidden * 2, seed=seed).token)
        assert torch.equal(after, token + 1)


def test_compile_with_changing_rows(bf16_head: gumtile.Head, hidden: Any, number: int) -> None:
    torch.compiler.reset()
    compiled = torch.compile(
        lambda states, seed: torch.ops.gumtile.sample(number, states * 2, seed=seed)[0], fullgraph=True, dynamic=True
    )
    for rows in (2, 3, 8, 5):
        seed = torch.arange(rows)
        assert torch.equal(compiled(hidden[:rows], seed), bf16_head.sample(hidden[:rows] * 2, seed=seed).token)

"""Seeds from torch's generator, by the methods, the custom ops and under torch.compile; on the CPU."""

from __future__ import annotations

from typing import Any, Tuple

import numpy as np
import pytest
from conftest import ROWS

import gumtile

torch: Any = pytest.importorskip("torch", reason="torch is not installed")

Data = Tuple[np.ndarray, np.ndarray]


@pytest.fixture(scope="module")
def prompt(data: Data) -> Any:
    """The same hidden state in every row."""
    return torch.from_numpy(data[1][:1]).repeat(ROWS, 1)


@pytest.fixture(scope="module")
def number(head: gumtile.Head) -> Any:
    import gumtile.torch

    number = gumtile.torch.register(head)
    yield number
    gumtile.torch.unregister(number)


def test_manual_seed_governs(head: gumtile.Head, prompt: Any) -> None:
    torch.manual_seed(3)
    first, second = head.sample(prompt), head.sample(prompt)
    torch.manual_seed(3)
    again = head.sample(prompt)
    assert torch.equal(first.token, again.token) and torch.equal(first.seed, again.seed)
    assert not torch.equal(first.token, second.token)
    assert len(set(first.token.tolist())) > ROWS // 2
    assert torch.equal(head.sample(prompt, seed=second.seed).token, second.token)


def test_numpys_generator_is_left_alone(head: gumtile.Head, prompt: Any) -> None:
    np.random.seed(1)
    expected = np.random.random()
    np.random.seed(1)
    head.sample(prompt)
    assert np.random.random() == expected


def test_a_bound_launch_draws_at_each_call(head: gumtile.Head, prompt: Any) -> None:
    launch = head.bind(prompt)
    torch.manual_seed(5)
    launch()
    first, pointer = launch.result.token.clone(), launch.result.seed.data_ptr()
    launch()
    assert not torch.equal(launch.result.token, first) and launch.result.seed.data_ptr() == pointer
    torch.manual_seed(5)
    launch()
    assert torch.equal(launch.result.token, first)
    torch.manual_seed(5)
    assert torch.equal(head.sample(prompt).token, first)


def test_a_launch_may_leave_inference_mode(head: gumtile.Head, prompt: Any) -> None:
    with torch.inference_mode():
        launch = head.bind(prompt, temperature=0.8)
        launch()
    launch()
    with torch.inference_mode():
        launch()


def test_greedy_numbers_draw_nothing(head: gumtile.Head, prompt: Any) -> None:
    before = torch.get_rng_state()
    assert head.sample(prompt, temperature=0).seed is None
    launch = head.bind(prompt, temperature=0.0)
    launch()
    assert torch.equal(torch.get_rng_state(), before)


def test_ops_draw(head: gumtile.Head, prompt: Any, number: int) -> None:
    import gumtile.torch

    torch.manual_seed(9)
    first, second = (torch.ops.gumtile.sample(number, prompt)[0] for _ in range(2))
    torch.manual_seed(9)
    assert torch.equal(torch.ops.gumtile.sample(number, prompt)[0], first)
    assert len(set(first.tolist())) > ROWS // 2 and not torch.equal(first, second)

    workspace = gumtile.torch.new_workspace(head, like=prompt)
    token, logprob, status = torch.zeros(ROWS, dtype=torch.int32), torch.zeros(ROWS), torch.zeros(ROWS, dtype=torch.int32)
    torch.manual_seed(9)
    torch.ops.gumtile.sample_out(number, prompt, token, logprob, status, workspace)
    assert torch.equal(token, first)


def test_left_out_rows_of_the_op(prompt: Any, number: int) -> None:
    row_slot = torch.full((ROWS,), -1, dtype=torch.int32)
    token, logprob, status = torch.ops.gumtile.sample(number, prompt, seed=torch.arange(ROWS), row_slot=row_slot)
    assert token.tolist() == [-1] * ROWS and logprob.tolist() == [0.0] * ROWS and status.tolist() == [0] * ROWS


def test_indices_of_the_op(prompt: Any, number: int) -> None:
    row_slot = torch.full((ROWS,), 10**8, dtype=torch.int32)
    with pytest.raises(ValueError, match="row_slot: row 0 names 100000000"):
        torch.ops.gumtile.sample(number, prompt, seed=torch.arange(ROWS), row_slot=row_slot)


@pytest.mark.parametrize("backend", ["aot_eager", "inductor"])
def test_equal_calls_in_a_compiled_function_differ(prompt: Any, number: int, backend: str) -> None:
    if not gumtile.torch._DRAWS:
        pytest.skip("this torch cannot be told that an op draws")
    torch.compiler.reset()

    @torch.compile(fullgraph=True, backend=backend)  # type: ignore[untyped-decorator]
    def twice(states: Any) -> Any:
        states = states * 2
        first = torch.ops.gumtile.sample(number, states)[0]
        return first, torch.ops.gumtile.sample(number, states)[0]

    for _ in range(3):
        first, second = twice(prompt)
        assert not torch.equal(first, second)
        assert len(set(first.tolist())) > ROWS // 2

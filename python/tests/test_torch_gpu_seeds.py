"""Seeds from torch's generator, and arrays that gumtile creates or converts, on a GPU. Skipped if either is missing."""

from __future__ import annotations

from typing import Any

import pytest

import gumtile

torch: Any = pytest.importorskip("torch", reason="torch is not installed")
if not torch.cuda.is_available():
    pytest.skip("there is no GPU that torch can use", allow_module_level=True)

VOCAB, HIDDEN, ROWS = 32_000, 256, 16


@pytest.fixture(scope="module")
def head() -> gumtile.Head:
    weights = torch.randn(VOCAB, HIDDEN, device="cuda") / HIDDEN**0.5
    made = gumtile.Head(gumtile.Engine("cuda:0", cache=False), weights.to(torch.bfloat16))
    made.prepare(ROWS)
    return made


@pytest.fixture(scope="module")
def prompt() -> Any:
    """The same hidden state in every row."""
    return torch.randn(1, HIDDEN, device="cuda").to(torch.bfloat16).repeat(ROWS, 1)


def test_manual_seed_governs(head: gumtile.Head, prompt: Any) -> None:
    torch.manual_seed(3)
    first, second = head.sample(prompt), head.sample(prompt)
    torch.manual_seed(3)
    assert torch.equal(head.sample(prompt).token, first.token)
    assert not torch.equal(first.token, second.token)
    assert first.seed.is_cuda and len(set(first.token.tolist())) > ROWS // 2
    assert torch.equal(head.sample(prompt, seed=second.seed).token, second.token)


def test_replays_draw_anew(head: gumtile.Head, prompt: Any) -> None:
    launch = head.bind(prompt, workspace=head.workspace(like=prompt))
    launch()
    torch.cuda.synchronize()
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        launch()
    seen = set()
    for _ in range(20):
        graph.replay()
        assert torch.equal(launch.result.token, head.sample(prompt, seed=launch.result.seed.clone()).token)
        seen.add(tuple(launch.result.token.tolist()))
    assert len(seen) == 20


def test_a_captured_sample_draws_anew(head: gumtile.Head, prompt: Any) -> None:
    workspace = head.workspace(like=prompt)
    head.sample(prompt, workspace=workspace)
    torch.cuda.synchronize()
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        with pytest.raises(ValueError, match="temperature: a list cannot be copied to the GPU during a capture"):
            head.sample(prompt, temperature=[1.0] * ROWS, workspace=workspace)
        result = head.sample(prompt, temperature=0.9, num_rows=ROWS - 1, workspace=workspace)
    seen = set()
    for _ in range(5):
        graph.replay()
        seen.add(tuple(result.token.tolist()))
        assert result.token[-1] == -1 and result.logprob[-1] == 0 and result.status[-1] == 0
    assert len(seen) == 5


@pytest.mark.parametrize("op", ["sample", "sample_out"])
def test_ops_draw_in_a_graph(head: gumtile.Head, prompt: Any, op: str) -> None:
    import gumtile.torch

    number = gumtile.torch.register(head)
    workspace = gumtile.torch.new_workspace(head, like=prompt)
    outputs = [torch.zeros(ROWS, dtype=dtype, device="cuda") for dtype in (torch.int32, torch.float32, torch.int32)]

    def call() -> Any:
        if op == "sample":
            return torch.ops.gumtile.sample(number, prompt)[0]
        torch.ops.gumtile.sample_out(number, prompt, *outputs, workspace)
        return outputs[0]

    call()
    torch.cuda.synchronize()
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        token = call()
    seen = set()
    for _ in range(5):
        graph.replay()
        seen.add(tuple(token.tolist()))
    assert len(seen) == 5
    gumtile.torch.unregister(number)


def test_what_is_made_is_in_the_order_of_the_stream(head: gumtile.Head, prompt: Any) -> None:
    stream = torch.cuda.Stream()
    head.sample(prompt, stream=stream)  # makes this stream's workspace
    torch.cuda.synchronize()
    temperature = torch.full((ROWS,), 0.5, dtype=torch.float64, device="cuda")
    torch.cuda.synchronize()
    torch.cuda._sleep(100_000_000)  # delays the current stream, which must not matter
    result = head.sample(prompt, temperature=temperature, row_slot=[*range(ROWS - 1), -1], stream=stream)
    stream.synchronize()
    with torch.cuda.stream(stream):
        token, seed, offset = result.token.clone(), result.seed.clone(), result.offset.clone()
    stream.synchronize()
    torch.cuda.synchronize()
    again = head.sample(prompt, temperature=0.5, seed=seed, offset=offset)
    assert torch.equal(token[:-1], again.token[:-1]) and int(token[-1]) == -1


def test_slots_need_an_array(head: gumtile.Head, prompt: Any) -> None:
    row_slot = torch.zeros(ROWS, dtype=torch.int32, device="cuda")
    for arguments in ({}, {"temperature": 0.5}):
        with pytest.raises(ValueError, match="row_slot: how many slots it names is known on the device only"):
            head.sample(prompt, row_slot=row_slot, **arguments)
    result = head.sample(prompt, row_slot=row_slot, temperature=torch.ones(1, device="cuda"))
    assert len(set(result.token.tolist())) > ROWS // 2


def test_conversions(head: gumtile.Head, prompt: Any) -> None:
    plain = {"temperature": torch.full((ROWS,), 0.5, device="cuda"), "seed": torch.arange(ROWS, device="cuda")}
    expected = head.sample(prompt, **plain).token
    for given in (
        {"temperature": 0.5, "seed": list(range(ROWS))},
        {"temperature": torch.tensor(0.5, device="cuda"), "seed": plain["seed"].int()},
        {"temperature": plain["temperature"].double()[:, None], "seed": plain["seed"][:, None]},
        {"temperature": torch.full((1,), 0.5, device="cuda").expand(ROWS), "seed": plain["seed"].to(torch.int16)},
    ):
        assert torch.equal(head.sample(prompt, **given).token, expected)
        assert torch.equal(head.sample(prompt[:1].expand(ROWS, -1), **given).token, expected)

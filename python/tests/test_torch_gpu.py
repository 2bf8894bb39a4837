"""torch tensors on a GPU: streams, CUDA graphs, torch.compile. Skipped if torch or a GPU is missing."""

from __future__ import annotations

import threading
from typing import Any, Dict, List, Tuple

import pytest

import gumtile

torch: Any = pytest.importorskip("torch", reason="torch is not installed")
if not torch.cuda.is_available():
    pytest.skip("there is no GPU that torch can use", allow_module_level=True)

VOCAB, HIDDEN, ROWS, REPLAYS = 32_000, 1024, 16, 1000


@pytest.fixture(scope="module")
def engine() -> gumtile.Engine:
    return gumtile.Engine("cuda:0", cache=False)


@pytest.fixture(scope="module")
def weights() -> Any:
    generator = torch.Generator("cuda").manual_seed(1)
    return (torch.randn(VOCAB, HIDDEN, device="cuda", generator=generator) / HIDDEN**0.5).to(torch.bfloat16)


@pytest.fixture(scope="module")
def hidden() -> Any:
    generator = torch.Generator("cuda").manual_seed(2)
    return torch.randn(ROWS, HIDDEN, device="cuda", generator=generator).to(torch.bfloat16)


@pytest.fixture(scope="module")
def head(engine: gumtile.Engine, weights: Any) -> gumtile.Head:
    made = gumtile.Head(engine, weights)
    made.prepare(ROWS)
    return made


@pytest.fixture(scope="module")
def number(head: gumtile.Head) -> Any:
    import gumtile.torch

    number = gumtile.torch.register(head)
    yield number
    gumtile.torch.unregister(number)


def parameters() -> Dict[str, Any]:
    return {
        "temperature": torch.ones(ROWS, device="cuda"),
        "seed": torch.arange(ROWS, device="cuda"),
        "offset": torch.zeros(ROWS, dtype=torch.int64, device="cuda"),
    }


def change(arrays: Dict[str, Any], step: int) -> None:
    """Changes values in place, in the order of the current stream."""
    arrays["temperature"].fill_(0.25 + (step % 7) * 0.25)
    arrays["seed"].add_(1_000_003)
    arrays["offset"].add_(1)


def test_greedy_is_argmax(head: gumtile.Head, weights: Any, hidden: Any) -> None:
    result = head.sample(hidden, temperature=torch.zeros(ROWS, device="cuda"), any_status=True)
    logits = hidden.double() @ weights.double().T
    best = logits.argmax(dim=1)
    assert result.token.is_cuda and result.token.dtype == torch.int32
    assert torch.equal(result.token.long(), best)
    expected = torch.log_softmax(logits, dim=1).gather(1, best[:, None])[:, 0]
    torch.testing.assert_close(result.logprob.double(), expected, atol=1e-3, rtol=0)
    assert not result.status.any() and int(result.any_status) == 0


def test_same_seed_same_token_in_any_batch(head: gumtile.Head, hidden: Any) -> None:
    arrays = parameters()
    all_rows = head.sample(hidden, **arrays)
    for row in range(ROWS):
        one = {name: array[row : row + 1] for name, array in arrays.items()}
        assert torch.equal(head.sample(hidden[row : row + 1], **one).token, all_rows.token[row : row + 1])


def test_validate(head: gumtile.Head, hidden: Any) -> None:
    head.bind(hidden, **parameters()).validate()


def test_cpu_tensors_are_refused_but_pinned_ones(head: gumtile.Head, hidden: Any) -> None:
    seed = torch.arange(ROWS)
    with pytest.raises(ValueError, match="seed: memory of cuda:0 is needed, not of cpu"):
        head.sample(hidden, seed=seed)
    pinned = seed.pin_memory()
    assert torch.equal(head.sample(hidden, seed=pinned).token, head.sample(hidden, seed=seed.cuda()).token)


def test_current_stream(head: gumtile.Head, hidden: Any) -> None:
    seed = torch.arange(ROWS, device="cuda")
    expected = head.sample(hidden, seed=seed).token
    stream = torch.cuda.Stream()
    states = torch.zeros_like(hidden)
    torch.cuda.synchronize()
    with torch.cuda.stream(stream):
        head.sample(states, seed=seed)  # creates this stream's workspace
        torch.cuda._sleep(100_000_000)
        states.copy_(hidden)  # long after the next line, unless that is on this stream, too
        result = head.sample(states, seed=seed)
    named = head.sample(states, seed=seed, stream=stream)
    stream.synchronize()
    assert torch.equal(result.token, expected)
    assert torch.equal(named.token, expected)


def test_graph_replays(head: gumtile.Head, hidden: Any) -> None:
    arrays = parameters()
    states = hidden.clone()
    launch = head.bind(states, **arrays, workspace=head.workspace(like=hidden), any_status=True)
    launch()
    torch.cuda.synchronize()
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        launch()
    replayed = torch.empty(REPLAYS, ROWS, dtype=torch.int32, device="cuda")
    eager = torch.empty_like(replayed)
    bad = torch.zeros(1, dtype=torch.int32, device="cuda")
    for step in range(REPLAYS):
        change(arrays, step)
        states.copy_(hidden.roll(step, dims=0))
        graph.replay()
        replayed[step].copy_(launch.result.token)
        bad |= launch.result.any_status
        eager[step].copy_(head.sample(states, **arrays).token)
    assert torch.equal(replayed, eager)
    assert int(bad) == 0
    assert len(torch.unique(replayed)) > REPLAYS  # the values did change


def test_graph_with_slots_and_num_rows(head: gumtile.Head, hidden: Any) -> None:
    arrays = parameters()
    row_slot = torch.arange(ROWS, dtype=torch.int32, device="cuda")
    num_rows = torch.full((1,), ROWS, dtype=torch.int32, device="cuda")
    launch = head.bind(hidden, **arrays, row_slot=row_slot, num_rows=num_rows)
    launch()
    everything = launch.result.token.clone()
    torch.cuda.synchronize()
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        launch()
    launch.result.token.fill_(-7)
    num_rows.fill_(5)
    row_slot[2] = -1
    graph.replay()
    expected = torch.full_like(everything, -7)
    expected[:5] = everything[:5]
    expected[2] = -7
    assert torch.equal(launch.result.token, expected)


def test_launches_allocate_nothing(head: gumtile.Head, hidden: Any) -> None:
    launch = head.bind(hidden, **parameters())
    launch()
    torch.cuda.synchronize()

    def allocations() -> Tuple[int, int]:
        return torch.cuda.memory_stats()["allocation.all.allocated"], torch.cuda.mem_get_info()[0]

    def changes() -> bool:
        before = allocations()
        for _ in range(100):
            launch()
        changed = allocations() != before
        torch.cuda.synchronize()
        return changed

    # Other processes on the GPU also allocate, but not every time.
    assert not all(changes() for _ in range(5))


def test_a_default_workspace_is_not_captured(head: gumtile.Head, hidden: Any) -> None:
    arrays = parameters()
    workspace = head.workspace(like=hidden)
    torch.cuda.synchronize()
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        with pytest.raises(ValueError, match="workspace"):
            head.sample(hidden, **arrays)
        with pytest.raises(ValueError, match="workspace"):
            head.bind(hidden, **arrays)
        result = head.sample(hidden, **arrays, workspace=workspace)
    change(arrays, 1)
    graph.replay()
    assert torch.equal(result.token, head.sample(hidden, **arrays).token)


def test_an_unprepared_launch_leaves_the_capture_intact(engine: gumtile.Engine, weights: Any, hidden: Any) -> None:
    head = gumtile.Head(engine, weights)
    head.prepare(ROWS, features=[()])
    workspace = head.workspace(like=hidden)
    torch.cuda.synchronize()
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        with pytest.raises(gumtile.GumtileError) as raised:
            head.sample(hidden, workspace=workspace)
        result = head.sample(hidden, workspace=workspace, logprob=None)
    assert raised.value.status is gumtile.Status.NOT_PREPARED
    graph.replay()
    assert torch.equal(result.token, head.sample(hidden, seed=result.seed, logprob=None).token)


def test_threads_with_a_stream_each(head: gumtile.Head, hidden: Any) -> None:
    seeds = [torch.arange(ROWS, device="cuda") + 1000 * index for index in range(4)]
    expected = [head.sample(hidden, seed=seed).token for seed in seeds]
    torch.cuda.synchronize()
    failures: List[int] = []

    def work(index: int) -> None:
        with torch.cuda.stream(torch.cuda.Stream()):
            tokens = [head.sample(hidden, seed=seeds[index]).token for _ in range(100)]
            torch.cuda.current_stream().synchronize()
            if not all(torch.equal(token, expected[index]) for token in tokens):
                failures.append(index)

    threads = [threading.Thread(target=work, args=(index,)) for index in range(len(seeds))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not failures


def test_set_weights(engine: gumtile.Engine, weights: Any, hidden: Any) -> None:
    head = gumtile.Head(engine, weights.clone())
    head.prepare(ROWS)
    seed = torch.arange(ROWS, device="cuda")
    before = head.sample(hidden, seed=seed).token
    head.set_weights(weights.roll(1, dims=0))
    after = head.sample(hidden, seed=seed, temperature=torch.zeros(ROWS, device="cuda")).token
    head.set_weights(weights)
    assert torch.equal(head.sample(hidden, seed=seed).token, before)
    greedy = head.sample(hidden, temperature=torch.zeros(ROWS, device="cuda")).token
    assert torch.equal((greedy + 1) % VOCAB, after)


class CudaArrayInterface:
    def __init__(self, tensor: Any) -> None:
        self.tensor = tensor
        self.__cuda_array_interface__ = tensor.__cuda_array_interface__


class DLPackOnly:
    def __init__(self, tensor: Any) -> None:
        self.tensor = tensor

    def __dlpack__(self, **options: Any) -> Any:
        return self.tensor.__dlpack__(**options)

    def __dlpack_device__(self) -> Any:
        return self.tensor.__dlpack_device__()


def test_other_libraries_arrays(engine: gumtile.Engine, weights: Any, hidden: Any) -> None:
    head = gumtile.Head(engine, DLPackOnly(weights))
    head.prepare(ROWS)
    assert head.weights_dtype == "bfloat16"
    seed = torch.arange(ROWS, device="cuda")
    result = head.sample(hidden, seed=CudaArrayInterface(seed))
    assert torch.equal(result.token, head.sample(hidden, seed=DLPackOnly(seed)).token)
    with pytest.raises(ValueError, match="pass token="):
        head.sample(DLPackOnly(hidden), seed=seed)
    with pytest.raises(ValueError, match="seed: none can be drawn .* pass seed="):
        head.sample(DLPackOnly(hidden))
    with pytest.raises(TypeError, match="temperature: an array on cuda:0 is needed, not float"):
        head.sample(DLPackOnly(hidden), seed=seed, temperature=0.5)
    token = torch.empty(ROWS, dtype=torch.int32, device="cuda")
    head.sample(DLPackOnly(hidden), seed=seed, token=CudaArrayInterface(token), logprob=None, status=None)
    torch.cuda.synchronize()
    assert torch.equal(result.token, token)


def test_cupy(engine: gumtile.Engine, weights: Any, hidden: Any) -> None:
    cupy: Any = pytest.importorskip("cupy", reason="CuPy is not installed")
    head = gumtile.Head(engine, cupy.asarray(weights.float()))
    head.prepare(ROWS)
    with cupy.cuda.Stream():
        result = head.sample(cupy.asarray(hidden.float()), temperature=cupy.zeros(ROWS, cupy.float32))
        assert isinstance(result.token, cupy.ndarray)
    best = (hidden.double() @ weights.double().T).argmax(dim=1)
    assert (result.token.get() == best.cpu().numpy()).all()


@pytest.mark.parametrize("mode", ["default", "reduce-overhead"])
def test_compile(head: gumtile.Head, hidden: Any, number: int, mode: str) -> None:
    torch.compiler.reset()
    projection = torch.randn(HIDDEN, HIDDEN, device="cuda", dtype=torch.bfloat16) / HIDDEN**0.5

    def step(states: Any, temperature: Any, seed: Any, offset: Any) -> Any:
        states = torch.nn.functional.rms_norm(states @ projection, (HIDDEN,))
        token, logprob, status = torch.ops.gumtile.sample(number, states, temperature, seed, offset)
        return states, token, logprob, status

    compiled = torch.compile(step, fullgraph=True, mode=mode)
    arrays = parameters()
    for round_ in range(20):
        change(arrays, round_)
        states, token, logprob, status = compiled(hidden, *arrays.values())
        expected = head.sample(states, **arrays)
        assert torch.equal(token, expected.token)
        torch.testing.assert_close(logprob, expected.logprob, atol=1e-4, rtol=0)
        assert not status.any()


def test_compile_of_the_op_that_writes(head: gumtile.Head, hidden: Any, number: int) -> None:
    import gumtile.torch

    torch.compiler.reset()
    workspace = gumtile.torch.new_workspace(head, like=hidden)
    token = torch.empty(ROWS, dtype=torch.int32, device="cuda")
    logprob, status = torch.empty(ROWS, device="cuda"), torch.empty_like(token)

    @torch.compile(fullgraph=True)  # type: ignore[untyped-decorator]
    def step(states: Any, seed: Any, token: Any, logprob: Any, status: Any, workspace: Any) -> Any:
        torch.ops.gumtile.sample_out(number, states * 2, token, logprob, status, workspace, seed=seed)
        return token + 1

    seed = torch.arange(ROWS, device="cuda")
    for _ in range(20):
        seed += 100
        after = step(hidden, seed, token, logprob, status, workspace)
        assert torch.equal(token, head.sample(hidden * 2, seed=seed).token)
        assert torch.equal(after, token + 1)


@pytest.mark.parametrize("op", ["sample", "sample_out"])
def test_ops_in_a_graph(head: gumtile.Head, hidden: Any, number: int, op: str) -> None:
    import gumtile.torch

    arrays = parameters()
    workspace = gumtile.torch.new_workspace(head, like=hidden)
    outputs = (
        torch.empty(ROWS, dtype=torch.int32, device="cuda"),
        torch.empty(ROWS, device="cuda"),
        torch.empty(ROWS, dtype=torch.int32, device="cuda"),
    )

    def call() -> Any:
        if op == "sample":
            return torch.ops.gumtile.sample(number, hidden, *arrays.values())
        torch.ops.gumtile.sample_out(number, hidden, *outputs, workspace, *arrays.values())
        return outputs

    call()
    torch.cuda.synchronize()
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        token, logprob, status = call()
    for round_ in range(REPLAYS):
        change(arrays, round_)
        graph.replay()
        if round_ % 50 == 0:
            assert torch.equal(token, head.sample(hidden, **arrays).token)
            assert not status.any()

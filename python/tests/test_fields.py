"""What is generated from the table of fields, against the C header."""

import ctypes
import inspect
import pathlib
import re

import numpy as np
import pytest
from conftest import ROWS, VOCAB

import gumtile
import gumtile._arguments as arguments
import gumtile._library as library
from gumtile._fields import FEATURES, FIELDS, HEAD_FIELDS, HEAD_OPTIONS, Field, RowStatus

HEADER = pathlib.Path(__file__).parents[2] / "include" / "gumtile" / "gumtile.h"


def header() -> str:
    if not HEADER.exists():
        pytest.skip("the header is not beside the tests")
    return HEADER.read_text(encoding="utf-8")


@pytest.mark.parametrize(
    "name, struct", [("gumtile_sample_args", library.SampleArgs), ("gumtile_head_options", library.HeadOptions)]
)
def test_structs_lie_as_in_the_header(name: str, struct: type) -> None:
    offsets = dict(re.findall(rf"GUMTILE_LAYOUT\(offsetof\({name}, (\w+)\) == (\d+)\);", header()))
    assert offsets
    members = [member for member, _ in struct._fields_ if member != "struct_size"]
    assert members == list(offsets)
    for member in members:
        assert getattr(struct, member).offset == int(offsets[member]), member
    (size,) = re.findall(rf"GUMTILE_LAYOUT\(sizeof\({name}\) == (\d+)\);", header())
    assert ctypes.sizeof(struct) == int(size)


def test_hand_written_structs_have_the_members_of_the_header() -> None:
    for name, struct in (
        ("gumtile_prepare_options", library.PrepareOptions),
        ("gumtile_kernel_choice", library.KernelChoice),
        ("gumtile_engine_options", library.EngineOptions),
    ):
        body = re.search(rf"typedef struct {name} {{(.*?)}} {name};", header(), re.DOTALL)
        assert body
        text = re.sub(r"/\*.*?\*/", "", body.group(1), flags=re.DOTALL)
        members = re.findall(r"(\w+);", text)
        here = [member for member, _ in struct._fields_]
        # ctypes pads as C does: padding that the header names may be left out.
        assert [m for m in members if m != "reserved"] == [m for m in here if m != "reserved"], name


def test_enumerations_are_those_of_the_header() -> None:
    for bit in RowStatus:
        assert f"GUMTILE_STATUS_{bit.name} = {bit.value}" in header()
    for name, value in FEATURES.items():
        assert f"GUMTILE_FEATURE_{name.upper()} = {value}" in header()


def test_fields_name_known_features() -> None:
    for field in FIELDS:
        assert not field.feature or field.feature in FEATURES


def test_calls_take_every_field() -> None:
    for method in (gumtile.Head.sample, gumtile.Head.bind):
        assert {field.name for field in FIELDS} <= set(inspect.signature(method).parameters)
    for field in FIELDS:
        assert f"            {field.name}: " in (gumtile.Head.sample.__doc__ or "")
    results = {field.name for field in FIELDS if field.kind == "output"}
    assert set(inspect.signature(gumtile.SampleResult).parameters) == results | {"seed", "offset"}


def test_heads_take_every_option() -> None:
    parameters = inspect.signature(gumtile.Head.__init__).parameters
    members = dict(HEAD_OPTIONS)
    for field in HEAD_FIELDS:
        assert field.name in parameters
        assert f"            {field.name}: " in (gumtile.Head.__init__.__doc__ or "")
        assert field.kind == "setting" or f"{field.name}_dtype" in members


def test_torch_ops_take_every_field() -> None:
    torch = pytest.importorskip("torch", reason="torch is not installed")
    import gumtile.torch  # noqa: F401

    def arguments(op: str) -> list:
        return [argument.name for argument in getattr(torch.ops.gumtile, op).default._schema.arguments]

    # By position, as callers have them: others come after these.
    inputs = ["temperature", "seed", "offset", "row_slot", "num_rows"]
    given = ["head", "hidden_states", *inputs]
    outputs = ["head", "hidden_states", "token", "logprob", "status", "workspace", *inputs]
    assert arguments("sample")[: len(given)] == given
    assert arguments("sample_out")[: len(outputs)] == outputs
    assert {field.name for field in FIELDS if field.kind == "input"} <= set(arguments("sample"))
    assert {field.name for field in FIELDS} <= set(arguments("sample_out"))
    written = {a.name for a in torch.ops.gumtile.sample_out.default._schema.arguments if a.alias_info is not None}
    assert written == {field.name for field in FIELDS if field.kind == "output"} | {"workspace"}


def test_made_up_fields_are_bound_by_what_the_table_says(
    monkeypatch: pytest.MonkeyPatch, head: gumtile.Head, data: tuple
) -> None:
    def field(name: str, kind: str, dtype: str, over: str) -> Field:
        return Field(name, kind, dtype, over, False, "", "")

    inputs = (
        field("floor", "input", "float32", "slots"),
        field("mask", "input", "uint32", "rows"),
        field("scale", "input", "float32", "one"),
        field("penalty", "input", "float32", "vocab"),
    )
    outputs = (field("entropy", "output", "float32", "rows"), field("runner_up", "output", "token", "rows"))
    monkeypatch.setattr(arguments, "FIELDS", (*FIELDS, *inputs, *outputs))
    monkeypatch.setattr(arguments, "INPUTS", (*arguments.INPUTS, *inputs))
    monkeypatch.setattr(arguments, "SLOT_INPUTS", (*arguments.SLOT_INPUTS, inputs[0]))
    monkeypatch.setattr(arguments, "OUTPUTS", (*arguments.OUTPUTS, *outputs))
    monkeypatch.setattr(arguments, "SampleResult", dict)

    def bound(**given: object) -> arguments.Arguments:
        return arguments.Arguments(head, data[1], given, bound=True)

    call = bound(floor=0.25, mask=2**32 - 1, scale=2, penalty=np.zeros(VOCAB, np.float64), entropy=True, runner_up=True)
    found = {name: view.owner for name, view in call.views.items()}
    assert found["floor"].tolist() == [0.25] * ROWS and found["floor"].dtype == np.float32
    assert found["mask"].tolist() == [2**32 - 1] * ROWS and found["mask"].dtype == np.uint32
    assert found["scale"].tolist() == [2] and found["scale"].dtype == np.float32
    assert found["penalty"].shape == (VOCAB,) and found["penalty"].dtype == np.float32
    assert call.args.floor == found["floor"].ctypes.data  # type: ignore[attr-defined]
    assert call.result["entropy"].tolist() == [0] * ROWS
    assert call.result["runner_up"].dtype == np.int32 and (call.result["runner_up"] == -1).all()
    row_slot = np.zeros(ROWS, np.int32)
    assert bound(row_slot=row_slot, floor=np.zeros(5, np.float32), seed=1).views["seed"].shape == (5,)
    with pytest.raises(ValueError, match=r"floor: the shape \[8\] is needed, not \[7\]"):
        bound(floor=np.zeros(ROWS - 1, np.float32))
    with pytest.raises(ValueError, match=r"penalty: the shape \[1000\] is needed, not \[999\]"):
        bound(penalty=np.zeros(VOCAB - 1, np.float32))
    with pytest.raises(ValueError, match="mask: uint32 or int32 is needed, not int64"):
        bound(mask=np.zeros(ROWS, np.int64))
    with pytest.raises(ValueError, match="scale: an array of one element is needed"):
        bound(scale=np.zeros(2, np.float32))
    with pytest.raises(ValueError, match="entropy: float32 is needed, not float64"):
        bound(entropy=np.zeros(ROWS))


def test_torch_has_unsigned_numbers_as_the_same_bits() -> None:
    torch = pytest.importorskip("torch", reason="torch is not installed")
    from gumtile._allocate import TorchArrays

    made = TorchArrays(torch.device("cpu"))
    assert made.full((1,), 2**32 - 1, "uint32").tolist() == [-1]
    assert made.vector([2**64 - 2, 5], "uint64").tolist() == [-2, 5]
    assert made.full((1,), 2**31 - 1, "int32").tolist() == [2**31 - 1]

"""What is generated from the table of fields, against the C header."""

import ctypes
import pathlib
import re

import pytest

import gumtile._library as library
from gumtile._fields import FEATURES, FIELDS, RowStatus

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

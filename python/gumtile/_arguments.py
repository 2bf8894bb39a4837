"""From a caller's arguments to gumtile_sample_args: checks, conversions, drawn seeds, and outputs.

Arguments are bound in loops over the table of fields (`_fields.FIELDS`), which says what dtype and length they
have. What the table does not say is here:

- `hidden_states` is a matrix, with possible gaps between rows (`hidden_view`).
- `hidden_index`, if it is given, has as many elements as the launch has rows.
- `row_slot` names slots, of which there may be fewer or more than rows (`_slot_count`).
- `seed`, if it is not given, is drawn, and `offset` then distinguishes rows of one slot (`_draw_seeds`).
- `num_rows`, if it is a number, is at most the number of rows.
- `token` is written even if it is not given, and is as long as `token_position` says.

Indices are checked only on the CPU, in `_indices`.
"""

from __future__ import annotations

from typing import Any, Dict, List, Mapping, Optional, Protocol, Sequence, Tuple, Union

from . import _library as c
from ._allocate import Library, can_draw, library_of
from ._arrays import ArrayView, is_array, is_torch, view
from ._convert import (
    KINDS,
    adjacent,
    copied,
    from_numbers,
    is_adjacent,
    is_greedy,
    is_one_number,
    length_of,
    one_element,
    without_columns,
)
from ._engine import Engine
from ._fields import DTYPE_BYTES, FIELDS, Field
from ._indices import Bounds, _words, index_faults
from ._result import SampleResult
from ._types import Array
from ._workspace import HeadHandle

PROGRAMMATIC, WEIGHTS_STABLE = 1, 2

#: The fields of the loops.
INPUTS = tuple(field for field in FIELDS if field.kind == "input" and field.name != "hidden_states")
OUTPUTS = tuple(field for field in FIELDS if field.kind == "output")
ROW_SLOT = next(field for field in INPUTS if field.name == "row_slot")
SLOT_INPUTS = tuple(field for field in INPUTS if field.over == "slots")

#: Arguments that are indices into others.
_INDICES = frozenset(("hidden_index", "row_slot", "num_rows", "token_position"))

#: Seeds are drawn for as many slots as `row_slot` names, up to this limit.
MAX_DRAWN = 1 << 20


class HeadLike(Protocol):
    """What launches need of a `Head`, which creates them."""

    @property
    def engine(self) -> Engine: ...

    @property
    def vocab_size(self) -> int: ...

    @property
    def hidden_size(self) -> int: ...

    @property
    def hidden_dtype(self) -> str: ...

    @property
    def token_dtype(self) -> str: ...

    @property
    def _handle(self) -> HeadHandle: ...


def require_device(engine: Engine, name: str, array: ArrayView) -> None:
    gpu = engine._gpu
    if array.on_gpu == (gpu is not None) and (gpu is None or array.gpu is None or array.gpu == gpu):
        return
    if gpu is not None and is_torch(array.owner) and array.owner.is_pinned():
        return  # a GPU reads pinned memory
    raise ValueError(f"{name}: memory of {engine.device.id} is needed, not of {array.device}")


def require_dtype(name: str, array: ArrayView, dtypes: Sequence[str]) -> None:
    if array.dtype not in dtypes:
        raise ValueError(f"{name}: {' or '.join(dtypes)} is needed, not {array.dtype}")


def row_stride(name: str, array: ArrayView) -> int:
    """The row stride of a matrix without gaps between the elements of a row."""
    rows, columns = array.shape
    if columns > 1 and array.strides[1] != 1:
        raise ValueError(f"{name}: the elements of a row must be adjacent, not {array.strides[1]} apart")
    if rows <= 1:
        return columns
    if array.strides[0] < columns:
        raise ValueError(f"{name}: rows must not overlap: they are {array.strides[0]} elements apart, and have {columns}")
    return array.strides[0]


def matrix_dtypes(dtype: str) -> Sequence[str]:
    """The dtypes that an array may have to be accepted as `dtype`: of a format that numpy lacks, also its bits."""
    if dtype in ("float16", "float32"):
        return (dtype,)
    bits = 8 * DTYPE_BYTES[dtype]
    return (dtype, f"uint{bits}", f"int{bits}")


def hidden_view(head: HeadLike, hidden_states: Union[Array, ArrayView]) -> Tuple[ArrayView, int]:
    """The checked view of hidden states, and their row stride. One row that is broadcast to many is copied."""
    array = view(hidden_states, "hidden_states")
    if len(array.shape) != 2 or array.shape[1] != head.hidden_size:
        raise ValueError(f"hidden_states: the shape [rows, {head.hidden_size}] is needed, not {list(array.shape)}")
    require_dtype("hidden_states", array, matrix_dtypes(head.hidden_dtype))
    require_device(head.engine, "hidden_states", array)
    if array.shape[0] > 1 and array.strides[0] == 0:
        array = view(copied("hidden_states", array, array.shape, array.dtype), "hidden_states")
    return array, row_stride("hidden_states", array)


class Arguments:
    """gumtile_sample_args over checked arrays, and the arrays.

    `given`: the caller's arguments by field name; None if left out. `bound`: for a launch that is called
    many times, between which left-out rows may change.
    """

    def __init__(
        self,
        head: HeadLike,
        hidden_states: Union[Array, ArrayView],
        given: Mapping[str, Any],
        *,
        programmatic: bool = False,
        weights_stable: bool = False,
        bound: bool = False,
    ) -> None:
        given = {field.name: given.get(field.name) for field in FIELDS}
        self.head = head
        #: The arrays that the launch reads and writes, by argument; kept alive.
        self.views: Dict[str, ArrayView] = {}
        self.like, stride = hidden_view(head, hidden_states)
        self._library = library_of(self.like)
        self._drawing: Optional[Library] = None
        rows = self._row_count(given["hidden_index"])
        if given["token_position"] is not None and given["token"] is None:
            raise ValueError("token_position says where tokens go in an array of yours: pass token=")
        self.args = c.SampleArgs(
            rows=rows,
            flags=(PROGRAMMATIC if programmatic else 0) | (WEIGHTS_STABLE if weights_stable else 0),
            hidden_states=self.like.pointer,
            hidden_row_stride=stride,
        )
        self._bind_inputs(given)
        outputs = self._bind_outputs(given, bound or bool(self.args.row_slot or self.args.num_rows))
        self._seed = self.views["seed"].owner if "seed" in self.views else None
        offset = self.views["offset"].owner if "offset" in self.views else None
        self.result = SampleResult(**outputs, seed=self._seed, offset=offset)

    def draw(self) -> None:
        """New seeds, if none were given; in the order of the library's current stream."""
        if self._drawing is not None:
            self._drawing.draw(self._seed)

    @property
    def draws(self) -> bool:
        """Whether seeds are drawn for each launch."""
        return self._drawing is not None

    def index_faults(self) -> List[str]:
        """The indices in the CPU's memory that point outside of their arrays, one line per array; nothing on a GPU."""
        if self.head.engine._gpu is not None or _INDICES.isdisjoint(self.views):
            return []
        return index_faults(self.args, self._bounds())

    def slots(self) -> int:
        """The length of the arrays over slots; 0 if there are none."""
        return min(self._bounds().slots.values(), default=0)

    def _bounds(self) -> Bounds:
        names = [field.name for field in SLOT_INPUTS if field.name in self.views]
        if self.draws:  # as many seeds are drawn as there are slots
            names.remove("seed")
        slots = {name: self.views[name].shape[0] for name in names}
        tokens = self.views["token"].shape[0] if self.args.token_position else None
        return Bounds(self.like.shape[0], slots, tokens)

    # ---- how many rows and slots there are ----

    def _row_count(self, hidden_index: Any) -> int:
        length = length_of("hidden_index", hidden_index)
        rows = self.like.shape[0] if length is None else length
        if self.like.shape[0] == 0 and rows > 0:
            raise ValueError(f"hidden_states: it has no rows for hidden_index, which has {rows}")
        return rows

    def _slot_count(self, given: Mapping[str, Any]) -> int:
        """How many slots a number, or seeds to draw, are for if there is a row_slot: as many as another array over
        slots has, else, on the CPU, as many as row_slot names now, and at least one for each row."""
        for field in SLOT_INPUTS:
            length = length_of(field.name, given[field.name])
            if length is not None:
                return length
        if self.head.engine._gpu is not None:
            raise ValueError(
                "row_slot: how many slots it names is known on the device only: pass seed= or temperature= with one "
                "element for each slot"
            )
        rows: int = self.args.rows
        named = max(_words(self.args.row_slot, rows), default=-1) + 1
        if named > MAX_DRAWN:
            raise ValueError(f"row_slot: it names slot {named - 1}; pass seed= and temperature= with as many elements")
        return max(named, rows)

    # ---- inputs ----

    def _bind_inputs(self, given: Dict[str, Any]) -> None:
        rows: int = self.args.rows
        drawn = given["seed"] is None and not is_greedy(given["temperature"])
        # How many elements an array has at least, and how many a number stands for.
        least = {"one": 1, "rows": rows, "slots": rows, "vocab": self.head.vocab_size}
        length = dict(least)
        if given["row_slot"] is not None:
            self._bind_input(ROW_SLOT, given["row_slot"], rows, rows)
        if self.args.row_slot:
            least["slots"] = min(rows, 1)  # only the device knows which slots are named
            if drawn or any(is_one_number(field.name, given[field.name]) for field in SLOT_INPUTS):
                length["slots"] = self._slot_count(given)
        if drawn and rows > 0:
            self._draw_seeds(given, length["slots"])
        for field in INPUTS:
            if given[field.name] is not None and field is not ROW_SLOT:
                self._bind_input(field, given[field.name], least[field.over], length[field.over])

    def _draw_seeds(self, given: Dict[str, Any], slots: int) -> None:
        """Adds seeds that `draw` fills if none were given."""
        library = self._library
        if library is None or not can_draw(self.like):
            raise ValueError(
                "seed: none can be drawn "
                + ("in the library of the hidden states" if library is None else "by CuPy during a capture")
                + ": pass seed="
            )
        self._drawing = library
        given["seed"] = library.undrawn(slots)
        if self.args.row_slot and given["offset"] is None:
            # Rows of one slot share its seed: their own offsets keep them from sharing their noise.
            given["offset"] = library.count(self.args.rows)

    def _bind_input(self, field: Field, given: Any, least: int, length: int) -> None:
        """Binds adjacent elements, of which there are at least `least`; `length`: how many a number stands for."""
        name, kind = field.name, KINDS[field.dtype]
        if is_array(given):
            found = view(given, name)
            require_device(self.head.engine, name, found)
            array = one_element(name, found, kind) if field.over == "one" else adjacent(name, found, kind, length)
        else:
            if name == "num_rows":
                kind = kind._replace(low=0, high=self.args.rows)
            array = from_numbers(name, given, kind, length, self._library, self.like)
            if field.over == "one":
                array = one_element(name, array, kind)
        if array.shape[0] < least:
            raise ValueError(f"{name}: the shape [{least}] is needed, not {list(array.shape)}")
        self.views[name] = array
        setattr(self.args, name, array.pointer)

    # ---- outputs ----

    def _bind_outputs(self, given: Mapping[str, Any], may_leave_out: bool) -> Dict[str, Any]:
        """The arrays by name, None if not requested. `may_leave_out`: rows may be left out, and are not written."""
        rows: int = self.args.rows
        least = {"one": 1, "rows": rows, "vocab": self.head.vocab_size}
        outputs: Dict[str, Any] = {}
        for field in OUTPUTS:
            wanted = given[field.name]
            length = least[field.over]
            if field.name == "token":
                wanted = True if wanted is None else wanted
                length = 0 if self.args.token_position else rows
            outputs[field.name] = self._bind_output(field, wanted, length, may_leave_out)
        return outputs

    def _bind_output(self, field: Field, given: Any, length: int, fill: bool) -> Any:
        """The array; for True a new one. `fill`: fills it with the value for rows that are left out."""
        if given is None or given is False:
            return None
        name = field.name
        dtypes = KINDS[self.head.token_dtype if field.dtype == "token" else field.dtype].dtypes
        made: Any = given
        if given is True:
            made = new_output(self._library, field, length, dtypes[0], fill)
        array = without_columns(view(made, name))
        require_dtype(name, array, dtypes)
        require_device(self.head.engine, name, array)
        if len(array.shape) != 1 or array.shape[0] < length:
            raise ValueError(f"{name}: the shape [{length}] is needed, not {list(array.shape)}")
        if not is_adjacent(array):
            raise ValueError(f"{name}: its elements must be adjacent, not {array.strides[0]} apart")
        if not array.writable:
            raise ValueError(f"{name}: the array is read-only")
        if self.args.rows > 0 and array.size == 0:
            raise ValueError(f"{name}: the array has no elements")
        self.views[name] = array
        setattr(self.args, name, array.pointer)
        return made


def new_output(library: Optional[Library], field: Field, length: int, dtype: str, fill: bool) -> Any:
    if library is None:
        raise ValueError(
            "outputs cannot be made in the library of the hidden states: pass token=, and arrays or None for logprob=, "
            "status= and others"
        )
    if fill:
        return library.full((length,), -1 if field.dtype == "token" else 0, dtype)
    return library.empty((length,), dtype)

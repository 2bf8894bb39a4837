"""From what a caller gives to gumtile_sample_args: checks, conversions, seeds that are drawn, and outputs."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Dict, List, Optional, Protocol, Sequence, Tuple, Union

from . import _library as c
from ._allocate import Library, can_draw, library_of
from ._arrays import ArrayView, is_array, is_torch, view
from ._convert import (
    INDEX,
    TEMPERATURE,
    WORD64,
    Kind,
    adjacent,
    copied,
    from_numbers,
    is_adjacent,
    is_greedy,
    length_of,
    number_of,
    without_columns,
)
from ._engine import Engine
from ._indices import Bounds, _words, index_faults
from ._types import Array, Numbers, Output
from ._workspace import HeadHandle

PROGRAMMATIC, WEIGHTS_STABLE = 1, 2

#: Arguments that index others.
_INDICES = frozenset(("hidden_index", "row_slot", "num_rows", "token_position"))

#: Seeds are drawn for as many slots as `row_slot` names, up to here.
MAX_DRAWN = 1 << 20


@dataclass(frozen=True)
class SampleResult:
    """Arrays of the library of the hidden states; None for what was not asked for.

    Arrays that gumtile made hold token -1, log-probability 0 and status 0 for rows that were left out.
    """

    #: [rows], of the head's token dtype.
    token: Any
    #: [rows] float32.
    logprob: Any = None
    #: [rows] uint32 (int32 in torch): bits of gumtile.RowStatus.
    status: Any = None
    #: One uint32 word (int32 in torch): the bits of all rows.
    any_status: Any = None
    #: [slots]: the seeds that were given or drawn; with `offset` they repeat the sample. None if nothing was drawn.
    seed: Any = None
    #: [rows]: the offsets that were given, or made where seeds were drawn for slots; None: 0.
    offset: Any = None


class HeadLike(Protocol):
    """What launches need of a `Head`, which makes them."""

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
    """Of a matrix whose rows lie without gaps between elements."""
    rows, columns = array.shape
    if columns > 1 and array.strides[1] != 1:
        raise ValueError(f"{name}: the elements of a row must be adjacent, not {array.strides[1]} apart")
    if rows <= 1:
        return columns
    if array.strides[0] < columns:
        raise ValueError(f"{name}: rows must not overlap: they are {array.strides[0]} elements apart, and have {columns}")
    return array.strides[0]


def matrix_dtypes(dtype: str) -> Sequence[str]:
    """What an array may call itself to be taken as `dtype`: numpy has no bfloat16."""
    return ("bfloat16", "uint16", "int16") if dtype == "bfloat16" else (dtype,)


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
    """gumtile_sample_args over arrays that were checked, and the arrays.

    `bound`: for a launch that is called many times, between which left-out rows may change.
    """

    def __init__(
        self,
        head: HeadLike,
        hidden_states: Union[Array, ArrayView],
        *,
        temperature: Optional[Numbers] = None,
        seed: Optional[Numbers] = None,
        offset: Optional[Numbers] = None,
        row_slot: Optional[Numbers] = None,
        num_rows: Optional[Numbers] = None,
        hidden_index: Optional[Numbers] = None,
        token_position: Optional[Numbers] = None,
        invalid_token: Optional[Numbers] = None,
        token: Optional[Array] = None,
        logprob: Output = True,
        status: Output = True,
        any_status: Output = None,
        programmatic: bool = False,
        weights_stable: bool = False,
        bound: bool = False,
    ) -> None:
        self.head = head
        #: What the launch reads and writes, kept alive, by argument.
        self.views: Dict[str, ArrayView] = {}
        self.like, stride = hidden_view(head, hidden_states)
        self._library = library_of(self.like)
        rows = self._rows(hidden_index)
        if token_position is not None and token is None:
            raise ValueError("token_position says where tokens go in an array of yours: pass token=")
        if self.like.shape[0] == 0 and rows > 0:
            raise ValueError(f"hidden_states: it has no rows for hidden_index, which has {rows}")
        self.args = args = c.SampleArgs(
            rows=rows,
            flags=(PROGRAMMATIC if programmatic else 0) | (WEIGHTS_STABLE if weights_stable else 0),
            hidden_states=self.like.pointer,
            hidden_row_stride=stride,
        )
        args.hidden_index = self._vector("hidden_index", hidden_index, INDEX, rows)
        args.row_slot = self._vector("row_slot", row_slot, INDEX, rows)
        args.num_rows = self._word("num_rows", num_rows, (0, rows))
        args.invalid_token = self._word("invalid_token", invalid_token)
        args.token_position = self._vector("token_position", token_position, INDEX, rows)
        self._slot_arrays(temperature, seed, offset)

        fill = bound or row_slot is not None or num_rows is not None
        token_rows = rows if token_position is None else 0
        words = ("uint32", "int32")
        given_token = True if token is None else token
        token, args.token = self._output("token", given_token, (head.token_dtype,), token_rows, -1 if fill else None)
        logprob, args.logprob = self._output("logprob", logprob, ("float32",), rows, 0 if fill else None)
        status, args.status = self._output("status", status, words, rows, 0 if fill else None)
        any_status, args.any_status = self._output("any_status", any_status, words, 1, 0 if fill else None)
        self.result = SampleResult(
            token=token,
            logprob=logprob,
            status=status,
            any_status=any_status,
            seed=self._seed,
            offset=self._offset,
        )

    def draw(self) -> None:
        """New seeds, if none were given; in the order of the library's current stream."""
        if self._drawing is not None:
            self._drawing.draw(self._seed)

    @property
    def draws(self) -> bool:
        """Whether seeds are drawn for each launch."""
        return self._drawing is not None

    def index_faults(self) -> List[str]:
        """What indices in the CPU's memory point outside of, a line for each; nothing on a GPU."""
        if self.head.engine._gpu is not None or _INDICES.isdisjoint(self.views):
            return []
        return index_faults(self.args, self._bounds())

    def slots(self) -> int:
        """The length of the arrays over slots; 0 where there are none."""
        return min(self._bounds().slots.values(), default=0)

    def _bounds(self) -> Bounds:
        slots: Dict[str, int] = {}
        for name in ("temperature", "seed"):
            if name in self.views and not (name == "seed" and self.draws):  # as many are drawn as there are slots
                slots[name] = self.views[name].shape[0]
        tokens = self.views["token"].shape[0] if self.args.token_position else None
        return Bounds(self.like.shape[0], slots, tokens)

    def _rows(self, hidden_index: Optional[Numbers]) -> int:
        if hidden_index is None:
            return self.like.shape[0]
        length = length_of("hidden_index", hidden_index)
        return self.like.shape[0] if length is None else length

    # ---- seeds, and what else lies by slot ----

    def _slot_arrays(
        self, temperature: Optional[Numbers], seed: Optional[Numbers], offset: Optional[Numbers]
    ) -> None:
        args = self.args
        drawn = seed is None and not is_greedy(temperature)
        slots = args.rows
        if args.row_slot and (drawn or is_one_number("temperature", temperature) or is_one_number("seed", seed)):
            slots = self._slot_count(temperature, seed)
        # With row_slot only the device knows how many slots there are: an array over slots has at least one.
        least = min(args.rows, 1) if args.row_slot else args.rows
        args.temperature = self._vector("temperature", temperature, TEMPERATURE, least, slots)
        self._drawing: Optional[Library] = None
        if drawn and args.rows > 0:
            self._drawing = self._drawing_library()
            seed = self._drawing.undrawn(slots)
            if args.row_slot and offset is None:
                # Rows of one slot share its seed: their own offsets keep them from sharing their noise.
                offset = self._drawing.count(args.rows)
        args.seed = self._vector("seed", seed, WORD64, least, slots)
        args.offset = self._vector("offset", offset, WORD64, args.rows)
        self._seed = self.views["seed"].owner if "seed" in self.views else None
        self._offset = self.views["offset"].owner if "offset" in self.views else None

    def _drawing_library(self) -> Library:
        library = self._library
        if library is None or not can_draw(self.like):
            raise ValueError(
                "seed: none can be drawn "
                + ("in the library of the hidden states" if library is None else "by CuPy during a capture")
                + ": pass seed="
            )
        return library

    def _slot_count(self, temperature: Optional[Numbers], seed: Optional[Numbers]) -> int:
        """How many slots a number, or seeds to draw, are for: as many as another array over slots has, else, on the
        CPU, as many as row_slot names now, and at least one for each row."""
        for name, given in (("temperature", temperature), ("seed", seed)):
            length = length_of(name, given)
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

    # ---- one argument ----

    def _vector(
        self, name: str, given: Optional[Numbers], kind: Kind, least: int, length: Optional[int] = None
    ) -> Optional[int]:
        """The address of `given` as adjacent elements, of which there are at least `least`; `length`: as many as a
        number is for."""
        if given is None:
            return None
        length = least if length is None else length
        if is_array(given):
            found = view(given, name)
            require_device(self.head.engine, name, found)
            array = adjacent(name, found, kind, length)
        else:
            array = from_numbers(name, given, kind, length, self._library, self.like)
        if array.shape[0] < least:
            raise ValueError(f"{name}: the shape [{least}] is needed, not {list(array.shape)}")
        self.views[name] = array
        return array.pointer

    def _word(self, name: str, given: Optional[Numbers], span: Optional[Tuple[int, int]] = None) -> Optional[int]:
        """The address of one int32. `span`: of numbers; what arrays hold is checked with the other indices."""
        if given is None:
            return None
        if not is_array(given):
            kind = INDEX if span is None else INDEX._replace(low=span[0], high=span[1])
            array = from_numbers(name, given, kind, 1, self._library, self.like)
        else:
            array = view(given, name)
            require_dtype(name, array, INDEX.dtypes)
            require_device(self.head.engine, name, array)
        if array.size != 1:
            raise ValueError(f"{name}: an array of one element is needed, not of the shape {list(array.shape)}")
        self.views[name] = array
        return array.pointer

    def _output(
        self, name: str, given: Output, dtypes: Sequence[str], length: int, fill: Optional[int]
    ) -> Tuple[Any, Optional[int]]:
        """The array and its address; for True a new array that holds `fill`, or anything if every element is written."""
        if given is None or given is False:
            return None, None
        made: Any = given
        if given is True:
            library = self._library
            if library is None:
                raise ValueError(
                    "outputs cannot be made in the library of the hidden states: pass token=, and arrays or None for "
                    "logprob= and status="
                )
            made = library.empty((length,), dtypes[0]) if fill is None else library.full((length,), fill, dtypes[0])
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
        return made, array.pointer


def is_one_number(name: str, given: Any) -> bool:
    """Whether `given` is one number for all slots."""
    if given is None:
        return False
    if is_array(given):
        return length_of(name, given) is None
    return number_of(name, given) is not None

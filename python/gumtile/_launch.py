"""From arrays to gumtile_sample_args: checks, outputs, and launches that are bound once."""

from __future__ import annotations

import ctypes
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, List, Optional, Sequence, Tuple, Union

from . import _library as c
from ._allocate import current_stream, empty, stream_number
from ._arrays import ArrayView, is_torch, view
from ._errors import GumtileError, Status, check
from ._library import lib
from ._workspace import Workspace

if TYPE_CHECKING:
    from ._head import Head

#: An array that the caller gives, True for a new one, None or False for none.
Output = Union[Any, bool, None]

PROGRAMMATIC, WEIGHTS_STABLE = 1, 2

_sample = lib.gumtile_head_sample


@dataclass(frozen=True)
class SampleResult:
    """Arrays of the library of the hidden states; None for what was not asked for."""

    #: [rows], of the head's token dtype.
    token: Any
    #: [rows] float32.
    logprob: Any = None
    #: [rows] uint32 (int32 in torch): bits of gumtile.RowStatus.
    status: Any = None
    #: One uint32 word (int32 in torch): the bits of all rows.
    any_status: Any = None


def require_device(head: Head, name: str, array: ArrayView) -> None:
    gpu = head.engine._gpu
    if array.on_gpu == (gpu is not None) and (gpu is None or array.gpu is None or array.gpu == gpu):
        return
    if gpu is not None and is_torch(array.owner) and array.owner.is_pinned():
        return  # a GPU reads pinned memory
    raise ValueError(f"{name}: memory of {head.engine.device.id} is needed, not of {array.device}")


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


def hidden_view(head: Head, hidden_states: Any) -> Tuple[ArrayView, int]:
    """The checked view of hidden states, and their row stride."""
    array = view(hidden_states, "hidden_states")
    if len(array.shape) != 2 or array.shape[1] != head.hidden_size:
        raise ValueError(f"hidden_states: the shape [rows, {head.hidden_size}] is needed, not {list(array.shape)}")
    require_dtype("hidden_states", array, matrix_dtypes(head.hidden_dtype))
    require_device(head, "hidden_states", array)
    return array, row_stride("hidden_states", array)


class Arguments:
    """gumtile_sample_args over arrays that were checked, and the arrays."""

    def __init__(
        self,
        head: Head,
        hidden_states: Any,
        *,
        temperature: Any = None,
        seed: Any = None,
        offset: Any = None,
        row_slot: Any = None,
        num_rows: Any = None,
        hidden_index: Any = None,
        token_position: Any = None,
        invalid_token: Any = None,
        token: Any = None,
        logprob: Output = True,
        status: Output = True,
        any_status: Output = None,
        programmatic: bool = False,
        weights_stable: bool = False,
    ) -> None:
        self.head = head
        self.owners: List[Any] = []
        hidden, stride = hidden_view(head, hidden_states)
        self.like = hidden
        if hidden_index is None:
            rows = hidden.shape[0]
        else:
            shape = view(hidden_index, "hidden_index").shape
            rows = shape[0] if len(shape) == 1 else -1
        if token_position is not None and token is None:
            raise ValueError("token_position says where tokens go in an array of yours: pass token=")
        # Without row_slot a row is its own slot; with it only the device knows how many there are.
        slots = rows if row_slot is None else 0
        self.args = args = c.SampleArgs(
            rows=rows,
            flags=(PROGRAMMATIC if programmatic else 0) | (WEIGHTS_STABLE if weights_stable else 0),
            hidden_states=hidden.pointer,
            hidden_row_stride=stride,
        )
        args.hidden_index = self._vector("hidden_index", hidden_index, ("int32",), rows)
        args.row_slot = self._vector("row_slot", row_slot, ("int32",), rows)
        args.num_rows = self._word("num_rows", num_rows, ("int32",))
        args.temperature = self._vector("temperature", temperature, ("float32",), slots)
        args.seed = self._vector("seed", seed, ("uint64", "int64"), slots)
        args.offset = self._vector("offset", offset, ("uint64", "int64"), rows)
        args.invalid_token = self._word("invalid_token", invalid_token, ("int32",))
        args.token_position = self._vector("token_position", token_position, ("int32",), rows)

        token_rows = 0 if token_position is not None else rows
        words = ("uint32", "int32")
        token, args.token = self._output("token", True if token is None else token, (head.token_dtype,), token_rows)
        logprob, args.logprob = self._output("logprob", logprob, ("float32",), rows)
        status, args.status = self._output("status", status, words, rows)
        any_status, args.any_status = self._output("any_status", any_status, words, 1)
        self.result = SampleResult(token=token, logprob=logprob, status=status, any_status=any_status)

    def _checked(self, name: str, given: Any, dtypes: Sequence[str]) -> ArrayView:
        array = view(given, name)
        require_dtype(name, array, dtypes)
        require_device(self.head, name, array)
        self.owners.append(array.owner)
        return array

    def _vector(self, name: str, given: Any, dtypes: Sequence[str], length: int) -> Optional[int]:
        return None if given is None else self._adjacent(name, given, dtypes, length).pointer

    def _adjacent(self, name: str, given: Any, dtypes: Sequence[str], length: int) -> ArrayView:
        array = self._checked(name, given, dtypes)
        if len(array.shape) != 1 or array.shape[0] < length:
            raise ValueError(f"{name}: the shape [{length}] is needed, not {list(array.shape)}")
        if array.shape[0] > 1 and array.strides[0] != 1:
            raise ValueError(f"{name}: its elements must be adjacent, not {array.strides[0]} apart")
        return array

    def _word(self, name: str, given: Any, dtypes: Sequence[str]) -> Optional[int]:
        if given is None:
            return None
        array = self._checked(name, given, dtypes)
        if array.size != 1:
            raise ValueError(f"{name}: an array of one element is needed, not of the shape {list(array.shape)}")
        return array.pointer

    def _output(self, name: str, given: Output, dtypes: Sequence[str], length: int) -> Tuple[Any, Optional[int]]:
        """The array and its address; a new array for True."""
        if given is None or given is False:
            return None, None
        if given is True:
            given = empty((length,), dtypes[0], self.like)
        array = self._adjacent(name, given, dtypes, length)
        if not array.writable:
            raise ValueError(f"{name}: the array is read-only")
        return given, array.pointer


class Launch:
    """A launch whose arguments were bound once by `Head.bind`: calling it is one call into the library.

    The device reads the bound arrays when the kernel runs, so values are changed in place (temperatures, seeds,
    offsets, slots, `num_rows`, hidden states), on a GPU in the order of the stream. The arrays are kept alive.

    One launch object has one workspace: call it from one thread at a time, and on one stream, or on streams that wait
    for each other.
    """

    def __init__(self, arguments: Arguments, workspace: Workspace) -> None:
        self._arguments = arguments
        self._workspace = workspace
        self._like = arguments.like
        self._on_gpu = arguments.like.on_gpu
        self._args = arguments.args
        self._args.workspace = workspace.pointer
        self._args.workspace_bytes = workspace.nbytes
        self._pointer = ctypes.pointer(self._args)
        self._handle = arguments.head._handle
        self._max_rows = arguments.args.rows
        #: The bound outputs; the same arrays after every call.
        self.result = arguments.result

    @property
    def rows(self) -> int:
        """Rows of a launch."""
        rows: int = self._args.rows
        return rows

    def __call__(self, stream: Any = None) -> None:
        """Launches on `stream`: a number, or a stream of torch or CuPy. None: the current stream of the library that
        the hidden states are of. On the CPU the tokens are there on return.

        Does not synchronise or allocate, and may be captured into a CUDA graph. Raises GumtileError.
        """
        if stream is None:
            stream = current_stream(self._like) if self._on_gpu else 0
        elif not isinstance(stream, int):
            stream = stream_number(stream)
        status = _sample(self._handle, stream, self._pointer)
        if status:
            self._workspace._after(status)
            check(status)

    def set_hidden_states(self, hidden_states: Any) -> None:
        """Other hidden states from the next call on, of the same kind: [rows, hidden_size] with at most as many rows as
        were bound. Raises ValueError."""
        array, stride = hidden_view(self._arguments.head, hidden_states)
        if self._args.hidden_index is None:
            if array.shape[0] > self._max_rows:
                raise ValueError(f"hidden_states: {array.shape[0]} rows, but {self._max_rows} were bound")
            self._args.rows = array.shape[0]
        self._args.hidden_states = array.pointer
        self._args.hidden_row_stride = stride
        self._arguments.like = self._like = array

    def validate(self, slots: int = 0) -> None:
        """Asks the driver about every pointer: for debugging. `slots`: the length of the arrays over slots, 0 for as
        many as rows. Raises ValueError with a line for each fault."""
        try:
            check(lib.gumtile_head_validate(self._handle, self._pointer, slots))
        except GumtileError as error:
            if error.status is Status.INVALID_ARGUMENT:
                raise ValueError(str(error)) from None
            raise

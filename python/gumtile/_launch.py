"""Launches that are bound once and called many times."""

from __future__ import annotations

import ctypes
from typing import Any, Dict

from ._allocate import current_stream, stream_number, working_on
from ._arguments import INPUTS, Arguments, hidden_view
from ._checks import INT64_MAX, integer
from ._errors import GumtileError, Status, check
from ._library import lib
from ._result import SampleResult
from ._setup import set_up
from ._types import Array, Stream
from ._workspace import Workspace

_sample = lib.gumtile_head_sample


class Launch:
    """A launch whose arguments were bound once by `Head.bind`: calling it is one call into the library.

    The device reads the bound arrays when the kernel runs, so values are changed in place (temperatures, seeds,
    offsets, slots, `num_rows`, hidden states), on a GPU in the order of the stream. The arrays are kept alive. Arguments
    that had to be converted (numbers, lists, other types, gaps between elements) were copied once: change the copy, which
    is in `inputs`; later changes of the original are not seen.

    Without seeds each call first draws new ones into `result.seed`, from the generator of the hidden states' library
    (`torch.manual_seed`, `numpy.random.seed`); this may be captured into a graph, whose replays draw new seeds.

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
        #: The bound outputs, seeds and offsets; the same arrays after every call.
        self.result: SampleResult = arguments.result

    @property
    def rows(self) -> int:
        """Rows of a launch."""
        rows: int = self._args.rows
        return rows

    @property
    def inputs(self) -> Dict[str, Any]:
        """The arrays that the launch reads, by argument: those that were given, or their converted copies."""
        views = self._arguments.views
        bound = {field.name: views[field.name].owner for field in INPUTS if field.name in views}
        return {"hidden_states": self._like.owner, **bound}

    def __call__(self, stream: Stream = None) -> None:
        """Launches on `stream`: a number, or a stream of torch or CuPy. None: the current stream of the library that
        the hidden states are of. On the CPU the tokens are there on return, and indices are not checked.

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

    def set_hidden_states(self, hidden_states: Array) -> None:
        """Uses other hidden states from the next call on, of the same kind: [rows, hidden_size] with at most as many rows
        as were bound. Raises ValueError."""
        array, stride = hidden_view(self._arguments.head, hidden_states)
        if self._args.hidden_index is None:
            if array.shape[0] > self._max_rows:
                raise ValueError(f"hidden_states: {array.shape[0]} rows, but {self._max_rows} were bound")
            self._args.rows = array.shape[0]
        elif array.shape[0] == 0:
            raise ValueError("hidden_states: it has no rows for hidden_index")
        self._args.hidden_states = array.pointer
        self._args.hidden_row_stride = stride
        self._arguments.like = self._like = array

    def validate(self, slots: int = 0) -> None:
        """Asks the driver about every pointer, and on the CPU compares every index with the array that it points into:
        for debugging.

        `slots`: the length of the arrays over slots, 0 for that of the bound ones. Raises ValueError with a line for
        each fault.
        """
        slots = integer("slots", slots, 0, INT64_MAX) or self._arguments.slots()
        faults = self._arguments.index_faults()
        if faults:
            raise ValueError("\n".join(faults))
        try:
            set_up(self._arguments.head.engine._calls, lib.gumtile_head_validate, self._handle, self._pointer, slots)
        except GumtileError as error:
            if error.status is Status.INVALID_ARGUMENT:
                raise ValueError(str(error)) from None
            raise


class DrawingLaunch(Launch):
    """A `Launch` that draws its seeds."""

    def __call__(self, stream: Stream = None) -> None:
        """As `Launch.__call__`, after new seeds in the order of `stream`."""
        with working_on(self._like, stream):
            self._arguments.draw()
            super().__call__(stream)

"""Heads: the LM head of a model, with sampling."""

from __future__ import annotations

import ctypes
import threading
from dataclasses import dataclass
from typing import Any, Callable, Dict, Iterable, List, Optional, Sequence, Tuple

from . import _library as c
from ._allocate import current_stream, is_capturing, library_of, stream_number, working_on
from ._arguments import Arguments, matrix_dtypes, require_device, require_dtype, row_stride
from ._arrays import ArrayView, view
from ._checks import INT32_MAX, INT64_MAX, instance, integer, text
from ._convert import KINDS, element, is_adjacent
from ._engine import Engine, EngineMemory
from ._errors import check
from ._fields import DTYPES, FEATURES, HEAD_FIELDS, MATRIX_DTYPES, Field
from ._launch import DrawingLaunch, Launch
from ._library import lib
from ._result import SampleResult
from ._setup import Call, run, set_up
from ._types import Array, Numbers, Output, Stream
from ._workspace import ALIGNMENT, HeadHandle, Workspace, aligned, workspace_bytes

_NOISE = {"grouped": 0, "per_token": 1}

#: Called with the number of kernels that are ready, and of all; returning False cancels.
Progress = Callable[[int, int], Optional[bool]]


@dataclass(frozen=True)
class KernelChoice:
    """One prepared kernel, and what chose its schedule."""

    features: Tuple[str, ...]
    #: The upper end of its range of batch sizes.
    max_rows: int
    schedule: str
    #: "option", "user record …", "shipped record …" or "built-in heuristic".
    rule: str
    #: Why another schedule was not used, or "".
    note: str


def _code(table: Dict[str, int], name: str, value: Any) -> int:
    if text(name, value) not in table:
        raise ValueError(f"{name}: one of {', '.join(table)} is needed, not {value!r}")
    return table[value]


class Head:
    """An LM head that samples.

    It borrows the weights, and keeps their memory and its engine alive: if a parameter gets other memory
    (`module.half()`, `parameter.data = …`), the head keeps the old memory, until `set_weights`. `sample` may be called
    from any number of threads at once if their launches have separate workspaces; `prepare`, `set_weights` and
    `set_array` must not run at the same time as launches.
    """

    # BEGIN generated: head attributes, from src/head/fields.cpp
    #: logits become softcap * tanh(logit / softcap), after the bias; 0: none.
    softcap: float
    #: a factor of the logits, after bias and softcap; 0: none.
    logit_scale: float
    # END generated: head attributes

    def __init__(
        self,
        engine: Engine,
        weights: Array,
        *,
        first_token: int = 0,
        noise: str = "grouped",
        weights_dtype: Optional[str] = None,
        hidden_dtype: Optional[str] = None,
        token_dtype: str = "int32",
        # BEGIN generated: head parameters, from src/head/fields.cpp
        bias: Optional[Array] = None,
        softcap: Optional[float] = None,
        logit_scale: Optional[float] = None,
        # END generated: head parameters
        schedule: Optional[str] = None,
    ) -> None:
        """
        Args:
            engine: where it runs.
            weights: [vocab_size, hidden_size] in bfloat16, float16 or float32 in the memory of the engine's device;
                the elements of a row are adjacent, rows at any distance. A torch tensor, or any array with
                `__cuda_array_interface__`, `__array_interface__` or `__dlpack__`. Bytes that are changed in place
                take effect at the next launch.
            first_token: the token of the weights' first row, for a range of a larger vocabulary.
            noise: "grouped" (one Gumbel per 16 tokens) or "per_token". Different, equally exact streams of tokens.
            weights_dtype: "bfloat16" if the array holds its bits as uint16 or int16; else that of the array.
            hidden_dtype: "bfloat16", "float16" or "float32"; None: as the weights. Rounded to the weights' dtype.
            token_dtype: "int32" or "int64".
            bias: [vocab_size] in bfloat16, float16 or float32, kept alive like the weights: added to the logits of all
                rows; None: none.
            softcap: logits become softcap * tanh(logit / softcap), after the bias; 0: none.
            logit_scale: a factor of the logits, after bias and softcap; 0: none.
            schedule: a schedule for every batch size, instead of what was tuned or built in.

        Raises TypeError or ValueError for an argument that does not fit, GumtileError for what the library refuses.
        """
        # BEGIN generated: head values, from src/head/fields.cpp
        given: Dict[str, Any] = dict(
            bias=bias, softcap=softcap, logit_scale=logit_scale,
        )
        # END generated: head values
        instance("engine", engine, Engine, 'gumtile.Engine("auto")')
        array = view(weights, "weights")
        dtype = array.dtype if weights_dtype is None else text("weights_dtype", weights_dtype)
        if dtype not in MATRIX_DTYPES:
            raise ValueError(
                f"weights: {', '.join(MATRIX_DTYPES[:-1])} or {MATRIX_DTYPES[-1]} is needed, not {dtype}"
                + (' (bits of bfloat16? then say weights_dtype="bfloat16")' if dtype in ("uint16", "int16") else "")
            )
        if len(array.shape) != 2 or 0 in array.shape:
            raise ValueError(f"weights: the shape [vocab_size, hidden_size] is needed, not {list(array.shape)}")
        hidden_dtype = dtype if hidden_dtype is None else hidden_dtype
        _code({name: DTYPES[name] for name in MATRIX_DTYPES}, "hidden_dtype", hidden_dtype)
        _code({name: DTYPES[name] for name in ("int32", "int64")}, "token_dtype", token_dtype)
        self.engine = engine
        self.vocab_size, self.hidden_size = array.shape
        self.first_token = integer("first_token", first_token, 0, INT64_MAX)
        self.weights_dtype = dtype
        self.hidden_dtype = hidden_dtype
        self.token_dtype = token_dtype
        #: The rows of the largest batch that was prepared; 0 before.
        self.max_rows = 0
        stride = self._check_weights(array)
        #: Of the options, by name; kept alive.
        self._arrays: Dict[str, ArrayView] = {}
        members = self._settings_members(given)
        options = c.HeadOptions(
            vocab_size=self.vocab_size,
            hidden_size=self.hidden_size,
            first_token=self.first_token,
            hidden_dtype=DTYPES[hidden_dtype],
            weights_dtype=DTYPES[dtype],
            token_dtype=DTYPES[token_dtype],
            noise=_code(_NOISE, "noise", noise),
            weights=array.pointer,
            weights_row_stride=stride,
            schedule=None if schedule is None else text("schedule", schedule).encode(),
            **members,
        )
        self._handle = HeadHandle()
        created = ctypes.byref(self._handle)
        try:
            set_up(engine._calls, lib.gumtile_head_create, engine._handle, ctypes.byref(options), created)
        finally:
            self._handle.own()
        self._weights = array
        self._lock = threading.Lock()
        self._by_stream: Dict[int, Workspace] = {}
        self._by_thread = threading.local()

    def prepare(
        self,
        max_rows: int,
        features: Iterable[Iterable[str]] = ((), ("logprob",)),
        progress: Optional[Progress] = None,
        *,
        threads: int = 0,
    ) -> None:
        """Prepares kernels for every batch of up to `max_rows` rows; no launch compiles anything.

        May be called again for more. What was prepared and graphs that were captured stay valid; workspaces of
        `workspace` stay as large as they are.

        Args:
            max_rows: the largest number of rows of a launch.
            features: sets of what launches request beside tokens and status words: () and ("logprob",). A launch takes
                the smallest set that has what it requests.
            progress: called after each kernel with (ready, all); returning False cancels, which raises GumtileError
                with status CANCELLED. Exceptions pass through. It is called on one of gumtile's threads while the main
                thread waits, else on the thread that prepares.
            threads: that compile at the same time; 0: one per processor, up to 16.

        Ctrl-C, or any exception from a signal handler, cancels it and is raised when the kernels that are being
        compiled are done. Raises GumtileError.
        """
        if isinstance(features, str) or not all(isinstance(names, (tuple, list, set, frozenset)) for names in features):
            raise TypeError("features: sets of names are needed, e.g. [(), (\"logprob\",)]")
        if progress is not None and not callable(progress):
            raise TypeError(f"progress: a function of two numbers is needed, not {type(progress).__name__}")
        max_rows = integer("max_rows", max_rows, 1, INT64_MAX)
        masks = [sum(_code(FEATURES, "features", name) for name in set(names)) for names in features]
        sets = (ctypes.c_uint64 * len(masks))(*masks)
        calls = self.engine._calls

        def report(_user: Any, done: int, total: int) -> int:
            if call.cancelled or calls.failures:
                return 0
            try:
                return int(progress is None or progress(done, total) is not False)
            except BaseException as failure:  # cannot cross the library: it is raised below
                calls.failures.append(failure)
                return 0

        options = c.PrepareOptions(
            max_rows=max_rows,
            wide_feature_sets=sets if masks else None,
            wide_feature_set_count=len(masks),
            progress=c.ProgressFunction(report),
            threads=integer("threads", threads, 0, INT32_MAX),
        )
        call = Call(calls, lib.gumtile_head_prepare, (self._handle, ctypes.byref(options)))
        run(call)
        self.max_rows = max(self.max_rows, max_rows)
        with self._lock:
            self._by_stream = {}
            self._by_thread = threading.local()

    def set_weights(self, weights: Array) -> None:
        """Uses other weights of the same shape and dtype from the next launch on; nothing is compiled.

        Captured graphs keep the old address: keep those weights alive as long as the graphs. Raises ValueError.
        """
        array = view(weights, "weights")
        if array.shape != (self.vocab_size, self.hidden_size):
            raise ValueError(f"weights: the shape [{self.vocab_size}, {self.hidden_size}] is needed, not {list(array.shape)}")
        stride = self._check_weights(array)
        set_up(self.engine._calls, lib.gumtile_head_set_weights, self._handle, array.pointer, stride)
        self._weights = array

    def set_array(self, name: str, array: Array) -> None:
        """Replaces an array that the head was created with, by its parameter's name, from the next launch on, by another
        of the same dtype. Nothing is compiled.

        Captured graphs keep the old address: keep that array alive as long as the graphs. Raises ValueError.
        """
        if text("name", name) not in self._arrays:
            known = " or ".join(self._arrays) or "none"
            raise ValueError(f"name: an array that the head was made with is needed ({known}), not {name!r}")
        field = next(field for field in HEAD_FIELDS if field.name == name)
        found = self._checked_array(field, array, (self._arrays[name].dtype,))
        set_up(self.engine._calls, lib.gumtile_head_set_array, self._handle, name.encode(), found.pointer)
        self._arrays[name] = found

    def choices(self) -> List[KernelChoice]:
        """The prepared kernels, and what chose their schedules."""
        found = []
        for index in range(lib.gumtile_head_choice_count(self._handle)):
            choice = c.KernelChoice()
            check(lib.gumtile_head_get_choice(self._handle, index, ctypes.byref(choice)))
            found.append(
                KernelChoice(
                    features=tuple(name for name, bit in FEATURES.items() if choice.wide_features & bit),
                    max_rows=choice.max_rows,
                    schedule=choice.schedule.decode(),
                    rule=choice.rule.decode(),
                    note=choice.note.decode(),
                )
            )
        return found

    def workspace_bytes(self, max_rows: Optional[int] = None) -> int:
        """Bytes of memory that hold a workspace for launches of up to `max_rows` rows, wherever the memory begins.
        None: of as many rows as prepared."""
        rows = self.max_rows if max_rows is None else integer("max_rows", max_rows, 0, INT64_MAX)
        return workspace_bytes(self._handle, rows) + ALIGNMENT

    def workspace(
        self, max_rows: Optional[int] = None, *, like: Optional[Array] = None, stream: Stream = None
    ) -> Workspace:
        """A workspace for launches of up to `max_rows` rows; None: of as many as prepared.

        Args:
            like: an array whose library allocates the memory, e.g. the hidden states. None: the engine does, which on a
                GPU synchronises.
            stream: in whose order it is initialised; None: the current stream of `like`'s library, or the legacy default
                stream.

        Raises GumtileError for more rows than were prepared.
        """
        array = None if like is None else view(like, "like")
        if stream is None:
            number = 0 if array is None else current_stream(array)
        else:
            number = stream_number(stream)
        size = self.workspace_bytes(max_rows)
        if array is None:
            owner: Any = EngineMemory(self.engine, size)
            pointer: int = owner.pointer
        else:
            require_device(self.engine, "like", array)
            library = library_of(array)
            if library is None:
                raise ValueError("like: the workspace cannot be made in its library: leave it out")
            with working_on(array, stream):
                owner = library.empty((size,), "uint8")
            pointer = view(owner, "like").pointer
        return Workspace(self._handle, *aligned(pointer, size), owner, number)

    def bind(
        self,
        hidden_states: Array,
        *,
        # BEGIN generated: call parameters, from src/head/fields.cpp
        temperature: Optional[Numbers] = None,
        seed: Optional[Numbers] = None,
        offset: Optional[Numbers] = None,
        row_slot: Optional[Numbers] = None,
        num_rows: Optional[Numbers] = None,
        hidden_index: Optional[Numbers] = None,
        invalid_token: Optional[Numbers] = None,
        token_position: Optional[Numbers] = None,
        token: Optional[Array] = None,
        logprob: Output = True,
        status: Output = True,
        any_status: Output = None,
        # END generated: call parameters
        workspace: Optional[Workspace] = None,
        programmatic: bool = False,
        weights_stable: bool = False,
    ) -> Launch:
        """A launch to be called many times, for decode loops and CUDA graphs: see `sample` for the arguments, and `Launch`.

        Arguments that have to be converted (numbers, lists, float64, int32 seeds, gaps between elements) are copied here,
        once: see `Launch.inputs`. Without seeds each call draws new ones. Without `workspace` the launch gets one of its
        own, allocated by the library of the hidden states; inside of a capture pass one that was created before.
        """
        # BEGIN generated: call values, from src/head/fields.cpp
        given = dict(
            temperature=temperature, seed=seed, offset=offset, row_slot=row_slot, num_rows=num_rows,
            hidden_index=hidden_index, invalid_token=invalid_token, token_position=token_position, token=token,
            logprob=logprob, status=status, any_status=any_status,
        )
        # END generated: call values
        if workspace is not None:
            instance("workspace", workspace, Workspace, "head.workspace(rows)")
        arguments = Arguments(
            self,
            hidden_states,
            given,
            programmatic=programmatic,
            weights_stable=weights_stable,
            bound=True,
        )
        if workspace is None:
            self._refuse_capture(arguments.like)
            workspace = self.workspace(max(arguments.args.rows, 1), like=arguments.like.owner)
        return (DrawingLaunch if arguments.draws else Launch)(arguments, workspace)

    def sample(
        self,
        hidden_states: Array,
        *,
        # BEGIN generated: call parameters, from src/head/fields.cpp
        temperature: Optional[Numbers] = None,
        seed: Optional[Numbers] = None,
        offset: Optional[Numbers] = None,
        row_slot: Optional[Numbers] = None,
        num_rows: Optional[Numbers] = None,
        hidden_index: Optional[Numbers] = None,
        invalid_token: Optional[Numbers] = None,
        token_position: Optional[Numbers] = None,
        token: Optional[Array] = None,
        logprob: Output = True,
        status: Output = True,
        any_status: Output = None,
        # END generated: call parameters
        workspace: Optional[Workspace] = None,
        stream: Stream = None,
        programmatic: bool = False,
        weights_stable: bool = False,
    ) -> SampleResult:
        """Samples one token per row. One kernel on a GPU; on the CPU the tokens are there on return.

        All arrays are in the memory of the engine's device (pinned torch tensors are accepted for a GPU), of any library
        that `Head` takes. They are read when the kernel runs. A *slot* is where a request lives for many launches:
        slot = row unless `row_slot` says otherwise.

        Rows that share seed and offset share their noise, and then rows of one prompt are one sample: requests that run
        at the same time need different seeds, and the draws of one seed different offsets. Without `seed` each row gets
        a new seed in every call.

        Args:
            hidden_states: [rows, hidden_size] of the head's hidden dtype; with `hidden_index` any number of rows.
            temperature: [slots] float32: 0, or anything below 1e-5, is greedy: the most likely token. None: 1.
            seed: [slots] uint64 or int64: rows with the same seed and offset share their noise. None: drawn for each
                slot from the default generator of the hidden states' library, the one of `torch.manual_seed`,
                `numpy.random.seed` or `cupy.random.seed`; into a CUDA graph it is captured, and replays draw new ones.
                `result.seed` has them. With the number 0 as temperature none are drawn.
            offset: [rows] uint64 or int64: the position in the request. None: 0; with `row_slot` and drawn seeds the
                row's number.
            row_slot: [rows] int32: the slot of the row's request; negative: the row is left out, its outputs are not
                written. None: slot = row.
            num_rows: one int32: rows from here on are left out. None: all count.
            hidden_index: [rows] int32: the row of hidden_states that a row takes; None: its own; negative: zeros. Costs
                a kernel that copies the rows into the workspace: 4 us with 1 row, 9 with 64 and 14 with 256 of 4096
                elements on an H200.
            invalid_token: one int32: the token of a failed row. None: -1.
            token_position: [rows] int32: where in `token` a row's token goes; negative: nowhere. None: the row.
            token: an array to write to, [rows] of the head's token dtype (as long as `token_position` says). None: a
                new one, of the hidden states' library.
            logprob: [rows] float32 to write to, True for a new one, None for none: the token's log-probability. Must
                have been prepared: the feature "logprob".
            status: [rows] uint32 or int32 to write to, True for a new one, None for none: gumtile.RowStatus bits.
            any_status: one uint32 or int32 to write to, True for a new one, None for none: all rows' bits.
            workspace: of `workspace`. None: one that the head keeps for this stream or, on the CPU, this thread. It is
                created at the first use, which on a GPU synchronises, and not in captures: create one before and pass it.
            stream: a number, or a stream of torch or CuPy. None: the current stream of the library that the hidden
                states are of, else the legacy default stream.
            programmatic: may start before the stream's previous kernel has ended (programmatic dependent launch).
            weights_stable: no kernel that may still run writes the weights: they are fetched early.

        The elements of a row of hidden states are adjacent. The other inputs may also be numbers, which apply to all
        rows or slots, lists, arrays of one element without dimensions, or [rows, 1], with or without gaps between
        elements. Inputs of float32 may be of any type of numbers, and those of 64 bits of any integers; negative ones
        stand for the same bits. They are converted, and so are hidden states that are one row broadcast to many. For
        rows that are left out, new outputs hold token -1, and 0 in all others.

        Raises TypeError or ValueError for arguments that do not fit, before anything is launched; on the CPU also for
        indices that point outside of their array. Raises GumtileError if the library refuses: NOT_PREPARED,
        TOO_MANY_ROWS, WORKSPACE_TOO_SMALL, LAUNCH_FAILED, CONTEXT_LOST, FORKED.

        Arrays must stay alive until the kernel has run. torch's and CuPy's allocators ensure that if `stream` is the
        current one.
        """
        # BEGIN generated: call values, from src/head/fields.cpp
        given = dict(
            temperature=temperature, seed=seed, offset=offset, row_slot=row_slot, num_rows=num_rows,
            hidden_index=hidden_index, invalid_token=invalid_token, token_position=token_position, token=token,
            logprob=logprob, status=status, any_status=any_status,
        )
        # END generated: call values
        if workspace is not None:
            instance("workspace", workspace, Workspace, "head.workspace(rows)")
        like = view(hidden_states, "hidden_states")
        number = current_stream(like) if stream is None else stream_number(stream)
        with working_on(like, stream):
            arguments = Arguments(
                self,
                like,
                given,
                programmatic=programmatic,
                weights_stable=weights_stable,
            )
            if arguments.args.rows == 0:
                return arguments.result
            faults = arguments.index_faults()
            if faults:
                raise ValueError("\n".join(faults))
            if workspace is None:
                workspace = self._default_workspace(arguments.like, number)
            arguments.draw()
        workspace._make_ready(number)
        args = arguments.args
        args.workspace = workspace.pointer
        args.workspace_bytes = workspace.nbytes
        status_code = lib.gumtile_head_sample(self._handle, number, ctypes.byref(args))
        if status_code:
            workspace._after(status_code)
            check(status_code)
        return arguments.result

    def __repr__(self) -> str:
        return (
            f"<gumtile.Head {self.weights_dtype} [{self.vocab_size}, {self.hidden_size}] on {self.engine.device.id}, "
            f"prepared for {self.max_rows} rows>"
        )

    def _check_weights(self, array: ArrayView) -> int:
        require_dtype("weights", array, matrix_dtypes(self.weights_dtype))
        require_device(self.engine, "weights", array)
        return row_stride("weights", array)

    def _settings_members(self, given: Dict[str, Any]) -> Dict[str, Any]:
        """The members of gumtile_head_options for what the table of fields has of a head, which are kept here, too."""
        members: Dict[str, Any] = {}
        for field in HEAD_FIELDS:
            value = given[field.name]
            if field.kind == "setting":
                members[field.name] = 0.0 if value is None else element(field.name, KINDS[field.dtype], value)
                setattr(self, field.name, members[field.name])
            elif value is not None:
                array = self._arrays[field.name] = self._checked_array(field, value, (*MATRIX_DTYPES, "uint16"))
                members[field.name] = array.pointer
                members[f"{field.name}_dtype"] = DTYPES["bfloat16" if array.dtype == "uint16" else array.dtype]
        return members

    def _checked_array(self, field: Field, given: Array, dtypes: Sequence[str]) -> ArrayView:
        extent = {"vocab": self.vocab_size}[field.over]
        array = view(given, field.name)
        require_dtype(field.name, array, dtypes)
        require_device(self.engine, field.name, array)
        if array.shape != (extent,):
            raise ValueError(f"{field.name}: the shape [{extent}] is needed, not {list(array.shape)}")
        if not is_adjacent(array):
            raise ValueError(f"{field.name}: its elements must be adjacent, not {array.strides[0]} apart")
        return array

    def _refuse_capture(self, like: ArrayView) -> None:
        if is_capturing(like):
            raise ValueError("a capture needs a workspace that was made before: head.workspace(rows, like=hidden_states)")

    def _default_workspace(self, like: ArrayView, stream: int) -> Workspace:
        if not self.engine.device.is_gpu:
            mine: Optional[Workspace] = getattr(self._by_thread, "workspace", None)
            if mine is None:
                mine = self._by_thread.workspace = self.workspace()
            return mine
        self._refuse_capture(like)
        with self._lock:
            found = self._by_stream.get(stream)
            if found is None:
                found = self._by_stream[stream] = self.workspace(stream=stream)
            return found

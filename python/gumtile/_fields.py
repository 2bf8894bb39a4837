"""What a sampling call takes and returns.

Generated from src/head/fields.cpp and include/gumtile/dtype.h: do not edit.
"""

from __future__ import annotations

import enum
from ctypes import c_char_p, c_float, c_int, c_int32, c_int64, c_size_t, c_uint32, c_uint64, c_void_p  # noqa: F401
from typing import Any, Dict, List, NamedTuple, Tuple


class Field(NamedTuple):
    """What a call binds, or a head is made with."""

    name: str
    #: Arrays of a call: "input" or "output". Of a head: "setting" (a number) or "array".
    kind: str
    #: The dtype of its elements. "hidden" and "token" are the head's, "own" the array's.
    dtype: str
    #: "one" (one word), "rows", "slots", "vocab" or "rows_hidden".
    over: str
    required: bool
    #: The feature that binding it asks for, or "".
    feature: str
    doc: str


#: The numbers of gumtile_dtype.
DTYPES: Dict[str, int] = {
    "bfloat16": 1,
    "float16": 2,
    "float32": 3,
    "int32": 4,
    "int64": 5,
}
#: Bytes of their elements.
DTYPE_BYTES: Dict[str, int] = {
    "bfloat16": 2,
    "float16": 2,
    "float32": 4,
    "int32": 4,
    "int64": 8,
}
#: Those that matrices may have.
MATRIX_DTYPES: Tuple[str, ...] = (
    "bfloat16",
    "float16",
    "float32",
)

#: The members of gumtile_sample_args.
SAMPLE_ARGS: List[Tuple[str, Any]] = [
    ("struct_size", c_size_t),
    ("rows", c_int64),
    ("flags", c_uint32),
    ("reserved", c_uint32),
    ("hidden_states", c_void_p),
    ("hidden_row_stride", c_int64),
    ("hidden_index", c_void_p),
    ("row_slot", c_void_p),
    ("num_rows", c_void_p),
    ("temperature", c_void_p),
    ("seed", c_void_p),
    ("offset", c_void_p),
    ("invalid_token", c_void_p),
    ("token", c_void_p),
    ("token_position", c_void_p),
    ("logprob", c_void_p),
    ("status", c_void_p),
    ("any_status", c_void_p),
    ("workspace", c_void_p),
    ("workspace_bytes", c_size_t),
]

#: The members of gumtile_head_options.
HEAD_OPTIONS: List[Tuple[str, Any]] = [
    ("struct_size", c_size_t),
    ("vocab_size", c_int64),
    ("hidden_size", c_int64),
    ("first_token", c_int64),
    ("hidden_dtype", c_int),
    ("weights_dtype", c_int),
    ("token_dtype", c_int),
    ("noise", c_int),
    ("weights", c_void_p),
    ("weights_row_stride", c_int64),
    ("schedule", c_char_p),
    ("bias", c_void_p),
    ("bias_dtype", c_int),
    ("softcap", c_float),
    ("logit_scale", c_float),
]

#: What a call takes and returns.
FIELDS: Tuple[Field, ...] = (
    Field("hidden_states", "input", "hidden", "rows_hidden", True, "",
          "with hidden_index as many rows as it names"),
    Field("hidden_index", "input", "int32", "rows", False, "",
          "the row of hidden_states that a row takes; None: its own; negative: zeros. Costs a kernel that copies the rows into the workspace: 4 us with 1 row, 9 with 64 and 14 with 256 of 4096 elements on an H200"),
    Field("row_slot", "input", "int32", "rows", False, "",
          "the slot of the row's request; negative: the row is left out, its outputs are not written. None: slot = row"),
    Field("num_rows", "input", "int32", "one", False, "",
          "rows from here on are left out. None: all count"),
    Field("temperature", "input", "float32", "slots", False, "",
          "0, or anything below 1e-5, is greedy: the most likely token. None: 1"),
    Field("seed", "input", "uint64", "slots", False, "",
          "rows with the same seed and offset share their noise. None: 0 for all"),
    Field("offset", "input", "uint64", "rows", False, "",
          "the position in the request. None: 0"),
    Field("invalid_token", "input", "int32", "one", False, "",
          "the token of a failed row. None: -1"),
    Field("token", "output", "token", "rows", True, "",
          "the sampled token; with token_position it goes where that says"),
    Field("token_position", "input", "int32", "rows", False, "",
          "where in `token` a row's token goes; negative: nowhere. None: the row"),
    Field("logprob", "output", "float32", "rows", False, "logprob",
          "the token's log-probability"),
    Field("status", "output", "uint32", "rows", False, "",
          "gumtile.RowStatus bits"),
    Field("any_status", "output", "uint32", "one", False, "",
          "all rows' bits"),
)

#: What a head does to all of its logits.
HEAD_FIELDS: Tuple[Field, ...] = (
    Field("bias", "array", "own", "vocab", False, "",
          "added to the logits of all rows; None: none"),
    Field("softcap", "setting", "float32", "one", False, "",
          "logits become softcap * tanh(logit / softcap), after the bias; 0: none"),
    Field("logit_scale", "setting", "float32", "one", False, "",
          "a factor of the logits, after bias and softcap; 0: none"),
)

#: What launches may ask for beside tokens and status words.
FEATURES: Dict[str, int] = {
    "logprob": 1,
}


class RowStatus(enum.IntFlag):
    """Bits of a row's status word."""

    #: A scaled logit is NaN: the row failed.
    NAN_LOGIT = 1
    #: A scaled logit is +inf: the lowest such token was chosen.
    INF_LOGIT = 2
    #: Every scaled logit is -inf: the row failed.
    NO_CANDIDATE = 4
    #: The temperature is negative, NaN or infinite: the row failed.
    BAD_TEMPERATURE = 8

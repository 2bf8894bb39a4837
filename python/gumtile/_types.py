"""The types that callers pass: arrays of any library, numbers, and requests for outputs."""

from __future__ import annotations

from typing import Any, Callable, Protocol, Sequence, SupportsFloat, SupportsIndex, Union

# The members are properties so that methods and attributes of any signature match: libraries differ in the details.


class HasArrayInterface(Protocol):
    """An array on the CPU, e.g. of numpy: https://numpy.org/doc/stable/reference/arrays.interface.html"""

    @property
    def __array_interface__(self) -> Any: ...


class HasCudaArrayInterface(Protocol):
    """An array on a GPU, e.g. of CuPy: https://numba.readthedocs.io/en/stable/cuda/cuda_array_interface.html"""

    @property
    def __cuda_array_interface__(self) -> Any: ...


class HasDLPack(Protocol):
    """An array anywhere, e.g. a torch tensor: https://dmlc.github.io/dlpack"""

    @property
    def __dlpack__(self) -> Callable[..., Any]: ...

    @property
    def __dlpack_device__(self) -> Callable[..., Any]: ...


#: A torch tensor, a numpy or CuPy array, or any object with one of their array interfaces.
Array = Union[HasArrayInterface, HasCudaArrayInterface, HasDLPack]

#: An array, or a number for all rows or slots, or a list of numbers.
Numbers = Union[Array, SupportsFloat, SupportsIndex, Sequence[Any]]

#: An array to write to, True for a new one, None or False for none.
Output = Union[Array, bool, None]

#: A CUDA stream: a number, or a stream of torch, CuPy, or of any library with `__cuda_stream__`.
Stream = Any

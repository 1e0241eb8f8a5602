"""The words in which compiled code is written: types, decorators, views. numba, which understands them, is imported
when something has to be compiled.

Why: to import numba and get it ready takes longer than all else until a chain plays (measured: 0.8 s of 1.7). Machine
code that lies on disk needs neither (native.py).

Rules kept here:
* Blocks and engine have these words from here and do not import numba. Each works as numba's own of that name.
* As a global name in a kernel, a word tells numba its type (`_numba_type_`, numba's protocol for objects of others).
* A division by zero gives inf and never an exception.
"""

import ctypes
from collections.abc import Callable
from functools import cached_property, partial, update_wrapper
from importlib import import_module
from typing import Any

import numpy as np

OPTIONS = {"error_model": "numpy"}
"""How numba compiles everything here."""


class Later:
    """Something of numba's, made when it is first needed. A call from Python goes to what it stands for."""

    def __init__(self, make: Callable[[], Any]):
        self._make = make

    @cached_property
    def real(self) -> Any:
        return self._make()

    @property
    def _numba_type_(self):
        from numba.core.registry import cpu_target

        real, context = self.real, cpu_target.typing_context
        context.refresh()  # so that it knows an intrinsic which was made just now
        return context.resolve_value_type(real)

    def __call__(self, *arguments):
        return self.real(*arguments)


class Kind(Later):
    """The type of an argument or a result: one C register."""

    def __init__(self, make: Callable[[Any], Any], ctype: type | None, name: str):
        """make: from the module numba.types. ctype: how Python passes it. name: what its machine code is kept by."""
        super().__init__(lambda: make(_numba("types")))
        self.ctype = ctype
        self.name = name


INTEGER = Kind(lambda types: types.int64, ctypes.c_int64, "int64")
INT32 = Kind(lambda types: types.int32, ctypes.c_int32, "int32")
UINT32 = Kind(lambda types: types.uint32, ctypes.c_uint32, "uint32")
FLOAT = Kind(lambda types: types.float64, ctypes.c_double, "float64")
VOID = Kind(lambda types: types.void, None, "void")
POINTER = Kind(lambda types: types.voidptr, ctypes.c_void_p, "pointer")
PLANE = Kind(lambda types: types.CPointer(types.float32), ctypes.c_void_p, "plane")
"""One channel of a period: n consecutive float32 samples."""


def signature(returns, *arguments):
    """numba's signature of a function; each is a Kind, a record's dtype (passed by reference) or a type of numba's."""
    from numba.core.typing import signature

    return signature(*map(_real, (returns, *arguments)))


def _real(kind):
    if isinstance(kind, Later):
        return kind.real
    return _numba().from_dtype(kind) if isinstance(kind, np.dtype) else kind


def is_literal(kind) -> bool:
    """Whether numba knows the value of an intrinsic's argument, so that code can be made for it."""
    return isinstance(kind, _numba("types").Literal)


class InKernels(Later):
    """A function that kernels may call. From Python it is the Python that it was made of: nothing is compiled."""

    def __call__(self, *arguments):
        return self.__wrapped__(*arguments)

    @property
    def compiled(self) -> Callable:
        """The function as kernels have it, compiled for whatever it is called with from Python."""
        return self.real


def njit(function: Callable | None = None, **options):
    """A function that kernels may call, see InKernels."""
    if function is None:
        return partial(njit, **options)
    made = InKernels(lambda: _numba().njit(**OPTIONS, **options)(function))
    return update_wrapper(made, function)


def intrinsic(function: Callable | None = None, *, prefer_literal: bool = False):
    """A function that kernels may call, and that emits its instructions itself: it returns (signature, generate)."""
    if function is None:
        return partial(intrinsic, prefer_literal=prefer_literal)
    real = Later(lambda: _numba("extending").intrinsic(prefer_literal=prefer_literal)(function))
    return update_wrapper(real, function)


carray = Later(lambda: _numba().carray)
"""carray(pointer, count, dtype): a view of memory as an array, in kernels."""


def _numba(module: str = ""):
    return import_module(f"numba.{module}" if module else "numba")

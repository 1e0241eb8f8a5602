"""A plain Python function as machine code with a C address, compiled once per machine and kept on disk.

Why an address: the engine calls blocks from a table, so a new block or a new chain recompiles nothing
(14 ns a call), and a sound card's driver can call the engine without knowing Python.

Rules kept here:
* Arguments are records (by reference), planes (pointers to float32) and 64-bit integers: all one C register each.
* `error_model="numpy"`: a division by zero gives inf and never an exception.
* A cache folder is named by a hash of the function's own source and of all that it imports from this package, near or
  far, and of where they stand. numba alone would load stale code after an edit to a helper in another file; a hash of
  everything would compile every effect again after an edit to one. Folders long unused are removed.
* What a function closes over must be plain numbers and strings; those are part of numba's cache key.
"""

import ctypes
import hashlib
import re
import shutil
from collections.abc import Callable, Iterable
from functools import lru_cache
from pathlib import Path

import numba
import numpy as np
from numba import types

from ..places import PACKAGE, cache_root

PLANE = types.CPointer(types.float32)
"""One channel of a period: n consecutive float32 samples."""
INTEGER = types.int64
FLOAT = types.float64

SOURCES = (
    "compiled/*.py",
    "blocks/*.py",
    "nam/*.py",
    "dsp.py",
    "convolution.py",
    "filters.py",
    "oversampling.py",
    "block.py",
    "layout.py",
    "engine/*.py",
    "timing.py",
    "benchmarks/oracle.py",
    "benchmarks/yardstick.py",
)
IMPORT = re.compile(r"^[ \t]*from[ \t]+(\.*)([\w.]*)[ \t]+import[ \t]+(\([^)]*\)|.*)", re.MULTILINE)  # quicker than ast
UNUSED_SECONDS = 30 * 24 * 3600  # after which a folder of older sources is removed


@lru_cache
def cache_folder(module: str = "") -> Path:
    """Where the compiled code of a module of this package is kept; CHAINRT_CACHE names another place.

    A module from elsewhere, or none, stands for all that holds compiled code. Created on first use.
    """
    name = module.rpartition(".")[2] if module.startswith(f"{PACKAGE.name}.") else "all"
    digest = hashlib.sha256(f"{numba.__version__} {np.__version__} {PACKAGE}".encode())
    for source in sources(module):
        digest.update(source.name.encode() + source.read_bytes())
    folder = cache_root() / f"kernels-{name}-{digest.hexdigest()[:16]}"
    folder.mkdir(parents=True, exist_ok=True)
    folder.touch()
    for other in cache_root().glob("kernels-*"):
        if folder.stat().st_mtime - other.stat().st_mtime > UNUSED_SECONDS:
            shutil.rmtree(other, ignore_errors=True)
    return folder


def sources(module: str) -> list[Path]:
    """The files that decide the compiled code of a module, sorted."""
    own = _file(PACKAGE.parent.joinpath(*module.split(".")))
    if own is None or not own.is_relative_to(PACKAGE):
        return sorted(source for pattern in SOURCES for source in PACKAGE.glob(pattern))
    found, waiting = set(), [own]
    while waiting:
        source = waiting.pop()
        if source not in found:
            found.add(source)
            waiting += _imported(source)
    return sorted(found)


@lru_cache
def _imported(source: Path) -> tuple[Path, ...]:
    """The files of this package that one of them imports."""
    found = []
    for dots, module, names in IMPORT.findall(source.read_text("utf-8")):
        if dots or module.startswith(PACKAGE.name):
            start = source.parents[len(dots) - 1] if dots else PACKAGE.parent
            place = start.joinpath(*module.split("."))
            found += [_file(place), *(_file(place / name) for name in re.findall(r"\w+", names))]
    return tuple(file for file in found if file)


@lru_cache
def _file(place: Path) -> Path | None:
    """The source of a module or a package of this path, if there is one."""
    return next((file for file in (place.with_suffix(".py"), place / "__init__.py") if file.is_file()), None)


class Native:
    """A function that becomes machine code when its `address` is first asked for."""

    def __init__(self, function: Callable, arguments: Iterable, label: str | None = None, returns=types.void):
        self.function = function
        self.label = label or function.__name__
        self.arguments = tuple(numba.from_dtype(a) if isinstance(a, np.dtype) else a for a in arguments)
        self.returns = returns
        self._compiled = None

    @property
    def address(self) -> int:
        if self._compiled is None:
            self._compiled = self._compile()
        return self._compiled.address

    @property
    def is_cached(self) -> bool:
        """True when the machine code is at hand, in this process or on disk."""
        return self._compiled is not None or self._stamp.exists()

    @property
    def _stamp(self) -> Path:
        return self._folder / f"{self.function.__module__}.{self.label}.compiled"

    @property
    def _folder(self) -> Path:
        return cache_folder(self.function.__module__)

    def _compile(self):
        elsewhere = numba.config.CACHE_DIR
        numba.config.CACHE_DIR = str(self._folder)
        try:
            signature = self.returns(*self.arguments)
            compiled = numba.cfunc(signature, cache=True, error_model="numpy")(self.function)
        finally:
            numba.config.CACHE_DIR = elsewhere
        self._stamp.touch()
        return compiled

    def from_python(self) -> Callable:
        """The machine code as a Python callable. It runs without the interpreter's lock.

        Records and planes are passed as addresses (`address_of`), integers as they are.
        """
        by_type = {INTEGER: ctypes.c_int64, FLOAT: ctypes.c_double, types.void: None}
        by_type |= {types.uint32: ctypes.c_uint32, types.int32: ctypes.c_int32}
        kinds = [by_type.get(kind, ctypes.c_void_p) for kind in self.arguments]
        return ctypes.CFUNCTYPE(by_type[self.returns], *kinds)(self.address)


def compile_all(natives: Iterable[Native], tell: Callable[[int, int, str], None] | None = None) -> None:
    """Compile what is missing from the cache; `tell(done, total, label)` is called before each and at the end."""
    missing = [native for native in dict.fromkeys(natives) if not native.is_cached]
    for done, native in enumerate(missing):
        if tell:
            tell(done, len(missing), native.label)
        _ = native.address
    if tell and missing:
        tell(len(missing), len(missing), "")


def address_of(array: np.ndarray) -> int:
    """Where the array's memory starts. The caller keeps the array alive."""
    return array.ctypes.data

"""A plain Python function as machine code with a C address, compiled once per machine and kept on disk.

Why an address: the engine calls blocks from a table, so a new block or a new chain recompiles nothing
(14 ns a call), and a sound card's driver can call the engine without knowing Python.

Rules kept here:
* Arguments are records (by reference), planes (pointers to float32) and 64-bit integers: all one C register each.
* What is kept is an object file, and one is linked in less than a millisecond (measured: 18 of them in 13 ms, where
  numba takes half a second to load the same from its own cache, and half as much to be imported). So whoever has all
  machine code at hand never imports numba.
* A cache folder is named by a hash of the function's own source and of all that it imports from this package, near or
  far, of where they stand, of the versions of numba and LLVM, and of the processor. numba's cache would load stale
  code after an edit to a helper in another file; a hash of everything would compile every effect again after an edit
  to one. Folders long unused are removed.
* What a function closes over must be plain numbers and strings; they are part of the name of what is kept.
"""

import ctypes
import hashlib
import os
import re
import shutil
from collections.abc import Callable, Iterable
from functools import cached_property, lru_cache
from pathlib import Path

import llvmlite.binding as llvm
import numpy as np

from ..places import PACKAGE, cache_root, libraries, write_whole
from .language import VOID, Kind
from .machine_code import link, machine_code

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
    digest = hashlib.sha256(f"{_compiler()} {PACKAGE}".encode())
    for source in sources(module):
        digest.update(source.name.encode() + _read_source(source).encode())
    folder = cache_root() / f"kernels-{name}-{digest.hexdigest()[:16]}"
    if folder.is_dir():
        folder.touch()
    else:
        folder.mkdir(parents=True, exist_ok=True)
        _remove_unused(folder.stat().st_mtime)
    return folder


def _remove_unused(now: float) -> None:
    for folder in cache_root().glob("kernels-*"):
        if now - folder.stat().st_mtime > UNUSED_SECONDS:
            shutil.rmtree(folder, ignore_errors=True)


@lru_cache
def _compiler() -> str:
    """All but the source that decides what machine code comes out."""
    settings = sorted(f"{name}={value}" for name, value in os.environ.items() if name.startswith("NUMBA_"))
    return repr((libraries(), llvm.get_host_cpu_name(), llvm.get_host_cpu_features().flatten(), settings))


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
def _read_source(source: Path) -> str:
    return source.read_text("utf-8")


@lru_cache
def _imported(source: Path) -> tuple[Path, ...]:
    """The files of this package that one of them imports."""
    found = []
    for dots, module, names in IMPORT.findall(_read_source(source)):
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

    def __init__(
        self,
        function: Callable,
        arguments: Iterable[Kind | np.dtype],
        label: str | None = None,
        returns: Kind = VOID,
    ):
        """arguments: kinds of language.py, and dtypes of records, which are passed by reference."""
        self.function = function
        self.label = label or function.__name__
        self.arguments = tuple(arguments)
        self.returns = returns

    @cached_property
    def address(self) -> int:
        file = self._file
        code = _read(file)
        if code is None:
            code = machine_code(self.function, self.arguments, self.returns)
            write_whole(file, code + hashlib.sha256(code).digest())  # behind it, so that `nm` and `objdump` can read it
        return link(code)

    @property
    def is_cached(self) -> bool:
        """True when the machine code is at hand, in this process or on disk."""
        return "address" in self.__dict__ or self._file.exists()

    @property
    def _file(self) -> Path:
        """Where the machine code is kept; the name has what the folder's does not tell."""
        code = self.function.__code__
        closed_over = [cell.cell_contents for cell in self.function.__closure__ or ()]
        if not all(isinstance(value, int | float | str) for value in closed_over):
            raise TypeError(f"{self.label}: closes over {closed_over}; plain numbers and strings are allowed")
        kinds = [kind.name if isinstance(kind, Kind) else repr(kind) for kind in (self.returns, *self.arguments)]
        digest = hashlib.sha256(repr((closed_over, kinds)).encode())
        if not Path(code.co_filename).is_relative_to(PACKAGE):
            digest.update(Path(code.co_filename).read_bytes())
        module = self.function.__module__
        return cache_folder(module) / f"{module}.{self.label}-{digest.hexdigest()[:16]}.o"

    def from_python(self) -> Callable:
        """The machine code as a Python callable. It runs without the interpreter's lock.

        Records and planes are passed as addresses (`address_of`), integers as they are.
        """
        kinds = [kind.ctype if isinstance(kind, Kind) else ctypes.c_void_p for kind in self.arguments]
        return ctypes.CFUNCTYPE(self.returns.ctype, *kinds)(self.address)


DIGEST_BYTES = hashlib.sha256().digest_size


def _read(file: Path) -> bytes | None:
    """The machine code in a file; None if there is none, or if it is damaged, which would crash the process."""
    try:
        kept = file.read_bytes()
    except FileNotFoundError:
        return None
    code, digest = kept[:-DIGEST_BYTES], kept[-DIGEST_BYTES:]
    return code if hashlib.sha256(code).digest() == digest else None


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

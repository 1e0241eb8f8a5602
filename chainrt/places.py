"""Where things lie: this package, the libraries that it computes with, and the user's cache folder."""

import os
from contextlib import suppress
from importlib.util import find_spec
from pathlib import Path

import platformdirs

PACKAGE = Path(__file__).resolve().parent
LIBRARIES = "numba", "llvmlite", "numpy"  # whose version may change what is computed


def cache_root() -> Path:
    """The user's cache folder for chainrt; CHAINRT_CACHE names another place."""
    return Path(os.environ.get("CHAINRT_CACHE") or platformdirs.user_cache_dir("chainrt", appauthor=False))


def write_whole(file: Path, content: bytes) -> None:
    """Whoever reads the file finds all of it or none. Raises OSError, and leaves nothing behind."""
    draft = file.with_suffix(f".{os.getpid()}")
    try:
        draft.write_bytes(content)
        draft.replace(file)
    finally:
        with suppress(OSError):
            draft.unlink(missing_ok=True)


def libraries() -> list[tuple[str, int, int]]:
    """What tells another version of the libraries that compile and compute, without importing them."""
    return [stamp(find_spec(name).origin) for name in LIBRARIES]


def stamp(path: str | Path) -> tuple[str, int, int]:
    """What tells that a file was changed, as Python tells it of a module: time and size."""
    stat = os.stat(path)
    return str(path), stat.st_mtime_ns, stat.st_size

"""What was found out once is kept in the user's cache folder: tables of figures, and answers that follow from files.

A *table* is found by a key that names all that decided it (tables.py). An *answer* is found by its question alone, and
lies beside a list of the files from which it followed, its origins, with their digests: it holds for as long as no
origin and no source of chainrt has changed. So an answer is at hand before anything is read or understood, in
milliseconds and without the compiler, which the table's key needs (ccache finds objects in these same two ways).

Rules kept here:
* What cannot be read or written is no fault: it is found out again. Files appear whole or not at all, and go after
  three months.
* Neither the compiler nor what needs it is imported here.
"""

import hashlib
import json
from collections.abc import Iterable
from contextlib import suppress
from functools import lru_cache
from pathlib import Path
from typing import Any

from .places import PACKAGE, cache_root, libraries, stamp, write_whole

UNUSED_SECONDS = 90 * 24 * 3600  # older files are removed when a new one is kept


# -- tables ---------------------------------------------------------------------------------------------------------


def recall(kind: str, key: str) -> dict | None:
    """A table that was kept; None if there is none that can be read. kind: "costs", "fidelity", "facts" or "answer"."""
    try:
        table = json.loads(_file(kind, key).read_text("utf-8"))
    except (OSError, ValueError):
        return None
    return table if isinstance(table, dict) else None


def keep(kind: str, key: str, table: dict) -> None:
    """Write a table down for `recall`, if it can be written."""
    file = _file(kind, key)
    with suppress(OSError):
        file.parent.mkdir(parents=True, exist_ok=True)
        write_whole(file, json.dumps(table).encode())
        for other in file.parent.iterdir():
            if file.stat().st_mtime - other.stat().st_mtime > UNUSED_SECONDS:
                other.unlink()


def _file(kind: str, key: str) -> Path:
    return cache_root() / "tables" / f"{kind}-{key}.json"


# -- answers --------------------------------------------------------------------------------------------------------


def recall_answer(*question) -> Any:
    """What was answered to this question (anything with a repr of its own); None: nothing that still holds."""
    table = recall("answer", _digest(question))
    if table is None:
        return None
    with suppress(OSError, KeyError, AttributeError):
        if all(_digest_of_file(path) == digest for path, digest in table["origins"].items()):
            return table["answer"]
    return None


def keep_answer(*question, answer: Any, origins: Iterable[Path] = ()) -> None:
    """Write an answer (as JSON) down for `recall_answer`. origins: the files from which it followed."""
    with suppress(OSError):
        digests = {str(path): _digest_of_file(path) for path in origins}
        keep("answer", _digest(question), {"origins": digests, "answer": answer})


def _digest(question: tuple) -> str:
    return hashlib.sha256(f"{_sources()} {question!r}".encode()).hexdigest()[:24]


def _digest_of_file(path: str | Path) -> str:
    return hashlib.sha256(Path(path).read_bytes()).hexdigest()


@lru_cache
def _sources() -> str:
    """All that answers are computed by, told as Python tells whether a module has changed: by time and size."""
    told = [stamp(path) for path in sorted(PACKAGE.rglob("*.py"))]
    return hashlib.sha256(repr((told, libraries())).encode()).hexdigest()

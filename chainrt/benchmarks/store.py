"""What was measured, one line of JSON for each cell: a run that was stopped goes on where it was.

Rules kept here:
* A row belongs to what measured it (the sources of `measure` and of all that it imports from this package), to its
  cell, and if it is timed to the machine. Change any of them, and it is measured anew; the old line stays.
* A line is written at once and whole; one that a crash has torn is dropped.
* Whoever answers twice is heard once.
"""

import hashlib
import inspect
import json
import os
import time
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from ..compiled.native import sources
from ..tables import machine
from .chapter import Cell, Row


@dataclass(frozen=True)
class Job:
    """One cell to measure. measured_by: the module of `measure`; cell: as JSON; version: of the code."""

    measured_by: str
    cell: str
    version: str
    folder: str

    @classmethod
    def of(cls, chapter, cell: Cell, folder: Path) -> "Job":
        module = inspect.unwrap(chapter.measure).__module__
        return cls(module, json.dumps(cell, sort_keys=True), code_version(module, chapter.IS_TIMED), str(folder))


@cache
def code_version(module: str, is_timed: bool) -> str:
    """A digest of all sources that decide what a module measures, and of the machine if it matters."""
    digest = hashlib.sha256(machine().encode() if is_timed else b"")
    for source in sources(module):
        digest.update(source.name.encode() + source.read_bytes())
    return digest.hexdigest()[:16]


class Store:
    """The rows in a file of JSON lines. folder: where the files lie that rows name."""

    def __init__(self, path: Path, folder: Path):
        self._folder = folder
        self._results: dict[tuple[str, str, str], dict[str, Any]] = {}
        path.parent.mkdir(parents=True, exist_ok=True)
        if path.exists():
            self._read(path)
        self._file = path.open("a", encoding="utf-8")

    def _read(self, path: Path) -> None:
        text = path.read_text("utf-8")
        whole = text[: text.rfind("\n") + 1]
        if len(whole) < len(text):
            os.truncate(path, len(whole.encode("utf-8")))
        for line in whole.splitlines():
            try:
                said = json.loads(line)
                self._results[said["measured_by"], json.dumps(said["cell"], sort_keys=True), said["version"]] = said[
                    "result"
                ]
            except (ValueError, KeyError, TypeError):  # of an older release, or not ours
                continue

    def __contains__(self, job: Job) -> bool:
        result = self._results.get((job.measured_by, job.cell, job.version))
        return result is not None and all((self._folder / name).exists() for name in result.get("files", ()))

    def row(self, job: Job) -> Row:
        """The cell and what was measured; KeyError if it was not."""
        return json.loads(job.cell) | self._results[job.measured_by, job.cell, job.version]

    def add(self, job: Job, result: dict[str, Any]) -> bool:
        """Keep a result, at once on disk; False if it was there already."""
        if job in self:
            return False
        line = {"measured_by": job.measured_by, "version": job.version, "cell": json.loads(job.cell)}
        line |= {"measured": time.strftime("%Y-%m-%d %H:%M:%S"), "result": result}
        text = json.dumps(line)
        self._results[job.measured_by, job.cell, job.version] = json.loads(text)["result"]
        self._file.write(text + "\n")
        self._file.flush()
        return True

    def close(self) -> None:
        self._file.close()

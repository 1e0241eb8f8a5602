"""Which cells are still to be measured, and where: simulated ones on all cores, timed ones alone.

Rules kept here:
* What the store holds is not measured again; the rest is, in the order of the chapters.
* No timed cell runs while anything else of ours does: the workers have ended before the first one begins.
"""

import json
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor
from importlib import import_module
from multiprocessing import get_context
from pathlib import Path
from types import ModuleType
from typing import Any

from .. import study
from .chapter import Effort, Row
from .store import Job, Store


def jobs_of(chapter: ModuleType, effort: Effort, folder: Path) -> list[Job]:
    return list(dict.fromkeys(Job.of(chapter, cell, folder) for cell in chapter.cells(effort)))


def rows_of(chapter: ModuleType, effort: Effort, store: Store, folder: Path) -> list[Row]:
    """What was measured for a chapter, in the order of its cells."""
    return [store.row(job) for job in jobs_of(chapter, effort, folder) if job in store]


def measure_all(
    chapters: Sequence[ModuleType],
    effort: Effort,
    store: Store,
    folder: Path,
    workers: int,
    tell: Callable[[int, int], None] | None = None,
) -> None:
    """Measure what is not in the store yet. folder: for files. tell(done, total) hears of progress.

    An exception of a cell ends it all with that exception; what was measured by then is kept.
    """
    simulated, timed = (
        list(dict.fromkeys(job for one in chapters if is_timed == one.IS_TIMED for job in jobs_of(one, effort, folder)))
        for is_timed in (False, True)
    )
    total = len(simulated) + len(timed)

    def told(done: int) -> None:
        if tell:
            tell(done, total)

    folder.mkdir(parents=True, exist_ok=True)
    there = sum(job in store for job in timed)
    pools = []

    def start() -> ProcessPoolExecutor:
        pools.append(ProcessPoolExecutor(workers, mp_context=get_context("spawn")))
        return pools[-1]

    try:
        study.run(simulated, start, store, lambda done, _: told(there + done), measure)
    finally:
        for pool in pools:
            pool.shutdown()
    for job in timed:
        if job not in store:
            store.add(job, measure(job))
            there += 1
            told(len(simulated) + there)


def measure(job: Job) -> dict[str, Any]:
    """The result of one cell, in whatever process."""
    return import_module(job.measured_by).measure(json.loads(job.cell), Path(job.folder))

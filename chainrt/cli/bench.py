"""`chainrt bench`: the benchmarks of the scheduler as one page, with pictures and JSON beside it."""

import os
import shlex
import sys
from datetime import date
from pathlib import Path

from ..benchmarks import chapters, page, running
from ..benchmarks.chapter import FULL, QUICK, Effort
from ..benchmarks.results import commit, processor, write_section
from ..benchmarks.store import Store
from ..errors import Fault, PresetError
from . import show, values

STORE, ANSWER = "cells.jsonl", "results.json"
MOST_SEEDS, MOST_WORKERS = 10_000, 4096


def bench(options) -> int:
    """Measure what is not there yet, write page, pictures and JSON; exit status."""
    read = values.Reader()
    effort = FULL if options.full else QUICK
    seeds = read(values.integer, "--seeds", options.seeds or str(effort.seeds), 1, MOST_SEEDS)
    workers = read(values.integer, "--workers", options.workers or str(os.cpu_count() or 1), 1, MOST_WORKERS)
    names = [read(_chapter, name) for name in options.only or chapters.NAMES]
    read(values.writable, options.write_results, (options.json,), False)
    if options.json != "-":
        read(values.writable, options.json, (), False)
    read.raise_faults()

    effort, folder = Effort(effort.name, seeds), Path(options.out)
    out = show.console(to_stderr=options.json == "-")
    modules = [chapters.load(name) for name in dict.fromkeys(names)]
    store = Store(folder / STORE, folder / page.FILES)
    status = 0
    try:
        with show.working("Measuring") as tell:
            running.measure_all(modules, effort, store, folder / page.FILES, workers, tell)
    except KeyboardInterrupt:
        status = 130
        out.print("Stopped; the same command goes on from here.")
    finally:
        store.close()
    entries = [_entry(module, effort, store, folder / page.FILES) for module in modules]
    about = {
        "machine": f"{processor()}, {os.cpu_count()} cores",
        "date": date.today().isoformat(),
        "commit": commit(),
        "command": shlex.join(["chainrt", *sys.argv[1:]]),
        "effort": effort.name,
        "seeds": effort.seeds,
    }
    _tell(out, folder, entries, about)
    values.write_json(options.json, page.answer(entries, about))
    if options.write_results and not status:
        _write_results(Path(options.write_results), entries, about)
        out.print(f"{options.write_results}: the tables of {', '.join(entry.name for entry in entries)}")
    return status


def _chapter(name: str) -> str:
    """The name, if there is such a chapter."""
    if name not in chapters.NAMES:
        raise PresetError(Fault("--only", f"no chapter {name!r}; there are {', '.join(chapters.NAMES)}"))
    return name


def _entry(module, effort: Effort, store: Store, files: Path) -> page.Entry:
    rows = running.rows_of(module, effort, store, files)
    cells = len(running.jobs_of(module, effort, files))
    return page.Entry(
        chapters.name_of(module), module.TITLE, len(rows), cells, rows, module.tell(rows) if rows else None
    )


def _tell(out, folder: Path, entries: list[page.Entry], about: dict) -> None:
    """Write page, pictures and JSON, and say in the terminal what was found."""
    head = (
        f"{about['machine']}; {about['date']}; commit {about['commit']}; {about['command']}",
        f"Effort {about['effort']}: {show.count(about['seeds'], 'seed')}. Each chapter says on how much evidence it"
        " stands.",
    )
    with show.working("Drawing") as tell:
        tell(0, 1)
        path = page.write(folder, entries, head)
        values.write_json(str(folder / ANSWER), page.answer(entries, about))
    for entry in entries:
        out.print(f"\n{entry.title}: {entry.measured:,} of {show.count(entry.cells, 'cell')}")
        for finding in entry.told.findings if entry.told else ():
            out.print(f"  * {finding}")
    if not page.can_draw():
        out.print(page.NO_PICTURES)
    out.print(f"\n{path}: the page\n{folder / ANSWER}: all figures")


def _write_results(path: Path, entries: list[page.Entry], about: dict) -> None:
    """Put findings and tables into the sections of a page of results."""
    head = f"{about['machine']}; {about['date']}; commit {about['commit']}; `{about['command']}`."
    for entry in entries:
        if entry.told:
            write_section(path, f"bench-{entry.name}", entry.title, f"{head}\n\n{page.markdown(entry.told)}")

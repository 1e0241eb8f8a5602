"""Large studies: every preset on every device in every scenario with many seeds, on all cores or many machines.

    jobs = grid(presets, devices, scenarios, seeds, ...)
    run(jobs, start, Table(folder / "results.csv"))

Rules kept here:
* A job is a handful of words and numbers; wherever it is played, its row is the same, bit for bit.
* A row is written once: whoever answers twice is heard once, and what is in the table already is not asked again. So a
  study that was stopped, or whose workers died, goes on where it was.
* A row belongs to the contents of its preset, not to its name (`fingerprint`): after an edit it is played anew.
* `start()` gives an executor of concurrent.futures, any one. If it breaks it is started again, MOST_STARTS times.
"""

import csv
import os
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import FIRST_COMPLETED, BrokenExecutor, Executor, wait
from contextlib import suppress
from dataclasses import asdict, dataclass, fields
from functools import lru_cache
from itertools import islice, product
from pathlib import Path

from . import devices, report, tables
from .board import make_board
from .chain import plan_blocks
from .performance import Performance
from .preset import Preset
from .preset import load as load_preset
from .riff import riff
from .simulate import extra_block, simulate
from .weather import Weather

MOST_STARTS = 5
IN_FLIGHT = 64  # jobs handed out at a time: enough for many workers, few enough to stop soon


@dataclass(frozen=True)
class Job:
    """One run to simulate. preset: an absolute path, the same on every machine that plays.

    budget: share of the deadline; 0 is the device's own.
    """

    preset: str
    fingerprint: str
    device: str
    scenario: str
    seed: int
    periods: int
    frames: int
    rate: int
    policy: str
    budget: float


RESULTS = {
    "load_mean": float,
    "load_p50": float,
    "load_p99": float,
    "load_max": float,
    "misses": int,
    "unavoidable_misses": int,
    "longest_miss_run": int,
    "utility": float,
    "level_changes": int,
}
KEYS = tuple(field.name for field in fields(Job))
COLUMNS = (*KEYS, *RESULTS)
Row = dict
Play = Callable[[Job], Row]


def fingerprint(path: str, rate: int) -> str:
    """What decides how a preset plays: its contents, those of its files, and the code. Raises PresetError."""
    board = load_preset(path)
    return tables.preset_key(board, plan_blocks(board, rate), rate)


def grid(
    presets: Sequence[str],
    device_names: Sequence[str],
    scenarios: Sequence[str],
    seeds: int,
    periods: int,
    frames: int = 64,
    rate: int = 48_000,
    policy: str = "adaptive",
    budget: float = 0.0,
) -> list[Job]:
    """All jobs; a seed is finished everywhere before the next begins, so that early results show the whole."""
    prints = {os.path.abspath(path): fingerprint(path, rate) for path in presets}
    return [
        Job(path, prints[path], device, scenario, seed, periods, frames, rate, policy, budget)
        for seed, path, device, scenario in product(range(seeds), prints, device_names, scenarios)
    ]


@lru_cache(maxsize=8)
def _preset(path: str, fingerprint: str) -> Preset:
    return load_preset(path)


@lru_cache(maxsize=2)
def _guitar(rate: int):
    return riff(rate)


def play(job: Job) -> Row:
    """Simulate one job; its row, with all COLUMNS."""
    device = devices.load(job.device)
    budget = job.budget or device["usable_share"]
    preset, guitar = _preset(job.preset, job.fingerprint), _guitar(job.rate)
    made = make_board(preset, job.rate, job.frames, guitar, policy=job.policy, budget=budget, costs=device.costs)
    chain = made.chain
    chain.engine["silent"] = 1
    jitter = device.jitter(budget * chain.deadline_ns)
    weather = Weather(len(chain.blocks), chain.deadline_ns / 1e9, (), job.seed, job.scenario, job.periods, jitter)
    extra = extra_block(chain, made.control, made.model, budget)
    simulate(chain, made.control, weather, job.periods, Performance(chain, guitar), extra=extra)
    said = report.summary(
        chain, made.control, made.model, clock="virtual", device=job.device, budget=budget, seed=job.seed
    )
    loads = {f"load_{name}": value for name, value in said["load"].items()}
    return asdict(job) | {name: (loads | said)[name] for name in RESULTS}


class Table:
    """The rows of a study in a CSV file; each job is there once. Lines that a crash has torn are dropped."""

    def __init__(self, path: Path):
        self.path = path
        self.rows: dict[Job, Row] = {}
        if path.exists():
            self._read()
        else:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(",".join(COLUMNS) + "\n", "utf-8")
        self._file = path.open("a", newline="", encoding="utf-8")
        self._writer = csv.DictWriter(self._file, COLUMNS)

    def _read(self) -> None:
        text = self.path.read_text("utf-8")
        whole = text[: text.rfind("\n") + 1]
        if len(whole) < len(text):
            os.truncate(self.path, len(whole.encode("utf-8")))
        for line in csv.DictReader(whole.splitlines()):
            with suppress(KeyError, TypeError, ValueError):  # of an older release, or not ours
                row = {name: _typed(name)(line[name]) for name in COLUMNS}
                self.rows[Job(**{name: row[name] for name in KEYS})] = row

    def __contains__(self, job: Job) -> bool:
        return job in self.rows

    def add(self, job: Job, row: Row) -> bool:
        """Keep a row, at once on disk; False if the job was there already."""
        if job in self.rows:
            return False
        self.rows[job] = row
        self._writer.writerow(row)
        self._file.flush()
        return True

    def close(self) -> None:
        self._file.close()


def _typed(name: str) -> type:
    return RESULTS.get(name) or next(field.type for field in fields(Job) if field.name == name)


def run(
    jobs: Iterable[Job],
    start: Callable[[], Executor],
    table: Table,
    tell: Callable[[int, int], None] | None = None,
    play: Play = play,
) -> None:
    """Play what is not in the table yet. tell(done, total) hears of progress.

    An exception of a job ends the study with that exception; all rows that were finished are in the table.
    """
    jobs = list(dict.fromkeys(jobs))

    def told() -> None:
        if tell:
            tell(sum(job in table for job in jobs), len(jobs))

    for attempt in range(MOST_STARTS):
        told()
        waiting = [job for job in jobs if job not in table]
        if not waiting:
            return
        executor = start()
        try:
            _play_all(waiting, executor, table, told, play)
        except BrokenExecutor:
            if attempt == MOST_STARTS - 1:
                raise
        finally:
            executor.shutdown(wait=False)


def _play_all(waiting: list[Job], executor: Executor, table: Table, told: Callable[[], None], play: Play) -> None:
    todo, flying = iter(waiting), {}
    try:
        while True:
            for job in islice(todo, IN_FLIGHT - len(flying)):
                flying[executor.submit(play, job)] = job
            if not flying:
                return
            finished, _ = wait(flying, return_when=FIRST_COMPLETED)
            broken = [future for future in finished if isinstance(future.exception(), BrokenExecutor)]
            if broken:
                finished, _ = wait(flying)  # what was answered before it broke is not lost
            for future in sorted(finished, key=lambda one: one.exception() is not None):
                table.add(flying.pop(future), future.result())
            told()
    finally:
        for future in flying:
            future.cancel()


# -- what came out --------------------------------------------------------------------------------------------------


HEADINGS = (
    *("device", "how sure", "scenario", "runs", "load", "p99", "misses", "avoidable a million", "fidelity"),
    "changes a minute",
)


def summary(rows: Sequence[Row]) -> str:
    """A page of Markdown: one table a preset, a line for each device and scenario, all seeds together."""
    lines = ["# Study", "", f"{len(rows):,} runs."]
    for preset in dict.fromkeys(row["preset"] for row in rows):
        lines += ["", f"## {Path(preset).name}", ""]
        lines += [f"| {' | '.join(HEADINGS)} |", "|---|---|---|" + "--:|" * (len(HEADINGS) - 3)]
        groups: dict[tuple[str, str], list[Row]] = {}
        for row in rows:
            if row["preset"] == preset:
                groups.setdefault((row["device"], row["scenario"]), []).append(row)
        lines += [_line(device, scenario, group) for (device, scenario), group in sorted(groups.items())]
    lines += ["", "Where no miss was seen, no more can be claimed than the figure behind `<`: three over the periods."]
    return "\n".join(lines) + "\n"


def _line(device: str, scenario: str, rows: Sequence[Row]) -> str:
    periods = sum(row["periods"] for row in rows)
    minutes = sum(row["periods"] * row["frames"] / row["rate"] for row in rows) / 60
    misses = sum(row["misses"] for row in rows)
    avoidable = misses - sum(row["unavoidable_misses"] for row in rows)
    rate = f"{1e6 * avoidable / periods:,.1f}" if avoidable else f"< {3e6 / periods:,.1f}"

    def mean(name: str) -> float:
        return sum(row[name] for row in rows) / len(rows)

    return (
        f"| {device} | {_sureness(device)} | {scenario} | {len(rows)} | {100 * mean('load_mean'):.1f} % |"
        f" {100 * mean('load_p99'):.1f} % | {100 * misses / periods:.3f} % | {rate} | {100 * mean('utility'):.1f} % |"
        f" {sum(row['level_changes'] for row in rows) / minutes:,.1f} |"
    )


@lru_cache
def _sureness(device: str) -> str:
    return devices.load(device).weakest_basis

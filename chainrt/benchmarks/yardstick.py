"""Cells that measure the measuring: what the clock and the meters cost, and the smallest slowdown that is noticed.

A slowdown is planted: the same kernel, so and so many calls more of a hundred. Both are timed in pairs, one right after
the other, in an order that is drawn anew each time; what counts is the ratio within a pair, so that a noisy neighbour
and a processor that changes its pace hit both alike. A slowdown is noticed when the interval of the median ratio lies
above 1. One that was never planted must not be.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from ..chain import settled_state
from ..compiled.arena import aligned_zeros
from ..compiled.call import call2, call4
from ..compiled.clock import now_ns
from ..compiled.denormals import flush_denormals, restore_denormals
from ..compiled.language import INTEGER, carray
from ..compiled.memory import pointer
from ..compiled.native import Native, address_of
from ..engine import period
from ..numeric import FRAMES, PEDALBOARD, NumericBlock, numeric_chain
from ..timing import time_calls
from .chapter import Cell
from .instances import amp
from .priority import at_priority
from .statistics import median_interval

READINGS = 200_000
PERIODS = 2000  # timed in one go
CALLS = 200
PLANTED_CALLS = 0, 1, 2, 4
MUST_NOTICE = 0.01
BATCH = 50  # pairs between two looks at whether it was noticed
PEDAL, AMP = PEDALBOARD[0], next(block for block in PEDALBOARD if block.id == "middle amp")
BOARDS = {"4 pedals": (PEDAL, 4), "36 pedals": (PEDAL, 36), "36 amps of two levels": (AMP, 36)}


def measure(cell: Cell, folder: Path) -> dict[str, Any]:
    """cell: what ("clock", "meters" or "planted"), rounds, most_rounds."""
    work = {"clock": _clock, "meters": _meters, "planted": _planted}[cell["what"]]
    return at_priority(lambda: work(cell))


# -- the clock ------------------------------------------------------------------------------------------------------


def _read(times, count):
    """times[i] = the clock's i-th reading; times is an address."""
    kept = carray(pointer(times), count, np.int64)
    for i in range(count):
        kept[i] = now_ns()


read_clock = Native(_read, (INTEGER, INTEGER), "read_clock")


def _clock(cell: Cell) -> dict[str, Any]:
    times = aligned_zeros(READINGS, np.int64)
    read_clock.from_python()(address_of(times), READINGS)
    return steps_of(times)


def steps_of(times: np.ndarray) -> dict[str, Any]:
    """What readings of a clock, one right after the other, say of it. Nanoseconds."""
    steps = np.diff(times)
    rising = steps[steps > 0]
    values, counts = np.unique(steps[steps <= np.quantile(steps, 0.999)], return_counts=True)
    return {
        "cost_ns": float(times[-1] - times[0]) / len(steps),
        "resolution_ns": int(rising.min()) if len(rising) else 0,
        "still_share": float(np.mean(steps == 0)),
        "quantiles_ns": {str(share): float(np.quantile(steps, share)) for share in (0.5, 0.99, 0.999, 1.0)},
        "steps_ns": values.tolist(),
        "counts": counts.tolist(),
    }


# -- the meters -----------------------------------------------------------------------------------------------------


def _play_engine(play, engine, frames, periods):
    """Nanoseconds that so many periods of an engine take. play: engine.period, engine: its record, by address."""
    before = now_ns()
    for _ in range(periods):
        call2(play, engine, frames)
    return now_ns() - before


def _play_bare(calls, count, frames, periods):
    """The same of its kernels alone, one after the other. calls: address of (kernel, knobs, state, plane) per block."""
    table = carray(pointer(calls), (count, 4), np.int64)
    floating = flush_denormals()
    before = now_ns()
    for _ in range(periods):
        for block in range(count):
            call4(table[block, 0], table[block, 1], table[block, 2], table[block, 3], frames)
    taken = now_ns() - before
    restore_denormals(floating)
    return taken


play_engine = Native(_play_engine, (INTEGER,) * 4, "bench_engine", returns=INTEGER)
play_bare = Native(_play_bare, (INTEGER,) * 4, "bench_bare", returns=INTEGER)


def _meters(cell: Cell) -> dict[str, Any]:
    """Nanoseconds a period, median of the rounds: kernels that do nothing, alone, and in an engine."""
    timed: dict[str, list[float]] = {}
    boards = {name: _board(*board) for name, board in BOARDS.items()}
    for _ in range(cell["rounds"]):
        for name, ways in boards.items():
            for way, run in ways.items():
                timed.setdefault(f"{name}, {way}", []).append(run() / PERIODS)
    return {"ns": {name: float(np.median(times)) for name, times in timed.items()}}


def _board(block: NumericBlock, count: int) -> dict[str, Callable[[], int]]:
    """The ways to play a pedalboard of so many blocks whose kernels do nothing."""
    chain, _ = numeric_chain([block] * count)
    engine, records, levels = chain.engine, chain.block_records, chain.level_records
    engine["silent"], engine["restless"] = 0, 1
    calls = np.array(
        [
            (record["kernel"], record["knobs"], one[-1]["left"], record["left"])
            for record, one in zip(records, levels, strict=True)
        ],
        np.int64,
    )
    through, alone = play_engine.from_python(), play_bare.from_python()

    def with_reflex(reflex: int) -> Callable[[], int]:
        def run() -> int:
            chain.engine["reflex"] = reflex
            return through(period.address, address_of(chain.engine), FRAMES, PERIODS)

        return run

    return {
        "kernels alone": lambda: alone(address_of(calls), count, FRAMES, PERIODS),
        "engine": with_reflex(0),
        "engine with reflex": with_reflex(1),
    }


# -- a planted slowdown ---------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Verdict:
    """planted: share; median, low, high: of the ratios less 1, with their interval of 95 %; pairs: how many."""

    planted: float
    median: float
    low: float
    high: float
    pairs: int

    @property
    def is_noticed(self) -> bool:
        return self.low > 0


def judged(planted: float, ratios: Sequence[float]) -> Verdict:
    """ratios: of a pair's slower half over its other one, by which of them is slower if anything was planted."""
    median, low, high = median_interval(ratios)
    return Verdict(planted, median - 1, low - 1, high - 1, len(ratios))


def rounds_until_noticed(time_pair: Callable[[int], float], rounds: int, most_rounds: int) -> list[Verdict]:
    """So many rounds of a pair for each of PLANTED_CALLS; more of them while MUST_NOTICE is not noticed.

    time_pair(calls more): the ratio of one pair.
    """
    ratios: dict[int, list[float]] = {more: [] for more in PLANTED_CALLS}
    done = 0
    while done < rounds or (done < most_rounds and not _verdict_on(MUST_NOTICE, _verdicts(ratios)).is_noticed):
        for _ in range(BATCH):
            for more, kept in ratios.items():
                kept.append(time_pair(more))
        done += BATCH
    return _verdicts(ratios)


def _verdicts(ratios: dict[int, list[float]]) -> list[Verdict]:
    return [judged(more / CALLS, kept) for more, kept in ratios.items()]


def _verdict_on(planted: float, verdicts: Sequence[Verdict]) -> Verdict:
    return next(one for one in verdicts if math.isclose(one.planted, planted))


def _planted(cell: Cell) -> dict[str, Any]:
    block = amp()
    state = settled_state(block, block.levels[-1])
    source, plane = aligned_zeros(FRAMES, np.float32), aligned_zeros(FRAMES, np.float32)
    source[:] = 0.1 * np.random.default_rng(0).standard_normal(FRAMES)
    times, random = np.zeros(CALLS + max(PLANTED_CALLS)), np.random.default_rng(1)
    run = time_calls.from_python()

    def taken(calls: int) -> float:
        run(
            *(block.declared.native.address, address_of(block.knobs), address_of(state[0]), 0),
            *(address_of(source), address_of(plane), address_of(plane), FRAMES, calls, address_of(times)),
        )
        return float(times[:calls].sum())

    def time_pair(more: int) -> float:
        if random.random() < 0.5:
            usual = taken(CALLS)
            return taken(CALLS + more) / usual
        slower = taken(CALLS + more)
        return slower / taken(CALLS)

    taken(CALLS)  # caches, and the processor's pace
    verdicts = rounds_until_noticed(time_pair, cell["rounds"], cell["most_rounds"])
    return {"verdicts": [asdict(one) | {"is_noticed": one.is_noticed} for one in verdicts]}

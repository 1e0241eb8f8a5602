"""The engine's clock, real or virtual, and the meters of a period."""

import numpy as np

from ..compiled.clock import now_ns
from ..compiled.language import carray, njit
from ..compiled.memory import pointer
from ..layout import PERIOD, REAL, WEATHER_BLOCK, WEATHER_PERIOD


@njit
def clock(engine):
    return float(now_ns()) if engine.virtual == REAL else engine.now_ns


@njit
def weather_today(engine):
    """The row of a simulated period: see layout.weather_columns. Not to be read when the clock is real."""
    columns = WEATHER_PERIOD + WEATHER_BLOCK * engine.block_count
    row = 0 if engine.virtual == REAL else engine.periods - engine.weather_first
    return carray(pointer(engine.weather + row * columns * 8), columns, np.float64)


@njit
def count_swallowed(engine, note):
    """Periods for which nobody asked are misses: of the engine, if it was still busy when the first was due.

    They lie before the present release. Unavoidable: with every block at its smallest level it would have been done.
    """
    note.swallowed = engine.swallowed
    if engine.swallowed == 0:
        return
    first_due = engine.release_ns - engine.swallowed * engine.most_frames * engine.frame_time_ns
    engine.misses += engine.swallowed
    if engine.ended_ns <= first_due or engine.floor_ended_ns > first_due:
        engine.unavoidable += engine.swallowed
    engine.miss_run += engine.swallowed
    engine.swallowed = 0


@njit
def count_period(engine, began, frames, floor):
    """Was the deadline met, and could it have been? One PERIOD record, and the counters."""
    row = engine.periods % engine.ring_size
    note = carray(pointer(engine.ring), engine.ring_size, PERIOD)[row]
    count_swallowed(engine, note)
    length = frames * engine.frame_time_ns
    release, ended = engine.release_ns, clock(engine)
    deadline = release + length
    woken_late = began - max(release, engine.ended_ns)
    engine.floor_ended_ns = max(release, engine.floor_ended_ns) + max(0.0, woken_late) + floor
    note.release_ns = release
    note.began_ns = began
    note.plan = engine.taken
    note.late_ns = int(began - release)
    note.spent_ns = int(ended - began)
    note.missed = 1 if ended > deadline else 0
    note.unavoidable = 1 if engine.floor_ended_ns > deadline and ended > deadline else 0
    engine.misses += note.missed
    engine.unavoidable += note.unavoidable
    engine.miss_run += note.missed
    engine.longest_miss_run = max(engine.longest_miss_run, engine.miss_run)
    if note.missed == 0:
        engine.miss_run = 0
    engine.ended_ns = ended
    engine.release_ns = deadline

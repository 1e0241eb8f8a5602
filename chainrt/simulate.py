"""The engine on a virtual clock: what a chain would do on another machine, or under a load that never was.

Cost of block b in period t = table x slowdown(t) x jitter(t, b) + stall(t, b), and an overrun carries over into the
next period. Nothing here reads a clock, so the same arguments give the same answer, bit for bit.

The laws are those of an ordinary, calm machine: slow wander: log of an AR(1) process with coefficient 0.97 and
innovations of sd 0.004; jitter: lognormal, sd 0.02; wake-up: 4 us and exponential of mean 6 us, at most 64; stalls:
each block and period with probability 2e-5 a Pareto of shape 1.3 from 40 us, at most 3,000. On top of these comes the
load that was asked for.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from .chain import Chain
from .compiled.native import address_of
from .control import TICK_SECONDS, Control
from .layout import weather_columns
from .meters import LevelChange
from .performance import Performance

WANDER_COEFFICIENT, WANDER_SD = 0.97, 0.004
JITTER_SD = 0.02
WAKE_LEAST_NS, WAKE_MEAN_NS, WAKE_MOST_NS = 4e3, 6e3, 64e3
STALL_PROBABILITY, STALL_SHAPE, STALL_LEAST_NS, STALL_MOST_NS = 2e-5, 1.3, 40e3, 3e6
PERIODS_AT_ONCE = 4096  # weather made in one go
WANDER_MEMORY = 512  # 0.97 ** 512 = 2e-7: what is older is forgotten


@dataclass(frozen=True)
class LoadStep:
    """From `time_s` on (seconds) everything takes `slowdown` times as long."""

    time_s: float
    slowdown: float


def parse_load(text: str) -> tuple[LoadStep, ...]:
    """ "0:1.0, 2:1.6, 4:1.0" -> steps. ValueError says what is wrong and what is allowed."""
    steps = []
    for part in text.split(","):
        try:
            time_s, slowdown = (float(number) for number in part.split(":"))
        except ValueError:
            raise ValueError(f"{part.strip()!r} is not seconds:slowdown, as in 0:1.0,2:1.6,4:1.0") from None
        if not 0 <= time_s < 1e9:
            raise ValueError(f"{part.strip()!r}: seconds must be 0 or more")
        if not 0.01 <= slowdown <= 100:
            raise ValueError(f"{part.strip()!r}: the slowdown must be between 0.01 and 100")
        if steps and time_s <= steps[-1].time_s:
            raise ValueError(f"{part.strip()!r}: seconds must rise from step to step")
        steps.append(LoadStep(time_s, slowdown))
    return tuple(steps)


class Weather:
    """The seeded disturbances of a run, made a stretch at a time: rows as layout.weather_columns says."""

    def __init__(self, blocks: int, period_s: float, load: Sequence[LoadStep], seed: int):
        self._blocks, self._period_s, self._load = blocks, period_s, load
        self._random = np.random.default_rng(seed)
        self._innovations = np.zeros(WANDER_MEMORY)
        self._made = 0

    def rows(self, periods: int) -> np.ndarray:
        """The next `periods` rows, float64."""
        random = self._random
        rows = np.empty((periods, weather_columns(self._blocks)))
        rows[:, 0] = self._slowdown(periods)
        rows[:, 1] = np.minimum(WAKE_LEAST_NS + random.exponential(WAKE_MEAN_NS, periods), WAKE_MOST_NS)
        rows[:, 2::2] = np.exp(random.normal(0.0, JITTER_SD, (periods, self._blocks)))
        struck = random.random((periods, self._blocks)) < STALL_PROBABILITY
        stalls = STALL_LEAST_NS * (1.0 + random.pareto(STALL_SHAPE, (periods, self._blocks)))
        rows[:, 3::2] = np.where(struck, np.minimum(stalls, STALL_MOST_NS), 0.0)
        self._made += periods
        return rows

    def _slowdown(self, periods: int) -> np.ndarray:
        self._innovations = np.concatenate(
            [self._innovations[-WANDER_MEMORY:], self._random.normal(0.0, WANDER_SD, periods)]
        )
        decay = WANDER_COEFFICIENT ** np.arange(WANDER_MEMORY)
        wander = np.convolve(self._innovations, decay)[WANDER_MEMORY : WANDER_MEMORY + periods]
        times = (self._made + np.arange(periods)) * self._period_s
        starts = [step.time_s for step in self._load]
        factors = np.array([1.0, *(step.slowdown for step in self._load)])
        return np.exp(wander) * factors[np.searchsorted(starts, times + 1e-9, side="right")]


def simulate(
    chain: Chain,
    control: Control,
    weather: Weather,
    periods: int,
    performance: Performance,
    tell: Callable[[int, int, list[LevelChange]], None] | None = None,
) -> None:
    """Run so many periods of a chain on the virtual clock. tell(done, total, changes) hears of every tick.

    With `chain.engine["silent"]` set, no sound is computed; all decisions are the same.
    """
    engine = chain.engine
    engine["virtual"] = 1
    tick = max(1, round(TICK_SECONDS * chain.rate / chain.frames))
    done = 0
    while done < periods:
        rows = np.ascontiguousarray(weather.rows(PERIODS_AT_ONCE))
        engine["weather"], engine["weather_first"] = address_of(rows), done
        end = min(periods, done + PERIODS_AT_ONCE)
        while done < end:
            count = min(tick, end - done)
            performance.play(count)
            done += count
            changes = control.tick()
            if tell:
                tell(done, periods, changes)

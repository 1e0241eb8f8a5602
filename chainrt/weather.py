"""The laws of a simulated machine: how slow it is, when it wakes up late, when it looks away.

Cost of block b in period t = table x slowdown(t) x jitter(t, b) + stall(t, b). Every day has these:

* slow wander: log of an AR(1) process with coefficient 0.97 and innovations of sd 0.004;
* jitter: lognormal, sd 0.02, for each block and period; a simulated device brings its own in place of it;
* wake-up: 4 us and exponential of mean 6 us, at most 64;
* stalls: each block and period with probability 2e-5 a Pareto of shape 1.3 from 40 us, at most 3,000.

A second core is as slow at each moment (the slowdown is the machine's); its jitter, wake-ups and stalls are its own.
The worker there begins when it wakes up, by the law above, and up to a nap of 20 us later (engine/pair.py: it looks
for the hand-over between naps).

On top of them comes the load that was asked for, and a scenario:

* calm: nothing more.
* thermal: a sixth of the run each at 1, 1.15, 1.35, 1.6, 1.25 and 1 times the cost.
* bursts: gaps exponential of mean 1.5 s; length 20 ms and exponential of mean 150, at most 2 s; factor 1.2 to 1.8.
* presets: every 3 to 8 s one more block of 0, 120, 240 or 400 us, which the scheduler is told of.
* hostile: slowdown x exp(0.22 sin of a random walk with steps of sd 0.004); bursts with gaps of mean 2 s, 5 ms and
  exponential of mean 80, at most 1 s, factor 1.1 to 1.7; stalls with probability 2e-4.

The jitter of a device is one lognormal factor a period for all its blocks, of mean 1. Together with the wander it has
the sd that is asked for (devices: as the profile's p99 over mean says), or the wander's own 0.016 if that is more. A
share of its variance, which a measured profile knows, lasts: that is an AR(1) process and slows down all cores alike.

Rules kept here: seeded, and made a stretch at a time, so that a night needs no more memory than a minute. A longer run
begins as the shorter one (thermal apart, which is a share of the run).
"""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import accumulate

import numpy as np

from .devices.profile import Jitter
from .engine.pair import NAP_NS
from .layout import WEATHER_BLOCK, WEATHER_PERIOD, weather_columns

WANDER_COEFFICIENT, WANDER_SD = 0.97, 0.004
WANDER_ALL_SD = WANDER_SD / math.sqrt(1 - WANDER_COEFFICIENT**2)  # of the log of the slowdown
JITTER_SD = 0.02
WAKE_LEAST_NS, WAKE_MEAN_NS, WAKE_MOST_NS = 4e3, 6e3, 64e3
STALL_PROBABILITY, STALL_SHAPE, STALL_LEAST_NS, STALL_MOST_NS = 2e-5, 1.3, 40e3, 3e6
WANDER_MEMORY = 512  # 0.97 ** 512 = 2e-7: what is older is forgotten
THERMAL = 1.0, 1.15, 1.35, 1.6, 1.25, 1.0
EXTRA_NS, EXTRA_LEAST_S, EXTRA_MOST_S = (0.0, 120e3, 240e3, 400e3), 3.0, 8.0
SWAY, SWAY_STEP_SD = 0.22, 0.004
HOSTILE_STALLS = 10.0  # times as many


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


@dataclass(frozen=True)
class Bursts:
    """Background load that comes and goes; times in seconds, factors uniform in between."""

    gap_s: float
    least_s: float
    mean_s: float
    most_s: float
    factors: tuple[float, float]

    def draw(self, random: np.random.Generator) -> Iterator[tuple[float, float, float]]:
        """(begin, end, factor), one after the other, for ever."""
        now = 0.0
        while True:
            begin = now + random.exponential(self.gap_s)
            now = begin + min(self.least_s + random.exponential(self.mean_s), self.most_s)
            yield begin, now, random.uniform(*self.factors)


BURSTS = {
    "bursts": Bursts(1.5, 0.020, 0.150, 2.0, (1.2, 1.8)),
    "hostile": Bursts(2.0, 0.005, 0.080, 1.0, (1.1, 1.7)),
}
SCENARIOS = "calm", "thermal", "bursts", "presets", "hostile"


class Weather:
    """The seeded disturbances of a run, made a stretch at a time: rows as layout.weather_columns says.

    periods: how long the run will be; only thermal needs it. jitter: of a device.
    """

    def __init__(
        self,
        blocks: int,
        period_s: float,
        load: Sequence[LoadStep] = (),
        seed: int = 0,
        scenario: str = "calm",
        periods: int = 0,
        jitter: Jitter | None = None,
    ):
        self._blocks, self._period_s, self._load, self._scenario = blocks, period_s, load, scenario
        self._periods = periods
        self._random = np.random.default_rng(seed)
        streams = (np.random.default_rng([seed, stream]) for stream in range(1, 6))
        events, self._sway_random, self._other_core, self._device_random, self._lasting_random = streams
        self._jitter = jitter
        self._lasting: float | None = None
        """The logarithm of what lasts of a device's jitter; None: nothing was drawn yet."""
        self._innovations = np.zeros(WANDER_MEMORY)
        self._sway = 0.0
        self._made = 0
        self._bursts = BURSTS[scenario].draw(events) if scenario in BURSTS else None
        self._burst = next(self._bursts) if self._bursts else None
        self._extras = self._draw_extras(events) if scenario == "presets" else iter(())
        self.next_extra: tuple[int, float] | None = next(self._extras, None)
        """(period, ns): when one more block comes into the chain, in place of the last one, and what it costs."""

    def rows(self, periods: int) -> np.ndarray:
        """The next `periods` rows, float64."""
        slowdown = self._slowdown(periods)
        self._made += periods
        return self._draw(self._random, self._device_random, slowdown)

    def on_two_cores(self, periods: int) -> tuple[np.ndarray, np.ndarray]:
        """The next rows of the lead and of its understudy: as slow at each moment, but not late together.

        The lead's are those of `rows`, begun later by the worker's nap.
        """
        lead = self.rows(periods)
        understudy = self._draw(self._other_core, self._other_core, lead[:, 0])
        lead[:, 1] += self._other_core.uniform(0.0, NAP_NS, periods)
        return lead, understudy

    def _draw(self, random: np.random.Generator, of_device: np.random.Generator, slowdown: np.ndarray) -> np.ndarray:
        """What happens on one core while everything takes `slowdown` times as long; `of_device` draws its jitter."""
        periods = len(slowdown)
        rows = np.zeros((periods, weather_columns(self._blocks)))
        rows[:, 0] = slowdown
        rows[:, 1] = np.minimum(WAKE_LEAST_NS + random.exponential(WAKE_MEAN_NS, periods), WAKE_MOST_NS)
        factor = slowdown[:, np.newaxis] * self._factors(random, of_device, periods)
        probability = STALL_PROBABILITY * (HOSTILE_STALLS if self._scenario == "hostile" else 1.0)
        struck = random.random((periods, self._blocks)) < probability
        stalls = STALL_LEAST_NS * (1.0 + random.pareto(STALL_SHAPE, (periods, self._blocks)))
        rows[:, WEATHER_PERIOD::WEATHER_BLOCK] = rows[:, WEATHER_PERIOD + 2 :: WEATHER_BLOCK] = factor
        rows[:, WEATHER_PERIOD + 1 :: WEATHER_BLOCK] = np.where(struck, np.minimum(stalls, STALL_MOST_NS), 0.0)
        return rows

    def _factors(self, random: np.random.Generator, of_device: np.random.Generator, periods: int) -> np.ndarray:
        """What is each period's own: (periods, blocks), or (periods, 1) of a device."""
        own = np.exp(random.normal(0.0, JITTER_SD, (periods, self._blocks)))
        if self._jitter is None:
            return own
        variance = (1 - self._jitter.lasting) * self._jitter_variance
        return np.exp(of_device.normal(-variance / 2, math.sqrt(variance), (periods, 1)))

    @property
    def _jitter_variance(self) -> float:
        """Of the logarithm of the device's factor, what the wander leaves of it."""
        return max(0.0, self._jitter.sd**2 - WANDER_ALL_SD**2)

    def _lasting_factors(self, periods: int) -> np.ndarray:
        """What lasts of the device's jitter, (periods,)."""
        variance = self._jitter.lasting * self._jitter_variance
        kept = math.exp(-self._period_s / self._jitter.lasts_s)
        drawn = self._lasting_random.normal(0.0, math.sqrt(variance), periods)
        begin = drawn[0] if self._lasting is None else kept * self._lasting + math.sqrt(1 - kept**2) * drawn[0]
        steps = math.sqrt(1 - kept**2) * drawn[1:]
        logs = list(accumulate(steps, lambda log, step: kept * log + step, initial=begin))
        self._lasting = logs[-1]
        return np.exp(np.array(logs) - variance / 2)

    def take_extra(self, period: int) -> float | None:
        """What the one more block costs from this period on, in ns; None if that is as before."""
        changed = None
        while self.next_extra and self.next_extra[0] <= period:
            changed = self.next_extra[1]
            self.next_extra = next(self._extras, None)
        return changed

    def _draw_extras(self, random: np.random.Generator) -> Iterator[tuple[int, float]]:
        time_s = 0.0
        while True:
            time_s += random.uniform(EXTRA_LEAST_S, EXTRA_MOST_S)
            yield round(time_s / self._period_s), float(random.choice(EXTRA_NS))

    def _slowdown(self, periods: int) -> np.ndarray:
        self._innovations = np.concatenate(
            [self._innovations[-WANDER_MEMORY:], self._random.normal(0.0, WANDER_SD, periods)]
        )
        decay = WANDER_COEFFICIENT ** np.arange(WANDER_MEMORY)
        wander = np.convolve(self._innovations, decay)[WANDER_MEMORY : WANDER_MEMORY + periods]
        number = self._made + np.arange(periods)
        times = number * self._period_s
        starts = [step.time_s for step in self._load]
        factors = np.array([1.0, *(step.slowdown for step in self._load)])
        slowdown = np.exp(wander) * factors[np.searchsorted(starts, times + 1e-9, side="right")]
        if self._jitter and self._jitter.lasting:
            slowdown *= self._lasting_factors(periods)
        if self._scenario == "thermal":
            slowdown *= np.array(THERMAL)[np.minimum(number * len(THERMAL) // self._periods, len(THERMAL) - 1)]
        if self._scenario == "hostile":
            walk = self._sway + np.cumsum(self._sway_random.normal(0.0, SWAY_STEP_SD, periods))
            self._sway = walk[-1]
            slowdown *= np.exp(SWAY * np.sin(walk))
        if self._bursts:
            self._add_bursts(slowdown, times)
        return slowdown

    def _add_bursts(self, slowdown: np.ndarray, times: np.ndarray) -> None:
        while self._burst[0] <= times[-1]:
            begin, end, factor = self._burst
            slowdown[(times >= begin) & (times < end)] *= factor
            if end > times[-1]:
                return
            self._burst = next(self._bursts)

"""The days of the benchmarks: those of weather.py, and adversaries, made to hurt the scheduler where it is weak.

Rules kept here:
* A scenario is seeded and the same for every policy: it does not look at what is played.
* What it does to the machine is in the weather, which engine and clairvoyants see alike. Two of them also lie about
  what things cost: to the engine's table (`ratios`: a block costs so many times its entry) or to the policy alone
  (`told`).
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace

import numpy as np

from .. import weather
from ..layout import WEATHER_BLOCK, WEATHER_PERIOD
from ..numeric import FRAMES, PEDALBOARD, RATE_HZ
from ..scheduler import ChainModel
from ..weather import Weather

PERIOD_S = FRAMES / RATE_HZ
BLOCKS = len(PEDALBOARD)

SWING, SWING_S = 1.5, 0.1  # factor; as long as the policy waits after a change (policy.DWELL_S)
THERMAL_STEP_S = 2.0
PRESETS_EVERY_S = 1.0
SHAKE_SD, SHAKES_AT_ONCE = 0.05, 1024
STALL_NS, STALL_EVERY_S = 200e3, 1.0  # 15 % of the deadline
UNCALIBRATED, UNKNOWN = 1.7, 2.0  # times dearer than the table
NEW_BLOCK = 4  # the left amp
WRONG_BLOCK, WRONG_LEVEL = 0.12, 0.07  # together 20 %
DOUBLED, DOUBLED_AT_S = 2.0, 1.5


@dataclass(frozen=True)
class Scenario:
    """One kind of day. law: of weather.SCENARIOS, from which it is made.

    factors(numbers, seed): times dearer for all blocks, in the periods of these numbers.
    last_stall_ns(numbers, seed): what the last block takes beside, in each of these periods.
    ratios(seed): per block, what it costs over what the table says, from `ratios_from` (share of the run) on.
    told(model, seed): the table that the policy is given.
    """

    says: str
    law: str = "calm"
    factors: Callable[[np.ndarray, int], np.ndarray] | None = None
    last_stall_ns: Callable[[np.ndarray, int], np.ndarray] | None = None
    ratios: Callable[[int], np.ndarray] | None = None
    ratios_from: float = 0.0
    told: Callable[[ChainModel, int], ChainModel] = lambda model, seed: model
    made_by: type[Weather] = Weather

    def weather(self, periods: int, seed: int) -> "Disturbed":
        return Disturbed(self, periods, seed)

    @property
    def stall_probability(self) -> float:
        """Of each block and period, by the laws."""
        return weather.STALL_PROBABILITY * (weather.HOSTILE_STALLS if self.law == "hostile" else 1.0)


class Disturbed:
    """A weather.Weather with what a scenario adds."""

    def __init__(self, scenario: Scenario, periods: int, seed: int):
        self._made = scenario.made_by(BLOCKS, PERIOD_S, (), seed, scenario.law, periods)
        self._scenario, self._seed = scenario, seed
        self._first_ratio = round(scenario.ratios_from * periods)
        self._done = 0
        self.take_extra = self._made.take_extra

    @property
    def next_extra(self) -> tuple[int, float] | None:
        return self._made.next_extra

    def rows(self, periods: int) -> np.ndarray:
        rows = self._made.rows(periods)
        self._disturb(rows)
        self._done += periods
        return rows

    def on_two_cores(self, periods: int) -> tuple[np.ndarray, np.ndarray]:
        both = self._made.on_two_cores(periods)
        for rows in both:
            self._disturb(rows)
        self._done += periods
        return both

    def _disturb(self, rows: np.ndarray) -> None:
        scenario, seed = self._scenario, self._seed
        numbers = self._done + np.arange(len(rows))
        played, muted = rows[:, WEATHER_PERIOD::WEATHER_BLOCK], rows[:, WEATHER_PERIOD + 2 :: WEATHER_BLOCK]
        if scenario.factors:
            factors = scenario.factors(numbers, seed)
            for times in (rows[:, :1], played, muted):
                times *= factors[:, np.newaxis]
        if scenario.ratios:
            since = max(0, self._first_ratio - self._done)
            for times in (played, muted):
                times[since:] *= scenario.ratios(seed)
        if scenario.last_stall_ns:
            rows[:, WEATHER_PERIOD + 1 + WEATHER_BLOCK * (BLOCKS - 1)] += scenario.last_stall_ns(numbers, seed)


class PresetsAllTheTime(Weather):
    """One more block, or another one in its place, every second."""

    def _draw_extras(self, random: np.random.Generator) -> Iterator[tuple[int, float]]:
        time_s = 0.0
        while True:
            time_s += PRESETS_EVERY_S
            yield round(time_s / self._period_s), float(random.choice(weather.EXTRA_NS))


def _swings(numbers: np.ndarray, seed: int) -> np.ndarray:
    return np.where(numbers // round(SWING_S / PERIOD_S) % 2 == 1, SWING, 1.0)


def _thermal_steps(numbers: np.ndarray, seed: int) -> np.ndarray:
    return np.array(weather.THERMAL)[numbers // round(THERMAL_STEP_S / PERIOD_S) % len(weather.THERMAL)]


def _doubled(numbers: np.ndarray, seed: int) -> np.ndarray:
    return np.where(numbers < doubled_at(seed), 1.0, DOUBLED)


def doubled_at(seed: int) -> int:
    """The period in which the load doubles: at another place between two looks of the policy for each seed."""
    return round(DOUBLED_AT_S / PERIOD_S) + seed


def _shakes(numbers: np.ndarray, seed: int) -> np.ndarray:
    first, last = numbers[[0, -1]] // SHAKES_AT_ONCE
    pieces = [np.random.default_rng([seed, 5, n]).normal(0, SHAKE_SD, SHAKES_AT_ONCE) for n in range(first, last + 1)]
    return np.exp(np.concatenate(pieces)[numbers - first * SHAKES_AT_ONCE])


def _last_stall(numbers: np.ndarray, seed: int) -> np.ndarray:
    every = round(STALL_EVERY_S / PERIOD_S)
    return np.where(numbers % every == every - 1 - seed % every, STALL_NS, 0.0)


def _unknown_block(seed: int) -> np.ndarray:
    return np.where(np.arange(BLOCKS) == NEW_BLOCK, UNKNOWN, 1.0)


def _wrong_blocks(seed: int) -> np.ndarray:
    """What engine and policy are wrong about: whole blocks."""
    return np.random.default_rng([seed, 3]).uniform(1 - WRONG_BLOCK, 1 + WRONG_BLOCK, BLOCKS)


def _wrong_levels(model: ChainModel, seed: int) -> ChainModel:
    """What only the policy is wrong about: each level by itself."""
    random = np.random.default_rng([seed, 4])

    def wrong(block):
        factors = random.uniform(1 - WRONG_LEVEL, 1 + WRONG_LEVEL, len(block.call_ns))
        return replace(
            block,
            call_ns=tuple(np.multiply(block.call_ns, factors)),
            frame_ns=tuple(np.multiply(block.frame_ns, factors)),
        )

    return replace(model, blocks=tuple(map(wrong, model.blocks)))


DAYS = {law: Scenario(f"As weather.py says: {law}.", law) for law in weather.SCENARIOS}

ADVERSARIES = {
    "swinging": Scenario(f"The load swings between 1 and {SWING:g}, {1000 * SWING_S:.0f} ms each.", factors=_swings),
    "wrong tables": Scenario(
        f"Each block costs up to {100 * WRONG_BLOCK:.0f} % more or less than engine and policy think, and each level"
        f" another {100 * WRONG_LEVEL:.0f} % more or less than the policy thinks; on a day of bursts.",
        law="bursts",
        ratios=_wrong_blocks,
        told=_wrong_levels,
    ),
    "unknown block": Scenario(
        f"A third into the run the left amp is replaced by one that costs {UNKNOWN:g} times as much, and no table says"
        " so.",
        ratios=_unknown_block,
        ratios_from=1 / 3,
    ),
    "late stall": Scenario(
        f"Once in {STALL_EVERY_S:g} s the last block takes {STALL_NS / 1000:.0f} us more: 15 % of the deadline.",
        last_stall_ns=_last_stall,
    ),
    "presets all the time": Scenario(
        "One more block of 0, 120, 240 or 400 us, another one every second; the policy is told.",
        law="presets",
        made_by=PresetsAllTheTime,
    ),
    "thermal steps": Scenario(
        f"1, 1.15, 1.35, 1.6, 1.25 and 1 times dearer, {THERMAL_STEP_S:g} s each, over and over.",
        factors=_thermal_steps,
    ),
    "shaky": Scenario(
        f"Each period takes another {100 * SHAKE_SD:.0f} % more or less: the sd of a lognormal factor.",
        factors=_shakes,
    ),
    "uncalibrated": Scenario(
        f"Everything costs {UNCALIBRATED:g} times what the table says, from the start; on a day of bursts.",
        law="bursts",
        factors=lambda numbers, seed: np.full(len(numbers), UNCALIBRATED),
    ),
}
STEP = {"doubled": Scenario("After 1.5 s everything costs twice as much, and stays so.", factors=_doubled)}

SCENARIOS: dict[str, Scenario] = DAYS | ADVERSARIES | STEP

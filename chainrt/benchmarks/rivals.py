"""What others do about cost, as small policies: each names where its rule is written down.

They run on the same engine and the same weather as the scheduler, without its reflex. Those that are `free` switch to
a level at once and for nothing, which nobody can build: a level needs 132 ms of history. It is granted to them.
"""

from collections.abc import Sequence
from math import sqrt

import numpy as np

from ..scheduler import NOT_WARM, ChainModel, Fixed, Frontier, Observation, Plan


def plain(levels: Sequence[int], replay: int = 0) -> Plan:
    count = len(levels)
    return Plan(tuple(levels), (NOT_WARM,) * count, (replay,) * count, ("",) * count)


def static(share: float):
    """A knob set once: the best plan that needs no more than this share of the deadline (JACK: 70 %)."""

    def make(chain: ChainModel, budget: float) -> Fixed:
        return Fixed(Frontier(chain).best(share * chain.deadline_ns).levels)

    return make


def at_load_time(chain: ChainModel, budget: float) -> Fixed:
    """lolgab/headrush-nam-mod, patch/nam_hook.cpp: at load time each instance keeps the largest size that costs under
    half of (deadline / instances); it is never asked again."""
    models = sum(len(block.allowed) > 1 for block in chain.blocks)
    most_ns = 0.5 * chain.deadline_ns / max(1, models)
    return Fixed(
        max((level for level in block.allowed if block.cost_ns(level, chain.frames) < most_ns), default=block.smallest)
        for block in chain.blocks
    )


class ThreeStates:
    """fabiohl/NeuralAmpModeler-rs, src/dsp/adaptive.rs: 3 periods over 70 % of the deadline reduce, 3 over 85 % go to
    the minimum, 5 periods under 70 % go back one state. Here one state for all models, `reduced` being the middle
    level."""

    reflex, free = False, True
    REDUCE, MINIMUM, BAD, QUIET = 0.70, 0.85, 3, 5

    def __init__(self, chain: ChainModel, budget: float):
        self.change(chain, budget)
        self._state = 2  # 0 minimal, 1 reduced, 2 full
        self._over_reduce = self._over_minimum = self._quiet = 0

    def change(self, chain: ChainModel, budget: float) -> None:
        self._deadline_ns, self._fixed_ns = chain.deadline_ns, chain.fixed_ns
        self._levels = [
            tuple(block.allowed[(len(block.allowed) - 1) * state // 2] for block in chain.blocks) for state in range(3)
        ]

    def set_budget(self, budget: float) -> None:
        """Its thresholds are fixed."""

    def first_plan(self) -> Plan:
        return plain(self._levels[self._state])

    def decide(self, time_s: float, seen: Observation) -> Plan | None:
        before = self._state
        for load in (seen.measured_ns.sum(axis=1) + self._fixed_ns) / self._deadline_ns:
            self.see(load)
        return None if self._state == before else self.first_plan()

    def see(self, load: float) -> None:
        """One period's load, a share of the deadline."""
        self._over_reduce = self._over_reduce + 1 if load > self.REDUCE else 0
        self._over_minimum = self._over_minimum + 1 if load > self.MINIMUM else 0
        self._quiet = self._quiet + 1 if load <= self.REDUCE else 0
        if self._over_minimum >= self.BAD:
            self._state = 0
        elif self._over_reduce >= self.BAD:
            self._state, self._over_reduce = max(0, min(self._state, 1)), 0
        elif self._quiet >= self.QUIET:
            self._state, self._quiet = min(2, self._state + 1), 0


class Alert:
    """ALERT (Wan et al., USENIX ATC 2020): one Kalman-filtered global slowdown; at each look the best plan that keeps
    the deadline with the probability of `SIGMAS` standard deviations of a Gaussian. With `free` it switches for
    nothing; without, each new level is replayed at double speed until it is warm, and that is paid for."""

    reflex = False
    SIGMAS, PROCESS, NOISE = 3.0, 1e-3, 4e-4

    def __init__(self, chain: ChainModel, budget: float, free: bool = True):
        self.free, self._mean, self._variance = free, 1.0, 1e-2
        self._last: Plan | None = None
        self.change(chain, budget)

    def change(self, chain: ChainModel, budget: float) -> None:
        self._chain, self._frontier = chain, Frontier(chain)

    def set_budget(self, budget: float) -> None:
        """It uses the whole deadline."""

    def first_plan(self) -> Plan:
        margin = self.SIGMAS * sqrt(self._variance + self.NOISE)
        levels = self._frontier.best(self._chain.deadline_ns, self._mean + margin).levels
        self._last = plain(levels, 0 if self.free else self._chain.frames)
        return self._last

    def decide(self, time_s: float, seen: Observation) -> Plan | None:
        last = self._last
        for ratio in (seen.measured_ns.sum(axis=1) / seen.expected_ns.sum(axis=1)).tolist():
            self._variance += self.PROCESS
            gain = self._variance / (self._variance + self.NOISE)
            self._mean += gain * (ratio - self._mean)
            self._variance *= 1 - gain
        return None if self.first_plan() == last else self._last


def alert_charged(chain: ChainModel, budget: float) -> Alert:
    return Alert(chain, budget, free=False)


def twice_the_period(rows: np.ndarray, full_ns: np.ndarray, extra_ns: np.ndarray, deadline_ns: float) -> int:
    """Misses of everything at full in periods twice as long, in the same weather: the same latency without thought.

    rows: two at a time make one period; its wake-up is the first one's. full_ns: per block.
    """
    took = (rows[:, 3::3] * full_ns + rows[:, 4::3]).sum(axis=1) + rows[:, 0] * extra_ns
    pairs = len(rows) // 2
    took = took[: 2 * pairs].reshape(pairs, 2).sum(axis=1) + rows[: 2 * pairs : 2, 1]
    late, misses = 0.0, 0
    for ns in took.tolist():
        late = max(0.0, late + ns - 2 * deadline_ns)
        misses += late > 0
    return misses


RIVALS = {
    "load-time rule": at_load_time,
    "static 70 %": static(0.70),
    "static 55 %": static(0.55),
    "three states": ThreeStates,
    "ALERT, free": Alert,
    "ALERT, charged": alert_charged,
}

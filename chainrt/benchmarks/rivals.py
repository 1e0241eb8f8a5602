"""What others do about cost, as small policies: each names where its rule is written down.

They run on the same engine and the same weather as the scheduler, without its reflex. Each has one knob, which is the
argument of its factory.

Rules kept here:
* Their rules, not their code, and where theirs leaves a choice, the one that is better for them.
* Those that are `free` switch to a level without its past and without paying for it, which nobody can build: a level
  needs 132 ms of history. It is granted to them. The engine's crossfade of 512 frames, in which both sizes run, is not:
  it is the same for all (the one of ThreeStates lasts 32 ms at home).
* `tick` is how many periods pass between two of their looks; where it is not said, as many as between ours.
"""

from collections.abc import Sequence
from math import sqrt

import numpy as np

from ..scheduler import NOT_WARM, BlockModel, ChainModel, Fixed, Frontier, Observation, Plan


def plain(levels: Sequence[int], replay: int = 0) -> Plan:
    count = len(levels)
    return Plan(tuple(levels), (NOT_WARM,) * count, (replay,) * count, ("",) * count)


def static(share: float):
    """A knob set once: the best plan that needs no more than this share of the deadline (JACK: 70 %)."""

    def make(chain: ChainModel, budget: float) -> Fixed:
        return Fixed(Frontier(chain).best(share * chain.deadline_ns).levels)

    return make


def at_load_time(share: float, at_once: bool):
    """lolgab/headrush-nam-mod, patch/nam_hook.cpp, commit e7dc957 (calibrate_slimmable_quality): when an instance is
    loaded, it keeps the largest size that costs under `share` (0.5) of (deadline / instances there are by then); else
    the smallest. It is never asked again.

    at_once: all instances are there before the first is measured, as when a rig is loaded; else they come one by one in
    the order of the chain, so that the first ones see more room.
    """

    def make(chain: ChainModel, budget: float) -> Fixed:
        models = [block for block in chain.blocks if len(block.allowed) > 1]
        levels = {}
        for number, block in enumerate(models, 1):
            most_ns = share * chain.deadline_ns / (len(models) if at_once else number)
            fitting = [level for level in block.allowed if block.cost_ns(level, chain.frames) < most_ns]
            levels[block.id] = max(fitting, default=block.smallest)
        return Fixed(levels.get(block.id, block.largest) for block in chain.blocks)

    return make


class ThreeStates:
    """fabiohl/NeuralAmpModeler-rs, src/dsp/adaptive.rs and pipeline/stages/adaptive_ctrl.rs, commit cab86e9: full,
    reduced, minimal. At full, 3 blocks in a row over `reduce` (0.70 conservative, 0.55 aggressive) of the deadline:
    reduced. At reduced, 3 over `minimal` (0.85, 0.70): minimal; 5 under half of `reduce`: full. At minimal, 5 under
    half of `minimal`: reduced. It looks at every block.

    Sizes as there: a container of two plays its small one at reduced and at minimal; a sliced model 3/4 and 1/2 of its
    channels, 4 at least (n levels are taken to be 2 to n + 1 channels, as in numeric.py). One state for all models.
    """

    reflex, free, tick = False, True, 1
    DEGRADE, RECOVER = 3, 5  # blocks in a row
    CHANNELS, LEAST_CHANNELS = (0.5, 0.75, 1.0), 4
    MINIMAL, REDUCED, FULL = range(3)

    def __init__(self, chain: ChainModel, budget: float, reduce: float = 0.70, minimal: float = 0.85):
        self._reduce, self._minimal = reduce, minimal
        self.change(chain, budget)
        self.state = self.FULL
        self._over = self._under = 0

    def change(self, chain: ChainModel, budget: float) -> None:
        self._deadline_ns, self._fixed_ns = chain.deadline_ns, chain.fixed_ns
        self._levels = [tuple(self._level(block, state) for block in chain.blocks) for state in range(3)]

    def _level(self, block: BlockModel, state: int) -> int:
        if state == self.FULL or len(block.allowed) <= 2:
            return block.largest if state == self.FULL else block.smallest
        most = len(block.allowed) + 1
        channels = max(self.LEAST_CHANNELS, round(self.CHANNELS[state] * most))
        return block.allowed[min(channels, most) - 2]

    def set_budget(self, budget: float) -> None:
        """Its thresholds are fixed."""

    def first_plan(self) -> Plan:
        return plain(self._levels[self.state])

    def decide(self, time_s: float, seen: Observation) -> Plan | None:
        before = self.state
        if seen.audible != self._levels[before]:
            return None  # a crossfade, in which both sizes run, is no load of its models
        for load in (seen.measured_ns.sum(axis=1) + self._fixed_ns) / self._deadline_ns:
            self.see(load)
        return None if self.state == before else self.first_plan()

    def see(self, load: float) -> None:
        """One block's time, a share of the deadline."""
        over = self.state != self.MINIMAL and load > (self._reduce if self.state == self.FULL else self._minimal)
        quiet = 0.5 * (self._minimal if self.state == self.MINIMAL else self._reduce)
        under = self.state != self.FULL and load < quiet
        self._over, self._under = (self._over + 1 if over else 0), (self._under + 1 if under else 0)
        if self._over >= self.DEGRADE:
            self._go(self.state - 1)
        elif self._under >= self.RECOVER:
            self._go(self.state + 1)

    def _go(self, state: int) -> None:
        self.state, self._over, self._under = state, 0, 0


def three_states(reduce: float):
    """`minimal` lies 0.15 above `reduce`, as in both of its modes."""
    return lambda chain, budget: ThreeStates(chain, budget, reduce, reduce + 0.15)


class Threshold:
    """Additive increase, multiplicative decrease (Chiu & Jain 1989, of congestion control) of the share of the deadline
    that the best plan by the table may fill: halved once a period needs more than `most` of the deadline, then for
    HOLD_S nothing; else RISE more a second, up to `most`."""

    reflex, free = False, True
    RISE, HOLD_S = 0.05, 0.1

    def __init__(self, chain: ChainModel, budget: float, most: float = 0.9):
        self._most, self._share = most, most
        self._last_s, self._hold_until_s = 0.0, 0.0
        self.change(chain, budget)

    def change(self, chain: ChainModel, budget: float) -> None:
        self._chain, self._frontier = chain, Frontier(chain)

    def set_budget(self, budget: float) -> None:
        """Its threshold is the budget."""

    def first_plan(self) -> Plan:
        self._plan = plain(self._frontier.best(self._share * self._chain.deadline_ns).levels)
        return self._plan

    def decide(self, time_s: float, seen: Observation) -> Plan | None:
        load = (seen.measured_ns.sum(axis=1).max(initial=0.0) + self._chain.fixed_ns) / self._chain.deadline_ns
        if load > self._most and time_s >= self._hold_until_s:
            self._share, self._hold_until_s = self._share / 2, time_s + self.HOLD_S
        elif load <= self._most:
            self._share = min(self._most, self._share + self.RISE * (time_s - self._last_s))
        self._last_s = time_s
        before = self._plan
        return None if self.first_plan() == before else self._plan


def threshold(most: float):
    return lambda chain, budget: Threshold(chain, budget, most)


class Alert:
    """Like ALERT (Wan et al., USENIX ATC 2020, section 3): one Kalman-filtered global slowdown; at each look the best
    plan that keeps the deadline with the probability of so many standard deviations of a Gaussian. The variances are
    set for this weather, which is in its favour. With `free` it switches for nothing; without, each new level is
    replayed at double speed until it is warm, and that is paid for."""

    reflex = False
    PROCESS, NOISE = 1e-3, 4e-4  # variances a period

    def __init__(self, chain: ChainModel, budget: float, sigmas: float = 3.0, free: bool = True):
        self.free, self._sigmas, self._mean, self._variance = free, sigmas, 1.0, 1e-2
        self._last: Plan | None = None
        self.change(chain, budget)

    def change(self, chain: ChainModel, budget: float) -> None:
        self._chain, self._frontier = chain, Frontier(chain)

    def set_budget(self, budget: float) -> None:
        """It uses the whole deadline."""

    def first_plan(self) -> Plan:
        margin = self._sigmas * sqrt(self._variance + self.NOISE)
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


def alert(sigmas: float, free: bool):
    return lambda chain, budget: Alert(chain, budget, sigmas, free)


def twice_the_period(rows: np.ndarray, full_ns: np.ndarray, extra_ns: np.ndarray, deadline_ns: float) -> np.ndarray:
    """Which periods everything at full misses in periods twice as long, in the same weather.

    rows: two at a time make one period; its wake-up is the first one's. full_ns: per block. extra_ns: per row.
    """
    took = (rows[:, 3::3] * full_ns + rows[:, 4::3]).sum(axis=1) + rows[:, 0] * extra_ns
    pairs = len(rows) // 2
    took = took[: 2 * pairs].reshape(pairs, 2).sum(axis=1) + rows[: 2 * pairs : 2, 1]
    late, missed = 0.0, np.zeros(pairs, bool)
    for number, ns in enumerate(took.tolist()):
        late = max(0.0, late + ns - 2 * deadline_ns)
        missed[number] = late > 0
    return missed

"""How much slower than its cost table the machine is just now.

Why one number: throttling, a busy second core or a slow memory slow down everything that runs, so one global
slowdown explains most of what changes (ALERT, USENIX ATC 2020). What it does not explain is a table that is wrong
for one block: that is one ratio per block, learned slowly.

Rules kept here:
* A stall (the machine looked away for a moment) is not a slowdown: of three consecutive periods the median counts,
  so a single bad one has no effect, and two in a row are believed, however bad they are.
* `latest` is that median. `fast` rises with it within periods and falls more slowly: it decides when to step down.
  `slow` remembers a third of a second: together with `fast` it decides when there is room again. It does not remember
  another pace: when the median was away from it for NEW_PACE_S, always on the same side, it begins anew from `fast`.
* The block ratios keep their mean (weighted by cost), because the slowdown takes what is common to all blocks.
"""

from collections.abc import Sequence
from math import exp

import numpy as np

ATTACK = 0.5  # share of a rise that `fast` follows in one period
RELEASE = 0.15  # share of a fall that `fast` follows in one period
SLOW_MEMORY_S = 1 / 3  # 95 % of the weight in `slow` is younger than this (three time constants)
BLOCK_RATIO_S = 3.0  # time constant of a block's ratio: far above any burst, far below a rehearsal
NEW_PACE = 0.08  # the median differs from `slow` by more: the machine may have changed its pace
NEW_PACE_S = 0.03  # it has, when it differs for so long in one direction
LARGEST_SURPRISE = 2.0  # one period moves a block's ratio as if it were wrong by this factor, never by more
LEAST_SLOWDOWN = 0.1  # a table ten times too dear is a broken measurement: keeps what is divided by it finite


class Estimator:
    def __init__(self, blocks: int, period_s: float):
        self.latest = self.fast = self.slow = 1.0
        self.block_ratio = np.ones(blocks)  # what a block costs / what its table says, common slowdown taken out
        self._period_s = period_s
        self._slow_step = 1 - exp(-3 * period_s / SLOW_MEMORY_S)
        self._previous = (1.0, 1.0)  # slowdown of the last two periods, unfiltered
        self._new_pace = round(NEW_PACE_S / period_s)
        self._apart = 0  # periods for which the median was above `slow` by NEW_PACE; negative: below

    def rearrange(self, places: Sequence[int | None]) -> None:
        """The chain has other blocks now. places: per new block where it was before, or None if it is new."""
        self.block_ratio = np.array([1.0 if place is None else self.block_ratio[place] for place in places])

    @property
    def cautious(self) -> float:
        """The slowdown to plan with when nothing presses."""
        return max(self.fast, self.slow)

    def observe(self, measured_ns: np.ndarray, expected_ns: np.ndarray) -> None:
        """Take in some periods (rows) of all blocks (columns), oldest first."""
        known_ns = expected_ns * self.block_ratio
        worked = known_ns.sum(axis=1) > 0
        if not worked.all():  # periods in which nothing ran say nothing
            measured_ns, expected_ns, known_ns = measured_ns[worked], expected_ns[worked], known_ns[worked]
        if len(known_ns):
            slowdowns = np.maximum(measured_ns.sum(axis=1) / known_ns.sum(axis=1), LEAST_SLOWDOWN)
            self._follow(slowdowns.tolist())
            self._learn_ratios(measured_ns, expected_ns * slowdowns[:, np.newaxis])

    def _follow(self, slowdowns: list[float]) -> None:
        before, last = self._previous
        for slowdown in slowdowns:
            median = sorted((before, last, slowdown))[1]
            self.fast += (ATTACK if median > self.fast else RELEASE) * (median - self.fast)
            self.slow += self._slow_step * (median - self.slow)
            self._notice_a_new_pace(median)
            self.latest = median
            before, last = last, slowdown
        self._previous = before, last

    def _notice_a_new_pace(self, median: float) -> None:
        apart = median / self.slow - 1
        if abs(apart) < NEW_PACE:
            self._apart = 0
            return
        self._apart = max(0, self._apart) + 1 if apart > 0 else min(0, self._apart) - 1
        if abs(self._apart) >= self._new_pace:
            self.slow, self._apart = self.fast, 0

    def _learn_ratios(self, measured_ns: np.ndarray, slowed_ns: np.ndarray) -> None:
        old = self.block_ratio
        seen = np.divide(measured_ns, slowed_ns, out=np.broadcast_to(old, slowed_ns.shape).copy(), where=slowed_ns > 0)
        seen = np.minimum(np.maximum(seen, old / LARGEST_SURPRISE), old * LARGEST_SURPRISE)
        step = 1 - exp(-len(seen) * self._period_s / BLOCK_RATIO_S)
        self.block_ratio = old + step * (seen.sum(axis=0) / len(seen) - old)

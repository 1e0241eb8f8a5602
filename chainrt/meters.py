"""What the engine's records add up to: loads, costs, misses, level changes.

Rule: a distribution keeps counts, not samples, so a night's playing costs no more memory than a minute's.
"""

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

STEP = np.log(1.01)  # a bin is 1 % wide, so a quantile is exact to 1 %
BINS = 2400  # up to 1.01 ** 2400 = 2.3e10
RECENT_TICKS = 3000  # of which the loads are kept one by one: half a minute


class Distribution:
    """Mean and maximum exactly, quantiles to 1 %, of non-negative numbers (nanoseconds)."""

    def __init__(self):
        self._counts = np.zeros(BINS, np.int64)
        self._total = 0.0
        self.count = 0
        self.max = 0.0

    def add(self, values: np.ndarray) -> None:
        if len(values):
            add_to_each([self], values[:, np.newaxis])

    @property
    def mean(self) -> float:
        return self._total / self.count if self.count else 0.0

    def quantile(self, share: float) -> float:
        """The smallest value that `share` (0 to 1) of all values do not exceed; never above `max`."""
        if not self.count:
            return 0.0
        bin_ = int(np.searchsorted(np.cumsum(self._counts), share * self.count))
        return min(float(np.exp((bin_ + 1) * STEP)), self.max)


def add_to_each(distributions: Sequence[Distribution], values: np.ndarray) -> None:
    """values: (at least one, distributions). All in one go, since a simulation does it a hundred times a second."""
    bins = np.minimum((np.log(np.maximum(values, 1.0)) / STEP).astype(np.int64), BINS - 1)
    totals, most = values.sum(axis=0).tolist(), values.max(axis=0).tolist()
    for index, one in enumerate(distributions):
        np.add.at(one._counts, bins[:, index], 1)
        one._total += totals[index]
        one.count += len(values)
        one.max = max(one.max, most[index])


@dataclass(frozen=True)
class LevelChange:
    """A block was heard at another level from `time_s` (seconds from the start) on. Levels by index."""

    time_s: float
    block: int
    before: int
    after: int
    reason: str


@dataclass
class BlockMeter:
    """What one block did so far."""

    cost_ns: Distribution = field(default_factory=Distribution)
    periods_at: np.ndarray = None
    """Per level: periods in which it was heard."""


@dataclass(frozen=True)
class Tick:
    """What the periods between two looks at the engine were like."""

    time_s: float
    """When the last of them was over, in seconds from the start."""
    load_ns: float
    """Mean time that a period took."""
    most_ns: float
    cost_ns: np.ndarray
    """Per block, mean."""


class Meters:
    """Everything that was counted while a chain of blocks with so many levels each ran."""

    def __init__(self, level_counts: list[int]):
        self.load_ns = Distribution()
        self.blocks = [BlockMeter(periods_at=np.zeros(count, np.int64)) for count in level_counts]
        self.changes: list[LevelChange] = []
        self.recent: deque[Tick] = deque(maxlen=RECENT_TICKS)
        self.lost_periods = 0
        """Periods whose records were overwritten before they were read."""

    def add(self, periods: np.ndarray, spent: np.ndarray, time_s: float) -> None:
        """Count PERIOD records (periods,), at least one, and SPENT records (periods, blocks), up to `time_s`."""
        took_ns = periods["spent_ns"]
        cost_ns = spent["measured_ns"].mean(axis=0)
        self.recent.append(Tick(time_s, float(took_ns.mean()), float(took_ns.max()), cost_ns))
        all_ns = np.column_stack([took_ns, spent["measured_ns"]]).astype(float)
        add_to_each([self.load_ns, *(meter.cost_ns for meter in self.blocks)], all_ns)
        for index, meter in enumerate(self.blocks):
            meter.periods_at += np.bincount(spent["audible"][:, index], minlength=len(meter.periods_at))

    def recent_mean(self, ticks: float) -> Tick:
        """The last so many ticks in one."""
        last = list(self.recent)[-max(1, round(ticks)) :]
        if not last:
            return Tick(0.0, 0.0, 0.0, np.zeros(len(self.blocks)))
        return Tick(
            last[-1].time_s,
            float(np.mean([tick.load_ns for tick in last])),
            max(tick.most_ns for tick in last),
            np.mean([tick.cost_ns for tick in last], axis=0),
        )

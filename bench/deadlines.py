"""Policies against scenarios on the virtual clock: misses, fidelity, switches. The weather is the same for all.

    python bench/deadlines.py [--periods 100000] [--seed 0] [--policies a,b] [--scenarios calm,bursts] [--write]

`--write` puts the table into its section of bench/RESULTS.md.

*avoidable*: misses per million periods that the smallest levels would have kept. *expected*: the same in the mean over
when stalls strike (importance of each block's place in the period; much less noise than counting, which needs a
million periods to see a handful). *bound*: the part of it that no scheduler on one core could have prevented at the
load that was played: the stall ended behind the deadline. *utility*: 1 all full, 0 all smallest, missed or held.
"""

import argparse
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT), str(ROOT / "bench")]

import oracle  # noqa: E402
from rivals import RIVALS, twice_the_period  # noqa: E402

from chainrt import weather as laws  # noqa: E402
from chainrt.control import Control  # noqa: E402
from chainrt.layout import HELD  # noqa: E402
from chainrt.numeric import FRAMES, PEDALBOARD, RATE_HZ, numeric_chain  # noqa: E402
from chainrt.performance import Performance  # noqa: E402
from chainrt.scheduler import POLICIES, Adaptive, Frontier  # noqa: E402
from chainrt.simulate import PERIODS_AT_ONCE, extra_block, simulate  # noqa: E402
from chainrt.weather import SCENARIOS, Weather  # noqa: E402

PERIOD_S = FRAMES / RATE_HZ
BUDGET = 0.97
DWELL = 99  # periods: what an A2 remembers
WARMING = 1  # periods at the start of a run that do not count


class Uncounted:
    """Meters that cost nothing; only the changes are kept."""

    lost_periods = 0

    def __init__(self):
        self.changes = []

    def add(self, *records):
        """The bench counts for itself, in large pieces."""


@dataclass
class Score:
    policy: str
    scenario: str
    periods: int
    avoidable: float
    expected: float
    unavoidable: float
    held: float
    longest: int
    utility: float
    regret: float
    changes: float
    seconds: float


def stall_hazard(slack_ns: np.ndarray) -> np.ndarray:
    """Probability that a stall, if there is one, takes longer than this."""
    longer = (laws.STALL_LEAST_NS / np.maximum(slack_ns, laws.STALL_LEAST_NS)) ** laws.STALL_SHAPE
    return np.where(slack_ns >= laws.STALL_MOST_NS, 0.0, longer)


class Score_keeper:
    pass

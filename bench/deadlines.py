"""Policies against scenarios on the virtual clock: misses, fidelity, switches, reaction."""

import sys
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from chainrt.control import Control  # noqa: E402
from chainrt.numeric import FRAMES, PEDALBOARD, RATE_HZ, numeric_chain  # noqa: E402
from chainrt.performance import Performance  # noqa: E402
from chainrt.scheduler import POLICIES  # noqa: E402
from chainrt.simulate import extra_block, simulate  # noqa: E402
from chainrt.weather import SCENARIOS, Weather  # noqa: E402

PERIOD_S = FRAMES / RATE_HZ
AT_ONCE = 4000


class Uncounted:
    lost_periods = 0
    changes = ()

    def __init__(self):
        self.changes = []

    def add(self, *records):
        pass


@dataclass
class Score:
    periods: int
    misses: int
    unavoidable: int
    longest: int
    utility: float
    changes: int
    trips: np.ndarray
    seconds: float
    load: float


def run(make, scenario, periods, seed=0, budget=1.0, keep=None):
    chain, model = numeric_chain(PEDALBOARD)
    policy = make(model, budget)
    control = Control(chain, policy)
    control.meters = Uncounted()
    low = model.utility([b.smallest for b in model.blocks])
    high = model.utility([b.largest for b in model.blocks])
    worth = np.zeros((len(model.blocks), 7))
    for b, block in enumerate(model.blocks):
        worth[b, : len(block.utility)] = block.utility
    total, trips, load, done_before = 0.0, np.zeros(4, int), 0.0, 0
    index = np.arange(len(model.blocks))

    def collect(done, periods_, changes):
        nonlocal total, trips, load, done_before
        if done - done_before >= AT_ONCE or done == periods_:
            rows = np.arange(done_before, done) % len(chain.ring)
            spent, ring = chain.spent[rows], chain.ring[rows]
            util = (worth[index, spent["audible"]].sum(axis=1) - low) / (high - low)
            util[ring["missed"] == 1] = 0
            util[(spent["reflex"] == 3).any(axis=1)] = 0
            total += util.sum()
            trips += np.bincount(spent["reflex"].ravel(), minlength=4)
            load += ring["spent_ns"].sum() / model.deadline_ns
            if keep is not None:
                keep.append((ring.copy(), spent.copy()))
            done_before = done

    weather = Weather(len(model.blocks), PERIOD_S, (), seed, scenario, periods)
    began = time.perf_counter()
    simulate(
        chain,
        control,
        weather,
        periods,
        Performance(chain, np.zeros(FRAMES, np.float32)),
        collect,
        extra_block(chain, control, model, budget),
    )
    e = chain.engine
    return Score(
        periods,
        int(e["misses"]),
        int(e["unavoidable"]),
        int(e["longest_miss_run"]),
        total / periods,
        len(control.meters.changes),
        trips[1:],
        time.perf_counter() - began,
        load / periods,
    )


if __name__ == "__main__":
    periods = int(float(sys.argv[1])) if len(sys.argv) > 1 else 100_000
    names = sys.argv[2].split(",") if len(sys.argv) > 2 else ["adaptive"]
    budget = float(sys.argv[3]) if len(sys.argv) > 3 else 0.9
    scenarios = sys.argv[4].split(",") if len(sys.argv) > 4 else SCENARIOS
    for name in names:
        for scenario in scenarios:
            print(f"{name:10} {scenario:8}", run(POLICIES[name], scenario, periods, budget=budget).line(), flush=True)

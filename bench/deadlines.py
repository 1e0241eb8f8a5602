"""Policies against scenarios on the virtual clock: misses, fidelity, switches. The weather is the same for all.

    python bench/deadlines.py [--periods 100000] [--seed 0] [--policies NAME ...] [--scenarios NAME ...] [--write]

`--write` puts the table into its section of bench/RESULTS.md.

* avoidable: misses per million periods that the smallest levels would have kept, counted.
* late stalls: the part of it, in the mean over all moments at which a stall could have struck, in which the stall
  itself ended behind the deadline: at the load that was played, no scheduler on one core could have prevented it.
  (Counting needs a million periods to see a handful; this needs a few thousand.)
* utility: 1 all blocks full, 0 all at their smallest, or the period missed, or a block held.
* regret: to a clairvoyant that keeps each plan for 99 periods at least, switches for nothing and never misses.
  The row *clairvoyant, N changes* is what is possible at most with no more changes of levels a minute than that.
* changes: of levels that can be heard, a minute. run: longest run of misses.
"""

import argparse
import sys
import time
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np

ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT), str(ROOT / "bench")]

import oracle  # noqa: E402
from results import write_section  # noqa: E402
from rivals import RIVALS, twice_the_period  # noqa: E402

from chainrt import weather as laws  # noqa: E402
from chainrt.control import Control  # noqa: E402
from chainrt.layout import HELD, WEATHER_BLOCK, WEATHER_PERIOD  # noqa: E402
from chainrt.numeric import FRAMES, PEDALBOARD, RATE_HZ, numeric_chain  # noqa: E402
from chainrt.performance import Performance  # noqa: E402
from chainrt.scheduler import POLICIES, Adaptive, Frontier  # noqa: E402
from chainrt.simulate import PERIODS_AT_ONCE, extra_block, simulate  # noqa: E402
from chainrt.weather import SCENARIOS, Weather  # noqa: E402

PERIOD_S = FRAMES / RATE_HZ
BUDGET = 0.97
DWELL = 99  # periods: what an A2 remembers
MOST_CHANGES = {"calm": 6.0, "thermal": 6.0}  # a minute, that a listener may be asked to bear; elsewhere:
MOST_CHANGES_ELSEWHERE = 60.0
AT_ONCE = 4000  # periods counted in one go; the engine's ring holds 8192


def restless(chain, budget):
    """The same scheduler, allowed twice as many changes."""
    return Adaptive(chain, budget, changes_a_minute=120)


POLICIES_HERE = {
    "adaptive": POLICIES["adaptive"],
    "adaptive, 120 changes": restless,
    "full": POLICIES["full"],
    "lite": POLICIES["lite"],
    **RIVALS,
}


class Uncounted:
    """Meters that cost nothing; only the changes are kept."""

    lost_periods = 0

    def __init__(self):
        self.changes = []

    def add(self, *records):
        """The bench counts for itself, in large pieces."""


@dataclass
class Score:
    avoidable: float
    late_stalls: float
    unavoidable: float
    held: float
    longest: int
    utility: float
    regret: float
    changes: float
    seconds: float


class Tally:
    """Counts what a run did, a few thousand periods at a time."""

    def __init__(self, chain, model, hostile: bool):
        self.chain, self.model = chain, model
        self.worth = np.zeros((len(model.blocks), max(len(block.utility) for block in model.blocks)))
        for b, block in enumerate(model.blocks):
            self.worth[b, : len(block.utility)] = block.utility
        self.low = model.utility([block.smallest for block in model.blocks])
        self.high = model.utility([block.largest for block in model.blocks])
        self.stall_share = laws.STALL_PROBABILITY * (laws.HOSTILE_STALLS if hostile else 1.0)
        self.utility = self.late_stalls = 0.0
        self.held = self.done = 0
        self.kept = []

    def __call__(self, done: int, total: int, changes) -> None:
        if done - self.done < AT_ONCE and done < total:
            return
        rows = np.arange(self.done, done) % len(self.chain.ring)
        ring, spent = self.chain.ring[rows], self.chain.spent[rows]
        utility = (self.worth[np.arange(len(self.worth)), spent["audible"]].sum(axis=1) - self.low) / (
            self.high - self.low
        )
        held = (spent["reflex"] == HELD).any(axis=1)
        utility[(ring["missed"] == 1) | held] = 0.0
        self.utility += float(utility.sum())
        self.held += int(held.sum())
        self.late_stalls += self._late_stalls(ring, spent)
        self.kept.append(utility)
        self.done = done

    def _late_stalls(self, ring, spent) -> float:
        """In the mean: stalls that would have ended behind the deadline, though not with all at their smallest."""
        sound_ns = spent["measured_ns"] - spent["muted_ns"]
        slow = sound_ns.sum(axis=1) / np.maximum(1.0, (spent["expected_ns"] - spent["muted_expected_ns"]).sum(axis=1))
        before = ring["late_ns"][:, np.newaxis] + ring["start_ns"][:, np.newaxis] + np.cumsum(sound_ns, axis=1)
        least = slow * self.model.cost_ns([block.smallest for block in self.model.blocks]) + ring["start_ns"]
        deadline = self.model.deadline_ns
        longer = _longer(deadline - before) - _longer(deadline - least - ring["late_ns"])[:, np.newaxis]
        usual = (ring["missed"] == 0) & (sound_ns.max(axis=1) < deadline)
        return float(self.stall_share * np.maximum(longer, 0.0)[usual].sum())


def _longer(slack_ns: np.ndarray) -> np.ndarray:
    """Probability that a stall takes longer than this."""
    longer = (laws.STALL_LEAST_NS / np.maximum(slack_ns, laws.STALL_LEAST_NS)) ** laws.STALL_SHAPE
    return np.where(slack_ns >= laws.STALL_MOST_NS, 0.0, longer)


def weather_rows(scenario: str, periods: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """(all rows of a run, what the one more block costs in each period)."""
    weather = Weather(len(PEDALBOARD), PERIOD_S, (), seed, scenario, periods)
    rows = np.concatenate([weather.rows(PERIODS_AT_ONCE) for _ in range(-(-periods // PERIODS_AT_ONCE))])[:periods]
    extra = np.zeros(periods)
    while weather.next_extra and weather.next_extra[0] < periods:
        at = weather.next_extra[0]
        extra[at:] = weather.take_extra(at)
    return rows, extra


@cache
def best_possible(scenario: str, periods: int, seed: int) -> tuple[float, float, float]:
    """Utility of the clairvoyants: a plan for each period; each plan for 99 periods at least; few changes as well."""
    _, model = numeric_chain(PEDALBOARD)
    frontier = Frontier(model)
    utility = (frontier.utility - frontier.utility[0]) / (frontier.utility[-1] - frontier.utility[0])
    rows, extra = weather_rows(scenario, periods, seed)
    rooms = oracle.room(rows, model.deadline_ns, frontier.cost_ns[0], extra)
    cost_ns = [[block.cost_ns(level, FRAMES) for level in block.allowed] for block in model.blocks]
    all_db = sum(block.utility[block.largest] - block.utility[block.smallest] for block in model.blocks)
    share = [
        [(block.utility[n] - block.utility[block.smallest]) / all_db for n in block.allowed] for block in model.blocks
    ]
    changes = MOST_CHANGES.get(scenario, MOST_CHANGES_ELSEWHERE) * periods * PERIOD_S / 60
    return (
        oracle.per_period(rooms, frontier.cost_ns, utility),
        oracle.with_dwell(rooms, frontier.cost_ns, utility, DWELL),
        oracle.with_changes(rooms, cost_ns, share, model.fixed_ns, DWELL, changes),
    )


def play(make, scenario: str, periods: int, seed: int = 0, budget: float = BUDGET) -> tuple[Score, Tally, Control]:
    """One policy through one scenario."""
    chain, model = numeric_chain(PEDALBOARD)
    policy = make(model, budget)
    if getattr(policy, "free", False):
        for levels in chain.level_records:
            levels["memory"] = 0
    control = Control(chain, policy)
    control.meters = Uncounted()
    tally = Tally(chain, model, scenario == "hostile")
    weather = Weather(len(model.blocks), PERIOD_S, (), seed, scenario, periods)
    performance = Performance(chain, np.zeros(FRAMES, np.float32))
    began = time.perf_counter()
    simulate(chain, control, weather, periods, performance, tally, extra_block(chain, control, model, budget))
    engine, million = chain.engine, 1e6 / periods
    unavoidable, utility = int(engine["unavoidable"]), tally.utility / periods
    score = Score(
        avoidable=million * (int(engine["misses"]) - unavoidable),
        late_stalls=million * tally.late_stalls,
        unavoidable=million * unavoidable,
        held=million * tally.held,
        longest=int(engine["longest_miss_run"]),
        utility=utility,
        regret=best_possible(scenario, periods, seed)[1] - utility,
        changes=len(control.meters.changes) / (periods * PERIOD_S / 60),
        seconds=time.perf_counter() - began,
    )
    return score, tally, control


HEADER = (
    "| policy | scenario | avoidable | late stalls | unavoidable | held | run | utility | regret | changes |\n"
    "|---|---|---|---|---|---|---|---|---|---|"
)


def row(policy: str, scenario: str, score: Score) -> str:
    return (
        f"| {policy} | {scenario} | {score.avoidable:,.0f} | {score.late_stalls:,.1f} | {score.unavoidable:,.0f} |"
        f" {score.held:,.0f} | {score.longest:,} | {score.utility:.3f} | {score.regret:+.3f} | {score.changes:,.1f} |"
    )


def double_row(scenario: str, periods: int, seed: int) -> str:
    """Everything at full in periods twice as long."""
    _, model = numeric_chain(PEDALBOARD)
    rows, extra = weather_rows(scenario, periods, seed)
    full = np.array([block.cost_ns(block.largest, FRAMES) for block in model.blocks])
    assert rows.shape[1] == WEATHER_PERIOD + WEATHER_BLOCK * len(full)
    misses = twice_the_period(rows, full, extra, model.deadline_ns) / (periods // 2)
    utility = 1 - misses
    regret = best_possible(scenario, periods, seed)[1] - utility
    return (
        f"| full, twice the period | {scenario} | {1e6 * misses:,.0f} | | | | | {utility:.3f} | {regret:+.3f} | 0.0 |"
    )


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--periods", type=lambda text: int(float(text)), default=100_000)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--policies", metavar="NAME", nargs="+", default=[*POLICIES_HERE, "twice"])
    parser.add_argument("--scenarios", metavar="NAME", nargs="+", default=SCENARIOS)
    parser.add_argument("--write", action="store_true", help="write the table into bench/RESULTS.md")
    options = parser.parse_args()
    lines = [HEADER]
    print(HEADER)

    def tell(line: str) -> None:
        lines.append(line)
        print(line, flush=True)

    for scenario in options.scenarios:
        for name in options.policies:
            if name == "twice":
                tell(double_row(scenario, options.periods, options.seed))
            else:
                score, _, _ = play(POLICIES_HERE[name], scenario, options.periods, options.seed)
                tell(row(name, scenario, score))
        each, dwell, few = best_possible(scenario, options.periods, options.seed)
        tell(f"| *clairvoyant, each period* | {scenario} | 0 | | | | | {each:.3f} | {dwell - each:+.3f} | |")
        tell(f"| *clairvoyant, 99 periods* | {scenario} | 0 | | | | | {dwell:.3f} | +0.000 | |")
        most = MOST_CHANGES.get(scenario, MOST_CHANGES_ELSEWHERE)
        tell(
            f"| *clairvoyant, {most:.0f} changes* | {scenario} | 0 | | | | | {few:.3f} | {dwell - few:+.3f} |"
            f" {most:.1f} |"
        )
    if options.write:
        about = (
            f"`python bench/deadlines.py --periods {options.periods} --seed {options.seed}`: per million periods of 64"
            f" frames, {options.periods:,} periods a row; the numeric pedalboard of `chainrt/numeric.py` (all full 86 %"
            f" of the deadline, all smallest 23.5 %), budget {100 * BUDGET:.0f} %. What the columns mean is said at the"
            " head of the script; zero in N periods proves at most 3/N.\n\n"
        )
        page = ROOT / "bench" / "RESULTS.md"
        write_section(page, "deadlines", "Deadlines and fidelity, simulated", about + "\n".join(lines))


if __name__ == "__main__":
    main()

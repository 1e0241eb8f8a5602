"""One policy through one scenario on the virtual clock: misses, fidelity, switches. The weather is the same for all.

* avoidable: misses that the smallest levels would have kept, counted.
* late stalls: the part of it, in the mean over all moments at which a stall could have struck, in which it came when
  its block had begun and left less than the smallest levels of all later blocks need: at the load that was played, no
  scheduler on one core could have prevented it. (Counting needs a million periods to see a handful; this needs a few
  thousand.)
* utility: 1 all blocks full; 0 all at their smallest, a period missed, a block held, or the understudy heard.
* held: periods in which a block was not computed. cold: falls to a level that did not know its past: a wrong moment.
* changes: of levels that can be heard; with a second core from lead to understudy and back, too.
* With a second core, where the smallest levels are what plays in need, no miss is excused as unavoidable.
* longest: run of misses.
"""

from dataclasses import dataclass
from functools import cache

import numpy as np

from .. import weather as laws
from ..control import Control
from ..layout import COLD, HELD
from ..numeric import FRAMES, PEDALBOARD, numeric_chain
from ..pair import Pair
from ..performance import Performance
from ..scheduler import Frontier
from ..simulate import PERIODS_AT_ONCE, extra_block, simulate
from . import oracle, rivals
from .contestants import BUDGET
from .scenarios import PERIOD_S, SCENARIOS

DWELL = 99  # periods: what an A2 remembers
MOST_CHANGES = {"calm": 6.0, "thermal": 6.0}  # a minute, that a listener may be asked to bear; elsewhere:
MOST_CHANGES_ELSEWHERE = 60.0
AT_ONCE = 4000  # periods counted in one go; the engine's ring holds 8192
RESPONSE_EDGES = np.geomspace(0.1, 10.0, 121)
"""Of the bins of response times, shares of the deadline; what lies outside is in the first or the last bin."""


class Uncounted:
    """Meters that cost nothing; only the changes are kept."""

    lost_periods = 0

    def __init__(self):
        self.changes = []

    def add(self, *records):
        """The bench counts for itself, in large pieces."""


@dataclass(frozen=True)
class Score:
    """Counts of one run; utility is the sum over its periods."""

    periods: int
    misses: int
    unavoidable: int
    late_stalls: float
    held: int
    cold: int
    longest: int
    utility: float
    changes: int

    @property
    def avoidable(self) -> int:
        return self.misses - self.unavoidable


class Tally:
    """Counts what a run did, a few thousand periods at a time."""

    def __init__(self, chain, model, stall_probability: float, pair: Pair | None = None):
        """pair: of which the chain is the lead. Its understudy has to be in time, and all is heard a period later."""
        self.chain, self.model, self.stall_share = chain, model, stall_probability
        self.in_time = pair.understudy if pair else chain
        self.late = pair.late // chain.frames if pair else 0
        self.worth = np.zeros((len(model.blocks), max(len(block.utility) for block in model.blocks)))
        for b, block in enumerate(model.blocks):
            self.worth[b, : len(block.utility)] = block.utility
        self.low = model.utility([block.smallest for block in model.blocks])
        self.high = model.utility([block.largest for block in model.blocks])
        self.utility = self.late_stalls = 0.0
        self.held = self.cold = self.done = 0
        self.responses = np.zeros(len(RESPONSE_EDGES) - 1, int)

    def __call__(self, done: int, total: int, changes) -> None:
        if done - self.done < AT_ONCE and done < total:
            return
        ring, spent = self.records(self.done, done)
        self.utility += float(self.utilities(ring, spent).sum())
        self.held += int(_is_held(spent).sum())
        self.cold += int((spent["reflex"] == COLD).sum())
        self.late_stalls += self._late_stalls(
            ring, self.in_time.spent[np.arange(self.done, done) % len(self.chain.ring)]
        )
        response = (ring["late_ns"] + ring["spent_ns"]) / self.model.deadline_ns
        self.responses += np.histogram(np.clip(response, RESPONSE_EDGES[0], RESPONSE_EDGES[-1]), RESPONSE_EDGES)[0]
        self.done = done

    def records(self, first: int, end: int) -> tuple[np.ndarray, np.ndarray]:
        """(PERIOD records of what has to be in time, SPENT records of what is heard) of these periods."""
        periods, size = np.arange(first, end), len(self.chain.ring)
        return self.in_time.ring[periods % size], self.chain.spent[(periods - self.late) % size]

    def utilities(self, ring: np.ndarray, spent: np.ndarray) -> np.ndarray:
        """Of each period: 1 all at full; 0 all at their smallest, missed, or a block not computed."""
        worth = self.worth[np.arange(len(self.worth)), spent["audible"]].sum(axis=1)
        lost = (ring["missed"] == 1) | (ring["stands_in"] == 1) | _is_held(spent)
        return np.where(lost, 0.0, (worth - self.low) / (self.high - self.low))

    def _late_stalls(self, ring, spent) -> float:
        """In the mean: stalls after which even the smallest levels of what was still to come would have been late."""
        sound_ns = spent["measured_ns"] - spent["muted_ns"]
        slow = sound_ns.sum(axis=1) / np.maximum(1.0, (spent["expected_ns"] - spent["muted_expected_ns"]).sum(axis=1))
        before = ring["late_ns"][:, np.newaxis] + ring["start_ns"][:, np.newaxis] + np.cumsum(sound_ns, axis=1)
        least = np.array([block.cost_ns(block.smallest, self.model.frames) for block in self.model.blocks])
        to_come = slow[:, np.newaxis] * (least.sum() - np.cumsum(least))
        all_least = slow * (self.model.fixed_ns + least.sum()) + ring["start_ns"] + ring["late_ns"]
        deadline = self.model.deadline_ns
        late = longer(deadline - before - to_come) - longer(deadline - all_least)[:, np.newaxis]
        usual = (ring["missed"] == 0) & (sound_ns.max(axis=1) < deadline)
        return float(self.stall_share * np.maximum(late, 0.0)[usual].sum())


class Keeping(Tally):
    """Keeps all records of a run that is shorter than the engine's ring."""

    def __call__(self, done: int, total: int, changes) -> None:
        super().__call__(done, total, changes)
        if done == total:
            self.ring, self.spent = (records.copy() for records in self.records(0, done))

    @property
    def utility_of_all(self) -> np.ndarray:
        return self.utilities(self.ring, self.spent)


def _is_held(spent: np.ndarray) -> np.ndarray:
    return (spent["reflex"] == HELD).any(axis=1)


def longer(slack_ns: np.ndarray) -> np.ndarray:
    """Probability that a stall takes longer than this."""
    share = (laws.STALL_LEAST_NS / np.maximum(slack_ns, laws.STALL_LEAST_NS)) ** laws.STALL_SHAPE
    return np.where(slack_ns >= laws.STALL_MOST_NS, 0.0, share)


def weather_rows(scenario: str, periods: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """(all rows of a run, what the one more block costs in each period)."""
    weather = SCENARIOS[scenario].weather(periods, seed)
    rows = np.concatenate([weather.rows(PERIODS_AT_ONCE) for _ in range(-(-periods // PERIODS_AT_ONCE))])[:periods]
    extra = np.zeros(periods)
    while weather.next_extra and weather.next_extra[0] < periods:
        at = weather.next_extra[0]
        extra[at:] = weather.take_extra(at)
    return rows, extra


@cache
def best_possible(scenario: str, periods: int, seed: int) -> tuple[float, float]:
    """Utility of the clairvoyants: (a plan for each period, each plan for 99 periods at least)."""
    made = SCENARIOS[scenario]
    rows, extra = weather_rows(scenario, periods, seed)
    _, model = numeric_chain(PEDALBOARD)
    turns = round(made.ratios_from * periods) if made.ratios else 0
    pieces = [(0, turns, model)] if turns else []
    pieces += [(turns, periods, model.corrected(made.ratios(seed)) if made.ratios else model)]
    each = dwell = 0.0
    for begin, end, true in pieces:
        frontier = Frontier(true)
        utility = (frontier.utility - frontier.utility[0]) / (frontier.utility[-1] - frontier.utility[0])
        rooms = oracle.room(rows[begin:end], true.deadline_ns, frontier.cost_ns[0], extra[begin:end])
        share = (end - begin) / periods
        each += share * oracle.per_period(rooms, frontier.cost_ns, utility)
        dwell += share * oracle.with_dwell(rooms, frontier.cost_ns, utility, DWELL)
    return each, dwell


def twice_the_period(scenario: str, periods: int, seed: int) -> Score:
    """Everything at full in periods twice as long: the same latency without thought. All its misses count as avoidable.

    Its `periods` are the short ones, so that rates are by the same time.
    """
    _, model = numeric_chain(PEDALBOARD)
    rows, extra = weather_rows(scenario, periods, seed)
    full = np.array([block.cost_ns(block.largest, FRAMES) for block in model.blocks])
    missed = rivals.twice_the_period(rows, full, extra, model.deadline_ns)
    return Score(
        periods=periods,
        misses=2 * int(missed.sum()),
        unavoidable=0,
        late_stalls=0.0,
        held=0,
        cold=0,
        longest=2 * longest_run(missed),
        utility=2.0 * int((~missed).sum()),
        changes=0,
    )


def few_changes(scenario: str, periods: int, seed: int) -> Score:
    """The clairvoyant that may change no more levels a minute than a listener is asked to bear: a bound, see oracle.py.

    scenario: one in which everything costs what the table says.
    """
    rows, extra = weather_rows(scenario, periods, seed)
    _, model = numeric_chain(PEDALBOARD)
    cost_ns = [[block.cost_ns(level, FRAMES) for level in block.allowed] for block in model.blocks]
    gains = [
        [block.utility[level] - block.utility[block.smallest] for level in block.allowed] for block in model.blocks
    ]
    most = sum(gain[-1] for gain in gains)
    rooms = oracle.room(rows, model.deadline_ns, model.cost_ns([block.smallest for block in model.blocks]), extra)
    changes = MOST_CHANGES.get(scenario, MOST_CHANGES_ELSEWHERE) * periods * PERIOD_S / 60
    shares = [[value / most for value in gain] for gain in gains]
    utility = oracle.with_changes(rooms, cost_ns, shares, model.fixed_ns, DWELL, changes)
    return Score(periods, 0, 0, 0.0, 0, 0, 0, utility * periods, round(changes))


def longest_run(missed: np.ndarray) -> int:
    """The most True in a row."""
    edges = np.flatnonzero(np.diff(np.concatenate([[0], missed.astype(int), [0]])))
    return int((edges[1::2] - edges[::2]).max(initial=0))


def play(
    make, scenario: str, periods: int, seed: int = 0, budget: float = BUDGET, tally_by=Tally
) -> tuple[Score, Tally, Control]:
    """One policy through one scenario. make(ChainModel, budget): a Policy; tally_by: Tally or a kind of it."""
    made = SCENARIOS[scenario]
    chain, model = numeric_chain(PEDALBOARD)
    told = made.told(model, seed)
    policy = make(told, budget)
    if getattr(policy, "free", False):
        for levels in chain.level_records:
            levels["memory"] = 0
    control = Control(chain, policy)
    control.meters = Uncounted()
    pair = Pair(chain) if getattr(policy, "two_cores", False) else None
    tally = tally_by(chain, model, made.stall_probability, pair)
    weather = made.weather(periods, seed)
    performance = Performance(tally.in_time, np.zeros(FRAMES, np.float32))
    extra, tick = extra_block(chain, control, told, budget, pair), getattr(policy, "tick", None)
    simulate(chain, control, weather, periods, performance, tally, extra, pair, tick)
    engine = tally.in_time.engine
    score = Score(
        periods=periods,
        misses=int(engine["misses"]),
        unavoidable=0 if pair else int(engine["unavoidable"]),
        late_stalls=tally.late_stalls,
        held=tally.held,
        cold=tally.cold,
        longest=int(engine["longest_miss_run"]),
        utility=tally.utility,
        changes=len(control.meters.changes) + (pair.changes if pair else 0),
    )
    return score, tally, control

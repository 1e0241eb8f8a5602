"""When to move: the closed loop from what the engine measured to the next plan.

Why not simply the best plan at every tick: each move can be heard, going up has to be paid for before it sounds, and
a load that swings would swing the sound. So stepping down is quick and stepping up takes its time.

Rules `Adaptive` keeps:
* The *budget* binds what is heard: levels whose predicted cost exceeds it are left at once. A plan is chosen to fit
  with MARGIN to spare, so that the next flicker does not overthrow it.
* The *reserve* is a share of the time between budget and deadline, lent to muted work only: warming up a level on its
  way, insurance, replay. Why that is right: muted work is let go at the next tick and nobody hears it. Why it is
  needed: with two amps at 66 % of a deadline and a budget of 70 %, neither could the second be warmed up within the
  budget nor any of them be insured. With reserve 0 all that runs stays within the budget (only a fall exceeds it).
* Down: at the tick in which the fast slowdown says the budget is exceeded, as far as the latest periods demand. No
  block steps up in that tick. When the way there (old and new level both run) does not fit the deadline, only levels
  that are ready are asked for, or else the smallest.
* Up: when the best plan at the slow *and* the fast slowdown is richer, nothing is on its way, and no hold-off lasts.
  Blocks that gain most start first; the first may warm up on the reserve, others join it only within the budget, the
  rest waits for its turn. Blocks that pay for it step down along with the first. A warm-up for which there is no room
  any more is given up.
* Every change is followed by DWELL_S without a step up. A fall within REGRET_S of a step up shows that it was a
  mistake: then FIRST_HOLD_S, doubled each time up to LONGEST_HOLD_S. So no load can make it swing for long.
"""

from collections.abc import Callable, Iterable
from math import inf
from operator import attrgetter
from typing import Protocol

from .estimator import Estimator
from .insurance import arrives_at, running_ns, spend_spare_time
from .planner import Choice, choose, least_share
from .records import NOT_WARM, BlockModel, ChainModel, Observation, Plan

MARGIN = 0.04  # share of the capacity that a new plan leaves free: twice the jitter of an ordinary block
RESCUE = 0.95  # share of the deadline that catching up may fill when a block has to fall and is not warm
DWELL_S = 0.3
REGRET_S = 5.0
FIRST_HOLD_S, LONGEST_HOLD_S = 1.0, 8.0
TABLE_DRIFT = 0.01  # tables are corrected anew when a block's ratio has moved by this much: below any decision


class Policy(Protocol):
    """What the control thread talks to. Time is seconds on any clock that only goes forward."""

    reflex: bool
    """True: the engine lets blocks fall to their smallest level, within the period, when its time runs out."""

    def first_plan(self) -> Plan:
        """The plan to start an engine with. All its targets may be heard at once."""

    def decide(self, time_s: float, seen: Observation) -> Plan | None:
        """The new plan, or None: go on as before."""

    def set_budget(self, budget: float) -> None:
        """Change the share of the deadline that may be used."""

    def change(self, chain: ChainModel, budget: float) -> None:
        """The chain has become another while playing: a block bypassed, back, added or gone; or the budget has.

        Blocks are known again by their id. The next `decide` answers with a plan for the new chain; who starts a new
        engine for it asks `first_plan` instead.
        """


class Fixed:
    """Every block at one level for ever: what a player without a scheduler has.

    rule: which level a block has, for chains that change while they play; without it none of their blocks may come
    or go.
    """

    reflex = False

    def __init__(self, levels: Iterable[int], rule: Callable[[BlockModel], int] | None = None):
        self._rule = rule
        self._set(levels)

    def _set(self, levels: Iterable[int]) -> None:
        levels = tuple(levels)
        self._plan = Plan(levels, (NOT_WARM,) * len(levels), (0,) * len(levels), ("",) * len(levels))
        self._is_news = False

    def first_plan(self) -> Plan:
        self._is_news = False
        return self._plan

    def decide(self, time_s: float, seen: Observation) -> Plan | None:
        return self.first_plan() if self._is_news else None

    def set_budget(self, budget: float) -> None:
        """A fixed plan does not ask what it costs."""

    def change(self, chain: ChainModel, budget: float) -> None:
        if self._rule:
            self._set(map(self._rule, chain.blocks))
        self._is_news = True


class Adaptive:
    """The richest sound that fits the budget, whatever the machine does."""

    reflex = True

    def __init__(self, chain: ChainModel, budget: float, reserve: float = 0.5):
        if not 0 <= reserve <= 1:
            raise ValueError(f"reserve {reserve} is not between 0 and 1")
        self.estimator = Estimator(len(chain.blocks), chain.deadline_ns / 1e9)
        self._table = self._chain = chain  # as calibrated; as corrected by what was measured
        self._ratios = self.estimator.block_ratio  # those that `_chain` was corrected with
        self._reserve = reserve
        self._quiet_until_s = self._last_raise_s = self._last_fall_s = -inf
        self._hold_s = 0.0
        self._content_at = inf  # from this slowdown on nothing richer than the target fits, so it is not looked for
        self.set_budget(budget)
        self._target = self._best(chain, slowdown=1.0).levels
        self._plan: Plan | None = None  # what the engine was told last

    def change(self, chain: ChainModel, budget: float) -> None:
        places = {block.id: place for place, block in enumerate(self._chain.blocks)}
        places = [places.get(block.id) for block in chain.blocks]
        before = self._target
        self.estimator.rearrange(places)
        self._table, self._ratios = chain, self.estimator.block_ratio
        self._chain = chain.corrected(self._ratios)
        self.set_budget(budget)
        best = self._best(self._chain, self.estimator.cautious).levels
        self._target = tuple(
            best[b] if place is None or before[place] not in block.allowed else before[place]
            for b, (block, place) in enumerate(zip(chain.blocks, places, strict=True))
        )
        self._plan = None

    def set_budget(self, budget: float) -> None:
        if not 0 < budget <= 1:
            raise ValueError(f"budget {budget} is not above 0 and at most 1")
        deadline_ns = self._table.deadline_ns
        self._capacity_ns = budget * deadline_ns
        self._ceiling_ns = self._capacity_ns + self._reserve * (deadline_ns - self._capacity_ns)
        self._rescue_ns = max(self._ceiling_ns, RESCUE * deadline_ns)
        self._quiet_until_s = -inf  # who turns the knob wants to hear it now
        self._content_at = inf

    def first_plan(self) -> Plan:
        self._target = self._best(self._chain, self.estimator.cautious).levels
        ready = [[level == now for level in range(len(b.call_ns))] for b, now in self._by_block(self._target)]
        self._plan = self._with_muted_work(self._target, self._target, ready, "")
        return self._plan

    def decide(self, time_s: float, seen: Observation) -> Plan | None:
        self.estimator.observe(seen.measured_ns, seen.expected_ns)
        self._correct_tables()

        target, reason = self._step_down(seen)
        if target != self._target:
            self._hold_off(time_s)
        elif time_s >= self._quiet_until_s:
            target, reason = self._step_up(seen)
            if target != self._target:
                self._last_raise_s = time_s
                self._quiet_until_s = time_s + DWELL_S

        plan = self._with_muted_work(target, seen.audible, seen.ready, reason)
        if target != self._target:
            self._target, self._content_at = target, inf
        if plan == self._plan:
            return None
        self._plan = plan
        return plan

    def _step_down(self, seen: Observation) -> tuple[tuple[int, ...], str]:
        """The levels to fall to and why; the present ones when nothing presses."""
        heard = arrives_at(self._target, seen.audible, seen.ready)
        share = self._chain.cost_ns(self._target) * self.estimator.fast / self._capacity_ns
        if share > 1:
            return self._lowered(heard, seen), self._complaint(share)
        climbing = any(goal > now for goal, now in zip(self._target, heard, strict=True))
        way_ns = running_ns(self._chain, self._target, seen.audible, seen.ready) * self.estimator.cautious
        if climbing and way_ns > self._ceiling_ns:
            return tuple(map(min, self._target, heard)), "no room to warm up"
        return self._target, ""

    def _lowered(self, heard: tuple[int, ...], seen: Observation) -> tuple[int, ...]:
        slowdown = max(self.estimator.fast, self.estimator.latest)
        tops = tuple(map(min, self._target, heard))
        below = [
            tuple(level for level in block.allowed if level <= top) or block.allowed[:1]
            for block, top in self._by_block(tops)
        ]
        levels = self._best(self._chain.limited(below), slowdown).levels
        if running_ns(self._chain, levels, seen.audible, seen.ready) * slowdown <= self._rescue_ns:
            return levels
        at_hand = [
            tuple(level for level in allowed if level == allowed[0] or ready[level])
            for allowed, ready in zip(below, seen.ready, strict=True)
        ]
        return self._best(self._chain.limited(at_hand), slowdown).levels

    def _complaint(self, share: float) -> str:
        least = least_share(self._chain, self._capacity_ns, self.estimator.fast)
        if least > 1:
            return f"even all-lite needs {100 * least:.0f} % of budget"
        return f"load {100 * share:.0f} % of budget"

    def _step_up(self, seen: Observation) -> tuple[tuple[int, ...], str]:
        """Richer levels and why; the present ones when there is no room or something is still on its way."""
        now, slowdown = self._target, self.estimator.cautious
        if slowdown >= self._content_at or arrives_at(now, seen.audible, seen.ready) != now:
            return now, ""
        goal = self._best(self._chain, slowdown)
        if not goal.fits or goal.utility <= self._chain.utility(now):
            self._content_at = slowdown
            return now, ""

        gain = [block.utility[goal.levels[b]] - block.utility[now[b]] for b, block in enumerate(self._chain.blocks)]
        climbers = sorted((b for b in range(len(now)) if goal.levels[b] > now[b]), key=lambda b: -gain[b])
        levels, room_ns = tuple(map(min, now, goal.levels)), (1 - MARGIN) * self._ceiling_ns
        for b in climbers:
            trial = (*levels[:b], goal.levels[b], *levels[b + 1 :])
            if running_ns(self._chain, trial, seen.audible, seen.ready) * slowdown <= room_ns:
                levels, room_ns = trial, (1 - MARGIN) * self._capacity_ns
        if self._chain.utility(levels) <= self._chain.utility(now):
            return now, ""
        share = self._chain.cost_ns(now) * slowdown / self._capacity_ns
        return levels, f"room again: {100 * share:.0f} % of budget"

    def _hold_off(self, time_s: float) -> None:
        """After a fall: no step up for a while, and ever longer while steps up prove to be mistakes."""
        if self._last_raise_s > self._last_fall_s:  # later falls of the same trouble are no further mistakes
            regretted = time_s - self._last_raise_s <= REGRET_S
            self._hold_s = min(max(FIRST_HOLD_S, 2 * self._hold_s), LONGEST_HOLD_S) if regretted else 0.0
        self._last_fall_s = time_s
        self._quiet_until_s = time_s + max(DWELL_S, self._hold_s)

    def _with_muted_work(self, target: tuple[int, ...], audible, ready, reason: str) -> Plan:
        reasons = tuple(reason if new != old else "" for new, old in zip(target, self._target, strict=True))
        return spend_spare_time(
            self._chain,
            target,
            audible,
            ready,
            ceiling_ns=self._ceiling_ns / self.estimator.cautious,
            rescue_ns=self._rescue_ns / max(self.estimator.fast, self.estimator.latest),
            reason=reasons,
        )

    def _best(self, chain: ChainModel, slowdown: float) -> Choice:
        return choose(chain, (1 - MARGIN) * self._capacity_ns, slowdown)

    def _correct_tables(self) -> None:
        ratios = self.estimator.block_ratio
        if (abs(ratios / self._ratios - 1) > TABLE_DRIFT).any():
            self._chain, self._ratios, self._content_at = self._table.corrected(ratios), ratios, inf

    def _by_block(self, levels: tuple[int, ...]):
        return zip(self._chain.blocks, levels, strict=True)


def full(chain: ChainModel, budget: float) -> Fixed:
    """Every block at its largest level, whatever it costs."""
    largest = attrgetter("largest")
    return Fixed(map(largest, chain.blocks), largest)


def lite(chain: ChainModel, budget: float) -> Fixed:
    """Every block at its smallest level, whatever is left unused."""
    smallest = attrgetter("smallest")
    return Fixed(map(smallest, chain.blocks), smallest)


POLICIES: dict[str, Callable[[ChainModel, float], Policy]] = {"adaptive": Adaptive, "full": full, "lite": lite}

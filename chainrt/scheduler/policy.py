"""When to move: the closed loop from what the engine measured to the next plan.

Why not simply the best plan at every tick: each move can be heard, going up has to be paid for before it sounds, and
a load that swings would swing the sound. So stepping down is quick and stepping up takes its time.

Rules `Adaptive` keeps:
* The *budget* binds what is heard. A plan is chosen to fit with MARGIN to spare, and with the headroom that the reflex
  has asked for (headroom.py), so that the next flicker does not overthrow it.
* The *reserve* is a share of the time between budget and deadline. It is lent to muted work: warming up a level on its
  way, insurance, replay; and for a third of a second to a load that grows. Why that is right: muted work comes after
  the sound and is let go when time runs out. Why it is needed: with two amps at 66 % of a deadline and a budget of
  70 %, neither could the second be warmed up within the budget nor any of them be insured. With reserve 0 all that
  runs stays within the budget (only a fall exceeds it).
* Down: at the tick in which the reserve is exceeded by the fast slowdown of a machine that changes its pace (by the
  latest, if it leaps), or the budget, less the headroom, by the slow one. A flicker at the pace of now is left to the
  reflex, which brings a block back within milliseconds: a fall by plan has to be warmed up for again, and near the
  deadline there may never be time for that.
  When the way there (old and new level both run) does not fit the deadline, only levels that are ready are asked for,
  or else the smallest. What the reflex has let fall stays down if it would have to fall anyhow, one change, not three;
  unless another had better fall in its place, and by more than the changes are worth.
* Up: when the best plan at the slow *and* the fast slowdown is richer by what a change is worth, nothing is on its
  way, and the listener's patience allows it (patience.py). Blocks that gain most start first; the first may warm up on
  the reserve, others join it only within the budget, the rest waits for its turn. Blocks that pay for it step down
  along with the first. When there is no time to warm up for that plan, the best step is taken for which there is
  (exchange.py). A warm-up for which a new pace leaves no room is given up; after a flicker it goes on.
* Back: when there is none either, and what is missed has lasted, some blocks fall for a moment so that others can warm
  up (detour.py); its stops are then taken one after the other, while they fit.
* A chain that becomes another (a block is switched on) is no surprise: what does not fit with MARGIN falls by plan, at
  once, and trips in the first NEWS_S are not taken for noise.
* Every change is followed by DWELL_S without a step up.
* The reflex is told whom to give up first: who loses the least utility for a nanosecond.
"""

from dataclasses import replace
from math import inf
from operator import gt, lt
from typing import Protocol

import numpy as np

from .detour import detour
from .estimator import Estimator
from .exchange import exchanged
from .frontier import Frontier
from .headroom import Headroom
from .insurance import arrives_at, running_ns, spend_spare_time
from .patience import Patience
from .planner import Choice, choose, least_share
from .records import ChainModel, Observation, Plan, differences

MARGIN = 0.03  # share of the capacity that a new plan leaves free: more than the jitter of an ordinary chain
RESCUE = 0.95  # share of the deadline that catching up may fill when a block has to fall and is not warm
DWELL_S = 0.1
MOST_CHANGES_A_MINUTE = 57.0  # that can be heard, in the long run
PAYS_S = 1.0  # a detour is taken when what it loses in so many seconds has been missed since the last change
LOOK_S = 1.0  # between two looks for one
MOST_GOALS = 8  # plans to which one is looked for
NEWS_S = 0.3  # in which trips say nothing about the noise, since the chain has become another
DEBT_S = 0.1  # in which a block that the reflex let fall may come back by itself
STALL_SHARE = 0.05  # of the deadline, beyond what jitter is
CHANGING = 0.08  # the fast slowdown differs by so much from the slow one: the machine is changing its pace
SLOWDOWN_GRAIN = 64  # muted work is planned anew when the slowdown moves by one part in so many
TABLE_DRIFT = 0.01  # tables are corrected anew when a block's ratio has moved by this much: below any decision


class Policy(Protocol):
    """What the control thread talks to. Time is seconds on any clock that only goes forward."""

    reflex: bool
    """True: the engine lets blocks fall to their smallest level, within the period, when its time runs out. May be left
    out: False."""

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


class Adaptive:
    """The richest sound that fits the budget, whatever the machine does."""

    reflex = True

    def __init__(
        self,
        chain: ChainModel,
        budget: float,
        reserve: float = 0.5,
        changes_a_minute: float = MOST_CHANGES_A_MINUTE,
    ):
        if not 0 <= reserve <= 1:
            raise ValueError(f"reserve {reserve} is not between 0 and 1")
        self.estimator = Estimator(len(chain.blocks), chain.deadline_ns / 1e9)
        self.headroom = Headroom()
        self._patience = Patience(changes_a_minute, _slimmable(chain))
        self._reserve = reserve
        self._table = chain  # as calibrated
        self._quiet_until_s = self._debt_until_s = self._news_until_s = -inf
        self._is_news = False  # the chain has become another, and nothing was decided since
        self._same_since_s = self._look_at_s = 0.0
        self._stops: tuple[tuple[int, ...], ...] = ()  # of a detour, still to come
        self._muted_work: tuple | None = None  # what the last plan was made from
        self._set_chain(chain)
        self.set_budget(budget)
        self._target = self._best(1.0).levels
        self._plan: Plan | None = None  # what the engine was told last
        self._heard = self._target

    def change(self, chain: ChainModel, budget: float) -> None:
        places = {block.id: place for place, block in enumerate(self._chain.blocks)}
        places = [places.get(block.id) for block in chain.blocks]
        before = self._target
        self.estimator.rearrange(places)
        self._table = chain
        self._patience.count(_slimmable(chain))
        self._set_chain(chain.corrected(self.estimator.block_ratio))
        self.set_budget(budget)
        best = self._best(self.estimator.cautious).levels
        self._target = tuple(
            best[b] if place is None or before[place] not in block.allowed else before[place]
            for b, (block, place) in enumerate(zip(chain.blocks, places, strict=True))
        )
        self._plan, self._heard, self._stops = None, self._target, ()
        self._is_news = True

    def set_budget(self, budget: float) -> None:
        if not 0 < budget <= 1:
            raise ValueError(f"budget {budget} is not above 0 and at most 1")
        deadline_ns = self._table.deadline_ns
        self._capacity_ns = budget * deadline_ns
        self._ceiling_ns = self._capacity_ns + self._reserve * (deadline_ns - self._capacity_ns)
        self._rescue_ns = max(self._ceiling_ns, RESCUE * deadline_ns)
        self._quiet_until_s = -inf  # who turns the knob wants to hear it now
        self._patience.forgive()

    def first_plan(self) -> Plan:
        self._target = self._heard = self._best(self.estimator.cautious).levels
        ready = tuple(tuple(level == now for level in range(len(b.call_ns))) for b, now in self._by_block(self._target))
        self._plan = self._with_muted_work(self._target, self._target, ready, "")
        return self._plan

    def decide(self, time_s: float, seen: Observation) -> Plan | None:
        if self._is_news:
            self._news_until_s = time_s + NEWS_S
        self._learn(time_s, seen)
        target, reason = self._step_down(time_s, seen)
        self._is_news = False
        if target != self._target:
            self._quiet_until_s = time_s + DWELL_S
            self._stops = ()
        elif time_s >= self._quiet_until_s:
            target, reason = self._step_up(time_s, seen)
            if target != self._target:
                self._quiet_until_s = time_s + DWELL_S

        plan = self._with_muted_work(target, seen.audible, seen.ready, reason)
        self._target = target
        if plan == self._plan:
            return None
        self._plan = plan
        return plan

    def _learn(self, time_s: float, seen: Observation) -> None:
        self.estimator.observe(seen.measured_ns, seen.expected_ns)
        ratios = self.estimator.block_ratio
        if (abs(ratios / self._ratios - 1) > TABLE_DRIFT).any():
            self._set_chain(self._table.corrected(ratios))
        changes = differences(seen.audible, self._heard)
        self._patience.wait(time_s, changes)
        if changes:
            self._same_since_s = self._look_at_s = time_s
        self._heard = seen.audible
        is_news = self._is_changing or time_s < self._news_until_s
        is_noise = seen.tripped > 0 and not self._has_stalled(seen)
        self.headroom.learn(time_s, is_noise, is_news)
        if seen.tripped:
            self._debt_until_s = time_s + DEBT_S

    def _has_stalled(self, seen: Observation) -> bool:
        """Some block took longer than the others of its period would let expect: the machine looked away."""
        measured, known = seen.measured_ns, seen.expected_ns * self.estimator.block_ratio
        others = known.sum(axis=1, keepdims=True) - known
        pace = (measured.sum(axis=1, keepdims=True) - measured) / np.maximum(others, 1.0)
        pace = np.where(others > 0, pace, self.estimator.slow)
        return bool((measured - pace * known > STALL_SHARE * self._table.deadline_ns).any())

    @property
    def _is_changing(self) -> bool:
        return abs(self.estimator.fast / self.estimator.slow - 1) > CHANGING

    def _set_chain(self, chain: ChainModel) -> None:
        """The chain as corrected by what was measured."""
        self._chain, self._ratios = chain, self.estimator.block_ratio
        self._frontier = Frontier(chain)
        spans = (block.utility[block.largest] - block.utility[block.smallest] for block in chain.blocks)
        self._most_gain = max(spans, default=0.0)

    def _step_down(self, time_s: float, seen: Observation) -> tuple[tuple[int, ...], str]:
        """The levels to fall to and why; the present ones when nothing presses."""
        heard = arrives_at(self._target, seen.audible, seen.ready)
        estimate, cost_ns = self.estimator, self._chain.cost_ns(self._target)
        pressing, lasting = self._pressing, min(estimate.fast, estimate.slow)
        is_tight = self._is_news and cost_ns * pressing > self._room_ns
        most_ns = (1 - self.headroom.share) * self._capacity_ns
        if is_tight or cost_ns * pressing > self._ceiling_ns or cost_ns * lasting > most_ns:
            is_indebted = time_s <= self._debt_until_s
            return self._lowered(heard, seen, is_indebted), self._complaint(cost_ns * pressing / self._capacity_ns)
        climbing = any(map(gt, self._target, heard))
        if climbing:
            way_ns = running_ns(self._chain, self._target, seen.audible, seen.ready) * pressing
            if way_ns > self._ceiling_ns and time_s > self._debt_until_s:
                return tuple(map(min, self._target, heard)), "no room to warm up"
        return self._target, ""

    @property
    def _pressing(self) -> float:
        """The slowdown that a fall must not wait for: a flicker at the pace of now is left to the reflex."""
        estimate = self.estimator
        if estimate.latest > (1 + 2 * CHANGING) * estimate.slow:
            return max(estimate.fast, estimate.latest)
        return estimate.fast if self._is_changing else estimate.slow

    def _lowered(self, heard: tuple[int, ...], seen: Observation, is_indebted: bool) -> tuple[int, ...]:
        """What the reflex has let fall stays down, unless its coming back is worth the change."""
        stays = self._best_below(tuple(map(min, self._target, heard)), seen)
        if not is_indebted:
            return stays
        returns = self._best_below(self._target, seen)
        more_changes = differences(returns, heard) - differences(stays, heard)
        return returns if self._gain(stays, returns) >= self._least_gain * more_changes else stays

    def _best_below(self, tops: tuple[int, ...], seen: Observation) -> tuple[int, ...]:
        """The best plan without a level above `tops`, if there is time for the way there; else what is at hand."""
        slowdown = max(self.estimator.fast, self.estimator.latest)
        below = [
            tuple(level for level in block.allowed if level <= top) or block.allowed[:1]
            for block, top in self._by_block(tops)
        ]
        levels = self._best_of(below, slowdown)
        if running_ns(self._chain, levels, seen.audible, seen.ready) * slowdown <= self._rescue_ns:
            return levels
        warm = [
            tuple(level for level in allowed if ready[level]) or allowed[:1]
            for allowed, ready in zip(below, seen.ready, strict=True)
        ]
        choice = choose(self._chain.limited(warm), self._room_ns, slowdown)
        if choice.fits:
            return choice.levels
        at_hand = [tuple(sorted({allowed[0], *levels})) for allowed, levels in zip(below, warm, strict=True)]
        return self._best_of(at_hand, slowdown)

    @property
    def _least_gain(self) -> float:
        """Utility that each block that changes has to win."""
        return self._patience.price() * self._most_gain

    def _gain(self, old: tuple[int, ...], new: tuple[int, ...]) -> float:
        return self._chain.utility(new) - self._chain.utility(old)

    def _is_worth_it(self, old: tuple[int, ...], new: tuple[int, ...]) -> bool:
        return self._gain(old, new) >= self._least_gain * max(1, differences(old, new))

    def _complaint(self, share: float) -> str:
        least = least_share(self._chain, self._capacity_ns, self.estimator.fast)
        if least > 1:
            return f"even all-lite needs {100 * least:.0f} % of budget"
        return f"load {100 * share:.0f} % of budget"

    def _step_up(self, time_s: float, seen: Observation) -> tuple[tuple[int, ...], str]:
        """Richer levels and why; the present ones when there is no room or something is still on its way."""
        now, slowdown, climbs = self._target, self.estimator.cautious, self._patience.climbs()
        if seen.audible != now or self._is_changing:
            return now, ""
        if self._stops:
            stop, self._stops = self._stops[0], self._stops[1:]
            if self._chain.cost_ns(stop) * slowdown <= self._room_ns:
                return stop, self._invitation(slowdown)
            self._stops = ()
        if not climbs:
            return now, ""
        goal = self._best(slowdown)
        if not goal.fits or self._gain(now, goal.levels) < self._least_gain:
            return now, ""
        levels = self._towards(goal.levels, climbs, seen) if self._is_worth_it(now, goal.levels) else now
        if not self._is_worth_it(now, levels):
            room_ns, way_ns = self._room_ns / slowdown, self._way_ns / slowdown
            levels = exchanged(self._chain, now, seen.ready, room_ns, way_ns, self._least_gain)
        if levels == now:
            return self._step_back(time_s, seen)
        return levels, self._invitation(slowdown)

    def _invitation(self, slowdown: float) -> str:
        share = self._chain.cost_ns(self._target) * slowdown / self._capacity_ns
        return f"room again: {100 * share:.0f} % of budget"

    def _step_back(self, time_s: float, seen: Observation) -> tuple[tuple[int, ...], str]:
        """The first stop of a detour, once what is missed has lasted for longer than the detour takes to pay."""
        now, slowdown = self._target, self.estimator.cautious
        if time_s < self._look_at_s + LOOK_S:
            return now, ""
        self._look_at_s = time_s
        goals = self._frontier.richer(self._chain.utility(now), self._room_ns, slowdown, MOST_GOALS)
        way = detour(self._chain, now, goals, seen.ready, self._way_ns / slowdown, self._least_gain)
        if way is None or time_s - self._same_since_s < PAYS_S * way.pays_after:
            return now, ""
        self._stops = way.stops[1:]
        return way.stops[0], "a step back, to make room"

    def _towards(self, goal: tuple[int, ...], climbs: int, seen: Observation) -> tuple[int, ...]:
        """As far towards `goal` as there is time to warm up for: what gains most first."""
        now, slowdown = self._target, self.estimator.cautious
        gain = [block.utility[goal[b]] - block.utility[now[b]] for b, block in enumerate(self._chain.blocks)]
        climbers = sorted((b for b in range(len(now)) if gain[b] >= self._least_gain), key=lambda b: -gain[b])
        levels, room_ns = tuple(map(min, now, goal)), self._way_ns
        for b in climbers[:climbs]:
            trial = (*levels[:b], goal[b], *levels[b + 1 :])
            if running_ns(self._chain, trial, seen.audible, seen.ready) * slowdown <= room_ns:
                levels, room_ns = trial, (1 - MARGIN) * self._capacity_ns
        return levels

    def _with_muted_work(self, target: tuple[int, ...], audible, ready, reason: str) -> Plan:
        """The plan that leads to `target`; made anew only when something that it depends on has changed."""
        falling = max(self.estimator.fast, self.estimator.latest)
        made_from = (
            target,
            audible,
            ready,
            reason,
            self._chain,
            self._ceiling_ns,
            round(SLOWDOWN_GRAIN * self.estimator.cautious),
            round(SLOWDOWN_GRAIN * falling) if any(map(lt, target, audible)) else None,
        )
        if made_from != self._muted_work:
            self._muted_work = made_from
            plan = spend_spare_time(
                self._chain,
                target,
                audible,
                ready,
                ceiling_ns=self._ceiling_ns / self.estimator.cautious,
                rescue_ns=self._rescue_ns / falling,
                reason=tuple(reason if new != old else "" for new, old in zip(target, self._target, strict=True)),
            )
            self._made = replace(plan, give_up=self._order_of_falling(target))
        return self._made

    def _order_of_falling(self, target: tuple[int, ...]) -> tuple[int, ...]:
        """Who is given up first: who is on its way down anyhow, then who loses the least for a nanosecond saved."""

        def price(b: int) -> float:
            block, now = self._chain.blocks[b], target[b]
            if now == block.smallest:
                return 0.0
            lost = block.utility[now] - block.utility[block.smallest]
            saved = block.cost_ns(now, self._chain.frames) - block.cost_ns(block.smallest, self._chain.frames)
            return lost / saved if saved > 0 else inf

        return tuple(sorted(range(len(target)), key=price))

    @property
    def _room_ns(self) -> float:
        """What a new plan may cost."""
        return (1 - MARGIN) * (1 - self.headroom.share) * self._capacity_ns

    @property
    def _way_ns(self) -> float:
        """What may run on the way to a new plan: the levels heard, and one that warms up."""
        return (1 - MARGIN) * self._ceiling_ns

    def _best(self, slowdown: float) -> Choice:
        return self._frontier.best(self._room_ns, slowdown)

    def _best_of(self, allowed: list[tuple[int, ...]], slowdown: float) -> tuple[int, ...]:
        """The best plan with fewer levels to choose from."""
        return choose(self._chain.limited(allowed), self._room_ns, slowdown).levels

    def _by_block(self, levels: tuple[int, ...]):
        return zip(self._chain.blocks, levels, strict=True)


def _slimmable(chain: ChainModel) -> int:
    """How many blocks have levels to choose from."""
    return sum(len(block.allowed) > 1 for block in chain.blocks)

"""Which level for which block: the multiple-choice knapsack, solved exactly.

    maximise   the sum of utility[block][level[block]]
    subject to the sum of cost[block][level[block]] <= room

Why not greedy: with few blocks of few levels, greedy wastes the most exactly where it is heard. The exact answer is
cheap because a *price* (utility per nanosecond; the Lagrange multiplier of the room) tells beforehand which levels
cannot be part of it. For any price p >= 0 and any plan that fits,

    utility <= p * room + sum over blocks of max over levels of (utility - p * cost) - what its levels fall short of it

so whoever looks for a plan of at least some utility may drop each level that falls short by more than the bound
leaves, and each partial plan likewise. What remains, a few levels of a few blocks, is merged block by block; of two
partial plans the one that costs more and is worth no more is dropped (Kellerer, Pferschy, Pisinger: Knapsack
Problems, 2004, chapter 11). How much utility to ask for is guessed, ever more modestly: a guess that finds a plan has
found the best one, and one too high costs little, because it leaves next to nothing to merge.

Rules kept here:
* Slowdown divides the room instead of multiplying the costs, so one table serves every slowdown.
* Costs count in whole picoseconds (rounded up) and utilities in whole microdecibels: then sums are exact, equal
  blocks give equal plans, and ties mean what they say. Of two plans of equal utility the cheaper is chosen.
* When not even the cheapest levels fit they are the answer, and `fits` is False.
* The problem is NP-hard; someone will find a chain with more than MOST_PARTIAL_PLANS good partial plans. Then they
  are thinned out evenly by cost, and `gap` says how much better the best plan could be at most. Otherwise it is 0.
"""

from dataclasses import dataclass

import numpy as np

from .records import ChainModel

PICOSECONDS = 1e3  # in a nanosecond
MICRODECIBELS = 1e6  # in a decibel
MOST_PARTIAL_PLANS = 512  # nine blocks of two levels never have more; bounds the time of the worst chain
GUESSES = 1 / 64, 1 / 16, 1 / 4, 1  # of what the lean plan misses of the bound, the best misses at most this share


@dataclass(frozen=True)
class Choice:
    levels: tuple[int, ...]
    utility: float
    cost_ns: float  # of a period, at the slowdown asked for
    fits: bool
    gap: float = 0.0  # no plan that fits has more utility than this one's plus `gap`


def choose(chain: ChainModel, capacity_ns: float, slowdown: float = 1.0) -> Choice:
    """The plan of highest utility among those that cost no more than `capacity_ns` at this slowdown."""
    cost_ns, utility_db = chain.tables
    cost = np.ceil(cost_ns * PICOSECONDS)
    utility = np.rint(utility_db * MICRODECIBELS)
    room = np.floor((capacity_ns / slowdown - chain.fixed_ns) * PICOSECONDS)

    levels, fits, gap = _solve(cost, utility, room)
    levels = tuple(levels.tolist())
    return Choice(levels, chain.utility(levels), chain.cost_ns(levels) * slowdown, fits, float(gap) / MICRODECIBELS)


def least_share(chain: ChainModel, capacity_ns: float, slowdown: float = 1.0) -> float:
    """Which share of the capacity the cheapest plan needs. Above 1 no plan fits."""
    cost_ns, _ = chain.tables
    return (chain.fixed_ns + float(cost_ns.min(axis=1).sum())) * slowdown / capacity_ns


def fits_without(chain: ChainModel, capacity_ns: float) -> tuple[int, ...]:
    """The blocks, each of which need only be left out for the cheapest plan of the others to fit; dearest first."""
    least_ns = chain.tables[0].min(axis=1)
    excess_ns = chain.fixed_ns + float(least_ns.sum()) - capacity_ns
    return tuple(int(block) for block in np.argsort(-least_ns, kind="stable") if least_ns[block] >= excess_ns > 0)


def _solve(cost: np.ndarray, utility: np.ndarray, room: float) -> tuple[np.ndarray, bool, float]:
    every = np.arange(len(cost))
    cheapest, dearest_useful = _extremes(cost, utility)
    if cost[every, cheapest].sum() > room:
        return cheapest, False, 0.0
    if cost[every, dearest_useful].sum() <= room:
        return dearest_useful, True, 0.0

    price, lean = _price(cost, utility, room, cheapest, dearest_useful)
    bound = price * room + (utility - price * cost).max(axis=1).sum()
    missing = bound - utility[every, lean].sum()
    for share in GUESSES:
        found = _merge(cost, utility, room, price, bound - share * missing)
        if found:
            best, gap = found
            return best, True, gap
    return lean, True, missing


def _extremes(cost: np.ndarray, utility: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """(the cheapest level, the most useful level) of each block; ties by the other measure."""
    least, most = cost.min(axis=1, keepdims=True), utility.max(axis=1, keepdims=True)
    cheapest = np.where(cost == least, utility, -np.inf).argmax(axis=1)
    most_useful = np.where(utility == most, cost, np.inf).argmin(axis=1)
    return cheapest, most_useful


def _price(cost, utility, room, lean, rich) -> tuple[float, np.ndarray]:
    """(the price at which the room is just used up, the plan that fits at it), from a lean plan and a rich one.

    Plans that are best at some price lie on a convex curve. The secant through the two known ones gives a price;
    the best plan at that price lies beyond the secant, or the secant already is the curve.
    """
    every = np.arange(len(cost))
    while True:
        lean_cost, lean_utility = cost[every, lean].sum(), utility[every, lean].sum()
        price = (utility[every, rich].sum() - lean_utility) / (cost[every, rich].sum() - lean_cost)
        worth = utility - price * cost
        middle = worth.argmax(axis=1)
        gain = worth[every, middle].sum() - (lean_utility - price * lean_cost)
        if gain < 0.5:  # half a microdecibel
            return price, lean
        if cost[every, middle].sum() <= room:
            lean = middle
        else:
            rich = middle


def _merge(cost, utility, room, price, at_least) -> tuple[np.ndarray, float] | None:
    """(the best plan, its gap) if there is one with utility `at_least`, by merging the blocks one by one."""
    worth = utility - price * cost
    best_worth = worth.max(axis=1)
    bound = price * room + best_worth.sum()
    at_least -= 1 + 1e-12 * abs(bound)  # a microdecibel, and what rounding `worth` may cost
    possible = bound - (best_worth[:, np.newaxis] - worth) >= at_least

    levels = possible.argmax(axis=1)  # right for blocks with one level left; the others follow
    undecided = np.flatnonzero(possible.sum(axis=1) > 1)
    decided = np.delete(np.arange(len(cost)), undecided)
    plan_cost = cost[decided, levels[decided]].sum(keepdims=True)
    plan_utility = utility[decided, levels[decided]].sum(keepdims=True)
    most_cost = room - _sum_of_later(np.where(possible, cost, np.inf).min(axis=1)[undecided])
    least_worth = at_least - price * room - _sum_of_later(best_worth[undecided])

    steps, given_up = [], -np.inf
    for place, block in enumerate(undecided):
        options = np.flatnonzero(possible[block])
        new_cost = (plan_cost[:, np.newaxis] + cost[block, options]).ravel()
        new_utility = (plan_utility[:, np.newaxis] + utility[block, options]).ravel()
        new_worth = new_utility - price * new_cost
        hopeful = np.flatnonzero((new_cost <= most_cost[place]) & (new_worth >= least_worth[place]))
        kept = hopeful[_undominated(new_cost[hopeful], new_utility[hopeful])]
        if len(kept) > MOST_PARTIAL_PLANS:
            given_up = max(given_up, new_worth[kept].max() - least_worth[place] + at_least)
            kept = kept[np.linspace(0, len(kept) - 1, MOST_PARTIAL_PLANS).astype(int)]
        plan_cost, plan_utility = new_cost[kept], new_utility[kept]
        steps.append((options, kept))

    if not len(plan_utility) or plan_utility[-1] < at_least:
        return None
    winner = len(plan_utility) - 1  # the dearest, so the most useful: the others would be dominated
    gap = max(0.0, given_up - plan_utility[winner])
    for block, (options, kept) in zip(undecided[::-1], reversed(steps), strict=True):
        winner, option = divmod(int(kept[winner]), len(options))
        levels[block] = options[option]
    return levels, gap


def _sum_of_later(values: np.ndarray) -> np.ndarray:
    """For each place the sum of all values after it."""
    return values.sum() - values.cumsum()


def _undominated(cost: np.ndarray, utility: np.ndarray) -> np.ndarray:
    """Indices of the partial plans that are worth more than all cheaper ones, cheapest first."""
    order = cost.argsort(kind="stable")
    best_so_far = np.maximum.accumulate(utility[order])
    rises = np.ones(len(order), dtype=bool)
    rises[1:] = best_so_far[1:] > best_so_far[:-1]
    return order[rises]

"""What a scheduler that knows the future could reach: the measure for regret.

It knows each period's slowdown, wake-up and stalls, switches at once and for nothing, and never misses a period that
the smallest levels would have kept. `per_period` may choose a plan anew in every period, `with_dwell` must keep each
for at least `dwell` periods. `with_changes` must also spare the listener: it may change so many levels a minute and no
more. All are upper bounds: what they do not reach, no scheduler on one core reaches that keeps to the same.

A plan costs its place on the frontier times the period's mean factor; that blocks jitter apart from each other by two
percent is left out, in the oracle's favour on average.
"""

from collections.abc import Callable, Sequence
from itertools import product

import numpy as np
from numba import njit

from ..scheduler import ChainModel

PRICES = 0.1, 1e5  # of a change, in periods at full utility: the least bound is looked for between them
LOOKS = 14  # golden sections: then the price is known to 3 %, and the bound, which is flat there, far better


def room(weather: np.ndarray, deadline_ns: float, least_ns: float, extra_ns: np.ndarray) -> np.ndarray:
    """Nanoseconds by the table that a plan may cost in each period; inf where the smallest one is late as well.

    weather: rows as layout.weather_columns says. least_ns: what the smallest plan costs. extra_ns: one more block.
    """
    factor = weather[:, 0]
    stall = weather[:, 4::3].sum(axis=1)
    return _room(factor, weather[:, 1] + stall + extra_ns * factor, deadline_ns, least_ns)


@njit(cache=True)
def _room(factor, taken, deadline, least):
    rooms, late = np.empty(len(factor)), 0.0
    for t in range(len(factor)):
        left = deadline - late - taken[t]
        ends = late + taken[t] + least * factor[t]
        rooms[t] = left / factor[t] if ends <= deadline else np.inf
        late = max(0.0, ends - deadline)
    return rooms


def per_period(rooms: np.ndarray, cost_ns: np.ndarray, utility: np.ndarray) -> float:
    """Mean utility with the best plan in every period; periods that nothing can keep count as nothing."""
    return float(np.where(np.isinf(rooms), 0.0, _worth(rooms, cost_ns, utility)).mean())


def with_dwell(rooms: np.ndarray, cost_ns: np.ndarray, utility: np.ndarray, dwell: int) -> float:
    """Mean utility of the best sequence of plans of which each lasts at least `dwell` periods."""
    rooms = np.ascontiguousarray(rooms)
    counted = np.where(np.isinf(rooms), 0.0, 1.0)
    return _with_dwell(rooms, counted, cost_ns, utility, dwell) / len(rooms)


def _worth(rooms, cost_ns, utility):
    place = cost_ns.searchsorted(rooms, side="right") - 1
    return utility[np.clip(place, 0, len(utility) - 1)]


@njit(cache=True)
def _with_dwell(rooms, counted, cost, utility, dwell):
    """best[t]: the most utility of the first t periods. A stretch of more than 2 dwell - 1 is two stretches."""
    n = len(rooms)
    best = np.full(n + 1, -np.inf)
    best[0] = 0.0
    for end in range(1, n + 1):
        least, count = np.inf, 0.0
        for begin in range(end - 1, max(-1, end - 2 * dwell), -1):
            least, count = min(least, rooms[begin]), count + counted[begin]
            long_enough = end - begin >= dwell or (begin == 0 and end == n)
            if long_enough and best[begin] > -np.inf:
                place = np.searchsorted(cost, least, side="right") - 1
                best[end] = max(best[end], best[begin] + count * utility[max(0, place)])
    return best[n]


def all_plans(model: ChainModel) -> tuple[np.ndarray, np.ndarray]:
    """(the level of each block in each plan there is, what each plan is worth: 0 the least, 1 the most of them)."""
    plans = np.array(list(product(*(block.allowed for block in model.blocks))))
    worth = np.array([model.utility(plan) for plan in plans])
    return plans, (worth - worth.min()) / (worth.max() - worth.min())


def with_changes(
    rooms: np.ndarray,
    cost_ns: Sequence[Sequence[float]],
    utility: Sequence[Sequence[float]],
    fixed_ns: float,
    dwell: int,
    most_changes: float,
) -> float:
    """Most mean utility of a sequence of plans, each for `dwell` periods at least, with so many changes in all.

    cost_ns, utility: per block and level. A block that is at another level than before is one change. All plans are
    looked at, not those of the frontier alone: the next best one may differ in a single block from what is heard.

    Each change is charged a price p >= 0, and the best sequence at that price is found exactly. Then, for any price,

        utility of any sequence of at most `most_changes` changes <= best charged utility + p x most_changes

    of which the least is the answer: a bound, and the best possible itself wherever some price leads to just so many
    changes (Everett, Operations Research 11, 1963). It is convex in the price.
    """
    choices = [(costs, worths) for costs, worths in zip(cost_ns, utility, strict=True) if len(costs) > 1]
    fixed_ns += sum(costs[0] for costs in cost_ns if len(costs) == 1)
    base = sum(worths[0] for worths in utility if len(worths) == 1)
    cost = np.array([sum(plan) for plan in product(*(costs for costs, _ in choices))]) + fixed_ns
    worth = np.array([sum(plan) for plan in product(*(worths for _, worths in choices))]) + base
    levels = np.array([len(costs) for costs, _ in choices], np.int64)
    rooms = np.ascontiguousarray(rooms)
    counted = np.where(np.isinf(rooms), 0.0, 1.0)

    def bound(log_price: float) -> float:
        price = float(np.exp(log_price))
        return _with_price(rooms, counted, cost, worth, levels, dwell, price) + price * most_changes

    return min(bound(-np.inf), least_of(bound, *np.log(PRICES), LOOKS)) / len(rooms)


def least_of(value: Callable[[float], float], low: float, high: float, looks: int) -> float:
    """The least value found by golden section, of a function that first falls and then rises."""
    golden = (5**0.5 - 1) / 2
    left, right = high - golden * (high - low), low + golden * (high - low)
    at_left, at_right = value(left), value(right)
    least = min(at_left, at_right)
    for _ in range(looks - 2):
        if at_left < at_right:
            high, right, at_right = right, left, at_left
            left = high - golden * (high - low)
            at_left = value(left)
        else:
            low, left, at_left = left, right, at_right
            right = low + golden * (high - low)
            at_right = value(right)
        least = min(least, at_left, at_right)
    return least


@njit(cache=True)
def _with_price(rooms, counted, cost, worth, levels, dwell, price):
    """The most utility less the price of all changes.

    held[p]: what the periods so far are worth at most if plan p has just played for `dwell` periods or more.
    entered[t, p]: the same at the beginning of period t, if p plays from then on: after a change, or none.
    """
    periods, plans = len(rooms), len(cost)
    dwell = min(dwell, periods)
    held, fits_since = np.full(plans, -np.inf), np.zeros(plans, np.int64)
    entered, counts, count = np.zeros((dwell, plans)), np.zeros(dwell), 0.0
    for t in range(periods):
        now, first = t % dwell, (t + 1) % dwell  # first: the period in which a stretch of `dwell` that ends now began
        counts[now] = count
        if t > 0:
            entered[now] = held
            _change_blocks(entered[now], levels, price)
        count += counted[t]
        for p in range(plans):
            if cost[p] > rooms[t]:
                fits_since[p] = t + 1
                held[p] = -np.inf
            else:
                lasted = t + 1 - fits_since[p] >= dwell
                fresh = entered[first, p] + (count - counts[first]) * worth[p] if lasted else -np.inf
                held[p] = max(held[p] + counted[t] * worth[p], fresh)
    return held.max()


@njit(cache=True)
def _change_blocks(value, levels, price):
    """For each plan to go to the best one to come from: block by block, since each block that changes is charged.

    value: of each plan, in the order of `itertools.product`; changed in place.
    """
    most, step = np.empty(len(value)), len(value)
    for count in levels:
        whole = step
        step //= count
        for start in range(0, len(value), whole):
            for offset in range(step):
                most[offset] = value[start + offset]
            for place in range(step, whole, step):
                for offset in range(step):
                    most[offset] = max(most[offset], value[start + place + offset])
            for place in range(0, whole, step):
                for offset in range(step):
                    at = start + place + offset
                    value[at] = max(value[at], most[offset] - price)

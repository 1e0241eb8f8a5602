"""What a scheduler that knows the future could reach: the measure for regret.

It knows each period's slowdown, wake-up and stalls, switches at once and for nothing, and never misses a period that
the smallest levels would have kept. `per_period` may choose a plan anew in every period, `with_dwell` must keep each
for at least `dwell` periods. Both are upper bounds: no scheduler on one core can be better.

A plan costs its place on the frontier times the period's mean factor; that blocks jitter apart from each other by two
percent is left out, in the oracle's favour on average.
"""

import numpy as np
from numba import njit


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

"""All plans worth having, at once: for each utility the cheapest plan, for each cost the best.

Why: costs at a slowdown are the table's costs times one number, so the best plan for *any* slowdown and budget lies on
one curve. It is computed when the chain or its table changes; while playing, choosing a plan is a lookup.

    merge the blocks one by one; of two partial plans drop the one that costs more and is worth no more

(Kellerer, Pferschy, Pisinger: Knapsack Problems, 2004, section 11.5.)

Rules kept here:
* Exact as long as no more than MOST partial plans are worth keeping. Beyond that, costs are rounded *up* to a grid of
  so many steps, so that what is chosen always fits; what that may cost in utility is small (tests).
* Of two plans of equal utility the cheaper one is kept; whole microdecibels and picoseconds, as in the planner.
"""

from functools import cached_property

import numpy as np

from .planner import MICRODECIBELS, PICOSECONDS, Choice
from .records import ChainModel

MOST = 4096


class Frontier:
    """The best plans of a chain, cheapest first."""

    def __init__(self, chain: ChainModel):
        self._chain = chain
        cost_ns, utility_db = chain.tables
        cost, utility = np.ceil(cost_ns * PICOSECONDS), np.rint(utility_db * MICRODECIBELS)
        self._steps = []
        plan_cost, plan_utility = np.zeros(1), np.zeros(1)
        grid = max(1.0, np.ceil(np.where(cost < 1e18, cost, 0).max(axis=1).sum() / MOST)) if len(cost) else 1.0
        for block, model in enumerate(chain.blocks):
            options = np.array(model.allowed)
            new_cost = (plan_cost[:, np.newaxis] + cost[block, options]).ravel()
            new_utility = (plan_utility[:, np.newaxis] + utility[block, options]).ravel()
            kept = _undominated(new_cost, new_utility)
            if len(kept) > MOST:
                kept = _undominated(np.ceil(new_cost / grid) * grid, new_utility)
            plan_cost, plan_utility = new_cost[kept], new_utility[kept]
            self._steps.append((options, kept))
        self.cost_ns = plan_cost / PICOSECONDS + chain.fixed_ns
        """Of each plan, for a period at slowdown 1, ascending."""
        self.utility = plan_utility / MICRODECIBELS
        """Of each plan, ascending."""

    def __len__(self) -> int:
        return len(self.cost_ns)

    @cached_property
    def _levels(self) -> dict[int, tuple[int, ...]]:
        return {}

    def levels(self, index: int) -> tuple[int, ...]:
        """The plan of this place on the curve."""
        if index not in self._levels:
            place, levels = index, []
            for options, kept in reversed(self._steps):
                place, option = divmod(int(kept[place]), len(options))
                levels.append(int(options[option]))
            self._levels[index] = tuple(reversed(levels))
        return self._levels[index]

    def best(self, capacity_ns: float, slowdown: float = 1.0) -> Choice:
        """The plan of highest utility that costs no more than `capacity_ns` at this slowdown; else the cheapest."""
        index = int(self.cost_ns.searchsorted(capacity_ns / slowdown, side="right")) - 1
        fits, index = index >= 0, max(0, index)
        return Choice(self.levels(index), float(self.utility[index]), float(self.cost_ns[index]) * slowdown, fits)

    def richer(self, utility: float, capacity_ns: float, slowdown: float, most: int) -> list[tuple[int, ...]]:
        """Up to `most` plans that cost no more than `capacity_ns` at this slowdown and are worth more; best first."""
        end = int(self.cost_ns.searchsorted(capacity_ns / slowdown, side="right"))
        begin = int(self.utility.searchsorted(utility + 1 / MICRODECIBELS, side="right"))
        return [self.levels(index) for index in range(end - 1, max(begin, end - most) - 1, -1)]


def _undominated(cost: np.ndarray, utility: np.ndarray) -> np.ndarray:
    """Indices of the plans that are worth more than all cheaper ones, cheapest first."""
    order = np.lexsort((-utility, cost))
    best_so_far = np.maximum.accumulate(utility[order])
    rises = np.ones(len(order), dtype=bool)
    rises[1:] = best_so_far[1:] > best_so_far[:-1]
    return order[rises]

"""Every plan worth having, for chains whose lanes may run on cores of their own.

    frontier   the plans of which none that costs less is worth as much, from the cheapest to the most useful

A path is a chain as its time passes: blocks one after the other, and splits. What two stretches cost one after the
other is added; what the cores of a split cost side by side is the most of them. Utilities are added in both cases. So
the frontier of a path is made from those of its parts, and partial plans that cost more and are worth no more are
dropped on the way. On one core this is the multiple-choice knapsack that planner.py solves for one budget.

Rules kept here:
* Lane i of a split runs on core i modulo the number of cores; what is not in a split runs on one core.
* Exact up to MOST_PLANS plans; beyond that every frontier on the way is thinned out evenly, its ends kept.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

MOST_PLANS = 2048
UNDECIDED = -1


@dataclass(frozen=True)
class Lanes:
    """Paths side by side, first lane first."""

    lanes: tuple["Path", ...]


Path = tuple[int | Lanes, ...]
"""Blocks (their places in the chain) and splits, in the order in which they play."""


@dataclass(frozen=True)
class Frontier:
    """Plans, cheapest first; each is worth more than all before it."""

    cost_ns: np.ndarray  # (plans,)
    utility: np.ndarray  # (plans,)
    levels: np.ndarray  # (plans, blocks): the level of each block

    def best(self, room_ns: float) -> int | None:
        """The most useful plan that costs no more than this; None if there is none."""
        fitting = int(np.searchsorted(self.cost_ns, room_ns * (1 + 1e-12), side="right"))
        return fitting - 1 if fitting else None


def time_ns(path: Path, cost_ns: Sequence[float], cores: int = 1, handover_ns: float = 0.0) -> float:
    """How long a path takes when its blocks take `cost_ns` each."""
    total = 0.0
    for item in path:
        if isinstance(item, Lanes):
            shares = [sum(time_ns(lane, cost_ns, 1) for lane in dealt) for dealt in _dealt(item, cores)]
            total += max(shares) + (handover_ns if len(shares) > 1 else 0.0)
        else:
            total += cost_ns[item]
    return total


def frontier(
    path: Path,
    cost_ns: Sequence[Sequence[float]],
    utility: Sequence[Sequence[float]],
    allowed: Sequence[Sequence[int]],
    cores: int = 1,
    handover_ns: float = 0.0,
) -> Frontier:
    """The frontier of a path; cost_ns, utility: per block and level; allowed: per block the levels to choose from."""
    blocks = len(cost_ns)
    nothing = Frontier(np.zeros(1), np.zeros(1), np.full((1, blocks), UNDECIDED, np.int8))

    def of_block(index: int) -> Frontier:
        options = list(allowed[index])
        levels = np.full((len(options), blocks), UNDECIDED, np.int8)
        levels[:, index] = options
        costs, worths = (np.array([table[index][level] for level in options]) for table in (cost_ns, utility))
        return _undominated(Frontier(costs, worths, levels))

    def of_path(path: Path, cores: int) -> Frontier:
        made = nothing
        for item in path:
            part = of_lanes(item, cores) if isinstance(item, Lanes) else of_block(item)
            made = _joined(made, part, np.add)
        return made

    def of_lanes(split: Lanes, cores: int) -> Frontier:
        made, dealt = nothing, _dealt(split, cores)
        for lanes in dealt:
            core = nothing
            for lane in lanes:
                core = _joined(core, of_path(lane, 1), np.add)
            made = _joined(made, core, np.maximum)
        handover = handover_ns if len(dealt) > 1 else 0.0
        return Frontier(made.cost_ns + handover, made.utility, made.levels)

    return of_path(path, cores)


def _dealt(split: Lanes, cores: int) -> list[tuple[Path, ...]]:
    """The lanes that each core has to play, for each core that has any."""
    return [split.lanes[core::cores] for core in range(min(cores, len(split.lanes)))]


def _joined(one: Frontier, other: Frontier, together: np.ufunc) -> Frontier:
    """All pairs of plans; `together` makes their common cost."""
    cost_ns = together.outer(one.cost_ns, other.cost_ns).ravel()
    utility = np.add.outer(one.utility, other.utility).ravel()
    kept = _rising(cost_ns, utility)
    first, second = np.divmod(kept, len(other.cost_ns))
    return Frontier(cost_ns[kept], utility[kept], np.maximum(one.levels[first], other.levels[second]))


def _undominated(plans: Frontier) -> Frontier:
    kept = _rising(plans.cost_ns, plans.utility)
    return Frontier(plans.cost_ns[kept], plans.utility[kept], plans.levels[kept])


def _rising(cost_ns: np.ndarray, utility: np.ndarray) -> np.ndarray:
    """Indices of the plans worth more than all cheaper ones, cheapest first, at most MOST_PLANS."""
    order = np.lexsort((-utility, cost_ns))
    best_so_far = np.maximum.accumulate(utility[order])
    rises = np.ones(len(order), bool)
    rises[1:] = best_so_far[1:] > best_so_far[:-1]
    kept = order[rises]
    if len(kept) > MOST_PLANS:
        kept = kept[np.linspace(0, len(kept) - 1, MOST_PLANS).astype(int)]
    return kept

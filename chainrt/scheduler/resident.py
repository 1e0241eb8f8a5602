"""Which levels stay in memory, where not all of them fit: the second budget.

    kept = residents(sizes, allowed, limit, solve)

Rules kept here, in this order:
1. Each block keeps the level that needs the least memory, so that there is always something to fall back to. If not
   even these fit, they are the answer, and `fits` is False.
2. The best plan that can be kept beside them is kept: exactly the best, by looking at plans in the order of their
   utility until one fits (Lawler, Management Science 18(7), 1972: the plans beside a given one are parted by the
   first block in which they differ from it). MOST_LOOKS bounds the search; then the last resort is rule 1's plan.
3. What is left keeps further levels, small ones first.

A block that keeps more than one level also needs its last inputs, to wake the others (`ring`).
"""

import heapq
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import count
from typing import NamedTuple

MOST_LOOKS = 400


class Sizes(NamedTuple):
    """Bytes of one block: of each level's state and weights, and of what switching between levels needs."""

    levels: tuple[int, ...]
    ring: int = 0


class Solved(NamedTuple):
    """The best plan among some levels."""

    levels: tuple[int, ...]
    utility: float


@dataclass(frozen=True)
class Residents:
    kept: tuple[tuple[int, ...], ...]
    """Per block: levels that stay in memory, ascending."""
    left_out: tuple[tuple[int, ...], ...]
    """Per block: allowed levels that do not."""
    used: int
    """Bytes."""
    fits: bool


Allowed = tuple[tuple[int, ...], ...]


def residents(
    sizes: Sequence[Sizes],
    allowed: Sequence[Sequence[int]],
    limit: float,
    solve: Callable[[Allowed], Solved | None],
) -> Residents:
    """Levels to keep in `limit` bytes. solve(allowed) is the best plan among these levels; None if none is playable."""
    floor = tuple(min(levels, key=lambda level: one.levels[level]) for one, levels in zip(sizes, allowed, strict=True))
    everything = tuple(tuple(levels) for levels in allowed)
    if _bytes(sizes, everything) <= limit:
        return _answer(sizes, everything, everything, True)
    lowest = tuple((level,) for level in floor)
    if _bytes(sizes, lowest) > limit:
        return _answer(sizes, everything, lowest, False)
    plan = _best_that_fits(sizes, everything, floor, limit, solve) or floor
    kept = [{low, level} for low, level in zip(floor, plan, strict=True)]
    further = [(sizes[b].levels[level], b, level) for b, levels in enumerate(everything) for level in levels]
    for _, b, level in sorted(further):
        trial = [set(levels) for levels in kept]
        trial[b].add(level)
        if _bytes(sizes, trial) <= limit:
            kept = trial
    return _answer(sizes, everything, tuple(tuple(sorted(levels)) for levels in kept), True)


def _best_that_fits(sizes, allowed: Allowed, floor, limit, solve) -> tuple[int, ...] | None:
    """The plan of most utility that can be kept beside the floor."""
    tie = count()
    heap: list = []

    def look(options: Allowed) -> None:
        solved = solve(options)
        if solved is not None:
            heapq.heappush(heap, (-solved.utility, next(tie), solved.levels, options))

    look(allowed)
    for _ in range(MOST_LOOKS):
        if not heap:
            return None
        _, _, plan, options = heapq.heappop(heap)
        if _bytes(sizes, [{low, level} for low, level in zip(floor, plan, strict=True)]) <= limit:
            return plan
        for b, level in enumerate(plan):
            others = tuple(one for one in options[b] if one != level)
            if others:
                look((*((one,) for one in plan[:b]), others, *options[b + 1 :]))
    return None


def _bytes(sizes: Sequence[Sizes], kept: Sequence) -> int:
    return sum(
        sum(one.levels[level] for level in levels) + (one.ring if len(levels) > 1 else 0)
        for one, levels in zip(sizes, kept, strict=True)
    )


def _answer(sizes, allowed: Allowed, kept: Allowed, fits: bool) -> Residents:
    left_out = tuple(tuple(sorted(set(a) - set(k))) for a, k in zip(allowed, kept, strict=True))
    return Residents(kept, left_out, _bytes(sizes, kept), fits)

"""Which policies there are, by name, and those that never move.

Rule: what the scheduler can be told by a name is told here and nowhere else.
"""

import math
from collections.abc import Callable, Iterable
from functools import partial
from operator import attrgetter

from .policy import Adaptive, Policy
from .records import NOT_WARM, BlockModel, ChainModel, Observation, Plan

ADAPTIVE = "adaptive"
LEAST_CHANGES, MOST_CHANGES = 1.0, 10_000.0  # a minute, that may be asked for


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


def full(chain: ChainModel, budget: float) -> Fixed:
    """Every block at its largest level, whatever it costs."""
    largest = attrgetter("largest")
    return Fixed(map(largest, chain.blocks), largest)


def lite(chain: ChainModel, budget: float) -> Fixed:
    """Every block at its smallest level, whatever is left unused."""
    smallest = attrgetter("smallest")
    return Fixed(map(smallest, chain.blocks), smallest)


POLICIES: dict[str, Callable[[ChainModel, float], Policy]] = {ADAPTIVE: Adaptive, "full": full, "lite": lite}


def policy_named(name: str) -> Callable[[ChainModel, float], Policy]:
    """The policy of this name: one of POLICIES, or "adaptive:N", which changes levels about N times a minute at most.

    ValueError tells what there is.
    """
    if name in POLICIES:
        return POLICIES[name]
    kind, _, number = name.partition(":")
    try:
        changes = float(number) if kind == ADAPTIVE else math.nan
    except ValueError:
        changes = math.nan
    if not LEAST_CHANGES <= changes <= MOST_CHANGES:
        raise ValueError(
            f"no policy {name!r}; there are {', '.join(POLICIES)}, and {ADAPTIVE}:N, N changes a minute from"
            f" {LEAST_CHANGES:g} to {MOST_CHANGES:g}"
        )
    return partial(Adaptive, changes_a_minute=changes)

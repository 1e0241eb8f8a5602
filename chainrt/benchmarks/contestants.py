"""Who plays in the benchmarks: the scheduler and its rivals, each with the one knob that its user could turn."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial

from ..scheduler import POLICIES, Adaptive, ChainModel, Policy
from ..scheduler.policy import MOST_CHANGES_A_MINUTE
from .ablations import ABLATIONS
from .rivals import alert, at_load_time, static, three_states, threshold

BUDGET = 0.97
"""Of the scheduler, where it is not the knob: the reflex guards the rest."""

Make = Callable[[ChainModel, float], Policy]


@dataclass(frozen=True)
class Family:
    """make(knob): what makes the policy. usual: the knob as its author sets it; sweep: what the frontier shows."""

    make: Callable[[float], Make]
    knob: str
    usual: float
    sweep: Sequence[float]


class OnTwoCores(Adaptive):
    """The scheduler, its chain on a second core, the smallest levels on the first (chainrt/pair.py): a period later."""

    two_cores = True


OURS, SECOND_CORE, TWICE = "adaptive", "adaptive, second core", "full, twice the period"
FEW_CHANGES = "clairvoyant, few changes"
PATIENT = "adaptive, patience"
BUDGETS = (0.45, 0.55, 0.65, 0.75, 0.85, 0.92, BUDGET, 1.0)

FAMILIES = {
    OURS: Family(lambda budget: Adaptive, "budget", BUDGET, BUDGETS),  # `player` says with which budget it plays
    SECOND_CORE: Family(lambda budget: OnTwoCores, "budget", BUDGET, BUDGETS),
    "static": Family(static, "share", 0.70, (0.35, 0.45, 0.55, 0.62, 0.70, 0.78, 0.86)),
    "load time, all at once": Family(lambda share: at_load_time(share, True), "share", 0.5, (0.3, 0.5, 0.66, 0.8, 1.0)),
    "load time, one by one": Family(lambda share: at_load_time(share, False), "share", 0.5, (0.3, 0.5, 0.66, 0.8, 1.0)),
    "three states": Family(three_states, "first threshold", 0.70, (0.40, 0.55, 0.70, 0.85, 1.0)),
    "threshold (AIMD)": Family(threshold, "threshold", 0.9, (0.6, 0.7, 0.8, 0.9, 1.0)),
    "ALERT-like, free": Family(lambda sigmas: alert(sigmas, True), "sigmas", 3.0, (0.0, 1.0, 2.0, 3.0, 5.0, 8.0)),
    "ALERT-like, charged": Family(lambda sigmas: alert(sigmas, False), "sigmas", 3.0, (0.0, 1.0, 2.0, 3.0, 5.0, 8.0)),
}

PATIENCE = Family(
    lambda changes: partial(Adaptive, changes_a_minute=changes),
    "changes a minute",
    MOST_CHANGES_A_MINUTE,
    (15.0, 30.0, MOST_CHANGES_A_MINUTE, 100.0, 150.0, 1000.0),
)
"""The scheduler at its usual budget, its patience turned instead."""

_USUAL = {name: family.make(family.usual) for name, family in FAMILIES.items()}

CONTESTANTS: dict[str, Make] = {
    OURS: _USUAL.pop(OURS),
    SECOND_CORE: _USUAL.pop(SECOND_CORE),
    "full": POLICIES["full"],
    "lite": POLICIES["lite"],
    "static 55 %": static(0.55),
    "static 70 %": _USUAL.pop("static"),
    "three states, aggressive": three_states(0.55),
    **_USUAL,
}
"""By name, with the usual knob. Beside them plays TWICE: everything at full in periods of twice the length."""


def is_rival(name: str) -> bool:
    return name not in (OURS, SECOND_CORE, FEW_CHANGES, PATIENT)


def player(name: str, knob: float | None) -> tuple[Make, float]:
    """(what makes the policy, the budget to play it with) of a contestant, an ablation, or a family with its knob at a
    given place."""
    if knob is None:
        return (CONTESTANTS | ABLATIONS)[name], BUDGET
    family = PATIENCE if name == PATIENT else FAMILIES[name]
    return family.make(knob), knob if family.knob == "budget" else BUDGET

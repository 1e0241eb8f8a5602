"""Who plays in the benchmarks: the scheduler and its rivals, each with the one knob that its user could turn."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from ..scheduler import POLICIES, ChainModel, Policy
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


def adaptive(budget: float) -> Make:
    """The scheduler; its budget is the knob, whatever the others are given."""
    return lambda chain, _: POLICIES["adaptive"](chain, budget)


FAMILIES = {
    "adaptive": Family(adaptive, "budget", BUDGET, (0.45, 0.55, 0.65, 0.75, 0.85, 0.92, BUDGET, 1.0)),
    "static": Family(static, "share", 0.70, (0.35, 0.45, 0.55, 0.62, 0.70, 0.78, 0.86)),
    "load time, all at once": Family(lambda share: at_load_time(share, True), "share", 0.5, (0.3, 0.5, 0.66, 0.8, 1.0)),
    "load time, one by one": Family(lambda share: at_load_time(share, False), "share", 0.5, (0.3, 0.5, 0.66, 0.8, 1.0)),
    "three states": Family(three_states, "first threshold", 0.70, (0.40, 0.55, 0.70, 0.80, 0.90, 1.0)),
    "threshold (AIMD)": Family(threshold, "threshold", 0.9, (0.6, 0.7, 0.8, 0.9, 1.0)),
    "ALERT-like, free": Family(lambda sigmas: alert(sigmas, True), "sigmas", 3.0, (0.0, 1.0, 2.0, 3.0, 5.0, 8.0)),
    "ALERT-like, charged": Family(lambda sigmas: alert(sigmas, False), "sigmas", 3.0, (0.0, 1.0, 2.0, 3.0, 5.0, 8.0)),
}

OURS, TWICE = "adaptive", "full, twice the period"
_USUAL = {name: family.make(family.usual) for name, family in FAMILIES.items()}

CONTESTANTS: dict[str, Make] = {
    OURS: _USUAL.pop(OURS),
    "full": POLICIES["full"],
    "lite": POLICIES["lite"],
    "static 55 %": static(0.55),
    "static 70 %": _USUAL.pop("static"),
    "three states, aggressive": three_states(0.55),
    **_USUAL,
}
"""By name, with the usual knob. Beside them plays TWICE: everything at full in periods of twice the length."""


def make_policy(name: str, knob: float | None) -> Make:
    """A contestant, an ablation, or a family with its knob at a given place."""
    if knob is not None:
        return FAMILIES[name].make(knob)
    return CONTESTANTS[name] if name in CONTESTANTS else _ablated(name)


def _ablated(name: str) -> Make:
    return lambda chain, _: ABLATIONS[name](chain, BUDGET)

"""Policies against scenarios: misses, fidelity, changes, on the same weather for all."""

from itertools import product

from ...engine import FADE_FRAMES
from ...numeric import PEDALBOARD, numeric_chain
from ...weather import BURSTS
from .. import comparing
from ..chapter import Cell, Effort, Row, Told
from ..contestants import CONTESTANTS, FEW_CHANGES, TWICE
from ..foresight import most_utility
from ..scenarios import DAYS
from ..scoring import MOST_CHANGES_ELSEWHERE
from ..simulated import cell, measure

__all__ = ["IS_TIMED", "TITLE", "cells", "measure", "tell"]

TITLE = "Policies and scenarios"
IS_TIMED = False
PERIODS, QUICK_PERIODS = 20_000, 4_000
QUICK_POLICIES = (
    "adaptive",
    "adaptive, second core",
    "full",
    "static 55 %",
    "static 70 %",
    "three states",
    "ALERT-like, charged",
    TWICE,
)


def players(effort: Effort) -> tuple[str, ...]:
    return (*CONTESTANTS, TWICE) if effort.is_full else QUICK_POLICIES


def cells(effort: Effort) -> list[Cell]:
    periods = PERIODS if effort.is_full else QUICK_PERIODS
    return [
        cell(policy, scenario, seed, periods)
        for seed, scenario, policy in product(range(effort.seeds), DAYS, (*players(effort), FEW_CHANGES))
    ]


def tell(rows: list[Row]) -> Told:
    found = comparing.verdicts(rows)
    about = (
        "The engine and every policy play the numeric pedalboard (two A2 amps, two sliced ones, five effects; all at"
        " full 86 % of the deadline, all at their smallest 23.5 %) in periods of 64 frames at 48 kHz on a virtual"
        " clock. What slows the machine down is drawn from a seed and is the same for all. Three states, threshold and"
        f" ALERT-like, free, switch to levels without their past and pay for nothing but the crossfade of {FADE_FRAMES}"
        " frames, which nobody can build.",
        comparing.evidence(rows),
        comparing.COLUMNS,
        "It would show nothing if the laws of the weather were kind to our policy. So they were fixed before it was"
        " written, and the adversaries are a chapter of their own.",
    )
    parts = (
        comparing.score_table("scores", "Each policy in each scenario", rows),
        comparing.verdict_table("verdicts", "Ours (one core) against each of the others, seed by seed", found),
    )
    return Told(about, [*comparing.summary(found), _without_foresight()], parts)


def _without_foresight() -> str:
    _, model = numeric_chain(PEDALBOARD)
    most = most_utility(model, BURSTS["bursts"], MOST_CHANGES_ELSEWHERE)
    return (
        f"No scheduler that does not know the future has a utility above {most:.3f} under bursts with"
        f" {MOST_CHANGES_ELSEWHERE:g} changes a minute, whatever else is granted to it (benchmarks/foresight.py)."
    )

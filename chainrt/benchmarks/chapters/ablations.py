"""What each part of the scheduler is good for: the same days without it."""

from itertools import product

from .. import comparing
from ..ablations import ABLATIONS
from ..chapter import Cell, Effort, Row, Table, Told
from ..contestants import OURS, SECOND_CORE, OnTwoCores
from ..simulated import cell, measure
from .policies import QUICK_PERIODS

__all__ = ["IS_TIMED", "TITLE", "cells", "measure", "tell"]

TITLE = "Without one of its parts, and with a second core"
IS_TIMED = False
PERIODS = 10_000
PARTS = ABLATIONS | {SECOND_CORE: OnTwoCores}
SCENARIOS, QUICK_SCENARIOS = ("calm", "thermal", "bursts", "presets", "hostile"), ("bursts", "hostile")


def cells(effort: Effort) -> list[Cell]:
    scenarios, periods = (SCENARIOS, PERIODS) if effort.is_full else (QUICK_SCENARIOS, QUICK_PERIODS)
    return [
        cell(policy, scenario, seed, periods)
        for seed, scenario, policy in product(range(effort.seeds), scenarios, (OURS, *PARTS))
    ]


def tell(rows: list[Row]) -> Told:
    found = comparing.verdicts(rows)
    does = Table("parts", "What is other", ("policy", "what"), [(name, made.__doc__) for name, made in PARTS.items()])
    about = (
        "A part that can be taken out without loss is not worth its lines. Each line below is the scheduler without"
        " one part, or with a second core, on the same days. Cold falls are neither misses nor lost utility, but they"
        " are heard.",
        comparing.evidence(rows),
        comparing.COLUMNS,
    )
    parts = (
        does,
        comparing.score_table("scores", "With and without", rows),
        comparing.verdict_table(
            "verdicts", "The scheduler on one core against each of the others, seed by seed", found
        ),
    )
    return Told(about, _findings(found), parts)


def _findings(found: list[comparing.Verdict]) -> list[str]:
    """What each part costs and brings, scenario by scenario, where chance does not explain it."""
    lines = []
    for name in dict.fromkeys(one.other for one in found):
        mine = [one for one in found if one.other == name]
        said = [
            f"{one.scenario}: {one.misses.mean:+,.0f} misses a million, {one.utility.mean:+.3f} utility"
            for one in mine
            if one.seeds > 1 and (one.misses.differs or one.utility.differs)
        ]
        told = "; ".join(said) if said else "no difference that chance would not explain"
        lines.append(f"The scheduler on one core against {name}: {told}.")
    return lines

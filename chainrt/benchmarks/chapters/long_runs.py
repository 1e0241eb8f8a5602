"""A million periods in one go: what creeps in slowly, and rates of a few in a million, need long days."""

from itertools import product

from .. import comparing
from ..chapter import Cell, Effort, Row, Told
from ..contestants import OURS, SECOND_CORE
from ..scenarios import DAYS
from ..simulated import cell, measure, score_of

__all__ = ["IS_TIMED", "TITLE", "cells", "measure", "tell"]

TITLE = "Long runs"
IS_TIMED = False
PERIODS, QUICK_PERIODS = 1_000_000, 20_000
SEEDS = 1  # twenty would be a day's work
AIM = 5.0  # avoidable misses per million periods


def cells(effort: Effort) -> list[Cell]:
    if not effort.is_full:
        return [cell(OURS, scenario, 0, QUICK_PERIODS) for scenario in DAYS]
    played = [*product(range(SEEDS), DAYS, [OURS]), *product([0], DAYS, [SECOND_CORE])]
    return [cell(policy, scenario, seed, PERIODS) for seed, scenario, policy in played]


def tell(rows: list[Row]) -> Told:
    about = (
        "The same scheduler, weather and pedalboard as in the first chapter, in one piece: no warm start, and time"
        " enough for whatever adds up slowly.",
        comparing.evidence(rows),
        comparing.COLUMNS,
    )
    runs = comparing.groups(rows, "scenario", "policy").values()
    return Told(about, list(map(_finding, runs)), (comparing.score_table("scores", "Each scenario in one go", rows),))


def _finding(runs: list[Row]) -> str:
    scores, periods = list(map(score_of, runs)), sum(row["periods"] for row in runs)
    name = f"{runs[0]['scenario'].capitalize()}, {runs[0]['policy']}"
    counted = 1e6 * sum(score.avoidable for score in scores) / periods
    late = 1e6 * sum(score.late_stalls for score in scores) / periods
    best = sum(row["possible"]["99 periods"] * row["periods"] for row in runs)
    regret = f"regret {(best - sum(score.utility for score in scores)) / periods:+.3f}."
    if runs[0]["policy"] == SECOND_CORE:
        return f"{name}: {counted:.0f} misses a million in all, none of them excused; {regret}"
    return (
        f"{name}: {counted:.0f} avoidable misses a million ({'within' if counted <= AIM else 'above'} the {AIM:g} aimed"
        f" at); {late:.1f} were to be expected from stalls that no scheduler on one core could have made up for;"
        f" {regret}"
    )

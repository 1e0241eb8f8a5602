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
AIM = 5.0  # avoidable misses per million periods


def cells(effort: Effort) -> list[Cell]:
    """One seed: twenty of them would be a day's work."""
    periods = PERIODS if effort.is_full else QUICK_PERIODS
    players = (OURS, SECOND_CORE) if effort.is_full else (OURS,)
    return [cell(policy, scenario, 0, periods) for scenario, policy in product(DAYS, players)]


def tell(rows: list[Row]) -> Told:
    about = (
        "The same scheduler, weather and pedalboard as in the first chapter, in one piece: no warm start, and time"
        " enough for whatever adds up slowly.",
        comparing.evidence(rows),
        comparing.COLUMNS,
    )
    return Told(about, list(map(_finding, rows)), (comparing.score_table("scores", "Each scenario in one go", rows),))


def _finding(row: Row) -> str:
    score, millions = score_of(row), row["periods"] / 1e6
    name, counted = f"{row['scenario'].capitalize()}, {row['policy']}", score.avoidable / millions
    regret = f"regret {row['possible']['99 periods'] - score.utility / row['periods']:+.3f}."
    if row["policy"] == SECOND_CORE:
        return f"{name}: {counted:.0f} misses a million in all, none of them excused; {regret}"
    return (
        f"{name}: {counted:.0f} avoidable misses a million ({'within' if counted <= AIM else 'above'} the {AIM:g} aimed"
        f" at); {score.late_stalls / millions:.1f} were to be expected from stalls that no scheduler on one core could"
        f" have made up for; {regret}"
    )

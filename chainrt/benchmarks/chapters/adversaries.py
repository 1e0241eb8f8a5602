"""Days made to hurt the scheduler where it is weak."""

from itertools import product

from .. import comparing
from ..chapter import Cell, Effort, Row, Table, Told
from ..scenarios import ADVERSARIES
from ..simulated import cell, measure
from .policies import QUICK_PERIODS, players

__all__ = ["IS_TIMED", "TITLE", "cells", "measure", "tell"]

TITLE = "Adversaries"
IS_TIMED = False
PERIODS = 10_000
QUICK_PLAYERS = "adaptive", "static 55 %", "three states"


def cells(effort: Effort) -> list[Cell]:
    policies, periods = (players(effort), PERIODS) if effort.is_full else (QUICK_PLAYERS, QUICK_PERIODS)
    return [
        cell(policy, scenario, seed, periods)
        for seed, scenario, policy in product(range(effort.seeds), ADVERSARIES, policies)
    ]


def tell(rows: list[Row]) -> Told:
    found = comparing.verdicts(rows)
    played = [name for (name,) in comparing.groups(rows, "scenario")]
    days = Table("days", "What the adversaries do", ("scenario", "what"), [(n, ADVERSARIES[n].says) for n in played])
    about = (
        "The same pedalboard and policies as above, on days that attack what the scheduler relies on: its patience, its"
        " tables, its knowledge of what comes, the time behind the last block.",
        comparing.evidence(rows),
        comparing.COLUMNS,
    )
    parts = (
        days,
        comparing.score_table("scores", "Each policy against each adversary", rows),
        comparing.verdict_table("verdicts", "Ours (one core) against each of the others, seed by seed", found),
    )
    return Told(about, comparing.summary(found), parts)

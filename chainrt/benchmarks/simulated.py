"""Cells on the virtual clock: one policy, one scenario, one seed."""

from dataclasses import asdict
from pathlib import Path
from typing import Any

from .chapter import Cell, Row
from .contestants import FEW_CHANGES, TWICE, player
from .scoring import Score, best_possible, few_changes, play, twice_the_period


def cell(policy: str, scenario: str, seed: int, periods: int, knob: float | None = None) -> Cell:
    """knob: None is the usual one."""
    return {"policy": policy, "knob": knob, "scenario": scenario, "seed": seed, "periods": periods}


def measure(cell: Cell, folder: Path) -> dict[str, Any]:
    """The score, response times, and what the clairvoyants reach."""
    day = cell["scenario"], cell["periods"], cell["seed"]
    each, dwell = best_possible(*day)
    if cell["policy"] in (TWICE, FEW_CHANGES):
        computed = twice_the_period if cell["policy"] == TWICE else few_changes
        score, responses = computed(*day), []
    else:
        make, budget = player(cell["policy"], cell["knob"])
        score, tally, _ = play(make, *day, budget)
        responses = tally.responses.tolist()
    return {"score": asdict(score), "possible": {"each period": each, "99 periods": dwell}, "responses": responses}


def score_of(row: Row) -> Score:
    return Score(**row["score"])

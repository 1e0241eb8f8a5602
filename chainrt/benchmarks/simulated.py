"""Cells on the virtual clock: one policy, one scenario, one seed."""

from dataclasses import asdict
from pathlib import Path
from typing import Any

from ..scheduler import POLICIES
from .chapter import Cell
from .rivals import RIVALS
from .scoring import best_possible, play

CONTESTANTS = {"adaptive": POLICIES["adaptive"], "full": POLICIES["full"], "lite": POLICIES["lite"], **RIVALS}


def measure(cell: Cell, folder: Path) -> dict[str, Any]:
    """cell: policy, scenario, periods, seed."""
    score, _, _ = play(CONTESTANTS[cell["policy"]], cell["scenario"], cell["periods"], cell["seed"])
    each, dwell = best_possible(cell["scenario"], cell["periods"], cell["seed"])
    return {"score": asdict(score), "possible": {"each period": each, "99 periods": dwell}}

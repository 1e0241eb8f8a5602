"""One run in every detail: the load, the machine and what is heard, period by period."""

from pathlib import Path
from typing import Any

import numpy as np

from ..numeric import PEDALBOARD
from .chapter import Cell
from .contestants import player
from .scoring import Keeping, play, weather_rows

SLIMMABLE = [index for index, block in enumerate(PEDALBOARD) if len(block.shares) > 1]


def measure(cell: Cell, folder: Path) -> dict[str, Any]:
    """cell: policy, scenario, seed, periods (no more than the engine's ring holds).

    load: until the sound was done, and response: until everything was, shares of the deadline; levels: of the blocks
    that have several, 0 smallest, 1 full; slowdown: of the machine.
    """
    day = cell["scenario"], cell["periods"], cell["seed"]
    make, budget = player(cell["policy"], None)
    score, tally, _ = play(make, *day, budget, Keeping)
    ring, spent, deadline = tally.ring, tally.spent, tally.model.deadline_ns
    sound = (spent["measured_ns"] - spent["muted_ns"]).sum(axis=1) + ring["start_ns"]
    heights = np.array([len(PEDALBOARD[index].shares) - 1 for index in SLIMMABLE])
    rows, _ = weather_rows(*day)
    return {
        "avoidable": score.avoidable,
        "load": (sound / deadline).round(3).tolist(),
        "response": ((ring["late_ns"] + ring["spent_ns"]) / deadline).round(3).tolist(),
        "levels": (spent["audible"][:, SLIMMABLE] / heights).T.round(3).tolist(),
        "utility": tally.utility_of_all.round(4).tolist(),
        "slowdown": rows[:, 0].round(3).tolist(),
    }

"""How fast a policy reacts: the load doubles, and stays so.

* to fit: periods from the doubled load to the first one that ends in time and is followed by CALM_S without a miss.
* settled: milliseconds from the doubled load to the moment from which, in the mean over CALM_S, the utility is ENOUGH
  of what it is in the last SETTLED_S of the run.
* share: what it is then, over that of the best plan that fits the deadline at the doubled load.

The first is None if it never fits; the second if nothing is left to be settled at.
"""

from pathlib import Path
from typing import Any

import numpy as np

from ..numeric import PEDALBOARD, numeric_chain
from ..scheduler import Frontier
from .chapter import Cell
from .contestants import player
from .scenarios import DOUBLED, PERIOD_S, doubled_at
from .scoring import Keeping, play

PERIODS = 6000  # eight seconds: shorter than the engine's ring
CALM_S, SETTLED_S, ENOUGH = 0.1, 1.0, 0.95


def measure(cell: Cell, folder: Path) -> dict[str, Any]:
    """cell: policy, seed."""
    make, budget = player(cell["policy"], None)
    _, tally, _ = play(make, "doubled", PERIODS, cell["seed"], budget, Keeping)
    since = doubled_at(cell["seed"])
    missed = tally.ring["missed"][since:] == 1
    calm, utility = round(CALM_S / PERIOD_S), tally.utility_of_all[since:]
    settled = float(utility[-round(SETTLED_S / PERIOD_S) :].mean())
    return {
        "misses": int(missed.sum()),
        "to_fit": first_stretch(~missed, calm),
        "settled_ms": _milliseconds(first_mean(utility, calm, ENOUGH * settled) if settled > 0 else None),
        "share": settled / best_after(),
    }


def best_after() -> float:
    """The utility of the best plan that fits the deadline at the doubled load."""
    _, model = numeric_chain(PEDALBOARD)
    frontier = Frontier(model)
    best = frontier.best(model.deadline_ns, DOUBLED).utility
    return float((best - frontier.utility[0]) / (frontier.utility[-1] - frontier.utility[0]))


def first_stretch(holds: np.ndarray, length: int) -> int | None:
    """Where the first so many True in a row begin."""
    counted = np.convolve(holds, np.ones(length), "valid")
    found = np.flatnonzero(counted > length - 0.5)
    return int(found[0]) if len(found) else None


def first_mean(values: np.ndarray, length: int, least: float) -> int | None:
    """Where the first so many values begin whose mean is at least so much."""
    found = np.flatnonzero(np.convolve(values, np.ones(length) / length, "valid") >= least - 1e-9)
    return int(found[0]) if len(found) else None


def _milliseconds(periods: int | None) -> float | None:
    return None if periods is None else round(1000 * PERIOD_S * periods, 1)

"""How fast a policy reacts: the load doubles, and stays so.

* to fit: periods from the doubled load to the first one that ends in time and is followed by CALM_S without a miss.
* back: milliseconds from the doubled load to the moment from which, in the mean over CALM_S, the utility is 95 % of
  what the best plan has that fits the deadline at the doubled load.

Both are None if it was not so before the run ended.
"""

from pathlib import Path
from typing import Any

import numpy as np

from ..numeric import PEDALBOARD, numeric_chain
from ..scheduler import Frontier
from .chapter import Cell
from .contestants import make_policy
from .scenarios import DOUBLED, PERIOD_S, doubled_at
from .scoring import Keeping, play

PERIODS = 6000  # eight seconds: shorter than the engine's ring
CALM_S, ENOUGH = 0.1, 0.95


def measure(cell: Cell, folder: Path) -> dict[str, Any]:
    """cell: policy, seed."""
    _, tally, _ = play(make_policy(cell["policy"], None), "doubled", PERIODS, cell["seed"], tally_by=Keeping)
    since = doubled_at(cell["seed"])
    missed = tally.ring["missed"][since:] == 1
    calm = round(CALM_S / PERIOD_S)
    return {
        "misses": int(missed.sum()),
        "to_fit": first_stretch(~missed, calm),
        "back_ms": _milliseconds(first_mean(tally.utility_of_all[since:], calm, ENOUGH * best_after())),
        "in_the_end": float(tally.utility_of_all[-calm:].mean() / best_after()),
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

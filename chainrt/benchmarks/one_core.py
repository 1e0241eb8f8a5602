"""What one core must choose between: fidelity, and misses by stalls that come too late. A bound beside oracle.py's.

A stall that strikes when large levels have been played, or have begun, may leave less of the period than the smallest
levels of what is still to come need: a miss that those alone would have avoided (scoring.py: a late stall). The more is
played, the less is left for a stall. So who is to have few such misses has to play less. Here it is computed how much,
for somebody who knows at each moment how slow the machine is, chooses a new plan in every period and pays nothing for
it. Only when a stall will strike is not known, since nobody can know: they are drawn independently.

late(p, t) is the probability that plan p is struck so in period t. For any price of a late stall

    mean of u(p)  <=  mean over t of  most over p of [u(p) - price late(p, t)]  +  price x late stalls a period

whatever plans are played (Everett, Operations Research 11, 1963), and so the regret of all who have no more late stalls
than that is at least what the dearest of all prices says. Blocks are called whole; per-block jitter is left out, as in
oracle.py. Periods in which a stall does strike count as if it had not, in favour of the bound.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from ..numeric import PEDALBOARD, numeric_chain
from ..scheduler import ChainModel
from .chapter import Cell
from .contestants import CONTESTANTS, OURS
from .oracle import all_plans
from .scenarios import SCENARIOS
from .scoring import best_possible, longer, play, weather_rows

PRICES = tuple(np.geomspace(1e2, 1e6, 41))
"""Of a late stall, in periods at full utility."""
AT_ONCE = 2000  # periods looked at in one go


def measure(cell: Cell, folder: Path) -> dict[str, Any]:
    """What anybody could reach on this day at each of PRICES, and what ours did. charged, utility: a period's mean."""
    day = cell["scenario"], cell["periods"], cell["seed"]
    score, _, _ = play(CONTESTANTS[OURS], *day)
    _, model = numeric_chain(PEDALBOARD)
    rows, extra = weather_rows(*day)
    return {
        "charged": charged(model, rows, extra, SCENARIOS[cell["scenario"]].stall_probability).tolist(),
        "dwell": best_possible(*day)[1],
        "utility": score.utility / score.periods,
        "late_stalls": score.late_stalls / score.periods,
    }


def charged(
    model: ChainModel, weather: np.ndarray, extra_ns: np.ndarray, stall_probability: float, prices: Sequence = PRICES
) -> np.ndarray:
    """The most mean utility, less the price of late stalls, for each price. weather, extra_ns: as for oracle.room."""
    plans, worth = all_plans(model)
    costs = model.tables[0][np.arange(len(model.blocks)), plans]
    least = np.array([block.cost_ns(block.smallest, model.frames) for block in model.blocks])
    played = model.fixed_ns + np.cumsum(costs, axis=1)
    needs, places = np.unique(played + least.sum() - np.cumsum(least), return_inverse=True)
    places = places.reshape(costs.shape)

    total = np.zeros(len(prices))
    for begin in range(0, len(weather), AT_ONCE):
        some = slice(begin, begin + AT_ONCE)
        factor, woken_ns = weather[some, 0, np.newaxis], weather[some, 1, np.newaxis]
        left = model.deadline_ns - woken_ns - factor * extra_ns[some, np.newaxis]
        excused = longer(left - factor * (model.fixed_ns + least.sum()))
        struck = np.maximum(0.0, longer(left - factor * needs) - excused)
        struck = stall_probability * sum(struck[:, column] for column in places.T)
        value = np.where(factor * played[:, -1] <= left, worth, -np.inf)
        total += [np.maximum(0.0, (value - price * struck).max(axis=1)).sum() for price in prices]
    return total / len(weather)


def most_utility(charged: np.ndarray, late_stalls: float, prices: Sequence = PRICES) -> float:
    """Nobody with so few late stalls a period has more. charged: as above, or its mean over several days."""
    return float((charged + np.multiply(prices, late_stalls)).min())


def fewest_late_stalls(charged: np.ndarray, utility: float, prices: Sequence = PRICES) -> float:
    """Nobody with so much utility has fewer, a period."""
    return max(0.0, float(((utility - charged) / prices).max()))

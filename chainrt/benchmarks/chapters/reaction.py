"""The load doubles: how long until it fits again, and until it sounds as good as it can?"""

from itertools import product

import numpy as np

from ..chapter import Cell, Effort, Row, Table, Told
from ..comparing import groups
from ..contestants import CONTESTANTS, OURS
from ..reacting import CALM_S, ENOUGH, PERIODS, measure
from ..scenarios import PERIOD_S
from .policies import players

__all__ = ["IS_TIMED", "TITLE", "cells", "measure", "tell"]

TITLE = "Reaction to a doubled load"
IS_TIMED = False


def cells(effort: Effort) -> list[Cell]:
    policies = [policy for policy in players(effort) if policy in CONTESTANTS]
    return [{"policy": policy, "seed": seed} for seed, policy in product(range(effort.seeds), policies)]


HEADINGS = (
    *("policy", "periods to fit, median>", "worst>", "ms, median>", "misses in the worst run>"),
    *("ms until settled, median>", "worst>", "settled at, share of the possible>"),
)


def tell(rows: list[Row]) -> Told:
    played = groups(rows, "policy")
    seeds = max(map(len, played.values()))
    lines = [(policy, *_cells(group)) for (policy,), group in played.items()]
    about = (
        "After 1.5 s everything costs twice as much, so that all at full would need 172 % of the deadline, until the"
        f" end of the run ({PERIODS * PERIOD_S:g} s). Fits: the first of {1000 * CALM_S:.0f} ms without a miss."
        f" Settled: the mean utility of {1000 * CALM_S:.0f} ms is {100 * ENOUGH:.0f} % of what it is in the last"
        " second. Possible: the best plan that fits the whole deadline at the doubled load. never: not within the run,"
        " or nothing to settle at.",
        f"{seeds} {'run' if seeds == 1 else 'runs'} of each; the load doubles at another place between two looks of the"
        " policy in each of them.",
    )
    findings = [_finding(group) for (policy,), group in played.items() if policy == OURS]
    return Told(about, findings, (Table("reaction", "From the doubled load on", HEADINGS, lines),))


def _quantiles(values: list) -> tuple[float, float]:
    """(median, worst), where None is never."""
    numbers = sorted(np.inf if value is None else value for value in values)
    return numbers[len(numbers) // 2], numbers[-1]


def _write(value: float, form: str) -> str:
    return "never" if np.isinf(value) else f"{value:{form}}"


def _cells(rows: list[Row]) -> list[str]:
    fit, worst_fit = _quantiles([row["to_fit"] for row in rows])
    settled, worst = _quantiles([row["settled_ms"] for row in rows])
    return [
        *(_write(fit, ",.0f"), _write(worst_fit, ",.0f"), _write(1000 * PERIOD_S * fit, ",.1f")),
        f"{max(row['misses'] for row in rows):,}",
        *(_write(settled, ",.0f"), _write(worst, ",.0f")),
        f"{np.mean([row['share'] for row in rows]):.2f}",
    ]


def _finding(rows: list[Row]) -> str:
    fit, worst_fit = _quantiles([row["to_fit"] for row in rows])
    settled, worst = _quantiles([row["settled_ms"] for row in rows])
    return (
        f"Ours needs {_write(fit, '.0f')} periods to fit (worst {_write(worst_fit, '.0f')}), and"
        f" {_write(settled, ',.0f')} ms to settle (worst {_write(worst, ',.0f')}) at"
        f" {100 * np.mean([row['share'] for row in rows]):.0f} % of the possible fidelity."
    )

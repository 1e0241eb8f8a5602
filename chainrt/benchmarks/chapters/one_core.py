"""What one core must choose between: how much of it a sound may take, and how many stalls then come too late."""

from itertools import product

import numpy as np

from ..chapter import Cell, Effort, Picture, Row, Table, Told
from ..comparing import evidence, groups
from ..contestants import OURS
from ..one_core import fewest_late_stalls, measure, most_utility
from ..scenarios import DAYS
from ..simulated import cell
from .long_runs import AIM
from .policies import PERIODS, QUICK_PERIODS

__all__ = ["IS_TIMED", "TITLE", "cells", "measure", "tell"]

TITLE = "What one core must choose between"
IS_TIMED = False
REGRET_AIM = 0.05
MILLION = 1e6


def cells(effort: Effort) -> list[Cell]:
    periods = PERIODS if effort.is_full else QUICK_PERIODS
    return [cell(OURS, scenario, seed, periods) for seed, scenario in product(range(effort.seeds), DAYS)]


class Day:
    """The rows of one scenario, in the mean. Late stalls: per million periods."""

    def __init__(self, rows: list[Row]):
        self._charged = np.mean([row["charged"] for row in rows], axis=0)
        self._dwell = float(np.mean([row["dwell"] for row in rows]))
        self.late_stalls = MILLION * float(np.mean([row["late_stalls"] for row in rows]))
        self.regret = self._dwell - float(np.mean([row["utility"] for row in rows]))

    def least_regret(self, late_stalls: float) -> float:
        return self._dwell - most_utility(self._charged, late_stalls / MILLION)

    def fewest_late_stalls(self, regret: float) -> float:
        return MILLION * fewest_late_stalls(self._charged, self._dwell - regret)


def tell(rows: list[Row]) -> Told:
    days = {scenario: Day(group) for (scenario,), group in groups(rows, "scenario").items()}
    about = (
        "A stall that strikes once large levels have begun is a miss that the smallest would have avoided: a late one."
        " Who plays less has fewer. The bound knows at each moment how slow the machine is, chooses a new plan"
        " in every period and pays nothing for it; only when a stall will strike it does not know"
        " (benchmarks/one_core.py). Nobody on one core, whose blocks are called whole, is below it."
        f" Aimed at: {AIM:g} avoidable misses per million periods, of which late stalls are a part, and a regret of"
        f" {REGRET_AIM:g}.",
        evidence(rows),
    )
    return Told(
        about,
        [_finding(days)],
        (
            Picture("choice", "Late stalls against regret: the bound, and ours", lambda f, ink: _draw(f, ink, days)),
            _table(days),
        ),
    )


def _finding(days: dict[str, Day]) -> str:
    both = [scenario for scenario, day in days.items() if day.least_regret(AIM) <= REGRET_AIM]
    where = f"only in {', '.join(both)}" if both else "in none"
    return (
        f"{AIM:g} late stalls a million and a regret of {REGRET_AIM:g} can be had together {where} of {len(days)}"
        " scenarios, by whatever scheduler on one core."
    )


HEADINGS = (
    *("scenario", "ours: late stalls a million>", "ours: regret>", "least regret of all with as many>"),
    *(f"least regret with {AIM:g}>", f"fewest late stalls at regret {REGRET_AIM:g}>"),
)


def _table(days: dict[str, Day]) -> Table:
    lines = [
        (
            *(scenario, f"{day.late_stalls:,.1f}", f"{day.regret:+.3f}", f"{day.least_regret(day.late_stalls):+.3f}"),
            *(f"{day.least_regret(AIM):+.3f}", f"{day.fewest_late_stalls(REGRET_AIM):,.1f}"),
        )
        for scenario, day in days.items()
    ]
    return Table("choices", "Ours, and what nobody exceeds", HEADINGS, lines)


def _draw(figure, ink, days: dict[str, Day]) -> None:
    axes = figure.subplots()
    late_stalls = np.geomspace(1, 100, 200)
    for number, (scenario, day) in enumerate(days.items()):
        line = ink.line(number)
        least = np.maximum(0.0, [day.least_regret(some) for some in late_stalls])
        axes.plot(late_stalls, least, label=scenario, **line | {"marker": ""})
        axes.plot(day.late_stalls, day.regret, **line | {"linestyle": "", "markersize": 9})
    axes.axvline(AIM, color=ink.faint, zorder=0)
    axes.axhline(REGRET_AIM, color=ink.faint, zorder=0)
    axes.annotate("aimed at", (AIM, REGRET_AIM), (-4, -4), textcoords="offset points", ha="right", va="top")
    axes.set(xscale="log", xlabel="late stalls per million periods", ylabel="regret", xlim=(1, 100), ylim=(-0.01, 0.3))
    axes.legend(title="lines: nobody is below; marks: ours")

"""What patience costs: how many changes a minute a listener may be asked to hear, against the sound that is lost."""

from dataclasses import dataclass
from itertools import product

import numpy as np

from ...scheduler.patience import PURSE
from ..chapter import Cell, Effort, Picture, Row, Table, Told
from ..comparing import changes_a_minute, evidence, groups, per_million, regrets, utilities
from ..contestants import PATIENCE, PATIENT
from ..scenarios import DAYS
from ..scoring import MOST_CHANGES, MOST_CHANGES_ELSEWHERE
from ..simulated import cell, measure
from .one_core import REGRET_AIM
from .policies import PERIODS, QUICK_PERIODS

__all__ = ["IS_TIMED", "TITLE", "cells", "measure", "tell"]

TITLE = "What patience costs"
IS_TIMED = False
QUICK_SCENARIOS, QUICK_SEEDS = ("bursts",), 1
QUICK_SWEEP = PATIENCE.usual, PATIENCE.sweep[-1]


def cells(effort: Effort) -> list[Cell]:
    if effort.is_full:
        scenarios, sweep, periods, seeds = DAYS, PATIENCE.sweep, PERIODS, effort.seeds
    else:
        scenarios, sweep, periods, seeds = QUICK_SCENARIOS, QUICK_SWEEP, QUICK_PERIODS, QUICK_SEEDS
    return [
        cell(PATIENT, scenario, seed, periods, knob) for seed, scenario, knob in product(range(seeds), scenarios, sweep)
    ]


@dataclass(frozen=True)
class Place:
    """One scenario at one place of the knob, in the mean over seeds. Misses and late stalls: per million periods."""

    asked: float
    changes: float
    utility: float
    regret: float
    avoidable: float
    late_stalls: float


def _place(asked: float, rows: list[Row]) -> Place:
    in_the_mean = [float(np.mean(told(rows))) for told in (changes_a_minute, utilities, regrets)]
    return Place(asked, *in_the_mean, per_million(rows, "avoidable"), per_million(rows, "late_stalls"))


def tell(rows: list[Row]) -> Told:
    days = {
        scenario: [_place(knob, group) for (knob,), group in groups(day, "knob").items()]
        for (scenario,), day in groups(rows, "scenario").items()
    }
    about = (
        "Who changes seldom loses the time between the end of a trouble and the next change. So the scheduler is asked"
        " for more and for fewer changes than it makes by itself (--policy adaptive:N). Aimed at: a regret of"
        f" {REGRET_AIM:g}, and at most {MOST_CHANGES['calm']:g} changes a minute in calm and thermal,"
        f" {MOST_CHANGES_ELSEWHERE:g} in bursts; nothing was asked for elsewhere. Days as short as these hear more than"
        f" was asked for, since a chain begins with {PURSE:g} changes to spend.",
        evidence(rows),
    )
    parts = (
        Picture("changes", "Changes heard against regret", lambda f, ink: _draw(f, ink, days)),
        _table(days),
    )
    return Told(about, [_finding(scenario, places) for scenario, places in days.items()], parts)


def _finding(scenario: str, places: list[Place]) -> str:
    enough = [place for place in places if place.regret <= REGRET_AIM]
    if enough:
        least = min(enough, key=lambda place: place.changes)
        return (
            f"{scenario.capitalize()}: a regret of {least.regret:.3f} with {least.changes:.0f} changes a minute"
            f" (asked for at most {least.asked:g})."
        )
    best = min(places, key=lambda place: place.regret)
    return (
        f"{scenario.capitalize()}: nowhere a regret of {REGRET_AIM:g}; the least is {best.regret:.3f}, with"
        f" {best.changes:.0f} changes a minute (asked for at most {best.asked:g})."
    )


HEADINGS = (
    *("scenario", "asked for at most>", "changes a minute>", "utility>", "regret>"),
    *("avoidable misses a million>", "late stalls a million>"),
)


def _table(days: dict[str, list[Place]]) -> Table:
    lines = [
        (
            *(scenario, f"{one.asked:g}", f"{one.changes:.1f}", f"{one.utility:.3f}", f"{one.regret:+.3f}"),
            *(f"{one.avoidable:,.1f}", f"{one.late_stalls:,.1f}"),
        )
        for scenario, places in days.items()
        for one in places
    ]
    return Table("places", "More and fewer changes", HEADINGS, lines)


def _draw(figure, ink, days: dict[str, list[Place]]) -> None:
    axes = figure.subplots()
    for number, (scenario, places) in enumerate(days.items()):
        axes.plot([one.changes for one in places], [one.regret for one in places], label=scenario, **ink.line(number))
    axes.axhline(REGRET_AIM, color=ink.faint, zorder=0)
    axes.axvline(MOST_CHANGES_ELSEWHERE, color=ink.faint, zorder=0)
    axes.annotate("aimed at", (MOST_CHANGES_ELSEWHERE, REGRET_AIM), (4, 4), textcoords="offset points")
    axes.set(xlabel="changes a minute that are heard", ylabel="regret", xlim=(0, None))
    axes.legend()

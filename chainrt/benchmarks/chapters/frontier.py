"""The frontier: each policy's own knob turned from one end to the other, misses against fidelity."""

from collections.abc import Sequence
from itertools import product

import numpy as np

from ..chapter import Cell, Effort, Picture, Row, Table, Told
from ..comparing import Verdict, compare, evidence, groups, misses_per_million, utilities
from ..contestants import FAMILIES, OURS, is_rival
from ..scenarios import DAYS
from ..simulated import cell, measure
from ..statistics import at_most, write
from .policies import QUICK_PERIODS

__all__ = ["IS_TIMED", "TITLE", "cells", "measure", "tell"]

TITLE = "The frontier: misses against fidelity"
IS_TIMED = False
PERIODS = 5_000
QUICK_SCENARIOS = "bursts", "hostile"
QUICK_FAMILIES = (
    "adaptive",
    "adaptive, second core",
    "static",
    "load time, one by one",
    "three states",
    "ALERT-like, charged",
)
QUICK_PLACES = 3  # of a sweep: first, middle, last


def cells(effort: Effort) -> list[Cell]:
    scenarios, names = (DAYS, FAMILIES) if effort.is_full else (QUICK_SCENARIOS, QUICK_FAMILIES)
    periods = PERIODS if effort.is_full else QUICK_PERIODS
    return [
        cell(name, scenario, seed, periods, knob)
        for seed, scenario, name in product(range(effort.seeds), scenarios, names)
        for knob in (FAMILIES[name].sweep if effort.is_full else _some(FAMILIES[name].sweep))
    ]


def _some(sweep: Sequence[float]) -> list[float]:
    return [sweep[round(place)] for place in np.linspace(0, len(sweep) - 1, QUICK_PLACES)]


def tell(rows: list[Row]) -> Told:
    found = [(knob, verdict) for scenario, day in groups(rows, "scenario").items() for knob, verdict in _against(day)]
    about = (
        "A policy that misses less by sounding worse has proved nothing; so each one's own knob is turned from one end"
        " to the other: "
        + "; ".join(
            f"{name}: {FAMILIES[name].knob} {', '.join(f'{knob:g}' for (knob,) in groups(group, 'knob'))}"
            for (name,), group in groups(rows, "policy").items()
        )
        + ". Down and to the right is better. A rival is beaten where some place of our knob, on one core,"
        " has no more misses and more utility.",
        evidence(rows),
    )
    parts = (
        Picture("frontier", "Avoidable misses against utility, all knobs", lambda f, ink: _draw(f, ink, rows), (11, 7)),
        _points(rows),
        _duels(found),
    )
    return Told(about, _findings(found), parts)


def _against(day: list[Row]) -> list[tuple[float, Verdict]]:
    """Each place of each rival's knob (and its value) against our best place that misses no more than it."""
    scenario = day[0]["scenario"]
    places = groups(day, "policy", "knob")
    ours = [rows for (policy, _), rows in places.items() if policy == OURS]
    found = []
    for (policy, knob), theirs in places.items():
        if is_rival(policy):
            duels = [verdict for rows in ours if (verdict := compare(scenario, rows, policy, theirs))]
            as_safe = [verdict for verdict in duels if verdict.misses_word != "more"]
            if as_safe:
                found.append((knob, max(as_safe, key=lambda one: one.utility.mean)))
            elif duels:
                found.append((knob, min(duels, key=lambda one: one.misses.mean)))
    return found


def _points(rows: list[Row]) -> Table:
    lines = []
    for (scenario, policy, knob), group in groups(rows, "scenario", "policy", "knob").items():
        misses, total = float(np.mean(misses_per_million(group))), sum(row["periods"] for row in group)
        rate = f"{misses:,.0f}" if misses else f"0 (at most {at_most(total):,.1f})"
        lines.append((scenario, policy, FAMILIES[policy].knob, f"{knob:g}", rate, f"{np.mean(utilities(group)):.3f}"))
    headings = "scenario", "policy", "knob", "at>", "avoidable misses a million>", "utility>"
    return Table("points", "All places of all knobs", headings, lines)


def _is_tie_or_win(one: Verdict) -> bool:
    return one.misses_word == "more" or one.utility_word != "higher"


def _by_how_much(one: Verdict) -> str:
    """What a rival gains, in words."""
    if one.misses_word == "more":
        return f"misses less than any place of ours, by {write(one.misses, ',.0f')} a million"
    if one.utility_word == "lower":
        return f"wins by {-one.utility.mean:.3f} utility ({-one.utility.high:.3f} to {-one.utility.low:.3f})"
    return f"ties: utility {write(one.utility, '+.3f')}, ours - theirs"


def _duels(found: list[tuple[float, Verdict]]) -> Table:
    lines = [
        (one.scenario, one.other, f"{FAMILIES[one.other].knob} {knob:g}", _by_how_much(one))
        for knob, one in found
        if one.seeds > 1 and _is_tie_or_win(one)
    ]
    lines = lines or [("", "", "", "nowhere")]
    return Table("ties-and-losses", "Where a rival ties or wins", ("scenario", "rival", "at", "how"), lines)


def _findings(found: list[tuple[float, Verdict]]) -> list[str]:
    judged = [one for _, one in found if one.seeds > 1]
    if not judged:
        return ["One seed proves nothing: no verdict."]
    fewer = sum(one.misses_word == "more" for one in judged)
    wins = sum(one.misses_word != "more" and one.utility_word == "lower" for one in judged)
    ties = sum(one.misses_word != "more" and one.utility_word == "tie" for one in judged)
    return [
        f"Of {len(judged)} places of rivals' knobs, {len(judged) - fewer - wins - ties} are beaten by a place of ours"
        f" that misses no more and sounds better; {ties} tie with our best such place, {wins} sound better than it, and"
        f" {fewer} miss less than any place of ours."
    ]


def _draw(figure, ink, rows: list[Row]) -> None:
    """One plot for each scenario; a hollow marker on the floor 3/N where no miss was seen."""
    days = groups(rows, "scenario")
    columns = min(3, len(days))
    grid = figure.subplots(-(-len(days) // columns), columns, squeeze=False).ravel()
    for axes, ((scenario,), day) in zip(grid, days.items(), strict=False):
        floor = at_most(sum(row["periods"] for row in next(iter(groups(day, "policy", "knob").values()))))
        for number, name in enumerate(FAMILIES):
            if family := [row for row in day if row["policy"] == name]:
                _draw_family(axes, ink.line(number), family, name, floor)
        axes.axhline(floor, color=ink.alarm, linewidth=0.8, linestyle=":")
        axes.set(yscale="log", title=scenario, xlim=(-0.03, 1.03), xlabel="utility (1: all at full)")
        axes.set_ylim(bottom=0.2 * floor, top=2e6)
        axes.set_ylabel("avoidable misses a million")
        axes.grid(alpha=0.3)
    for axes in grid[len(days) :]:
        axes.axis("off")
    handles, labels = grid[0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", ncols=4)
    figure.suptitle("Each policy's knob turned; hollow, on the dotted line: no miss seen, at most 3/N")


def _draw_family(axes, line: dict, rows: list[Row], name: str, floor: float) -> None:
    places = groups(rows, "knob").values()
    utility = [np.mean(utilities(group)) for group in places]
    misses = np.array([np.mean(misses_per_million(group)) for group in places])
    drawn = {"markersize": 5, "linewidth": 1.3, "zorder": 4 if name == OURS else 3}
    axes.plot(utility, np.where(misses == 0, floor, misses), **line, **drawn, label=name)
    none = [(x, floor) for x, y in zip(utility, misses, strict=True) if y == 0]
    if none:
        hollow = line | drawn | {"linestyle": "", "markerfacecolor": axes.get_facecolor()}
        axes.plot(*zip(*none, strict=True), **hollow)

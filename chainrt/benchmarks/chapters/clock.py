"""By a real clock: policies in turn beside a noisy neighbour, and how far a simulation is from that."""

import shutil
from collections.abc import Iterator
from itertools import pairwise

import numpy as np

from .. import trials
from ..chapter import Cell, Effort, Picture, Row, Table, Told
from ..contestants import BUDGET, OURS
from ..playing import QUANTILES
from ..preventable import LATE, PREVENTABLE, STRUCK
from ..rack import FULL_SHARE
from ..real_clock import AGAIN, JACK, SEPARATOR, TIMER, measure

__all__ = ["IS_TIMED", "TITLE", "cells", "measure", "tell"]

TITLE = "By a real clock"
IS_TIMED = True
CLOCKS = {TIMER: "a plain timer", JACK: "JACK's dummy driver"}
SIMULATED = {
    "laws": "from laws with the trials' figures",
    "day of trials": "on a day of the trials' periods",
    "day of adaptive": "on adaptive's day",
}
QUICK_POLICIES = OURS, "full"
POLICIES = OURS, "full", "lite", AGAIN, "static 70 %", "three states", "ALERT-like, charged"
MOST_COLUMNS = 4  # of panels in a picture
LONGEST_SHOWN = 1.5  # deadlines
AIM_P50, AIM_P99, AIM_MISSES = 0.02, 0.05, 2.0  # of a simulation, from SCHEDULING: what was aimed at


def cells(effort: Effort) -> list[Cell]:
    clocks = [TIMER, JACK] if effort.is_full and shutil.which("jackd") else [TIMER]
    rounds, seconds = (3, 5.0) if effort.is_full else (1, 2.0)
    who = SEPARATOR.join(POLICIES if effort.is_full else QUICK_POLICIES)
    return [
        {"clock": clock, "round": number, "seconds": seconds, "who": who}
        for number in range(rounds)
        for clock in clocks
    ]


def tell(rows: list[Row]) -> Told:
    played = [row for row in rows if "failed" not in row]
    parts = [part for clock in CLOCKS for part in _parts(clock, [row for row in played if row["clock"] == clock])]
    return Told(_about(rows, played), [*_findings(played), *_missing(rows)], parts)


def _about(rows: list[Row], played: list[Row]) -> list[str]:
    racks = ", ".join(f"{row['amps']} amps ({100 * row['full_share']:.0f} %)" for row in played)
    is_twice = AGAIN in rows[0]["who"].split(SEPARATOR)
    twice = f" {OURS} plays twice in each round, to show how far what was is from itself." if is_twice else ""
    return [
        f"A rack of as many A2-like amps as need {100 * FULL_SHARE:.0f} % of the deadline at full size plays 64 frames"
        f" at 48 kHz by the clock of this machine; budget {100 * BUDGET:.0f} %. In each round all policies play in turn"
        f" for {rows[0]['seconds']:g} s, beside processes (one for each core) that compute and copy memory, on and off"
        " by one seeded schedule. Racks, and what they needed at full when they were tried:"
        f" {racks or 'none'}.",
        "An avoidable miss is preventable if, when some block began above its smallest level, the smallest levels would"
        " still have fitted at the slowdown that was known by then, and no stalls in or after the last such block"
        " explain the miss (then it is struck); late: it was too late before the first block"
        " (chainrt/benchmarks/preventable.py). Rivals are those of rivals.py, but all decide a hundred times a second,"
        " as the control thread looks; three states switches for nothing, which nobody can build.",
        "Every run is recorded and decided again from its trace, which must give the same decisions, times and counts"
        " bit for bit. Beside that, three simulations are asked for the same figures. Two know nothing of a run but"
        f" when the neighbours were busy, and what the rack did in trials of {trials.SECONDS:g} s just before and just"
        " after it: one takes from them how slow each kind of noise made it and how periods jittered, and for the rest"
        " the laws of weather.py; the other plays on a day that is pieced together of the trials' own periods"
        f" (chainrt/benchmarks/trials.py). The third plays each policy on the trace of {OURS}. This chapter fails if"
        f" {OURS} has preventable misses, if a replay differs, or if the simulations are farther from what was than was"
        f" aimed at.{twice}",
    ]


def _findings(played: list[Row]) -> Iterator[str]:
    told = [(row, name, one) for row in played for name, one in row["policies"].items()]
    if not told:
        return
    other = [f"{name} (round {row['round']}, {row['clock']})" for row, name, one in told if not one["is_same"]]
    yield (
        f"REPLAYS DIFFER from what was recorded: {', '.join(other)}."
        if other
        else f"All {len(told)} recorded runs were decided again from their traces, bit for bit."
    )
    for clock, name in CLOCKS.items():
        runs = [one["real"] for row, policy, one in told if row["clock"] == clock and policy in (OURS, AGAIN)]
        if runs:
            yield _verdict(name, runs)
    yield from _own_distances(played)
    yield from _distances(played)
    if not all(row["is_real_time"] for row in played):
        yield "Without real-time priority: the neighbours took the core itself."


def _verdict(clock: str, runs: list[dict]) -> str:
    total = _summed(runs)
    evidence = "" if total["misses"] else f"; no miss in so many periods proves at most {3 / total['periods']:.1e}"
    return (
        f"Adaptive on {clock}: {total[PREVENTABLE]} preventable misses of {total['avoidable']} avoidable and"
        f" {total['misses']} in all, in {total['periods']:,} periods{evidence}."
    )


Pair = tuple[dict, dict]
"""Figures of what was, and of what stands beside it."""


def _own_distances(played: list[Row]) -> Iterator[str]:
    """How far the machine was from itself."""
    steps = [
        abs(after["quiet"] / before["quiet"] - 1) for row in played for before, after in pairwise(row.get("trials", ()))
    ]
    if steps:
        yield (
            f"From one trial to the next the machine's own pace, with no neighbour busy, changed by"
            f" {_percent(float(np.median(steps)))} in the median and by {_percent(max(steps))} at most."
        )
    runs = [row["policies"] for row in played]
    pairs = [(one[OURS]["real"], one[AGAIN]["real"]) for one in runs if OURS in one and AGAIN in one]
    if pairs:
        p50, p99 = _off(pairs)
        was, again = _misses(pairs)
        yield (
            f"How far reality is from itself: played again in the same minutes, {OURS} had a median of response times"
            f" off by {_percent(p50)} and a p99 off by {_percent(p99)}, in the median of {len(pairs)}"
            f" {'pair' if len(pairs) == 1 else 'pairs'}; misses: {was:,}, and {again:,} again."
        )


def _distances(played: list[Row]) -> Iterator[str]:
    """How far the simulations were: response times where the chain kept up, misses of all runs."""
    for key, name in SIMULATED.items():
        found = [
            (policy, (one["real"], one[key]))
            for row in played
            for policy, one in row["policies"].items()
            if key in one and (key, policy) != ("day of adaptive", OURS)  # its own day says nothing of a simulation
        ]
        pairs = [pair for _, pair in found]
        kept_up = [(policy, pair) for policy, pair in found if _at(pair[0], 0.5) < 1]
        if kept_up:
            p50, p99 = _off([pair for _, pair in kept_up])
            ours = [pair for policy, pair in kept_up if policy in (OURS, AGAIN)]
            of_ours = " and ".join(map(_percent, _off(ours))) if ours else "not played"
            yield (
                f"Simulated {name}: the median of response times is off by {_percent(p50)} and their p99 by"
                f" {_percent(p99)} (aimed at: {100 * AIM_P50:.0f} % and {100 * AIM_P99:.0f} %;"
                f" {_reached(p50 <= AIM_P50 and p99 <= AIM_P99)}), in the median of the {len(kept_up)} runs of"
                f" {len(pairs)} whose median was below the deadline; in the others delays add up without end. The same"
                f" of {OURS} alone: {of_ours}."
            )
        if pairs:
            was, said = _misses(pairs)
            is_near = was / AIM_MISSES <= said <= was * AIM_MISSES
            yield (
                f"Simulated {name}: {said:,} misses where {was:,} were (aimed at: within a factor of {AIM_MISSES:g};"
                f" {_reached(is_near)})."
            )


def _off(pairs: list[Pair]) -> tuple[float, float]:
    """By which share the p50 and the p99 of response times are off, in the median of some pairs."""
    return tuple(
        float(np.median([abs(_at(said, quantile) / _at(was, quantile) - 1) for was, said in pairs]))
        for quantile in (0.5, 0.99)
    )


def _misses(pairs: list[Pair]) -> tuple[int, int]:
    """All that were, and all beside them."""
    return tuple(sum(one["misses"] for one in side) for side in zip(*pairs, strict=True))


def _reached(is_reached: bool) -> str:
    return "reached" if is_reached else "NOT REACHED"


def _missing(rows: list[Row]) -> Iterator[str]:
    for row in rows:
        if "failed" in row:
            yield f"Round {row['round']} on {CLOCKS[row['clock']]} was not played: {row['failed']}."
        for name, why in row.get("lost", {}).items():
            yield f"{name}, round {row['round']} on {CLOCKS[row['clock']]}: {why}."
    if not any(row["clock"] == JACK for row in rows):
        yield "JACK's dummy driver was left out: " + (
            "a quick run has no time for it." if shutil.which("jackd") else "jackd is not installed."
        )


def _parts(clock: str, rows: list[Row]) -> list[Table | Picture]:
    if not rows:
        return []
    names = list(dict.fromkeys(name for row in rows for name in row["policies"]))
    runs = {name: [row["policies"][name] for row in rows if name in row["policies"]] for name in names}
    return [
        Table(
            f"{clock}-real",
            f"On {CLOCKS[clock]}: what was, all rounds together",
            (
                *("policy", "periods>", "misses>", "avoidable>", "preventable>", "struck>", "late>"),
                *("utility>", "changes a minute>", "response p50>", "p99>"),
            ),
            [(name, *_cells([run["real"] for run in ones])) for name, ones in runs.items()],
        ),
        Table(
            f"{clock}-simulated",
            "What was, beside what simulations say of the same: response times as shares of the deadline; misses",
            ("policy", "", "p50>", "p99>", "misses>", "avoidable>", "utility>"),
            [line for name, ones in runs.items() for line in _beside(name, ones)],
        ),
        Picture(
            f"{clock}-responses",
            f"Response times on {CLOCKS[clock]}: the share of periods that took longer; the line is the deadline, and"
            f" beyond {LONGEST_SHOWN:g} deadlines nothing is shown",
            lambda figure, ink: _draw_responses(figure, ink, runs),
            (9.0, 1.2 + 2.2 * _panels(len(runs))[0]),
        ),
        Picture(
            f"{clock}-timeline",
            f"The first round on {CLOCKS[clock]}; grey: the neighbours are busy; red: the deadline",
            lambda figure, ink: _draw_timeline(figure, ink, rows[0]),
            (9.0, 1.0 + 1.25 * len(rows[0]["policies"])),
        ),
    ]


def _summed(runs: list[dict]) -> dict:
    """Counts added up, utility and quantiles as means over the periods."""
    counts = ("periods", "misses", "avoidable", PREVENTABLE, STRUCK, LATE, "changes")
    total = {name: sum(run[name] for run in runs) for name in counts}
    weights = [run["periods"] / total["periods"] for run in runs]
    total["utility"] = sum(weight * run["utility"] for weight, run in zip(weights, runs, strict=True))
    total["quantiles"] = np.average([run["quantiles"] for run in runs], axis=0, weights=weights).tolist()
    return total


def _at(run: dict, quantile: float) -> float:
    return run["quantiles"][QUANTILES.index(quantile)]


def _cells(runs: list[dict]) -> list[str]:
    total = _summed(runs)
    minutes = total["periods"] * 64 / 48_000 / 60
    return [
        *(f"{total[name]:,}" for name in ("periods", "misses", "avoidable", PREVENTABLE, STRUCK, LATE)),
        f"{total['utility']:.3f}",
        f"{total['changes'] / minutes:,.0f}",
        *(_percent(_at(total, quantile)) for quantile in (0.5, 0.99)),
    ]


def _beside(name: str, ones: list[dict]) -> Iterator[tuple[str, ...]]:
    for key, title in {"real": "was", **SIMULATED}.items():
        runs = [one[key] for one in ones if key in one]
        if runs:
            total = _summed(runs)
            yield (
                name if key == "real" else "",
                title,
                *(_percent(_at(total, quantile)) for quantile in (0.5, 0.99)),
                *(f"{total[count]:,}" for count in ("misses", "avoidable")),
                f"{total['utility']:.3f}",
            )


def _percent(share: float) -> str:
    return f"{100 * share:,.1f} %"


def _panels(count: int) -> tuple[int, int]:
    """(rows, columns) for so many panels."""
    columns = min(count, MOST_COLUMNS)
    return -(-count // columns), columns


def _draw_responses(figure, ink, runs: dict[str, list[dict]]) -> None:
    rows, columns = _panels(len(runs))
    panels = figure.subplots(rows, columns, sharex=True, sharey=True, squeeze=False)
    longer = 1 - np.array(QUANTILES[:-1])
    for axes, (name, ones) in zip(panels.flat, runs.items(), strict=False):
        for number, (key, title) in enumerate({"real": "was", **SIMULATED}.items()):
            counted = [one[key] for one in ones if key in one]
            if counted:
                style = {"color": ink.line(number)["color"], "linewidth": 1.2 if number else 3}
                axes.plot(_summed(counted)["quantiles"][:-1], longer, label=title, **style)
        axes.axvline(1.0, color=ink.alarm, linewidth=1)
        axes.set(yscale="log", title=name, xlim=(0, LONGEST_SHOWN))
    for axes in panels.flat[len(runs) :]:
        axes.set_axis_off()
    figure.supxlabel("response time / deadline")
    figure.supylabel("share of periods")
    figure.legend(*panels.flat[0].get_legend_handles_labels(), loc="outside upper center", ncols=len(SIMULATED) + 1)


def _draw_timeline(figure, ink, row: Row) -> None:
    panels = figure.subplots(len(row["policies"]), 1, sharex=True, sharey=True, squeeze=False)[:, 0]
    for axes, (name, one) in zip(panels, row["policies"].items(), strict=True):
        points = one["timeline"]
        busy = {"step": "mid", "color": ink.faint, "alpha": 0.6, "transform": _to_top(axes)}
        axes.fill_between(points["time_s"], 0, points["noise"], **busy)
        axes.axhline(1.0, color=ink.alarm, linewidth=1)
        for number, (key, label) in enumerate((("mean", "response / deadline"), ("utility", "utility"))):
            axes.plot(points["time_s"], points[key], color=ink.line(number)["color"], linewidth=1.2, label=label)
        axes.set(ylim=(-0.05, LONGEST_SHOWN), yticks=(0, 0.5, 1))
        axes.set_title(name, loc="left")
    panels[-1].set(xlabel="seconds")
    figure.legend(*panels[0].get_legend_handles_labels(), loc="outside upper right", ncols=2)


def _to_top(axes):
    """x in the data's units, y from the bottom (0) to the top (1) of the axes."""
    return axes.get_xaxis_transform()

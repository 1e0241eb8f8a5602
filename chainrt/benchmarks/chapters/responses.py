"""When periods end: from the moment at which each was due to the end of all its work, beside the deadline."""

from itertools import product

import numpy as np

from ..chapter import Cell, Effort, Picture, Row, Table, Told
from ..comparing import evidence, groups
from ..contestants import OURS
from ..scoring import RESPONSE_EDGES
from ..simulated import cell, measure
from .policies import PERIODS, QUICK_PERIODS

__all__ = ["IS_TIMED", "TITLE", "cells", "measure", "tell"]

TITLE = "Response times"
IS_TIMED = False
POLICIES = OURS, "full", "static 70 %", "three states"
SCENARIOS = "calm", "bursts", "hostile"
TICKS = (20, 50, 100, 200, 500, 1000)  # % of the deadline
SHARES = (0.5, 0.99, 0.999, 0.9999)


def cells(effort: Effort) -> list[Cell]:
    periods = PERIODS if effort.is_full else QUICK_PERIODS
    return [
        cell(policy, scenario, seed, periods)
        for seed, scenario, policy in product(range(effort.seeds), SCENARIOS, POLICIES)
    ]


def tell(rows: list[Row]) -> Told:
    lines = []
    for (scenario, policy), group in groups(rows, "scenario", "policy").items():
        counts = _counts(group)
        late = counts[RESPONSE_EDGES[1:] > 1 + 1e-9].sum() / counts.sum()
        lines.append((scenario, policy, *(_quantile(counts, share) for share in SHARES), f"{1e6 * late:,.0f}"))
    headings = ("scenario", "policy", *(f"{100 * share:g} %>" for share in SHARES), "late, a million>")
    about = (
        "A period's response time runs from the moment at which it was due, so a late start and an overrun of the"
        " period before count; muted work after the sound counts, too. Every period is counted, so nothing is hidden by"
        " waiting (no coordinated omission). The last bin holds all beyond ten deadlines.",
        evidence(rows),
    )
    parts = (
        Picture(
            "histogram",
            "Response times of all periods; the deadline in red; at the right edge all that took still longer",
            lambda f, ink: _draw(f, ink, rows),
            (11, 4.2),
        ),
        Table("quantiles", "Quantiles, % of the deadline (to 4 %)", headings, lines),
    )
    return Told(about, (), parts)


def _counts(rows: list[Row]) -> np.ndarray:
    return np.sum([row["responses"] for row in rows], axis=0)


def _quantile(counts: np.ndarray, share: float) -> str:
    """The upper edge of the bin in which it lies; nothing if it stands on fewer than ten periods."""
    if (1 - share) * counts.sum() < 10:
        return ""
    place = int(np.searchsorted(np.cumsum(counts), share * counts.sum()))
    return f"{100 * RESPONSE_EDGES[place + 1]:,.0f}"


def _draw(figure, ink, rows: list[Row]) -> None:
    days = groups(rows, "scenario")
    grid = figure.subplots(1, len(days), sharey=True, squeeze=False)[0]
    middles = np.sqrt(RESPONSE_EDGES[1:] * RESPONSE_EDGES[:-1])
    for axes, ((scenario,), day) in zip(grid, days.items(), strict=True):
        for number, policy in enumerate(POLICIES):
            group = [row for row in day if row["policy"] == policy]
            if group:
                counts = _counts(group).astype(float)
                line = ink.line(number) | {"marker": ""}
                axes.step(100 * middles, np.where(counts > 0, counts, np.nan), where="mid", label=policy, **line)
        axes.axvline(100, color=ink.alarm, linewidth=1.2)
        axes.set(
            xscale="log", yscale="log", title=scenario, xlabel="% of the deadline", xlim=(20, 1000), ylim=(0.7, None)
        )
        axes.set_xticks(TICKS, [f"{tick:g}" for tick in TICKS])
        axes.set_xticks([], minor=True)
        axes.grid(alpha=0.3)
    grid[0].set_ylabel("periods")
    figure.legend(*grid[0].get_legend_handles_labels(), loc="outside lower center", ncols=len(POLICIES))

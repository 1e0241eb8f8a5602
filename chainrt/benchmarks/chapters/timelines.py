"""Ten seconds of bursts, period by period: ours beside the best rival."""

import numpy as np

from ...numeric import PEDALBOARD
from ..chapter import Cell, Effort, Picture, Row, Table, Told
from ..contestants import CONTESTANTS, OURS, is_rival
from ..scenarios import PERIOD_S
from ..watching import SLIMMABLE, measure

__all__ = ["IS_TIMED", "TITLE", "cells", "measure", "tell"]

TITLE = "Ten seconds of bursts"
IS_TIMED = False
SCENARIO, SEED, PERIODS = "bursts", 3, 7500
HEIGHT = 1.25  # from one amp to the next
FEW_MISSES = 1e-3  # share of all periods: beyond it a rival is not asked for its fidelity


def cells(effort: Effort) -> list[Cell]:
    return [{"policy": policy, "scenario": SCENARIO, "seed": SEED, "periods": PERIODS} for policy in CONTESTANTS]


def best_rival(rows: list[Row]) -> Row | None:
    """The one of highest utility among those that miss no more than one period in a thousand; if none does, the one
    with the fewest misses."""
    rivals = [row for row in rows if is_rival(row["policy"])]
    safe = [row for row in rivals if row["avoidable"] <= FEW_MISSES * row["periods"]]
    if safe:
        return max(safe, key=lambda row: np.mean(row["utility"]))
    return min(rivals, key=lambda row: row["avoidable"], default=None)


def tell(rows: list[Row]) -> Told:
    ours = next((row for row in rows if row["policy"] == OURS), None)
    shown = [row for row in (ours, best_rival(rows)) if row]
    lines = [(row["policy"], f"{row['avoidable']:,}", f"{np.mean(row['utility']):.3f}") for row in rows]
    about = (
        f"One run of {PERIODS * PERIOD_S:g} s of {SCENARIO}, seed {SEED}: an example to look at, no evidence. Shown"
        " beside ours is the rival of highest utility among those that miss no more than one period in a thousand.",
    )
    parts = (
        *(
            Picture(
                f"run-{number}",
                f"{row['policy']}: {row['avoidable']:,} avoidable misses, utility {np.mean(row['utility']):.3f}",
                lambda f, ink, row=row: _draw(f, ink, row),
                (9.5, 6.5),
            )
            for number, row in enumerate(shown)
        ),
        Table("runs", "All policies in these ten seconds", ("policy", "avoidable misses>", "utility>"), lines),
    )
    return Told(about, (), parts)


def _draw(figure, ink, row: Row) -> None:
    time_s = np.arange(row["periods"]) * PERIOD_S
    load, levels, machine = figure.subplots(3, 1, sharex=True, height_ratios=(3, 3, 1.5))
    response = 100 * np.array(row["response"])
    load.plot(time_s, response, color=ink.lines[6], linewidth=0.5, label="until all was done")
    load.plot(time_s, 100 * np.array(row["load"]), color=ink.lines[0], linewidth=0.7, label="until the sound was done")
    load.axhline(100, color=ink.alarm, linewidth=1.0, label="deadline")
    load.set(ylabel="% of the deadline", ylim=(0, 180))
    load.legend(loc="upper right", ncols=3)
    for place, index in enumerate(SLIMMABLE):
        offset = HEIGHT * (len(SLIMMABLE) - 1 - place)
        levels.plot(time_s, np.array(row["levels"][place]) + offset, color=ink.lines[place], linewidth=1.2)
        levels.text(
            -0.01,
            offset + 0.5,
            PEDALBOARD[index].id,
            ha="right",
            va="center",
            color=ink.lines[place],
            transform=levels.get_yaxis_transform(),
        )
    levels.set_yticks([])
    levels.set_ylim(-0.15, HEIGHT * len(SLIMMABLE) - 0.1)
    levels.set_title("level of each amp, from smallest to full", fontsize=9, loc="left")
    machine.plot(time_s, row["slowdown"], color=ink.text, linewidth=0.8)
    machine.set(xlabel="seconds", ylabel="slowdown", xlim=(0, time_s[-1]), ylim=(0.9, None))
    for axes in (load, levels, machine):
        axes.grid(alpha=0.3)
    figure.suptitle(f"{row['policy']}, {row['scenario']}, seed {row['seed']}")

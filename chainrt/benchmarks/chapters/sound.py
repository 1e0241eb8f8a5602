"""What is heard: the error over a run, clicks at changes and dropouts, and WAV files for whoever has ears."""

import numpy as np

from ..chapter import Cell, Effort, Picture, Row, Sound, Table, Told
from ..contestants import OURS
from ..sounding import BEND, CROSSFADE, DROPOUT, EXACT_DB, FULL_SHARE, PRESET, SOUND_DEVICE, WINDOW_SECONDS, measure

__all__ = ["IS_TIMED", "TITLE", "cells", "measure", "tell"]

TITLE = "What is heard"
IS_TIMED = False
SCENARIO = "bursts"
QUICK_POLICIES = OURS, "full", "lite"
POLICIES = (*QUICK_POLICIES, "static 70 %", "three states", "ALERT-like, charged")
CLICK_LIMIT_DB = {CROSSFADE: -60, BEND: -50}  # what was aimed at, in the median


def cells(effort: Effort) -> list[Cell]:
    if not PRESET.exists():  # installed without the presets
        return []
    policies, seconds = (POLICIES, 20.0) if effort.is_full else (QUICK_POLICIES, 10.0)
    return [{"policy": policy, "scenario": SCENARIO, "seed": 0, "seconds": seconds} for policy in policies]


def tell(rows: list[Row]) -> Told:
    seconds = rows[0]["seconds"]
    about = [
        f"{PRESET.name} plays {seconds:g} s of the built-in riff through the scenario {SCENARIO}, on a made-up machine:"
        f" relative costs of {SOUND_DEVICE}, all blocks at full {100 * FULL_SHARE:.0f} % of the deadline. The sound is"
        " computed by the same engine that decides. A period that missed its deadline is silence, as from a sound card."
        " One run each, one seed: this is to listen to; how often what happens is told by other chapters.",
        "Error: energy of the difference to what all blocks at full would have played, over the energy of that, in each"
        f" {1000 * WINDOW_SECONDS:.0f} ms; {EXACT_DB:.0f} dB stands for exact. Utility weighs each block's error in dB"
        " by its priority, as the scheduler does; the sound has but one error. Clicks: energy above 8 kHz that a change"
        " of level adds, over all energy around it (benchmarks/clicks.py), and the same for dropouts. Three states may"
        " switch for nothing: its new levels begin cold, and are heard so.",
    ]
    return Told(about, _findings(rows), [_errors(rows), _clicks(rows), _picture(rows), *map(_sound, rows)])


def _findings(rows: list[Row]) -> list[str]:
    best = min(rows, key=lambda row: row["whole_db"])
    lines = [f"The smallest error over the run has {best['policy']}: {best['whole_db']:.1f} dB."]
    ours = [row for row in rows if row["policy"] == OURS]
    if ours and best is not ours[0]:
        lines.append(f"{OURS} has {ours[0]['whole_db']:.1f} dB.")
    for kind, limit in CLICK_LIMIT_DB.items():
        clicks = [db for row in ours for db in row["clicks"].get(kind, {"db": []})["db"]]
        if clicks:
            median = float(np.median(clicks))
            kept = "within" if median <= limit else "NOT within"
            lines.append(
                f"{OURS}, {kind}: {median:.0f} dB in the median of {len(clicks)}, {kept} the {limit} dB aimed at."
            )
    return lines


def _errors(rows: list[Row]) -> Table:
    lines = []
    for row in rows:
        errors = np.array(row["error_db"])
        lines.append(
            (
                row["policy"],
                f"{row['whole_db']:.1f}",
                *(f"{np.quantile(errors, share):.1f}" for share in (0.5, 0.9, 1.0)),
                f"{100 * np.mean(errors <= EXACT_DB):.0f} %",
                f"{np.mean(row['utility']):.3f}",
                f"{row['misses']:,}",
            )
        )
    headings = ("policy", "whole run dB>", "median dB>", "worst tenth>", "worst>", "exact>", "utility>", "misses>")
    return Table("errors", f"Error in each {1000 * WINDOW_SECONDS:.0f} ms; misses are silence", headings, lines)


def _clicks(rows: list[Row]) -> Table:
    lines = []
    for row in rows:
        for kind, found in row["clicks"].items():
            levels = [f"{np.quantile(found['db'], share):.0f}" for share in (0.5, 0.95)] if found["db"] else ["-", "-"]
            lines.append((row["policy"], kind, f"{found['count']:,}", f"{len(found['db'])}", *levels))
    headings = ("policy", "what joined the levels", "count>", "measured>", "median dB>", "95 %>")
    return Table("clicks", "Clicks above 8 kHz; a run of misses counts as one dropout", headings, lines)


def _picture(rows: list[Row]) -> Picture:
    def draw(figure, ink) -> None:
        panels = figure.subplots(len(rows), 1, sharex=True, sharey=True, squeeze=False)[:, 0]
        for axes, row in zip(panels, rows, strict=True):
            utility = axes.twinx()
            for where, key, number in ((axes, "error_db", 0), (utility, "utility", 1)):
                times = WINDOW_SECONDS * np.arange(len(row[key]))
                colour = ink.line(number)["color"]
                where.step(times, row[key], where="post", color=colour, linewidth=1.2)
                where.tick_params(axis="y", labelcolor=colour)
            axes.set(ylim=(EXACT_DB - 5, 5), yticks=(EXACT_DB, EXACT_DB / 2, 0))
            axes.set_title(row["policy"], loc="left")
            utility.set(ylim=(-0.04, 1.04), yticks=(0, 0.5, 1))
            utility.grid(visible=False)
        panels[-1].set(xlabel="seconds")
        figure.supylabel("error / dB", color=ink.line(0)["color"])
        figure.text(1.0, 0.5, "utility", color=ink.line(1)["color"], rotation=90, va="center", ha="right")
        figure.get_layout_engine().set(rect=(0, 0, 0.975, 1))

    caption = (
        f"The error of what is heard (left scale; {EXACT_DB:g} dB: exact, 0 dB: silence), and the utility of the levels"
        f" (right scale), through {SCENARIO}"
    )
    return Picture("error", caption, draw, (9.0, 1.0 + 1.25 * len(rows)))


def _sound(row: Row) -> Sound:
    runs = row["clicks"].get(DROPOUT, {"count": 0})["count"]
    gaps = f"{row['misses']:,} periods of silence in {runs:,} places" if row["misses"] else "no dropouts"
    return Sound(f"{row['policy']}: {row['whole_db']:.1f} dB, {gaps}", row["files"][0])

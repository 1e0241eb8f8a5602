"""Cells that sound: a preset through a scenario with one policy, computed as a card would let it be heard.

What is heard is compared with what the same preset plays with all blocks at full and all the time in the world. A
period that missed its deadline is silence for its length, as a card plays it. The machine is a made-up one: the
relative costs of SOUND_DEVICE's profile, and so slow that all blocks at full need FULL_SHARE of the deadline.

A click is measured at each change of level: the changing block's own two levels play what that block hears, and are
joined where and how the engine joined them (clicks.py). What it hears is taken from before the block, with all blocks
at full. Where the sound is too quiet to measure against, nothing is measured.
"""

import math
from collections.abc import Sequence
from dataclasses import replace
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import soundfile

from .. import devices, preset
from ..calibrate import fidelity_table, play_level
from ..chain import Chain, CostTable
from ..compiled.native import PACKAGE
from ..control import Control, chain_model
from ..engine import FADE_FRAMES
from ..layout import COLD, DROPPED, PLAYED
from ..performance import Performance
from ..preset import BlockSpec, Split
from ..render import render
from ..riff import riff
from ..scheduler import ChainModel
from ..simulate import extra_block, simulate
from ..trace import Recorder
from ..weather import Weather
from .chapter import Cell
from .clicks import KINDS, WINDOW, click_db, is_loud
from .contestants import BUDGET, CONTESTANTS

PRESET = PACKAGE.parent / "presets" / "dual_amp.yaml"
SOUND_DEVICE, FULL_SHARE = "pi4", 0.86
RATE_HZ, FRAMES = 48_000, 64
WINDOW_SECONDS = 0.1
MOST_MEASURED = 100  # changes of one kind
EXACT_DB = -120.0  # what is truer is told as this
CROSSFADE, BEND, HARD, DROPOUT = KINDS
FREE, FELL_COLD = "crossfade, cold", "reflex, cold"


def measure(cell: Cell, folder: Path) -> dict[str, Any]:
    """cell: policy, scenario, seed, seconds. Writes what is heard as a WAV file."""
    periods = math.ceil(cell["seconds"] * RATE_HZ / FRAMES)
    guitar = np.resize(riff(RATE_HZ), periods * FRAMES)
    chain, model = _made()
    policy = CONTESTANTS[cell["policy"]](model, BUDGET)
    is_free = getattr(policy, "free", False)
    if is_free:  # what nobody can build is granted: see rivals.py
        for levels in chain.level_records:
            levels["memory"] = 0
    control = Control(chain, policy)
    recorder = Recorder(chain, control, {})
    performance = Performance(chain, guitar, len(guitar))
    weather = Weather(len(chain.blocks), chain.deadline_ns / 1e9, (), cell["seed"], cell["scenario"], periods)
    simulate(chain, control, weather, periods, performance, extra=extra_block(chain, control, model, BUDGET))
    ring, spent = recorder.records()
    heard = as_heard(performance.output, ring["missed"] == 1, FRAMES)
    truth = _truth(len(guitar))
    file = f"{cell['scenario']}-{file_name(cell['policy'])}.wav"
    write_wav(folder / file, heard)
    return {
        "misses": int(ring["missed"].sum()),
        "unavoidable": int(ring["unavoidable"].sum()),
        "error_db": windows_db(heard, truth).round(2).tolist(),
        "whole_db": round(whole_db(heard, truth), 2),
        "utility": _windows(utility(spent, model)).round(4).tolist(),
        "clicks": Clicks(chain, guitar, is_free).of_changes(spent) | dropouts(ring["missed"] == 1, truth),
        "files": [file],
    }


def _made() -> tuple[Chain, ChainModel]:
    """The preset's chain on the made-up machine, and as the scheduler sees it."""
    chain = Chain(preset.load(PRESET), RATE_HZ, FRAMES)
    costs = devices.load(SOUND_DEVICE).costs(chain)
    full_ns = costs.fixed_ns + sum(
        calls[-1] + FRAMES * frames[-1] for calls, frames in zip(costs.call_ns, costs.frame_ns, strict=True)
    )
    slow = FULL_SHARE * chain.deadline_ns / full_ns
    costs = CostTable(_times(costs.call_ns, slow), _times(costs.frame_ns, slow), slow * costs.fixed_ns)
    chain.set_costs(costs)
    return chain, chain_model(chain, costs, fidelity_table(chain, riff(RATE_HZ)))


def _times(table: Sequence[Sequence[float]], factor: float) -> tuple[tuple[float, ...], ...]:
    return tuple(tuple(factor * ns for ns in row) for row in table)


@lru_cache(maxsize=1)
def _truth(frames: int) -> np.ndarray:
    """What all blocks at full play, without a deadline."""
    return render(Chain(preset.load(PRESET), RATE_HZ, FRAMES), np.resize(riff(RATE_HZ), frames))


def file_name(policy: str) -> str:
    """A policy's name without what a file's name must not have."""
    return "".join(letter if letter.isalnum() else "-" for letter in policy.lower()).strip("-")


def as_heard(sound: np.ndarray, missed: np.ndarray, frames: int) -> np.ndarray:
    """What a card lets be heard: silence in each period that came too late. sound: (frames,) or (frames, channels)."""
    return np.where(_like(np.repeat(missed, frames), sound), np.float32(0), sound)


def _like(mask: np.ndarray, sound: np.ndarray) -> np.ndarray:
    return mask if sound.ndim == 1 else mask[:, np.newaxis]


def write_wav(path: Path, sound: np.ndarray) -> None:
    """16 bits, so that a page with many of them stays small; beyond full scale it is clipped."""
    path.parent.mkdir(parents=True, exist_ok=True)
    soundfile.write(path, np.clip(sound, -1.0, 1.0), RATE_HZ, subtype="PCM_16")


# -- how true it is -------------------------------------------------------------------------------------------------


def windows_db(heard: np.ndarray, truth: np.ndarray, window: int = round(WINDOW_SECONDS * RATE_HZ)) -> np.ndarray:
    """Energy of the error over that of the truth in each window, in dB, EXACT_DB at least.

    In quiet windows it is held against a hundredth (-20 dB) of the mean energy of all windows: a small error beside
    silence is small.
    """
    error, signal = _energies(heard.astype(np.float64) - truth, window), _energies(truth.astype(np.float64), window)
    return _db(error, np.maximum(signal, 0.01 * signal.mean()))


def whole_db(heard: np.ndarray, truth: np.ndarray) -> float:
    """The same over the whole run."""
    error = heard.astype(np.float64) - truth
    return float(_db(np.sum(error**2), np.sum(truth.astype(np.float64) ** 2)))


def _energies(sound: np.ndarray, window: int) -> np.ndarray:
    flat = sound.reshape(len(sound), -1)
    count = len(flat) // window
    return (flat[: count * window] ** 2).reshape(count, -1).sum(axis=1)


def _db(error, signal):
    return 10 * np.log10(np.maximum(error / np.maximum(signal, 1e-30), 10 ** (EXACT_DB / 10)))


def utility(spent: np.ndarray, model: ChainModel) -> np.ndarray:
    """Per period, of the levels that were heard: decibels times priorities, 0 all at their smallest, 1 all at full."""
    worth = sum(np.array(block.utility)[spent["audible"][:, b]] for b, block in enumerate(model.blocks))
    low, high = (model.utility([getattr(block, end) for block in model.blocks]) for end in ("smallest", "largest"))
    return (worth - low) / (high - low)


def _windows(values: np.ndarray) -> np.ndarray:
    """Means of values per period, in the windows of the errors as near as may be."""
    size = round(WINDOW_SECONDS * RATE_HZ / FRAMES)
    count = len(values) // size
    return values[: count * size].reshape(count, size).mean(axis=1)


# -- how it clicks --------------------------------------------------------------------------------------------------


class Clicks:
    """Measures changes of level, MOST_MEASURED of each kind at most, evenly over the run; counts them all."""

    def __init__(self, chain: Chain, guitar: np.ndarray, is_free: bool):
        self._chain, self._guitar, self._is_free = chain, guitar, is_free
        self._inputs: dict[int, np.ndarray] = {}
        self._levels: dict[tuple[int, int], np.ndarray] = {}

    def of_changes(self, spent: np.ndarray) -> dict[str, dict]:
        before = np.vstack([spent["audible"][:1], spent["audible"][:-1]])
        changes: dict[str, list[tuple[int, int]]] = {}
        for period, block in np.argwhere(spent["audible"] != before).tolist():
            kind = kind_of(int(spent["reflex"][period, block]), self._is_free)
            changes.setdefault(kind, []).append((period, block))
        return {
            kind: {
                "count": len(ones),
                "db": [
                    db
                    for period, block in spread(ones, MOST_MEASURED)
                    for db in self._click(
                        kind, period, block, int(before[period, block]), int(spent["audible"][period, block])
                    )
                ],
            }
            for kind, ones in changes.items()
        }

    def _click(self, kind: str, period: int, block: int, before: int, after: int) -> list[float]:
        """One change in dB; nothing where it is too quiet."""
        at = place_of(period, kind)
        if not is_loud(self._level(block, before), at):
            return []
        near = slice(at - WINDOW, at + WINDOW)
        old, new = self._level(block, before)[near], self._level(block, after)[near]
        if kind in (FREE, FELL_COLD):  # it begins to hear only now
            new = np.zeros_like(old)
            heard = self._input(block)[at : at + WINDOW]
            new[WINDOW:] = play_level(self._chain.blocks[block], self._chain.blocks[block].levels[after], heard)
        make = KINDS[CROSSFADE if kind in (CROSSFADE, FREE) else BEND]
        return [round(float(click_db(make, old, new, WINDOW)), 1)]

    def _level(self, block: int, level: int) -> np.ndarray:
        """What one level makes of all that the block hears."""
        if (block, level) not in self._levels:
            one = self._chain.blocks[block]
            self._levels[block, level] = play_level(one, one.levels[level], self._input(block))
        return self._levels[block, level]

    def _input(self, block: int) -> np.ndarray:
        """What a block hears (on the left), with all blocks before it at full."""
        if block not in self._inputs:
            board = self._chain.preset
            before = way_to(board.chain, self._chain.blocks[block].id)
            sound = self._guitar
            if before:
                sound = render(Chain(replace(board, chain=before, scenes={}), RATE_HZ, FRAMES), self._guitar)
            self._inputs[block] = sound if sound.ndim == 1 else np.ascontiguousarray(sound[:, 0])
        return self._inputs[block]


def dropouts(missed: np.ndarray, truth: np.ndarray) -> dict[str, dict]:
    """Each run of misses as a dropout of one period: how many, and how loud they click."""
    begins = begins_of(missed)
    left = (truth if truth.ndim == 1 else truth[:, 0]).astype(np.float64)
    places = [period * FRAMES for period in spread(begins, MOST_MEASURED) if is_loud(left, period * FRAMES)]
    clicks = [round(float(click_db(KINDS[DROPOUT], left, left, at)), 1) for at in places]
    return {DROPOUT: {"count": len(begins), "db": clicks}} if begins else {}


def spread(ones: Sequence, most: int) -> list:
    """At most so many of them, evenly."""
    return [ones[place] for place in np.linspace(0, len(ones) - 1, min(most, len(ones))).astype(int)]


def kind_of(reflex: int, is_free: bool) -> str:
    """What joined two levels: the reflex, or a crossfade (to a level that is cold, if it was free)."""
    if reflex == PLAYED:
        return FREE if is_free else CROSSFADE
    return {DROPPED: BEND, COLD: FELL_COLD}.get(reflex, FELL_COLD)


def place_of(period: int, kind: str) -> int:
    """The first sample that a change differs in; `period`: the first at whose end the new level was the one heard."""
    return (period + 1) * FRAMES - FADE_FRAMES if kind in (CROSSFADE, FREE) else period * FRAMES


def begins_of(missed: np.ndarray) -> list[int]:
    """The first period of each run of misses."""
    return np.flatnonzero(missed & ~np.concatenate([[False], missed[:-1]])).tolist()


def way_to(chain: Sequence[BlockSpec | Split], block_id: str) -> tuple[BlockSpec | Split, ...] | None:
    """What the sound passes on its way to a block; None if the block is not there."""
    for place, item in enumerate(chain):
        if isinstance(item, Split):
            for lane in item.lanes:
                inside = way_to(lane.chain, block_id)
                if inside is not None:
                    return (*chain[:place], *inside)
        elif item.id == block_id:
            return tuple(chain[:place])
    return None

"""Cells that ask: how many A2 amps can play without a miss that could have been avoided, and how true are they then?

More and more amps are tried until a policy misses a deadline; the edge is then found by halving. On a device the run is
simulated; here, costs are measured first; by a real clock, real amps play.

Rules kept here:
* In calm weather no miss is allowed that could have been avoided. It has no stalls here: how many strike is a matter of
  luck, and of how long one tries, not of how many amps fit. Bursts, and a real clock, have luck of their own: there
  LUCK_SHARE of the periods may miss.
* Where even the smallest levels do not fit, every miss is unavoidable. That is too many amps, too: no more than
  LUCK_SHARE of the periods may miss in this way.
"""

import tempfile
from collections.abc import Callable
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np

from .. import devices, facts, typical
from ..block import BLOCKS, Settings
from ..calibrate import measure_levels
from ..chain import ChainBlock
from ..fit import Bench
from ..layout import WEATHER_BLOCK, WEATHER_PERIOD
from ..live import WallClock
from ..numeric import A2_MEMORY, PEDALBOARD, RATE_HZ, NumericBlock, numeric_chain
from ..performance import Performance
from ..preset import BlockSpec, Slim
from ..riff import riff
from ..scheduler import ChainModel
from ..simulate import simulate
from ..weather import Weather
from . import playing, rack
from .chapter import Cell
from .contestants import CONTESTANTS

HERE, CLOCK = "this machine", "this machine, real clock"
FIDELITY_DB = next(block.fidelity_db for block in PEDALBOARD if block.id == "middle amp")
LUCK_SHARE = 0.002
GROWTH = 1.4  # from one number of amps to the next, until one is too many
LEAST_AMPS, MOST_AMPS = 2, 128  # a rack has two lanes at least


def measure(cell: Cell, folder: Path) -> dict[str, Any]:
    """cell: device (a profile's name, HERE or CLOCK), frames, policy, scenario, seconds, seed."""
    try_ = _by_the_clock(cell) if cell["device"] == CLOCK else _simulated(cell)
    tried = search(try_, LEAST_AMPS, MOST_AMPS)
    most = max((amps for amps, one in tried.items() if is_kept(one)), default=0)
    return {"tried": [{"amps": amps} | one for amps, one in sorted(tried.items())], "most": most}


def is_kept(one: dict) -> bool:
    """Whether so many amps can play. one: figures, and whether a few misses are allowed."""
    luck = LUCK_SHARE * one["periods"]
    return one["avoidable"] <= (luck if one["has_luck"] else 0) and one["misses"] - one["avoidable"] <= luck


class Calm(Weather):
    """The weather without stalls."""

    def rows(self, periods: int) -> np.ndarray:
        rows = super().rows(periods)
        rows[:, WEATHER_PERIOD + 1 :: WEATHER_BLOCK] = 0.0
        return rows


def search(try_: Callable[[int], dict], least: int, most: int) -> dict[int, dict]:
    """What was found for each number of amps that was tried; the edge between kept and not kept is among them."""
    tried: dict[int, dict] = {}
    kept, amps = least - 1, least
    while amps <= most:
        tried[amps] = try_(amps)
        if not is_kept(tried[amps]):
            break
        kept, amps = amps, max(amps + 1, round(GROWTH * amps))
    else:
        return tried
    while amps - kept > 1:
        between = (kept + amps) // 2
        tried[between] = try_(between)
        kept, amps = (between, amps) if is_kept(tried[between]) else (kept, between)
    return tried


def _simulated(cell: Cell) -> Callable[[int], dict]:
    frames, make = cell["frames"], CONTESTANTS[cell["policy"]]
    costs_ns, fixed_ns = _costs_here(frames) if cell["device"] == HERE else _costs_on(cell["device"], frames)
    deadline_ns = 1e9 * frames / RATE_HZ
    periods = round(cell["seconds"] * RATE_HZ / frames)

    def try_(amps: int) -> dict:
        shares = tuple(ns / deadline_ns for ns in costs_ns)
        blocks = [NumericBlock(f"amp {n}", shares, FIDELITY_DB, memory=A2_MEMORY) for n in range(amps)]
        chain, model = numeric_chain(blocks, fixed_ns / deadline_ns, frames)
        listener = playing.Listener(chain, model, make, {})
        weather = Calm(amps, deadline_ns / 1e9, (), cell["seed"], cell["scenario"], periods)
        simulate(chain, listener.control, weather, periods, Performance(chain, np.zeros(frames, np.float32)))
        return _figures(listener.run(), model, 0, cell["scenario"] != "calm")

    return try_


def _figures(run: playing.Run, model: ChainModel, first: int, has_luck: bool) -> dict:
    found = playing.figures(run, model, first)
    found["p99"] = found.pop("quantiles")[playing.QUANTILES.index(0.99)]
    return found | {"has_luck": has_luck}


def _costs_on(device: str, frames: int) -> tuple[tuple[float, ...], float]:
    """Nanoseconds that an A2 costs a period at Lite and at Full, and a period beside its blocks."""
    bench = Bench((facts.shelf(RATE_HZ, frames)["nam"],), (0,), devices.load(device), frames, RATE_HZ)
    return tuple(map(float, bench.cost_ns[0])), float(bench.fixed_ns)


def _costs_here(frames: int) -> tuple[tuple[float, ...], float]:
    """The same on this machine, measured now; what a period costs beside its blocks is left out."""
    return tuple(frames * ns for ns in measure_levels(amp(), frames)), 0.0


@lru_cache(maxsize=1)
def amp() -> ChainBlock:
    """An A2 with random weights, outside a chain."""
    with tempfile.TemporaryDirectory() as folder:
        files = typical.files(Path(folder), BLOCKS["nam"], RATE_HZ)
        knobs, levels = BLOCKS["nam"].build(Settings({}, files, RATE_HZ))
    spec = BlockSpec("amp", "nam", {}, files, Slim(), 1.0, True, 1, "chain[0]")
    return ChainBlock(spec, BLOCKS["nam"], knobs, levels, tuple(range(len(levels))))


def _by_the_clock(cell: Cell) -> Callable[[int], dict]:
    frames, make = cell["frames"], CONTESTANTS[cell["policy"]]
    periods = round((playing.SETTLE_SECONDS + cell["seconds"]) * RATE_HZ / frames)

    def try_(amps: int) -> dict:
        with tempfile.TemporaryDirectory() as folder:
            made = rack.tried(Path(folder), amps, frames, ("a2",))
            chain = made.chain()
            model = made.model(chain)
            door = WallClock(Performance(chain, riff(RATE_HZ)), periods)
            told = playing.about(chain, model, cell["policy"], ())
            run = playing.play(chain, model, make, door, told).run()
        return _figures(run, model, round(playing.SETTLE_SECONDS * RATE_HZ / frames), True)

    return try_

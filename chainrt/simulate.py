"""The engine on a virtual clock: what a chain would do on another machine, or under a load that never was.

The weather (weather.py: laws; trace.py: what a real run met) says how long everything takes. An overrun carries over
into the next period. Nothing here reads a clock, so the same arguments give the same answer, bit for bit.
"""

from collections.abc import Callable
from dataclasses import replace

import numpy as np

from .chain import Chain
from .compiled.native import address_of
from .control import TICK_SECONDS, Control
from .layout import LAWS
from .meters import LevelChange
from .pair import Pair
from .performance import Performance
from .scheduler import ChainModel
from .weather import Weather

PERIODS_AT_ONCE = 4096  # weather made in one go

Extra = Callable[[float], None]
"""Is told what one more block of the chain costs from now on, in nanoseconds a period."""


def extra_block(chain: Chain, control: Control, model: ChainModel, budget: float, pair: Pair | None = None) -> Extra:
    """A block that comes into the chain beside those it has: the engines are charged for it, the policy is told."""

    def set_cost(extra_ns: float) -> None:
        for engine in _engines(chain, pair):
            engine["fixed_ns"] = model.fixed_ns + extra_ns
        control.change(replace(model, fixed_ns=model.fixed_ns + extra_ns), budget)

    return set_cost


def _engines(chain: Chain, pair: Pair | None) -> list[np.ndarray]:
    """All that plays on the virtual clock."""
    return [chain.engine, pair.understudy.engine] if pair else [chain.engine]


def simulate(
    chain: Chain,
    control: Control,
    weather: Weather,
    periods: int,
    performance: Performance,
    tell: Callable[[int, int, list[LevelChange]], None] | None = None,
    extra: Extra | None = None,
    pair: Pair | None = None,
    tick: int | None = None,
) -> None:
    """Run so many periods of a chain on the virtual clock. tell(done, total, changes) hears of every tick.

    With `chain.engine["silent"]` set, no sound is computed; all decisions are the same. extra: see `extra_block`;
    without it the scenario `presets` changes nothing. pair: the chain is its lead, and the performance plays its
    understudy. tick: periods from one look of the policy to the next; None: as many as last TICK_SECONDS.
    """
    engines = _engines(chain, pair)
    for engine in engines:
        engine["virtual"] = LAWS
    tick = tick or max(1, round(TICK_SECONDS * chain.rate / chain.frames))
    done = 0
    while done < periods:
        rows = weather.on_two_cores(PERIODS_AT_ONCE) if pair else (weather.rows(PERIODS_AT_ONCE),)
        for engine, its_rows in zip(engines, rows, strict=True):
            engine["weather"], engine["weather_first"] = address_of(its_rows), done
        end = min(periods, done + PERIODS_AT_ONCE)
        while done < end:
            count = min(tick, end - done)
            performance.play(count)
            done += count
            extra_ns = weather.take_extra(done) if extra else None
            if extra_ns is not None:
                extra(extra_ns)
            changes = control.tick()
            if tell:
                tell(done, periods, changes)

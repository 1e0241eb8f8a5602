"""How long things take that run all the time: kernels, a period, the planner, a fall, the meters. See conftest.py."""

import os
import time
from collections.abc import Callable
from pathlib import Path

import effects
import networks
import numpy as np
import pytest

from chainrt import preset
from chainrt.benchmarks.statistics import median_interval
from chainrt.benchmarks.yardstick import AMP, PEDAL, play_engine
from chainrt.calibrate import cost_table
from chainrt.chain import Chain
from chainrt.compiled.arena import aligned_zeros
from chainrt.compiled.native import address_of
from chainrt.engine import period
from chainrt.layout import DROPPED, LAWS, WEATHER_BLOCK, WEATHER_PERIOD, weather_columns
from chainrt.nam.architectures import pack
from chainrt.nam.levels import load
from chainrt.numeric import PEDALBOARD, numeric_chain
from chainrt.riff import riff
from chainrt.scheduler import Frontier

RATE_HZ, FRAMES = 48_000, 64
PERIODS = 75  # in one timing: 0.1 s of sound
ROUNDS = 40
YARDSTICK_TURNS = 5_000
Once = Callable[[], object]


def compare(benchmark, found: dict, case: str, once: Once, periods: int = 1, rival: tuple[str, Once] | None = None):
    """Time one unit of work of so many periods in turn with the yardstick and with a rival, then for the benchmark."""
    peak = networks.time_peak.from_python()
    once()
    yardsticks, rivals = [], []
    for _ in range(ROUNDS):
        ours = taken(once)
        yardsticks.append(ours / taken(lambda: peak(YARDSTICK_TURNS)))
        if rival:
            rivals.append(taken(rival[1]) / ours)
    benchmark.pedantic(once, rounds=ROUNDS, warmup_rounds=2)
    told = {
        "us": 1e6 * benchmark.stats.stats.median / periods,
        "yardsticks": median_interval(yardsticks)[0] / periods,
        "rival": f"{rival[0]} {'{:.2f} ({:.2f} to {:.2f})'.format(*median_interval(rivals))}" if rival else "",
    }
    benchmark.extra_info.update(told)
    found[case] = told


def taken(once: Once) -> float:
    """Seconds."""
    began = time.perf_counter()
    once()
    return time.perf_counter() - began


# -- kernels --------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def shapes(tmp_path_factory) -> dict[str, Path]:
    return {"A2": networks.A2} | networks.save_shapes(tmp_path_factory.mktemp("shapes"))


@pytest.fixture(scope="module")
def rival_engine():
    """(name, networks.Rival) of CHAINRT_BENCH_RIVAL; None if there is none."""
    name, _, command = os.environ.get("CHAINRT_BENCH_RIVAL", "").partition("=")
    return (name, networks.Rival(command)) if command else None


@pytest.mark.parametrize(("shape", "level"), [("A2", 1), ("A2", 0), ("A1 standard", 0), ("LSTM 1x16", 0)])
def test_networks(benchmark, found, shapes, rival_engine, shape, level):
    one = load(shapes[shape]).levels[level]
    cells = networks.OurCells()
    cells.load(pack(one.network), FRAMES)
    theirs = None
    if rival_engine:
        name, engine = rival_engine
        cell = engine.load(FRAMES, one.value, shapes[shape])
        theirs = None if cell is None else (name, lambda: engine.time(cell, PERIODS))
    case = f"{shape} {one.name}" if shape == "A2" else shape
    compare(benchmark, found, case, lambda: cells.time(0, PERIODS), PERIODS, theirs)


@pytest.mark.parametrize("kind", ["cab", "reverb", "eq", "compressor"])
def test_effects(benchmark, found, kind):
    guitar = aligned_zeros((2, PERIODS * FRAMES), np.float32)
    guitar[:] = riff(RATE_HZ)[: guitar.shape[1]]
    try:
        knobs, plugin = effects.rivals()[kind]
    except ImportError:
        knobs, plugin = {}, None
    block = effects.alone(kind, knobs)
    effects.compile_blocks([block])
    ours = effects.ours(block, len(block.levels) - 1, guitar)
    theirs = effects.theirs(plugin, block.declared.channels, guitar) if plugin else None
    compare(benchmark, found, kind, ours, PERIODS, ("pedalboard", theirs) if theirs else None)


# -- the engine -----------------------------------------------------------------------------------------------------


def test_a_period_of_dual_amp(benchmark, found):
    chain = Chain(preset.load(effects.ROOT / "presets" / "dual_amp.yaml"), RATE_HZ, FRAMES)
    chain.set_costs(cost_table(chain))
    chain.engine["restless"], chain.engine["reflex"] = 1, 1
    run = play_engine.from_python()
    compare(
        *(benchmark, found, "period of dual_amp"),
        lambda: run(period.address, address_of(chain.engine), FRAMES, PERIODS),
        PERIODS,
    )


@pytest.mark.parametrize(("case", "block"), [("meters of a pedal", PEDAL), ("meters of an amp", AMP)])
def test_the_meters_of_a_block(benchmark, found, case, block):
    count = 36
    chain, _ = numeric_chain([block] * count)
    chain.engine["silent"], chain.engine["restless"], chain.engine["reflex"] = 0, 1, 1
    run = play_engine.from_python()
    compare(
        *(benchmark, found, case),
        lambda: run(period.address, address_of(chain.engine), FRAMES, PERIODS),
        PERIODS * count,
    )


def test_a_period_in_which_the_reflex_trips(benchmark, found):
    chain, _ = numeric_chain(PEDALBOARD)
    rows = np.zeros((PERIODS, weather_columns(len(PEDALBOARD))))
    rows[:, WEATHER_PERIOD::WEATHER_BLOCK] = rows[:, WEATHER_PERIOD + 2 :: WEATHER_BLOCK] = 1.0
    rows[:, WEATHER_PERIOD + 1] = 0.5 * chain.deadline_ns  # a stall in the first block
    chain.engine["virtual"], chain.engine["reflex"], chain.engine["weather"] = LAWS, 1, address_of(rows)
    run = play_engine.from_python()

    def once():
        chain.rewind()
        for name in ("audible", "wanted", "target"):
            chain.block_records[name] = chain.block_records["level_count"] - 1
        run(period.address, address_of(chain.engine), FRAMES, PERIODS)

    compare(benchmark, found, "period, the reflex trips", once, PERIODS)
    assert (chain.spent["reflex"][:PERIODS] == DROPPED).any()


# -- the scheduler --------------------------------------------------------------------------------------------------


def test_the_frontier_of_a_chain(benchmark, found):
    _, model = numeric_chain(PEDALBOARD)
    compare(benchmark, found, "frontier of 9 blocks", lambda: Frontier(model))


def test_the_best_plan(benchmark, found):
    _, model = numeric_chain(PEDALBOARD)
    frontier = Frontier(model)
    compare(
        *(benchmark, found, "best plan"),
        lambda: [frontier.best(0.9 * model.deadline_ns, slowdown) for slowdown in (0.9, 1.0, 1.2, 1.5)],
        4,
    )

"""bench/profiles.py: what it simulates and adds up, on chains of numbers."""

import argparse
import sys
from pathlib import Path

import numpy as np
import pytest

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "bench"))
import profiles

from chainrt.devices import Device, Figure, Point, reading
from chainrt.devices.probe import Spent
from chainrt.devices.profile import NORMAL_P99
from chainrt.fit import Bench, FitBlock, FitLevel
from chainrt.numeric import FRAMES, NumericBlock, numeric_chain
from chainrt.vocabulary import FAMILIES

BLOCKS = 10
DEADLINE_NS = FRAMES * 1e9 / 48_000


def device_of(load, p99_over_mean):
    """On it, BLOCKS numeric blocks take this share of the deadline."""
    values = {name: allowed.low for name, allowed in reading.FIGURES.items()}
    values |= {"period_frames": FRAMES, "extra_frames_per_call": 0, "p99_over_mean": p99_over_mean, "ram_bytes": 1e12}
    values["p99_deviations"] = NORMAL_P99
    figures = {name: Figure(value, "measured", "made up") for name, value in values.items()}
    point = Point(load * DEADLINE_NS / BLOCKS / FRAMES, "measured", "made up")
    return Device("made-up", "Made up", "none", "share one core", figures, dict.fromkeys(FAMILIES, (point,)))


def chain():
    return numeric_chain([NumericBlock(f"b{number}", (0.01,)) for number in range(BLOCKS)])[0]


def misses(load, p99_over_mean=1.3):
    return profiles.simulated_misses(chain(), device_of(load, p99_over_mean), load * DEADLINE_NS)


def test_misses_that_are_simulated_follow_the_load_and_the_jitter():
    assert misses(0.5) < 0.01
    assert misses(0.7) < misses(0.85) < misses(0.95) < misses(1.2)
    assert misses(1.2) > 0.9
    assert misses(0.8, 1.02) < misses(0.8, 1.5)


@pytest.mark.parametrize("load", [0.75, 0.8])
def test_a_load_whose_p99_is_the_deadline_misses_about_one_period_in_a_hundred(load):
    """Waking up takes 10 us of it, 0.75 %, and a late period makes the next one late: hence a little more."""
    assert 0.005 < misses(load, 1 / load) < 0.04


def test_the_page_tells_ratios_and_how_many_are_as_near_as_was_aimed_at():
    device = device_of(0.5, 1.2)
    level = FitLevel("full", 1, "effect", 60.0)
    blocks = [FitBlock(f"b{number}", "numeric", (level,), (0,)) for number in range(BLOCKS)]
    whole = np.full(1000, 0.5 / 1.04 * DEADLINE_NS)
    whole[:20] *= 1.2
    spent = Spent(np.zeros((1000, BLOCKS)), whole, np.zeros(1000, int))
    bench = Bench(blocks, tuple(range(BLOCKS)), device, FRAMES, 48_000, 1.0)
    near = profiles.Played("near", chain(), bench, stretches=[spent])
    far = profiles.Played("far", chain(), bench, stretches=[spent._replace(whole=2 * whole)])
    page = profiles.page([near, far], device, argparse.Namespace(rounds=1))
    assert "| near | 50.00 % | 48.27 % | 1.04 |" in page
    assert "| far | 50.00 % | 96.54 % | 0.52 |" in page
    assert "* mean of presets: 1 of 2 within a factor of 1.05; median 0.78, worst 0.52." in page
    assert "* p99 of presets: 1 of 2 within a factor of 1.1" in page

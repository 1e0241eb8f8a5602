"""The compiled helpers that blocks share, each against its definition."""

import numpy as np
import pytest

from chainrt.compiled.language import njit
from chainrt.dsp import (
    CHUNK,
    GUARD,
    covered,
    gliding,
    guard,
    louder,
    louder_chunk,
    low_pass,
    pole,
    read_chunk,
    read_swinging,
    read_tape,
    smoothing,
)

RING = 1024


@njit
def all_covered(x):
    return np.array([covered(value) for value in x])


@njit
def filtered(x, a):
    y, out = 0.0, np.zeros(len(x))
    for i in range(len(x)):
        y = low_pass(y, a, x[i])
        out[i] = y
    return out


def test_what_is_covered_is_one_minus_the_exponential_up_to_half_the_sample_rate_however_small_it_is():
    x = np.concatenate([np.geomspace(1e-9, np.pi, 2000), [2 * np.pi, 10, 1e6]])
    found = all_covered.compiled(x)
    assert found[:2000] == pytest.approx(-np.expm1(-x[:2000]), rel=3e-8)
    assert found[2000:] == pytest.approx([1 - np.exp(-2 * np.pi)] * 3, rel=2e-5)


def test_pole_and_smoothing_are_their_exponentials():
    assert pole.compiled(1000.0, 48_000.0) == pytest.approx(1 - np.exp(-2 * np.pi / 48), rel=1e-12)
    assert smoothing.compiled(10.0, 48_000.0) == pytest.approx(1 - np.exp(-1 / 480), rel=1e-12)


def test_a_low_pass_covers_its_part_of_the_way_in_each_frame():
    steps, a = np.ones(300), pole.compiled(200.0, 48_000.0)
    assert filtered.compiled(steps, a) == pytest.approx(1 - (1 - a) ** np.arange(1, 301), abs=1e-12)


def test_a_table_of_glides_is_what_smoothing_makes_frame_by_frame():
    now, a, frames = 0.0, smoothing.compiled(20.0, 48_000.0), []
    for _ in range(CHUNK):
        now += a * (1 - now)
        frames.append(now)
    assert gliding(20.0, 48_000.0) == pytest.approx(frames, rel=1e-9)


def test_a_gain_grows_for_a_whole_chunk_as_it_does_frame_by_frame_and_stops_at_its_goal():
    a, out, now, expected = smoothing.compiled(10.0, 48_000.0), np.zeros(CHUNK, np.float32), 0.01, []
    for _ in range(CHUNK):
        expected.append(expected[-1] if expected else now)
        expected[-1] = louder.compiled(expected[-1], 5.0, a)
    assert louder_chunk.compiled(now, 5.0, a, out, CHUNK) == pytest.approx(expected[-1], rel=1e-12)
    assert out == pytest.approx(expected, rel=1e-6)
    assert louder_chunk.compiled(5.0 + 1e-7, 5.0, a, out, CHUNK) == 5.0
    assert (out == 5.0).all()


@pytest.fixture
def tapes():
    """Noise on a plain ring, and the same on one with a guard, recorded chunk by chunk."""
    noise = np.random.default_rng(8).uniform(-1, 1, RING).astype(np.float32)
    guarded, at, lots = np.zeros(RING + GUARD, np.float32), 0, np.random.default_rng(9)
    while at < RING:
        frames = min(int(lots.integers(1, CHUNK + 1)), RING - at)
        guarded[at : at + frames] = noise[at : at + frames]
        guard.compiled(guarded, at, frames)
        at += frames
    return noise, guarded


@pytest.mark.parametrize("at", [0, 1, 63, 500, RING - CHUNK])
@pytest.mark.parametrize("delay", [2.0, 2.5, 48.0, 333.3, RING - 3 * CHUNK + 0.75])
def test_a_chunk_of_a_tape_is_what_reading_it_frame_by_frame_gives(tapes, at, delay):
    plain, guarded = tapes
    out, frames = np.zeros(CHUNK, np.float32), np.arange(CHUNK)
    read_chunk.compiled(guarded, at, delay, out, CHUNK)
    assert out == pytest.approx([read_tape.compiled(plain, at + i, delay) for i in frames], abs=1e-6)
    swing = 3.0 * np.sin(frames / 10)
    for sign in (1.0, -1.0):
        read_swinging.compiled(guarded, at, delay, swing, sign, 2.0, out, CHUNK)
        expected = [read_tape.compiled(plain, at + i, max(delay + sign * swing[i], 2.0)) for i in frames]
        assert out == pytest.approx(expected, abs=1e-6)

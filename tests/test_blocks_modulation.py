"""What moves: tremolo, vibrato, chorus, flanger and phaser, each against its definition."""

import numpy as np
import pytest
from blockplay import RATE_HZ, play, play_with
from tones import db, delays_ms, impulse, pitches_hz, sine, swing_hz

from chainrt.block import BLOCKS, Settings
from chainrt.dsp import sine as fast_sine

TONE_HZ = 1000


def test_the_fast_sine_is_the_sine():
    cycles = np.linspace(-3, 3, 10_001)
    assert max(abs(fast_sine.compiled(c) - np.sin(2 * np.pi * c)) for c in cycles) < 1e-6


# -- tremolo --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("speed", "depth"), [(2, 30), (5, 100), (11, 80)])
def test_tremolo_swings_as_often_and_as_deep_as_it_is_set(speed, depth):
    gain = play_with("tremolo", np.ones(2 * RATE_HZ), settle_s=1, speed=speed, depth=depth)
    assert gain.max() == pytest.approx(1, abs=1e-4)
    assert gain.min() == pytest.approx(1 - depth / 100, abs=1e-4)
    assert swing_hz(gain, 2) == pytest.approx(speed, abs=0.1)


def test_tremolo_of_shape_0_is_a_sine_and_of_shape_100_a_chop():
    soft = play_with("tremolo", np.ones(RATE_HZ), settle_s=1, speed=4, depth=100, shape=0)
    assert soft == pytest.approx(0.5 + 0.5 * np.sin(2 * np.pi * 4 * np.arange(RATE_HZ) / RATE_HZ), abs=1e-3)
    hard = play_with("tremolo", np.ones(RATE_HZ), settle_s=1, speed=4, depth=100, shape=100)
    assert np.mean((hard > 0.1) & (hard < 0.9)) < 0.11
    assert np.mean(hard) == pytest.approx(0.5, abs=0.01)


# -- vibrato --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("speed", "depth"), [(5, 25), (3, 50), (2, 100), (8, 10)])
def test_vibrato_bends_as_often_and_as_far_as_it_is_set(speed, depth):
    heard = play_with("vibrato", sine(TONE_HZ, 3 * RATE_HZ), settle_s=1, speed=speed, depth=depth)[RATE_HZ:]
    cents = 1200 * np.log2(pitches_hz(heard, TONE_HZ) / TONE_HZ)
    assert cents.max() == pytest.approx(depth, rel=0.03)
    assert cents.min() == pytest.approx(1200 * np.log2(2 - 2 ** (depth / 1200)), rel=0.03)  # 1 - v, not 1 / (1 + v)
    assert swing_hz(cents, 2) == pytest.approx(speed, abs=0.1)


def test_vibrato_without_mix_passes_the_guitar_bit_for_bit():
    x = np.random.default_rng(3).uniform(-1, 1, RATE_HZ).astype(np.float32)
    assert np.array_equal(play_with("vibrato", x, mix=0), x)


# -- chorus ---------------------------------------------------------------------------------------------------------


def chorus_delays(**knobs):
    x = np.tile(sine(TONE_HZ, 2 * RATE_HZ), (2, 1))
    silent_first = np.zeros((2, RATE_HZ))
    p, levels = BLOCKS["chorus"].build(Settings({"mix": 100, **knobs}, {}, RATE_HZ))
    state = levels[0].new_state()
    play(BLOCKS["chorus"], p, state, silent_first)
    heard = play(BLOCKS["chorus"], p, state, x)[:, 4800:]
    return [delays_ms(side, TONE_HZ) for side in heard]


def test_chorus_swings_around_its_delay_as_far_and_as_often_as_it_is_set():
    left, right = chorus_delays(delay=10, depth=3, speed=2, width=100)
    for side in (left, right):
        assert (side.max() - side.min()) / 2 == pytest.approx(3, rel=0.01)
        middle = (side.max() + side.min()) / 2
        assert middle - round(middle) == pytest.approx(0, abs=0.02)  # 10 ms, up to whole periods
        assert swing_hz(side, len(side) / RATE_HZ) == pytest.approx(2, abs=0.1)


def test_chorus_at_full_width_swings_against_itself_and_without_width_it_is_the_same_on_both_sides():
    left, right = chorus_delays(depth=2, speed=1, width=100)
    assert np.ptp(left + right) < 0.02
    left, right = chorus_delays(depth=2, speed=1, width=0)
    assert np.array_equal(left, right)


def test_chorus_comes_at_its_delay_and_not_a_period_of_the_tone_off():
    heard = BLOCKS["chorus"]
    p, levels = heard.build(Settings({"mix": 100, "delay": 20, "depth": 0}, {}, RATE_HZ))
    state = levels[0].new_state()
    play(heard, p, state, np.zeros((2, RATE_HZ)))
    assert (np.argmax(np.abs(play(heard, p, state, impulse(2000, 2))), axis=1) == 960).all()


# -- flanger --------------------------------------------------------------------------------------------------------


def response(kind, **knobs):
    """Complex response of a block whose wave stands still, at 0 Hz, 1 Hz, 2 Hz ..."""
    return np.fft.rfft(play_with(kind, impulse(RATE_HZ), settle_s=2, depth=0, **knobs).astype(np.float64))


@pytest.mark.parametrize(("feedback", "mix"), [(0, 50), (70, 50), (-95, 30), (40, 100)])
def test_flanger_that_stands_still_is_its_comb(feedback, mix):
    z = np.exp(-2j * np.pi * np.arange(RATE_HZ // 2 + 1) / RATE_HZ) ** 48
    comb = z / (1 - feedback / 100 * z)
    exact = 1 - mix / 100 + mix / 100 * comb
    assert np.abs(response("flanger", delay=1, feedback=feedback, mix=mix) - exact).max() < 1e-3


def test_flanger_sweeps_from_its_delay_down_by_its_depth():
    x = sine(TONE_HZ, 11 * RATE_HZ)
    heard = play_with("flanger", x, settle_s=1, speed=0.2, depth=75, delay=0.8, feedback=0, mix=100)[RATE_HZ:]
    late = delays_ms(heard, TONE_HZ)
    assert late.max() == pytest.approx(0.8, abs=0.005)
    assert late.min() == pytest.approx(0.2, abs=0.005)
    assert swing_hz(late, 10) == pytest.approx(0.2, abs=0.02)


# -- phaser ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("stages", "feedback"), [(2, 0), (4, 0), (4, 60), (8, -40), (12, 90)])
def test_phaser_that_stands_still_is_its_chain_of_all_passes(stages, feedback):
    z = np.exp(-2j * np.pi * np.arange(RATE_HZ // 2 + 1) / RATE_HZ)
    tangent = np.tan(np.pi * 800 / RATE_HZ)
    a = (tangent - 1) / (tangent + 1)
    chain = ((a + z) / (1 + a * z)) ** stages
    exact = 0.5 + 0.5 * chain / (1 - feedback / 100 * z * chain)
    heard = response("phaser", centre=800, stages=stages // 2 - 1, feedback=feedback, mix=50)
    assert np.abs(heard - exact).max() < 2e-3 * np.abs(exact).max()


def test_phaser_of_four_stages_has_two_notches_where_the_all_passes_turn_half_a_cycle():
    notches = [800 * np.tan(np.pi / 8), 800 * np.tan(3 * np.pi / 8)]
    heard = db(response("phaser", centre=800, stages=1, feedback=0, mix=50))
    low, high = np.argmin(heard[:800]), 800 + np.argmin(heard[800:])
    assert [low, high] == pytest.approx(notches, rel=0.02)
    assert max(heard[low], heard[high]) < -40


def test_phaser_sweeps_by_its_depth_around_its_centre():
    knobs = {"speed": 0.5, "depth": 2, "centre": 1000, "stages": 0, "feedback": 0, "mix": 100}
    turned = delays_ms(play_with("phaser", sine(TONE_HZ, 5 * RATE_HZ), settle_s=2, **knobs)[RATE_HZ:], TONE_HZ)
    phase = 2 * np.pi * TONE_HZ * turned / 1000  # two stages turn by 4 atan(f / corner)
    corners = TONE_HZ / np.tan(phase / 4)
    assert np.log2(corners.max() / 1000) == pytest.approx(2, abs=0.1)
    assert np.log2(corners.min() / 1000) == pytest.approx(-2, abs=0.1)
    assert swing_hz(np.log(corners), 4) == pytest.approx(0.5, abs=0.05)

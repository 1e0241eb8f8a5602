"""What gain, gate, compressor and limiter do to a signal, each against its definition."""

import numpy as np
import pytest
from blockplay import RATE_HZ, play, play_with
from tones import db, sine

import chainrt.blocks  # noqa: F401 - fills BLOCKS
from chainrt.block import BLOCKS, Settings
from chainrt.dsp import amplitude, decibels

SECOND = RATE_HZ


# -- decibels -------------------------------------------------------------------------------------------------------


def test_the_quick_decibels_are_exact_enough_for_a_meter():
    x = np.geomspace(1e-10, 1e10, 9999).astype(np.float32)
    assert max(abs(decibels.compiled(value) - 20 * np.log10(float(value))) for value in x) < 2e-4


def test_the_quick_amplitude_is_the_exponential_to_a_few_float32_steps():
    levels = np.linspace(-300, 300, 9999).astype(np.float32)
    assert max(abs(amplitude.compiled(value) / 10 ** (float(value) / 20) - 1) for value in levels) < 5e-6


# -- gain -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("level", [-80, -6, 0, 40])
def test_gain_is_in_decibels(level):
    x = np.random.default_rng(1).uniform(-1, 1, 1000).astype(np.float32)
    assert play_with("gain", x, level=level) == pytest.approx(x * 10 ** (level / 20), rel=1e-6)


def test_gain_inverts_the_polarity_when_told():
    x = np.random.default_rng(1).uniform(-1, 1, 1000).astype(np.float32)
    assert np.array_equal(play_with("gain", x, settle_s=0.5, polarity=1), -x)


def test_gain_of_nothing_passes_the_guitar_bit_for_bit():
    x = np.random.default_rng(1).uniform(-1, 1, 1000).astype(np.float32)
    assert np.array_equal(play_with("gain", x), x)


# -- gate -----------------------------------------------------------------------------------------------------------


def gate_gain(levels_db, seconds_each=0.5, **knobs):
    """Gain of the gate in each frame while a constant stands at these levels, one after the other."""
    x = np.repeat(10 ** (np.array(levels_db) / 20), round(seconds_each * RATE_HZ)).astype(np.float32)
    return play_with("gate", x, **knobs) / x


def test_gate_passes_a_loud_note_and_turns_hiss_down_by_its_range():
    gain = gate_gain([-20, -70], seconds_each=2, threshold=-50, range=60)
    assert gain[RATE_HZ] == pytest.approx(1, abs=1e-6)
    assert db(gain[-1]) == pytest.approx(-60, abs=0.01)


def test_gate_between_its_two_thresholds_stays_as_it_was():
    gain = gate_gain([-53, -20, -53, -57, -53], threshold=-50, hysteresis=6, hold=0, release=20, range=100)
    closed, _, still_open, closed_again, still_closed = gain.reshape(5, -1)[:, -1]
    assert still_open == pytest.approx(1, abs=1e-6)
    assert max(closed, closed_again, still_closed) < 1e-4


def test_gate_opens_within_its_attack_time():
    gain = gate_gain([-20], attack=10, range=100)
    assert gain[round(0.010 * RATE_HZ) - 1] == pytest.approx(1 - np.exp(-1), abs=1e-3)


def test_gate_holds_for_its_time_and_then_closes_within_its_release_time():
    gain = gate_gain([-6, -100], seconds_each=2, threshold=-40, hysteresis=6, hold=200, release=50, range=100)
    fall_s = 0.020 * np.log(10 ** ((-6 + 46) / 20))  # the follower falls from -6 dB to -46 dB
    after = gain[2 * RATE_HZ :]
    closing = np.argmax(after < 0.9999) / RATE_HZ
    assert closing == pytest.approx(fall_s + 0.200, abs=0.001)
    assert after[round((fall_s + 0.250) * RATE_HZ)] == pytest.approx(np.exp(-1), abs=0.01)


def test_gate_does_not_flutter_on_the_lowest_string():
    x = sine(82.4, RATE_HZ, 10 ** (-58 / 20))
    x[0] = 0.1
    gain = play_with("gate", x, threshold=-55, hysteresis=6, hold=0)[2000:] / x[2000:].astype(np.float32)
    assert np.nanmin(gain[np.abs(x[2000:]) > 1e-5]) > 0.999


# -- compressor -----------------------------------------------------------------------------------------------------


def static_curve(level_db, threshold, ratio, knee):
    """Output level in dB of the gain computer: Giannoulis et al. 2012, equation 4."""
    over = level_db - threshold
    if 2 * over < -knee:
        return level_db
    if 2 * abs(over) <= knee and knee > 0:
        return level_db + (1 / ratio - 1) * (over + knee / 2) ** 2 / (2 * knee)
    return threshold + over / ratio


@pytest.mark.parametrize(("ratio", "knee"), [(1, 6), (2, 0), (4, 12), (20, 24)])
@pytest.mark.parametrize("level_db", [-60, -36, -27, -24, -21, -12, 0])
def test_compressor_follows_the_static_curve_of_the_paper(level_db, ratio, knee):
    x = np.full(SECOND, 10 ** (level_db / 20))
    heard = play_with("compressor", x, threshold=-24, ratio=ratio, knee=knee, attack=1, release=10, makeup=0)
    assert db(heard[-1]) == pytest.approx(static_curve(level_db, -24, ratio, knee), abs=0.01)


def test_compressor_turns_down_within_its_attack_and_up_within_its_release_time():
    x = np.repeat([10 ** (-40 / 20), 1.0, 10 ** (-40 / 20)], SECOND)
    knobs = {"threshold": -20, "ratio": 20, "knee": 0, "attack": 20, "release": 200, "makeup": 0}
    change = db(play_with("compressor", x, **knobs) / x)
    full = 20 * (1 - 1 / 20)
    assert change[SECOND - 1] == pytest.approx(0, abs=1e-3)
    assert change[SECOND + round(0.020 * RATE_HZ) - 1] == pytest.approx(-full * (1 - np.exp(-1)), abs=0.02)
    assert change[2 * SECOND - 1] == pytest.approx(-full, abs=0.01)
    assert change[2 * SECOND + round(0.200 * RATE_HZ) - 1] == pytest.approx(-full * np.exp(-1), abs=0.02)


def test_compressor_mixes_the_untouched_guitar_in():
    x = np.ones(SECOND)
    dry, wet, half = (play_with("compressor", x, settle_s=0.5, mix=mix, attack=1)[-1] for mix in (0, 100, 50))
    assert dry == pytest.approx(1, abs=1e-6)
    assert wet < 0.5
    assert half == pytest.approx((dry + wet) / 2, abs=1e-6)


@pytest.mark.parametrize("kind", ["gate", "compressor", "limiter"])
def test_both_channels_get_the_same_gain(kind):
    rng = np.random.default_rng(8)
    x = (rng.uniform(-1, 1, (2, SECOND)) * np.array([[1.0], [0.3]])).astype(np.float32)
    p, (level,) = BLOCKS[kind].build(Settings({}, {}, RATE_HZ))
    left, right = play(BLOCKS[kind], p, level.new_state(), x)
    late = x[:, : SECOND - level.latency]
    gains = [side[level.latency :] / source for side, source in zip((left, right), late, strict=True)]
    audible = np.abs(late).min(axis=0) > 0.01
    assert np.allclose(gains[0][audible], gains[1][audible], rtol=1e-5)


# -- limiter --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("ceiling", [-24, -1, 0])
@pytest.mark.parametrize("rate", [44_100, 48_000, 192_000])
def test_limiter_lets_no_sample_above_its_ceiling(ceiling, rate):
    rng = np.random.default_rng(9)
    x = rng.standard_normal(rate) * np.repeat(rng.choice([0.01, 1.0, 1e3], rate // 50), 50)
    heard = play_with("limiter", x, rate=rate, input=36, ceiling=ceiling, release=5)
    assert np.abs(heard).max() <= 10 ** (ceiling / 20) * (1 + 1e-6)
    assert np.abs(heard).max() > 0.9 * 10 ** (ceiling / 20)


def test_limiter_passes_what_is_below_the_ceiling_late_by_its_latency_and_otherwise_untouched():
    x = np.random.default_rng(1).uniform(-0.5, 0.5, SECOND).astype(np.float32)
    p, (level,) = BLOCKS["limiter"].build(Settings({}, {}, RATE_HZ))
    heard = play(BLOCKS["limiter"], p, level.new_state(), x)
    assert level.latency == 72
    assert np.array_equal(heard[72:], x[:-72])


def test_limiter_turns_down_before_the_peak_comes_and_up_after_it_within_its_release_time():
    x = np.full(2 * SECOND, 0.1, np.float32)
    x[SECOND] = 4.0
    gain = play_with("limiter", x, ceiling=0, release=100)[72:] / x[:-72]
    assert gain[SECOND - 73] == pytest.approx(1, abs=1e-6)
    assert (np.diff(gain[SECOND - 73 : SECOND + 1]) < 0).all()
    assert gain[SECOND] == pytest.approx(0.25, abs=1e-6)
    after = 1 - gain[SECOND + 36 : SECOND + 36 + round(0.1 * RATE_HZ) + 1]  # the average lies half a window back
    assert after[-1] / after[0] == pytest.approx(np.exp(-1), abs=0.02)


def test_limiter_is_its_slow_twin():
    rng = np.random.default_rng(10)
    x = rng.uniform(-1, 1, 6000) * np.repeat(rng.choice([0.1, 1.0, 5.0], 60), 100)
    ceiling, window, a = 10 ** (-6 / 20), 73, 1 - np.exp(-1000 / (30 * RATE_HZ))
    need = np.concatenate([np.zeros(window - 1), 1 - ceiling / np.maximum(np.abs(x.astype(np.float32)), ceiling)])
    held, released = 0.0, np.zeros(len(x))
    for i in range(len(x)):
        held = max(held * (1 - a), need[i : i + window].max())
        released[i] = held
    gain = 1 - np.convolve(released, np.ones(window) / window)[: len(x)]
    expected = gain[72:] * x[:-72]
    assert np.abs(play_with("limiter", x, ceiling=-6, release=30)[72:] - expected).max() < 1e-6


def test_a_reading_tells_how_far_compressor_and_limiter_turn_down():
    for kind in ("compressor", "limiter"):
        values = {"compressor": {"threshold": -20, "ratio": 2, "knee": 0}, "limiter": {"ceiling": -10}}[kind]
        p, (level,) = BLOCKS[kind].build(Settings(values, {}, RATE_HZ))
        state = level.new_state()
        play(BLOCKS[kind], p, state, np.ones(SECOND))
        assert float(state[0]["reduction"]) == pytest.approx(10, abs=0.01)

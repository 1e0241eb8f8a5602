"""What the echo does to a signal, against its definition."""

import numpy as np
import pytest
from blockplay import RATE_HZ, play, play_with
from tones import one_pole_response, phasor, sine

import chainrt.blocks  # noqa: F401 - fills BLOCKS
from chainrt.block import BLOCKS, Settings

# -- echo -----------------------------------------------------------------------------------------------------------


def loop_response(hz, tone=4000, lowcut=80):
    """What one turn through the echo's filters does to a sine."""
    return one_pole_response(tone, hz) * (1 - one_pole_response(lowcut, hz))


@pytest.mark.parametrize("time_ms", [1, 20.01, 100, 333.33, 2000])
def test_echo_is_late_by_its_time_to_a_hundredth_of_a_frame(time_ms):
    hz = 400
    heard = play_with("echo", sine(hz, 4 * RATE_HZ), settle_s=0.5, time=time_ms, feedback=0, mix=100)[-RATE_HZ:]
    late = phasor(sine(hz, RATE_HZ), hz) / (phasor(heard, hz) / loop_response(hz))
    frames = np.angle(late) / (2 * np.pi * hz) * RATE_HZ
    assert (frames - time_ms * RATE_HZ / 1000 + 60) % 120 - 60 == pytest.approx(0, abs=0.01)


def test_echo_comes_at_its_time_and_not_a_period_of_the_tone_off():
    impulse = np.zeros(RATE_HZ)
    impulse[0] = 1
    heard = play_with("echo", impulse, settle_s=0.5, time=250, feedback=50, mix=100, tone=12000, lowcut=20)
    assert np.argmax(np.abs(heard[:18000])) == 12000
    assert 24000 <= 18000 + np.argmax(np.abs(heard[18000:30000])) <= 24001


@pytest.mark.parametrize("feedback", [20, 60, 95])
def test_each_repeat_of_the_echo_is_softer_by_its_feedback(feedback):
    burst = sine(600, 8000) * np.hanning(8000)
    x = np.concatenate([burst, np.zeros(5 * 12000)])
    heard = play_with("echo", x, settle_s=0.5, time=250, feedback=feedback, mix=100)
    loudness = [np.sqrt(np.mean(heard[start : start + 12000] ** 2)) for start in (12000, 24000, 36000, 48000)]
    expected = feedback / 100 * abs(loop_response(600))
    assert np.array(loudness[1:]) / loudness[:-1] == pytest.approx(expected, rel=0.01)


def test_echo_without_mix_passes_the_guitar_bit_for_bit():
    x = np.random.default_rng(3).uniform(-1, 1, RATE_HZ).astype(np.float32)
    assert np.array_equal(play_with("echo", x, time=10, feedback=90, mix=0), x)


def test_echo_glides_to_another_time_without_a_click():
    """A click is a jump of the slope; bending the pitch by at most a half leaves it below 1.5^2 of what it was."""
    p, levels = BLOCKS["echo"].build(Settings({"time": 300, "feedback": 0, "mix": 100}, {}, RATE_HZ))
    state = levels[0].new_state()
    x = sine(440, 6 * RATE_HZ)
    steady = play(BLOCKS["echo"], p, state, x[: 2 * RATE_HZ])
    p["time"] = 517
    turned = play(BLOCKS["echo"], p, state, x[2 * RATE_HZ :])
    heard = np.concatenate([steady, turned])[RATE_HZ:].astype(np.float64)
    calm = np.abs(np.diff(heard[: RATE_HZ // 2], 2)).max()
    assert np.abs(np.diff(heard, 2)).max() < 1.5**2 * 1.05 * calm
    jumped = np.concatenate([steady[RATE_HZ:], turned[-RATE_HZ:]]).astype(np.float64)
    assert np.abs(np.diff(jumped, 2)).max() > 1.5**2 * 1.05 * calm  # so this test would hear a jump
    late = np.angle(phasor(sine(440, RATE_HZ), 440) / (phasor(turned[-RATE_HZ:], 440) / loop_response(440)))
    period = RATE_HZ / 440
    off = (late / (2 * np.pi) * period - 0.517 * RATE_HZ + period / 2) % period - period / 2
    assert off == pytest.approx(0, abs=0.01)


def test_echo_between_two_frames_loses_treble_and_never_amplifies_it():
    hz, w = 9000, 2 * np.pi * 9000 / RATE_HZ
    middle_ms = 1000 * 960.5 / RATE_HZ
    heard = play_with("echo", sine(hz, 2 * RATE_HZ), settle_s=0.5, time=middle_ms, feedback=0, mix=100)[-RATE_HZ:]
    lagrange = 9 / 8 * np.cos(w / 2) - 1 / 8 * np.cos(3 * w / 2)
    assert abs(phasor(heard, hz)) == pytest.approx(lagrange * abs(loop_response(hz)), rel=1e-3)


def test_echo_keeps_its_longest_time_at_96_khz():
    impulse = np.zeros(200_000)
    impulse[0] = 1
    heard = play_with("echo", impulse, (512,), settle_s=0.5, rate=96_000, time=2000, feedback=0, mix=100, tone=12000)
    assert np.argmax(np.abs(heard)) == 192_000

"""What the pedals do to a signal: cab and echo, each against its definition."""

import numpy as np
import pytest
import soundfile
from blockplay import RATE_HZ, play, play_with
from tones import one_pole_response, phasor, sine

import chainrt.blocks  # noqa: F401 - fills BLOCKS
from chainrt.block import BLOCKS, Settings
from chainrt.errors import ModelError

EPSILON = float(np.finfo(np.float32).eps)


# -- cab ------------------------------------------------------------------------------------------------------------


@pytest.fixture
def wav(tmp_path):
    """A function that writes samples to a file and gives its path."""

    def make(samples, rate=RATE_HZ, name="ir.wav"):
        soundfile.write(tmp_path / name, samples, rate, subtype="FLOAT")
        return tmp_path / name

    return make


@pytest.mark.parametrize("taps", [1, 2, 7, 8, 9, 1000, 2047, 2048])
def test_cab_is_the_convolution_with_its_file(wav, taps):
    rng = np.random.default_rng(taps)
    ir, x = rng.uniform(-1, 1, taps).astype(np.float32), rng.uniform(-1, 1, 6000).astype(np.float32)
    ir /= np.abs(ir).sum()
    exact = np.convolve(x.astype(np.float64), ir.astype(np.float64))[: len(x)]
    for sizes in [(64,), (1,), (7,), (512,), (1, 7, 64, 512, 63, 65)]:
        heard = play_with("cab", x, sizes, files={"ir": wav(ir)})
        assert np.abs(heard - exact).max() < 4 * EPSILON  # the sum of magnitudes is 1


def test_cab_fades_out_what_it_keeps_of_a_long_file(wav):
    ir = np.random.default_rng(7).uniform(-1, 1, 5000).astype(np.float32) / 5000
    impulse = np.zeros(6000)
    impulse[0] = 1
    heard = play_with("cab", impulse, files={"ir": wav(ir)})
    whole = 2048 - 2048 // 20
    assert np.allclose(heard[:whole], ir[:whole], rtol=1e-6)
    share = heard[whole:2048] / ir[whole:2048]
    assert (np.diff(share) < 0).all()
    assert 0.99 < share[0] < 1
    assert abs(share[-1]) < 1e-6
    assert not heard[2048:].any()


def test_cab_level_is_in_decibels_and_glides_when_turned(wav):
    p, levels = BLOCKS["cab"].build(Settings({"level": -6}, {"ir": wav(np.ones(1))}, RATE_HZ))
    state = levels[0].new_state()
    before = play(BLOCKS["cab"], p, state, np.ones(100))
    p["level"] = 6
    after = play(BLOCKS["cab"], p, state, np.ones(RATE_HZ))
    assert before == pytest.approx(10 ** (-6 / 20), rel=1e-6)
    assert after[-1] == pytest.approx(10 ** (6 / 20), rel=1e-6)
    assert np.abs(np.diff(np.concatenate([before, after]))).max() < 0.005


def test_cab_declares_the_work_and_memory_of_its_file(wav):
    _, (level,) = BLOCKS["cab"].build(Settings({}, {"ir": wav(np.ones(300))}, RATE_HZ))
    assert (level.work, level.memory) == (300, 299)


def test_cab_has_forgotten_all_but_the_memory_it_declares(wav):
    rng = np.random.default_rng(1)
    p, (level,) = BLOCKS["cab"].build(Settings({}, {"ir": wav(rng.uniform(-1, 1, 300))}, RATE_HZ))
    x = rng.uniform(-1, 1, 5000)
    long, short = level.new_state(), level.new_state()
    play(BLOCKS["cab"], p, long, x[:4000])
    play(BLOCKS["cab"], p, short, x[4000 - level.memory : 4000])
    heard, replayed = (play(BLOCKS["cab"], p, state, x[4000:]) for state in (long, short))
    assert np.abs(heard - replayed).max() < 1e-5


NOT_A_NUMBER = np.array([0.5, np.nan, 0.25])


@pytest.mark.parametrize(
    ("samples", "rate", "message"),
    [
        (np.ones((10, 2)), RATE_HZ, "has 2 channels; one is needed: mix it down first"),
        (np.ones(10), 44100, "is at 44100 Hz; 48000 Hz is needed (or --rate 44100)"),
        (NOT_A_NUMBER, RATE_HZ, "holds a sample that is not a number (the first is frame 1)"),
        (np.zeros(0), RATE_HZ, "holds no samples"),
    ],
)
def test_cab_says_why_it_cannot_use_a_file(wav, samples, rate, message):
    path = wav(samples, rate)
    with pytest.raises(ModelError) as fault:
        BLOCKS["cab"].build(Settings({}, {"ir": path}, RATE_HZ))
    assert str(fault.value) == f"{path}: {message}"


def test_cab_says_that_a_file_is_missing_or_is_no_audio(tmp_path):
    text = tmp_path / "notes.wav"
    text.write_text("this is no audio")
    for path, message in [(tmp_path / "none.wav", "no such file"), (text, "cannot be read as audio")]:
        with pytest.raises(ModelError, match=message):
            BLOCKS["cab"].build(Settings({}, {"ir": path}, RATE_HZ))


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

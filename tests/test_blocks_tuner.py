"""What the tuner says of tones whose pitch is known, and that nothing of it is heard."""

import numpy as np
import pytest
from blockplay import RATE_HZ, play, play_with
from hypothesis import given
from hypothesis import strategies as st

import chainrt.blocks  # noqa: F401 - fills BLOCKS
from chainrt.block import BLOCKS, Settings
from chainrt.blocks.tuner import valley

STRINGS_HZ = (30.868, 41.203, 55.0, 82.407, 110.0, 146.83, 196.0, 246.94, 329.63, 440.0, 659.26, 987.77)


def plucked(hz, seconds=1.0, rate=RATE_HZ):
    """A string: harmonics that fade, the higher the faster, the second louder than the first; some hum and hiss."""
    t = np.arange(round(seconds * rate)) / rate
    rng = np.random.default_rng(round(hz))
    x = 1e-3 * rng.standard_normal(len(t)) + 1e-3 * np.sin(2 * np.pi * 50 * t)
    for k, loudness in enumerate((0.5, 0.8, 0.4, 0.3, 0.2, 0.1), start=1):
        x += 0.3 * loudness * np.exp(-k * t) * np.sin(2 * np.pi * k * hz * t + rng.uniform(0, 6))
    return x


def heard_by_tuner(x, sizes=(64,), rate=RATE_HZ):
    p, (level,) = BLOCKS["tuner"].build(Settings({}, {}, rate))
    state = level.new_state()
    play(BLOCKS["tuner"], p, state, x, sizes)
    return {reading.name: float(state[0][reading.name]) for reading in BLOCKS["tuner"].readings}


@pytest.mark.parametrize("rate", [44_100, 48_000, 96_000])
@pytest.mark.parametrize("hz", STRINGS_HZ)
def test_tuner_tells_the_pitch_of_a_string_within_half_a_cent_or_one_for_a_bass(hz, rate):
    for detuned_cents in (-17.0, 0.0, 8.0):
        played = hz * 2 ** (detuned_cents / 1200)
        heard = heard_by_tuner(plucked(played, rate=rate), rate=rate)
        assert 1200 * np.log2(heard["pitch"] / played) == pytest.approx(0, abs=1.0 if hz < 60 else 0.5)
        assert heard["clarity"] > 0.9


def test_tuner_hears_no_pitch_in_silence_and_noise():
    assert heard_by_tuner(np.zeros(RATE_HZ)) == {"pitch": 0, "clarity": 0}
    assert heard_by_tuner(np.random.default_rng(1).uniform(-1, 1, RATE_HZ))["pitch"] == 0


def test_tuner_forgets_a_string_that_is_damped():
    assert heard_by_tuner(np.concatenate([plucked(110), np.zeros(RATE_HZ // 2)]))["pitch"] == 0


def test_tuner_reads_the_same_at_any_period():
    assert heard_by_tuner(plucked(110), (1, 7, 512, 64)) == heard_by_tuner(plucked(110), (64,))


def test_tuner_is_not_heard():
    x = plucked(110).astype(np.float32)
    assert np.array_equal(play_with("tuner", x), x)


@given(st.tuples(*[st.floats(0, 1e6, width=32)] * 3))
def test_a_valley_lies_between_the_neighbours_of_the_sum_it_is_looked_for_at(sums):
    place = valley.compiled(np.array((0.0, *sums, 0.0), np.float32), 2)
    assert 1.0 <= place <= 3.0


def test_three_sums_on_a_line_do_not_send_the_tuner_out_of_its_memory():
    assert valley.compiled(np.array([3.0, 2.0, 1.0000001], np.float32), 1) == 2.0
    assert valley.compiled(np.array([1.0, 0.5, 1.0], np.float32), 1) == 1.0
    assert valley.compiled(np.array([1.0, 0.5, 0.75], np.float32), 1) == pytest.approx(1 + 1 / 6)

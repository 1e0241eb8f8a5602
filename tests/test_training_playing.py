"""The playing that trains and judges the models: seeded, within full scale, in the instrument's range."""

import numpy as np
import playing
import pytest


@pytest.mark.parametrize("instrument", playing.LOWEST_NOTE_HZ)
def test_one_seed_is_one_performance(instrument):
    first, again, other = (playing.performance(seed, 4.0, instrument) for seed in (21, 21, 22))
    assert np.array_equal(first, again)
    assert not np.array_equal(first, other)
    assert (first.dtype, len(first)) == (np.float32, 4 * playing.SAMPLE_RATE_HZ)


def test_no_sample_is_beyond_full_scale():
    for seed in (1, 2):
        assert 0.1 < np.abs(playing.performance(seed, 20.0)).max() <= 1


def test_a_pluck_has_the_pitch_it_was_given():
    for note_hz in (41.2, 110.0, 440.0):
        sound = playing.pluck(np.random.default_rng(3), note_hz, 1.0)[12000:36000]
        spectrum = np.abs(np.fft.rfft(sound * np.hanning(len(sound)), 1 << 18))
        harmonic_hz = np.argmax(spectrum) * playing.SAMPLE_RATE_HZ / (1 << 18)
        assert harmonic_hz / note_hz == pytest.approx(round(harmonic_hz / note_hz), rel=0.01)


def test_a_bass_goes_an_octave_below_a_guitar():
    def share_below(hz, instrument):
        power = np.abs(np.fft.rfft(playing.typical(np.random.default_rng(4), 15.0, instrument))) ** 2
        return power[: int(15 * hz)].sum() / power.sum()

    assert share_below(75, "bass") > 0.01 > 10 * share_below(75, "guitar")

"""The built-in guitar is in tune, plays loud and soft, ends in silence, and is the same each time."""

import numpy as np
import pytest

from chainrt.riff import BEATS, HARD, MEDIUM, PEAK, SCORE, SOFT, TEMPO_BPM, pluck, riff

RATE_HZ = 48_000
BEAT_S = 60 / TEMPO_BPM
SILENT_FROM_S = 9.0


@pytest.fixture(scope="module")
def playing():
    return riff(RATE_HZ)


def level_db(x):
    return 10 * np.log10(np.mean(np.asarray(x, np.float64) ** 2) + 1e-30)


def between(samples, first_beat, last_beat):
    return samples[round(first_beat * BEAT_S * RATE_HZ) : round(last_beat * BEAT_S * RATE_HZ)]


def test_a_seed_gives_the_same_samples_bit_for_bit(playing):
    assert np.array_equal(riff(RATE_HZ), playing)
    assert not np.array_equal(riff(RATE_HZ, seed=2), playing)


@pytest.mark.parametrize("seconds", [0.0, 0.1, 1.0, 6.05, 9.99, 12.0])
def test_its_first_seconds_are_the_same_without_the_rest(seconds, playing):
    assert np.array_equal(riff(RATE_HZ, seconds=seconds), playing[: round(seconds * RATE_HZ)])


def test_it_is_ten_seconds_of_mono_float32_at_any_rate(playing):
    assert playing.dtype == np.float32
    for rate in (44_100, RATE_HZ, 96_000):
        assert riff(rate).shape == (10 * rate,)


@pytest.mark.parametrize("seed", range(4))
def test_its_level_is_that_of_a_guitar_through_an_interface(seed):
    samples = riff(RATE_HZ, seed)
    assert -21 < level_db(samples[: round(SILENT_FROM_S * RATE_HZ)]) < -18
    assert 0.8 * PEAK < np.abs(samples).max() <= PEAK
    assert abs(samples.mean()) < 1e-3


def test_it_ends_in_a_second_of_silence_and_loops_without_a_click(playing):
    assert not playing[round(SILENT_FROM_S * RATE_HZ) :].any()
    assert np.abs(playing[: round((SILENT_FROM_S - 0.1) * RATE_HZ)]).max() > 0
    assert abs(playing[0]) < 0.1 * PEAK


def test_it_is_played_at_several_dynamics(playing):
    chugging, chords = level_db(between(playing, 0, 8)), level_db(between(playing, 8, 12))
    assert 2 < chugging - chords < 8
    assert {stroke.force for stroke in SCORE} == {SOFT, MEDIUM, HARD}
    assert any(stroke.palm for stroke in SCORE)
    assert any(stroke.up for stroke in SCORE)


def test_a_hard_stroke_is_brighter_than_a_soft_one():
    def centre_hz(force):
        rng = np.random.default_rng(1)
        spectrum = np.abs(np.fft.rfft(pluck(rng, 110, RATE_HZ, RATE_HZ, force.lowpass_hz, palm=False))) ** 2
        return np.sum(spectrum * np.arange(len(spectrum))) / spectrum.sum()

    assert centre_hz(HARD) > 1.3 * centre_hz(MEDIUM) > 1.3 * 1.1 * centre_hz(SOFT)


def test_the_palm_shortens_a_note():
    def lasting_db(palm):
        note = pluck(np.random.default_rng(1), 82.41, RATE_HZ, RATE_HZ, HARD.lowpass_hz, palm)
        return level_db(note[RATE_HZ // 4 : RATE_HZ // 2]) - level_db(note[: RATE_HZ // 10])

    assert lasting_db(palm=True) < lasting_db(palm=False) - 10


@pytest.mark.parametrize("note_hz", [82.41, 110.0, 196.0, 246.94, 329.63, 391.995])
@pytest.mark.parametrize("rate", [44_100, 48_000])
def test_every_string_is_in_tune_within_a_cent(note_hz, rate):
    note = pluck(np.random.default_rng(0), note_hz, 2 * rate, rate, MEDIUM.lowpass_hz, palm=False)[rate // 20 :]
    size = 1 << 21
    spectrum = np.abs(np.fft.rfft(note * np.hanning(len(note)), size))
    near = np.arange(int(0.97 * note_hz * size / rate), int(1.03 * note_hz * size / rate))
    heard_hz = near[spectrum[near].argmax()] * rate / size
    assert 1200 * np.log2(heard_hz / note_hz) == pytest.approx(0, abs=1)


def test_a_pluck_is_its_slow_twin():
    """Sample by sample: what stands at the filter's input, and the filter's taps, give the next sample."""
    rate, note_hz, frames = 48_000, 440.0, 3000
    fast = pluck(np.random.default_rng(3), note_hz, frames, rate, 2000, palm=False)
    period, damping = rate / note_hz, 0.25
    w = 2 * np.pi / period
    rest = period + np.angle((1 - damping) + damping * np.exp(-1j * w)) / w  # the string without its damping
    whole = int(rest) - 1
    d = rest - whole
    lagrange = [
        -(d - 1) * (d - 2) * (d - 3) / 6,
        d * (d - 2) * (d - 3) / 2,
        -d * (d - 1) * (d - 3) / 2,
        d * (d - 1) * (d - 2) / 6,
    ]
    rho = 10 ** (-3 / (3.5 * note_hz))
    started = 400  # the stroke is over by then
    slow = list(fast[:started])
    for n in range(started, frames):
        delayed = [sum(lagrange[k] * slow[n - whole - k - more] for k in range(4)) for more in (0, 1)]
        slow.append(rho * ((1 - damping) * delayed[0] + damping * delayed[1]))
    assert np.abs(np.array(slow) - fast).max() < 1e-9


def test_the_first_chord_is_e_with_its_fifth(playing):
    chord = between(playing, 0.05, 0.5)
    size = 1 << 18
    spectrum = np.abs(np.fft.rfft(chord * np.hanning(len(chord)), size))
    low = np.arange(70 * size // RATE_HZ, 260 * size // RATE_HZ)  # below the overtones that belong to other keys
    loudest = low[spectrum[low] > 0.5 * spectrum[low].max()]
    semitones = 12 * np.log2(loudest * RATE_HZ / size / 82.407)
    assert {round(value) % 12 for value in semitones} == {0, 7}


def test_the_score_fits_its_bars_and_no_stroke_waits_for_an_earlier_one():
    beats = [stroke.beat for stroke in SCORE]
    assert beats == sorted(beats)
    assert all(stroke.beat + stroke.beats <= BEATS and len(stroke.frets) == 6 for stroke in SCORE)

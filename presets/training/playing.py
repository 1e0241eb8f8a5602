"""Synthetic guitar and bass playing: what the simulated devices are fed to make training and held-out data.

Why synthetic: nobody's recordings are needed and a seed makes it again. A network only learns what it hears,
so this is broader than music: plucks at every level, chords, muted notes, slides, sweeps, noise, steps.

Strings: Karplus and Strong, "Digital synthesis of plucked-string and drum timbres", Computer Music Journal
7(2), 1983, with the extensions of Jaffe and Smith in the same issue (pick position comb, loss filter,
fractional delay).

Rules kept here:
* 48 kHz, mono, float32, peak at most 1.
* The generator's state is the only source of chance: one seed, one performance.
* More than half of the time is playing at the level of a guitar through an interface; the rest is coverage.
"""

import numpy as np
from numba import njit
from scipy.signal import lfilter

SAMPLE_RATE_HZ = 48000
LOWEST_NOTE_HZ = {"guitar": 82.41, "bass": 41.20}  # the open low E
PICKUP_RESONANCE_HZ = 3800  # a passive pickup into a cable: two poles, Q about 1.6
PICKUP_Q = 1.6
PLAYING_PEAK = 0.35  # a typical strong stroke; 1 is the interface's full scale

POWER, ADD9, SEVENTH = (0, 7, 12), (0, 7, 14), (0, 4, 7, 10)  # semitones above the root
MAJOR, MINOR = (0, 7, 12, 16, 19), (0, 7, 12, 15, 19)


def _frames(seconds):
    return int(seconds * SAMPLE_RATE_HZ)


@njit(error_model="numpy")
def _string(burst, period_samples, feedback, brightness, out):
    """A plucked string whose period may change with time (slides, bends, vibrato). Loss filter: one zero."""
    size = 4096
    line = np.zeros(size)
    previous = 0.0
    for t in range(out.shape[0]):
        delay = period_samples[t] - 0.5 * (1.0 - brightness)  # what the loss filter itself delays, about
        whole = int(delay)
        fraction = delay - whole
        a = line[(t - whole) & (size - 1)]
        b = line[(t - whole - 1) & (size - 1)]
        value = a + fraction * (b - a)
        damped = feedback * (0.5 * (1.0 + brightness) * value + 0.5 * (1.0 - brightness) * previous)
        previous = value
        value = damped + (burst[t] if t < burst.shape[0] else 0.0)
        line[t & (size - 1)] = value
        out[t] = value


def pluck(rng, note_hz, seconds, *, decay_seconds=2.5, pick_position=None, glide_semitones=0.0, vibrato=0.0):
    """One string, unit peak. A glide moves to its target in the middle third of the note."""
    frames = _frames(seconds)
    position = np.linspace(0, 1, frames)
    semitones = glide_semitones * np.clip((position - 0.33) * 3, 0, 1)
    semitones += vibrato * np.sin(2 * np.pi * 5.5 * seconds * position) * np.clip(position * 3 - 0.5, 0, 1)
    period = SAMPLE_RATE_HZ / (note_hz * 2 ** (semitones / 12))
    burst_frames = int(SAMPLE_RATE_HZ / note_hz)
    burst = rng.uniform(-1, 1, burst_frames)
    softness = rng.uniform(0.85, 0.97)  # 1/f above a few hundred hertz: what a pickup sees of an ideal pluck
    burst = lfilter([1 - softness], [1, -softness], burst)
    comb = max(1, int(burst_frames * (pick_position or rng.uniform(0.08, 0.3))))
    burst = np.concatenate([burst, np.zeros(comb)])
    burst[comb:] -= 0.9 * burst[:-comb]
    out = np.empty(frames)
    feedback = 10 ** (-3 / (decay_seconds * note_hz))
    _string(burst - burst.mean(), period, feedback, rng.uniform(0.35, 0.9), out)
    release = min(frames, 480)
    out[-release:] *= np.linspace(1, 0, release)
    return out / (np.max(np.abs(out)) + 1e-9)


def chord(rng, root_hz, intervals, seconds, *, decay_seconds=2.5, strum_ms=12.0):
    """Strings one after the other, as a plectrum meets them."""
    out = np.zeros(_frames(seconds))
    order = list(intervals) if rng.random() < 0.7 else list(intervals)[::-1]
    for i, semitones in enumerate(order):
        start = int(i * strum_ms * 1e-3 * rng.uniform(0.5, 1.5) * SAMPLE_RATE_HZ)
        detuned_hz = root_hz * 2 ** ((semitones + rng.normal(0, 0.03)) / 12)
        note = pluck(rng, detuned_hz, seconds - start / SAMPLE_RATE_HZ, decay_seconds=decay_seconds)
        out[start : start + len(note)] += rng.uniform(0.6, 1) * note
    return out / (np.max(np.abs(out)) + 1e-9)


def _sequence(seconds, make):
    parts, frames = [], _frames(seconds)
    while sum(map(len, parts)) < frames:
        parts.append(make())
    return np.concatenate(parts)[:frames]


def _fret(rng, low, high):
    """What a string's frequency grows by from fret `low` up to, not including, `high`."""
    return 2 ** (rng.integers(low, high) / 12)


def melody(rng, seconds, open_hz):
    def one():
        length = rng.choice([0.12, 0.25, 0.25, 0.5, 1.0])
        glide = rng.choice([0, 0, 0, 2, -2, 5, 12])
        note_hz, vibrato = open_hz * _fret(rng, 5, 36), rng.choice([0, 0, 0.3])
        return pluck(rng, note_hz, length, glide_semitones=glide, vibrato=vibrato) * rng.uniform(0.25, 1)

    return _sequence(seconds, one)


def strumming(rng, seconds, open_hz):
    def one():
        shape = [POWER, MAJOR, MINOR, SEVENTH, ADD9][rng.integers(5)]
        return chord(rng, open_hz * _fret(rng, 0, 12), shape, rng.choice([0.3, 0.6, 1.2, 2.0])) * rng.uniform(0.3, 1)

    return _sequence(seconds, one)


def muted_riff(rng, seconds, open_hz):
    def one():
        if rng.random() < 0.2:
            return chord(rng, open_hz * _fret(rng, 0, 8), POWER, 0.4, strum_ms=5) * rng.uniform(0.7, 1)
        root = open_hz * _fret(rng, 0, 8)
        stroke = chord(rng, root, POWER[:2], 0.13, decay_seconds=rng.uniform(0.08, 0.3), strum_ms=3)
        return np.concatenate([stroke, np.zeros(rng.integers(0, 3000))]) * rng.uniform(0.5, 1)

    return _sequence(seconds, one)


def arpeggio(rng, seconds, open_hz):
    """Notes left ringing into one another."""
    out = np.zeros(_frames(seconds))
    root, shape = open_hz * _fret(rng, 0, 12), [MAJOR, MINOR, ADD9, SEVENTH][rng.integers(4)]
    for start in np.arange(0, seconds - 0.1, 0.22):
        at = int(start * SAMPLE_RATE_HZ)
        note = pluck(rng, root * 2 ** (rng.choice(shape) / 12), min(1.6, seconds - start))
        out[at : at + len(note)] += note[: len(out) - at] * rng.uniform(0.4, 1)
    return out / np.max(np.abs(out))


def dying_chord(rng, seconds, open_hz):
    """One chord through every level down to nothing, as at the end of a song."""
    return chord(rng, open_hz * _fret(rng, 0, 8), MAJOR, seconds, decay_seconds=0.8 * seconds)


def sweep(rng, seconds, open_hz):
    """Logarithmic sine sweep."""
    t = np.arange(_frames(seconds)) / SAMPLE_RATE_HZ
    low_hz, high_hz = rng.uniform(25, 60), rng.uniform(8000, 16000)
    rate = np.log(high_hz / low_hz) / seconds
    return np.sin(2 * np.pi * low_hz * np.expm1(rate * t) / rate + rng.uniform(0, 6))


def two_tones(rng, seconds, open_hz):
    """Two sines a random interval apart with a slow swell: intermodulation at every level."""
    t = np.arange(_frames(seconds)) / SAMPLE_RATE_HZ
    low_hz = open_hz * _fret(rng, 0, 40)
    tones = np.sin(2 * np.pi * low_hz * t) + np.sin(2 * np.pi * low_hz * 2 ** (rng.uniform(0.2, 24) / 12) * t)
    return 0.5 * tones * np.sin(np.pi * t / seconds) ** 2


def noise_steps(rng, seconds, open_hz):
    """Filtered noise in steps of level."""
    frames = _frames(seconds)
    steps = 10 ** (rng.uniform(-50, 0, 8) / 20)
    noise = lfilter([1], [1, -rng.uniform(0, 0.95)], rng.normal(size=frames))
    return np.repeat(steps, -(-frames // 8))[:frames] * noise / (3.5 * np.std(noise))


def level_steps(rng, seconds, open_hz):
    """The same stroke at levels 6 dB apart, loudest first or last."""
    count = 8
    stroke = chord(rng, open_hz * _fret(rng, 0, 12), POWER, seconds / count)
    levels = 10 ** (-6 * np.arange(count) / 20)
    return np.concatenate([stroke * level for level in (levels if rng.random() < 0.5 else levels[::-1])])


def silence(rng, seconds, open_hz):
    return np.zeros(_frames(seconds))


PLAYING = (melody, strumming, muted_riff, arpeggio, dying_chord)
TESTS = ((sweep, 2.0), (two_tones, 1.5), (noise_steps, 1.5), (level_steps, 3.2), (silence, 0.5))


def _pickup(signal):
    """Two-pole low-pass with the resonance of a pickup (bilinear transform)."""
    w = 2 * np.pi * PICKUP_RESONANCE_HZ / SAMPLE_RATE_HZ
    alpha = np.sin(w) / (2 * PICKUP_Q)
    b = np.array([1, 2, 1]) * (1 - np.cos(w)) / 2
    return lfilter(b, [1 + alpha, -2 * np.cos(w), 1 - alpha], signal)


def typical(rng, seconds, instrument="guitar"):
    """Plain playing only, at usual strength: what levels and loudness are measured on."""
    open_hz = LOWEST_NOTE_HZ[instrument]

    def phrase(kind):
        played = _pickup(kind(rng, 3.0, open_hz))
        return played * PLAYING_PEAK * rng.uniform(0.6, 1) / np.max(np.abs(played))

    return _sequence(seconds, lambda: np.concatenate([phrase(kind) for kind in PLAYING])).astype(np.float32)


def performance(seed, seconds, instrument="guitar"):
    """Playing and test signals in turn, each phrase at a level of its own, -30 to 0 dBFS peak."""
    open_hz = LOWEST_NOTE_HZ[instrument]
    rng = np.random.default_rng(seed)

    def phrase_and_test(kind):
        played = _pickup(kind(rng, rng.uniform(1.5, 3.5), open_hz))
        usual = rng.random() < 0.6
        peak = PLAYING_PEAK * rng.uniform(0.5, 1.3) if usual else 10 ** (rng.uniform(-30, -1) / 20)
        played = played * peak / np.max(np.abs(played))
        test, length = TESTS[rng.integers(len(TESTS))]
        peak = 10 ** (rng.uniform(-30, -2) / 20)
        return np.concatenate([played, np.clip(test(rng, length * rng.uniform(0.4, 0.7), open_hz) * peak, -1, 1)])

    def every_kind():
        return np.concatenate([phrase_and_test(PLAYING[i]) for i in rng.permutation(len(PLAYING))])

    return _sequence(seconds, every_kind).astype(np.float32)

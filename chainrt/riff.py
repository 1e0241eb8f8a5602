"""The built-in guitar: ten seconds of dry electric guitar, computed, so that nothing need be recorded or plugged in.

Four bars in E minor at 96 beats a minute: palm-muted chugging with power chords (hard), strummed open chords (medium
and soft), a lick (medium), one last chord (hard), then a second of silence for the gate. It loops without a gap.

Each string is a delay line one period long that feeds itself through a filter. The line is longer than its filter, so
a whole period is computed by a few numpy operations.

Sources: Karplus and Strong, "Digital synthesis of plucked-string and drum timbres", and Jaffe and Smith, "Extensions of
the Karplus-Strong plucked-string algorithm", both in Computer Music Journal 7(2), 1983. Names of the paper are in the
comments: rho and S (decay and damping), R (pick dynamics), mu (pick position).

Rule: the seed is the only source of chance; one seed and rate give the same samples, bit for bit on one machine.
"""

from typing import NamedTuple

import numpy as np

TEMPO_BPM = 96
BEATS = 16
SECONDS = BEATS * 60.0 / TEMPO_BPM
PEAK = 0.5  # full scale is 1: a guitar through an interface with 6 dB to spare; peaks are rounded off towards it
LOUDNESS = 0.28  # of a string struck hard, as a part of PEAK

OPEN_STRINGS_MIDI = (40, 45, 50, 55, 59, 64)  # E A D G B E
PICKUP_HZ, PICKUP_Q = 3800.0, 1.6  # resonance of a pickup with its cable
PICK_FROM_BRIDGE = 0.14  # mu: where the string is struck, as a part of its length
RELEASE_S = 0.012  # the fretting hand leaves the string
EARLY_OR_LATE_S = 0.004  # how far a stroke may miss the beat
UNEVEN_DB = 1.0  # how far a stroke may miss its force


class Force(NamedTuple):
    """How hard the pick strikes."""

    gain: float
    lowpass_hz: float  # R: a soft stroke is dull
    strum_s: float  # from one string to the next


SOFT = Force(0.25, 80, 0.018)
MEDIUM = Force(0.5, 150, 0.011)
HARD = Force(1.0, 300, 0.005)


class Stroke(NamedTuple):
    """One stroke of the pick: from a beat, for some beats, over frets written from low E to high E (x: not struck)."""

    beat: float
    beats: float
    frets: str
    force: Force
    palm: bool = False  # the palm lies on the bridge
    up: bool = False


def _chugs(*beats: float) -> list[Stroke]:
    return [Stroke(beat, 0.25, "0xxxxx", HARD, palm=True) for beat in beats]


SCORE = (
    # bars 1 and 2: E5 . G5 . A5 G5 | E5 . D5 . C5 B5
    Stroke(0.0, 0.5, "022xxx", HARD),
    *_chugs(0.5, 0.75, 1.0, 1.25),
    Stroke(1.5, 0.5, "355xxx", HARD),
    *_chugs(2.0, 2.25),
    Stroke(2.5, 0.75, "577xxx", HARD),
    *_chugs(3.25),
    Stroke(3.5, 0.5, "355xxx", HARD),
    Stroke(4.0, 0.5, "022xxx", HARD),
    *_chugs(4.5, 4.75, 5.0, 5.25),
    Stroke(5.5, 0.5, "x577xx", HARD),
    *_chugs(6.0, 6.25),
    Stroke(6.5, 0.75, "x355xx", HARD),
    *_chugs(7.25),
    Stroke(7.5, 0.5, "x244xx", HARD),
    # bar 3: Em G Cadd9 D
    Stroke(8.0, 0.75, "022000", MEDIUM),
    Stroke(8.75, 0.25, "xx2000", SOFT, up=True),
    Stroke(9.0, 0.75, "320003", MEDIUM),
    Stroke(9.75, 0.25, "xx0003", SOFT, up=True),
    Stroke(10.0, 0.75, "x32030", MEDIUM),
    Stroke(10.75, 0.25, "xx2030", SOFT, up=True),
    Stroke(11.0, 0.5, "xx0232", MEDIUM),
    Stroke(11.5, 0.5, "xx0232", SOFT, up=True),
    # bar 4: D E G . E D B A | E5
    Stroke(12.0, 0.25, "xxxx3x", MEDIUM),
    Stroke(12.25, 0.25, "xxxxx0", MEDIUM),
    Stroke(12.5, 0.5, "xxxxx3", HARD),
    Stroke(13.0, 0.25, "xxxxx0", MEDIUM),
    Stroke(13.25, 0.25, "xxxx3x", MEDIUM),
    Stroke(13.5, 0.25, "xxxx0x", MEDIUM),
    Stroke(13.75, 0.25, "xxx2xx", MEDIUM),
    Stroke(14.0, 0.35, "022xxx", HARD),
)


def riff(rate: float = 48000, seed: int = 1, seconds: float = SECONDS) -> np.ndarray:
    """Ten seconds of mono guitar at `rate` Hz as float32, or only the first `seconds` of them: the same, and sooner."""
    rng = np.random.default_rng(seed)
    beat_s = 60.0 / TEMPO_BPM
    whole, frames = (round(length * rate) for length in (SECONDS, min(seconds, SECONDS)))
    notes = [[] for _ in OPEN_STRINGS_MIDI]  # for each string: start and end in frames, fret, stroke, gain
    for stroke in SCORE:
        start_s = stroke.beat * beat_s + rng.uniform(0, EARLY_OR_LATE_S)
        end_s = (stroke.beat + stroke.beats) * beat_s
        gain = stroke.force.gain * 10 ** (rng.uniform(-UNEVEN_DB, UNEVEN_DB) / 20)
        struck = [string for string, fret in enumerate(stroke.frets) if fret != "x"]
        for order, string in enumerate(reversed(struck) if stroke.up else struck):
            start = round((start_s + order * stroke.force.strum_s) * rate)
            notes[string].append((start, round(end_s * rate), int(stroke.frets[string]), stroke, gain))

    played = np.zeros(frames)
    release = round(RELEASE_S * rate)
    for open_midi, line in zip(OPEN_STRINGS_MIDI, notes, strict=True):
        following = [note[0] for note in line[1:]] + [whole]
        for (start, end, fret, stroke, gain), next_start in zip(line, following, strict=True):
            note_hz = 440.0 * 2 ** ((open_midi + fret - 69) / 12)
            length = min(end + release, next_start + release, whole) - start
            if start >= frames:
                rng.uniform(size=round(rate / note_hz))  # what its pick would have drawn
            else:
                note = gain * pluck(rng, note_hz, length, rate, stroke.force.lowpass_hz, stroke.palm)
                note[-release:] *= np.linspace(1, 0, release) ** 2
                played[start : start + length] += note[: frames - start]
    played = PEAK * np.tanh(LOUDNESS * played)
    return played.astype(np.float32)


def pluck(
    rng: np.random.Generator, note_hz: float, frames: int, rate: float, lowpass_hz: float, palm: bool
) -> np.ndarray:
    """One note, from the stroke on. The louder harmonics die first; under the palm all die soon."""
    decay_s, damping = (0.45, 0.5) if palm else (3.5, 0.25)  # to -60 dB; S: share of the older of two samples
    period = rate / note_hz
    angle = 2 * np.pi / period
    filter_delay = np.arctan2(damping * np.sin(angle), 1 - damping + damping * np.cos(angle)) / angle
    whole = int(period - filter_delay) - 1
    rho = 10 ** (-3 / (decay_s * note_hz))
    loop = rho * np.convolve(_between_frames(period - filter_delay - whole), [1 - damping, damping])

    before = whole + len(loop)  # silence that the first period looks back to
    line = np.zeros(before + frames)
    burst = _stroke(rng, period, rate, lowpass_hz)[:frames]
    line[before : before + len(burst)] = burst
    for start in range(before, len(line), whole):
        now = line[start : start + whole]
        for tap, share in enumerate(loop):
            past = start - whole - tap
            now += share * line[past : past + len(now)]
    return line[before:]


def _stroke(rng: np.random.Generator, period: float, rate: float, lowpass_hz: float) -> np.ndarray:
    """What the pick does to the string: one period of noise of unit power, coloured by place, pick and pickup."""
    frames = round(period)
    hz = np.fft.rfftfreq(frames, 1 / rate)
    place = np.sin(np.pi * PICK_FROM_BRIDGE * hz * period / rate)
    pick = 1 / (1 + 1j * hz / lowpass_hz)
    pickup = 1 / (1 - (hz / PICKUP_HZ) ** 2 + 1j * hz / (PICKUP_HZ * PICKUP_Q))
    burst = np.fft.irfft(np.fft.rfft(rng.uniform(-1, 1, frames)) * place * pick * pickup, frames)
    burst = np.roll(burst, -np.abs(burst).argmin())  # starts at a zero crossing: no click of its own
    return burst / np.sqrt(np.mean(burst**2))


def _between_frames(delay: float) -> np.ndarray:
    """The four taps that delay by `delay` frames, 1 <= delay < 2: Lagrange interpolation of third order."""
    taps = np.arange(4.0)
    return np.array([np.prod((delay - np.delete(taps, k)) / (k - np.delete(taps, k))) for k in range(4)])

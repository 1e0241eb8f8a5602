"""How far a model is from its device: the figures of the cards.

* ESR: energy of the error by energy of the target.
* Pre-emphasised ESR: the same after 1 - 0.95/z on both, which weighs the highs more (A. Wright, E.-P. Damskägg, L.
  Juvela, V. Välimäki, "Real-time guitar amplifier emulation with deep learning", Applied Sciences 10(3), 2020).
* Multi-resolution spectral error, in two parts: spectral convergence, and mean absolute difference of log magnitude,
  each averaged over three resolutions (R. Yamamoto et al., "Parallel WaveGAN", ICASSP 2020; sizes and floor as in the
  field's trainer).
* Delay: the shift of greatest correlation, to a fraction of a sample by a parabola through three points.
"""

import math

import numpy as np
import playing

PRE_EMPHASIS = 0.95
SPECTRA = ((1024, 120, 600), (2048, 240, 1200), (512, 50, 240))  # transform, hop, window length: samples
SMALLEST_POWER = 1e-8  # of a bin
FRAMES_AT_ONCE = 4096
LONGEST_DELAY = 16


def esr(y, target):
    """Error-to-signal ratio."""
    return float(np.sum(np.square(y - target, dtype=float)) / np.sum(np.square(target, dtype=float)))


def pre_emphasised_esr(y, target):
    y, target = (s[1:].astype(float) - PRE_EMPHASIS * s[:-1] for s in (y, target))
    return esr(y, target)


def _magnitudes(signal, size, hop, window):
    """Magnitudes of centred, reflected, Hann-windowed frames, some thousands at a time."""
    padded = np.pad(signal.astype(float), size // 2, mode="reflect")
    shape = np.zeros(size)
    begin = (size - window) // 2
    shape[begin : begin + window] = np.hanning(window + 1)[:-1]
    frames = np.lib.stride_tricks.sliding_window_view(padded, size)[::hop]
    for at in range(0, len(frames), FRAMES_AT_ONCE):
        power = np.abs(np.fft.rfft(frames[at : at + FRAMES_AT_ONCE] * shape)) ** 2
        yield np.sqrt(np.maximum(power, SMALLEST_POWER))


def spectral_error(y, target):
    """(convergence, log magnitude); 0 is none. The field's trainer adds the two."""
    errors = []
    for spectrum in SPECTRA:
        difference = energy = logs = count = 0.0
        for mine, other in zip(_magnitudes(y, *spectrum), _magnitudes(target, *spectrum), strict=True):
            difference += np.sum((other - mine) ** 2)
            energy += np.sum(other**2)
            logs += np.sum(np.abs(np.log(mine) - np.log(other)))
            count += mine.size
        errors.append((math.sqrt(difference / energy), logs / count))
    return tuple(np.mean(errors, axis=0).tolist())


def rms_dbfs(signal):
    return 10 * math.log10(float(np.mean(np.square(signal, dtype=float))) + 1e-30)


def delay(y, target):
    """How many samples y comes after target."""
    edge = LONGEST_DELAY + 1
    inner = target[edge:-edge].astype(float)
    shifts = range(-edge, edge + 1)
    match = np.array([np.dot(inner, y[edge + s : len(y) - edge + s]) for s in shifts])
    best = 1 + int(np.argmax(match[1:-1]))
    before, at, after = match[best - 1 : best + 2]
    return shifts[best] + 0.5 * (before - after) / (before - 2 * at + after)


def loudness_and_gain(play, instrument):
    """The field's two figures (neural-amp-modeler, nam/models/exportable.py), on our own typical playing.

    Loudness is the output's RMS in dBFS; gain is how far the curve of output against input level lies between
    a straight line (0) and a step (1).
    """
    x = playing.typical(np.random.default_rng(1), 15.0, instrument)
    outputs = np.array([10 ** (rms_dbfs(play(np.float32(g) * x)) / 20) for g in np.linspace(0, 1, 11)])
    square = outputs[-1] * len(outputs)
    gain = (outputs.sum() - 0.5 * square) / (0.5 * square)
    return 20 * math.log10(outputs[-1]), float(np.clip(gain, 0, 1))

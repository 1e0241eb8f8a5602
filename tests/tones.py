"""Tones that tests play, and what they measure in the answer: levels, phases, delays and pitches over time."""

import numpy as np
from blockplay import RATE_HZ


def db(ratio):
    return 20 * np.log10(np.abs(ratio))


def sine(hz, frames, peak=1.0):
    return peak * np.sin(2 * np.pi * hz * np.arange(frames) / RATE_HZ)


def impulse(frames, channels=1):
    signal = np.zeros((channels, frames))
    signal[:, 0] = 1
    return signal[0] if channels == 1 else signal


def phasor(x, hz):
    """Amplitude and phase of the sine `hz` in x, as a complex number; x must hold whole periods."""
    return 2 * np.mean(x * np.exp(-2j * np.pi * hz * np.arange(len(x)) / RATE_HZ))


def envelope(x, hz):
    """The phasor of the sine `hz` in x as it changes: over windows of two periods, each of which holds whole frames.

    Returns complex values, one a frame, for the middles of the windows.
    """
    period = RATE_HZ / hz
    assert period == int(period)
    turned = x * np.exp(-2j * np.pi * hz * np.arange(len(x)) / RATE_HZ)
    window = np.hanning(2 * int(period) + 1)
    return 2 * np.convolve(turned, window / window.sum(), "valid")


def delays_ms(x, hz):
    """How many ms the sine `hz`, of phase 0 at frame 0, is late in x as it goes on; less than a period at first."""
    late = -np.unwrap(np.angle(envelope(x, hz) / -1j))
    return (late - 2 * np.pi * np.floor(late.min() / (2 * np.pi))) / (2 * np.pi * hz) * 1000


def pitches_hz(x, hz):
    """The pitch of what was the sine `hz`, as it goes on: the mean of each period of the sine."""
    period, phase = round(RATE_HZ / hz), np.unwrap(np.angle(envelope(x, hz)))
    return hz * (1 + (phase[period:] - phase[:-period]) / (2 * np.pi))


def swing_hz(values, seconds):
    """How often a slow wave swings: the strongest bin of the spectrum of `seconds` of values."""
    spectrum = np.abs(np.fft.rfft((values - values.mean()) * np.hanning(len(values)), 8 * len(values)))
    return np.argmax(spectrum) / 8 / seconds


def one_pole(hz, x):
    """The slow twin of every low-pass here: y += a (x - y)."""
    a, y = 1 - np.exp(-2 * np.pi * hz / RATE_HZ), 0.0
    return np.array([y := y + a * (value - y) for value in x])


def one_pole_response(hz, at_hz):
    """What that low-pass does to a sine, as a complex number."""
    a = 1 - np.exp(-2 * np.pi * hz / RATE_HZ)
    return a / (1 - (1 - a) * np.exp(-2j * np.pi * at_hz / RATE_HZ))


def aliases(heard, hz):
    """Energy beside the harmonics of `hz`, in dB of the whole; one second, so each harmonic has a bin of its own."""
    spectrum = np.abs(np.fft.rfft(heard[-RATE_HZ:] * np.blackman(RATE_HZ))) ** 2
    beside = np.ones(len(spectrum), bool)
    for harmonic in range(0, len(spectrum), hz):
        beside[max(0, harmonic - 3) : harmonic + 4] = False
    return 10 * np.log10(spectrum[beside].sum() / spectrum.sum())

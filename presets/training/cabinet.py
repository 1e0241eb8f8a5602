"""Make presets/irs/open_back_2x12.wav: a guitar cabinet that exists only here.

What: the impulse response of an imagined open-backed 2x12 with a dynamic microphone a hand's breadth off the
cone's centre. Why synthetic: measured ones belong to somebody. It is built as a magnitude response from parts
that anyone can check against a loudspeaker's data sheet, then given minimum phase, so it has no latency.

The parts: a second-order high-pass with a resonance at 105 Hz (driver on an open baffle: no box behind it,
and the back wave cancels below), a scoop near 450 Hz, a presence peak near 2.9 kHz (cone break-up), a steep
roll-off above 5 kHz, small narrow ripples (cone modes, seeded), and a comb from the floor's reflection.

Minimum phase from magnitude by the real cepstrum: A. V. Oppenheim and R. W. Schafer, "Discrete-Time Signal
Processing", 3rd ed. 2010, section 13.5 (fold the cepstrum onto positive time).

Rules kept here: mono, float32, 48 kHz, 1024 samples; an amplified guitar keeps its level (`guitar_weight`);
seeded.
"""

import os
from pathlib import Path

import numpy as np
import soundfile

SAMPLE_RATE_HZ = 48000
LENGTH = 1024  # what lies beyond is a millionth of the energy
FADE_FRAMES = 256
GRID = 1 << 16  # FFT size; long, so that the folded cepstrum does not wrap round
SEED = 212
OUTPUT = Path(__file__).resolve().parent.parent / "irs" / "open_back_2x12.wav"

RESONANCE_HZ, RESONANCE_Q = 105.0, 1.35
BELLS = (  # centre Hz, width in octaves, dB
    (170.0, 0.9, 1.5),
    (450.0, 1.1, -5.5),
    (1250.0, 0.7, 1.5),
    (2200.0, 0.8, 3.0),
    (2900.0, 0.55, 4.5),
    (3600.0, 0.3, 2.0),
    (4300.0, 0.18, -3.0),
)
ROLL_OFF_HZ, ROLL_OFF_ORDER = 5000.0, 7
FLOOR_DELAY_MS, FLOOR_DB = 1.9, -15.0  # the reflection's longer way; its level at low frequencies
CONE_MODE_COUNT, CONE_MODE_DB = 26, 1.3


def magnitude(frequency_hz):
    """Amplitude, not yet normalised."""
    f = np.maximum(frequency_hz, 1.0)
    s = 1j * f / RESONANCE_HZ
    response = np.abs(s * s / (1 + s / RESONANCE_Q + s * s))
    octaves = np.log2(f)
    level_db = np.zeros_like(f)
    for centre_hz, width, gain_db in BELLS:
        level_db += gain_db * np.exp(-0.5 * ((octaves - np.log2(centre_hz)) / (width / 2)) ** 2)
    rng = np.random.default_rng(SEED)
    for _ in range(CONE_MODE_COUNT):
        centre, width = rng.uniform(np.log2(700), np.log2(9000)), rng.uniform(0.04, 0.15)
        level_db += rng.normal(0, CONE_MODE_DB) * np.exp(-0.5 * ((octaves - centre) / width) ** 2)
    response *= 10 ** (level_db / 20)
    response /= np.sqrt(1 + (f / ROLL_OFF_HZ) ** (2 * ROLL_OFF_ORDER))
    reflected = 10 ** (FLOOR_DB / 20) / (1 + (f / 3000) ** 2)
    comb = np.abs(1 + reflected * np.exp(-2j * np.pi * f * FLOOR_DELAY_MS * 1e-3))
    # Minus 70 dB at least: the logarithm below must stay finite, and no microphone is quieter.
    return np.maximum(response * comb, 10 ** (-70 / 20) * response.max())


def minimum_phase(amplitude):
    """Impulse response of minimum phase for an amplitude on the bins of a GRID-point rfft."""
    cepstrum = np.fft.irfft(np.log(amplitude), GRID)
    fold = np.zeros(GRID)
    fold[0] = fold[GRID // 2] = 1
    fold[1 : GRID // 2] = 2
    return np.fft.irfft(np.exp(np.fft.rfft(cepstrum * fold)), GRID)


def guitar_weight(frequency_hz):
    """Power of a driven amplifier's output: louder in the upper middle than a clean guitar, so 1/sqrt(f)."""
    f = np.maximum(frequency_hz, 20.0)
    return f**-0.5 * (f > 80) / (1 + (f / 3000) ** 4)


def impulse_response():
    frequency_hz = np.fft.rfftfreq(GRID, 1 / SAMPLE_RATE_HZ)
    response = minimum_phase(magnitude(frequency_hz))[:LENGTH]
    fade = np.cos(np.linspace(0, np.pi / 2, FADE_FRAMES)) ** 2
    response[-FADE_FRAMES:] *= fade
    power = np.abs(np.fft.rfft(response, GRID)) ** 2
    weight = guitar_weight(frequency_hz)
    return (response / np.sqrt(np.sum(power * weight) / np.sum(weight))).astype(np.float32)


def main():
    response = impulse_response()
    OUTPUT.parent.mkdir(parents=True, exist_ok=True)
    temporary = OUTPUT.with_suffix(".part.wav")
    soundfile.write(temporary, response, SAMPLE_RATE_HZ, subtype="FLOAT")
    os.replace(temporary, OUTPUT)
    peak = int(np.argmax(np.abs(response)))
    print(f"{OUTPUT}: {len(response)} samples, peak {response[peak]:.3f} at sample {peak}")
    for hz in (60, 82, 105, 200, 450, 1000, 2000, 2900, 4000, 5000, 6500, 8000, 12000):
        bin_value = np.sum(response * np.exp(-2j * np.pi * hz / SAMPLE_RATE_HZ * np.arange(LENGTH)))
        print(f"  {hz:6d} Hz {20 * np.log10(abs(bin_value)):7.2f} dB")


if __name__ == "__main__":
    main()

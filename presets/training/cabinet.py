"""Make the impulse responses in presets/irs: cabinets and a guitar's body that exist only here.

What: an imagined open-backed 2x12 and a closed 4x12 with a dynamic microphone a hand's breadth off the cone's
centre, a 1x15 for a bass, the 4x12 again with two microphones at different places (stereo), and the wooden body of
an acoustic guitar. Why synthetic: measured ones belong to somebody. Each is built as a magnitude response from parts
that anyone can check against a loudspeaker's data sheet, then given minimum phase, so it has no latency.

The parts: a high-pass with a resonance (an open baffle: no box behind the driver, and the back wave cancels below;
steeper for the closed boxes), bells (a scoop below 500 Hz, a presence peak where the cone breaks up), a steep
roll-off, small narrow ripples (cone modes, seeded), and a comb from the floor's reflection. A guitar's body is bells
only: the air in it near 100 Hz, its top near 200 Hz, then many modes of its plates.

Minimum phase from magnitude by the real cepstrum: A. V. Oppenheim and R. W. Schafer, "Discrete-Time Signal
Processing", 3rd ed. 2010, section 13.5 (fold the cepstrum onto positive time).

Rules kept here: float32, 48 kHz; an amplified guitar keeps its level (`guitar_weight`); seeded.
"""

import os
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import soundfile

SAMPLE_RATE_HZ = 48000
FADE_SHARE = 4  # the last quarter is faded
GRID = 1 << 16  # FFT size; long, so that the folded cepstrum does not wrap round
FOLDER = Path(__file__).resolve().parent.parent / "irs"


@dataclass(frozen=True)
class Body:
    """What is imagined: see the parts above. Bells: centre Hz, width in octaves, dB."""

    length: int  # samples; what lies beyond is a millionth of the energy
    seed: int
    resonance_hz: float
    resonance_q: float
    bells: tuple[tuple[float, float, float], ...]
    roll_off_hz: float
    roll_off_order: int
    order: int = 2  # of the high-pass
    floor_delay_ms: float = 1.9  # the reflection's longer way
    floor_db: float = -15.0  # its level at low frequencies
    modes: int = 26
    mode_db: float = 1.3
    mode_hz: tuple[float, float] = (700.0, 9000.0)


OPEN_2X12 = Body(
    length=1024,
    seed=212,
    resonance_hz=105.0,
    resonance_q=1.35,
    bells=(
        (170.0, 0.9, 1.5),
        (450.0, 1.1, -5.5),
        (1250.0, 0.7, 1.5),
        (2200.0, 0.8, 3.0),
        (2900.0, 0.55, 4.5),
        (3600.0, 0.3, 2.0),
        (4300.0, 0.18, -3.0),
    ),
    roll_off_hz=5000.0,
    roll_off_order=7,
)
CLOSED_4X12 = Body(
    length=2048,
    seed=412,
    resonance_hz=82.0,
    resonance_q=1.1,
    order=4,
    bells=(
        (125.0, 0.8, 3.0),
        (380.0, 0.9, -3.5),
        (700.0, 0.8, -2.0),
        (1600.0, 0.7, 1.5),
        (2500.0, 0.6, 4.0),
        (3300.0, 0.35, 3.0),
        (4000.0, 0.2, -2.5),
    ),
    roll_off_hz=4700.0,
    roll_off_order=8,
    floor_delay_ms=1.4,
    floor_db=-12.0,
)
OFF_AXIS = replace(  # the same, further out on the cone: less presence, more body, another floor
    CLOSED_4X12,
    seed=413,
    bells=((125.0, 0.8, 3.5), (500.0, 0.9, -2.0), (1400.0, 0.8, 2.0), (2300.0, 0.6, 1.0), (3100.0, 0.4, -2.0)),
    roll_off_hz=3900.0,
    floor_delay_ms=2.3,
)
BASS_1X15 = Body(
    length=2048,
    seed=115,
    resonance_hz=48.0,
    resonance_q=0.9,
    order=4,
    bells=((90.0, 1.0, 2.5), (320.0, 1.0, -3.0), (1100.0, 0.8, 2.5), (2000.0, 0.5, 2.0)),
    roll_off_hz=3000.0,
    roll_off_order=5,
    floor_db=-18.0,
)
ACOUSTIC = Body(
    length=4096,
    seed=6,
    resonance_hz=75.0,
    resonance_q=0.8,
    bells=(
        (102.0, 0.16, 11.0),  # the air in the body
        (196.0, 0.18, 9.0),  # its top
        (235.0, 0.12, 5.0),  # its back
        (400.0, 0.5, -4.0),
        (1500.0, 1.5, -4.0),
        (5000.0, 1.6, 7.0),
        (9000.0, 1.0, 5.0),
    ),
    roll_off_hz=14000.0,
    roll_off_order=3,
    floor_db=-40.0,
    modes=60,
    mode_db=4.0,
    mode_hz=(300.0, 9000.0),
)
RESPONSES = {
    "open_back_2x12": (OPEN_2X12,),
    "closed_back_4x12": (CLOSED_4X12,),
    "two_microphones": (CLOSED_4X12, OFF_AXIS),
    "bass_1x15": (BASS_1X15,),
    "acoustic_body": (ACOUSTIC,),
}
"""File -> its channels."""


def magnitude(frequency_hz, body):
    """Amplitude, not yet normalised."""
    f = np.maximum(frequency_hz, 1.0)
    s = 1j * f / body.resonance_hz
    response = np.abs(s * s / (1 + s / body.resonance_q + s * s)) ** (body.order / 2)
    octaves = np.log2(f)
    level_db = np.zeros_like(f)
    for centre_hz, width, gain_db in body.bells:
        level_db += gain_db * np.exp(-0.5 * ((octaves - np.log2(centre_hz)) / (width / 2)) ** 2)
    rng = np.random.default_rng(body.seed)
    for _ in range(body.modes):
        centre, width = rng.uniform(*np.log2(body.mode_hz)), rng.uniform(0.04, 0.15)
        level_db += rng.normal(0, body.mode_db) * np.exp(-0.5 * ((octaves - centre) / width) ** 2)
    response *= 10 ** (level_db / 20)
    response /= np.sqrt(1 + (f / body.roll_off_hz) ** (2 * body.roll_off_order))
    reflected = 10 ** (body.floor_db / 20) / (1 + (f / 3000) ** 2)
    comb = np.abs(1 + reflected * np.exp(-2j * np.pi * f * body.floor_delay_ms * 1e-3))
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


def impulse_response(body):
    frequency_hz = np.fft.rfftfreq(GRID, 1 / SAMPLE_RATE_HZ)
    response = minimum_phase(magnitude(frequency_hz, body))[: body.length]
    faded = body.length // FADE_SHARE
    response[-faded:] *= np.cos(np.linspace(0, np.pi / 2, faded)) ** 2
    power = np.abs(np.fft.rfft(response, GRID)) ** 2
    weight = guitar_weight(frequency_hz)
    return (response / np.sqrt(np.sum(power * weight) / np.sum(weight))).astype(np.float32)


def main():
    FOLDER.mkdir(parents=True, exist_ok=True)
    for name, bodies in RESPONSES.items():
        responses = np.stack([impulse_response(body) for body in bodies], axis=1)
        output = FOLDER / f"{name}.wav"
        temporary = output.with_suffix(".part.wav")
        soundfile.write(temporary, responses, SAMPLE_RATE_HZ, subtype="FLOAT")
        os.replace(temporary, output)
        print(f"{output}: {responses.shape[0]} samples, {responses.shape[1]} channels")
        for hz in (60, 82, 105, 200, 450, 1000, 2000, 2900, 4000, 5000, 6500, 8000, 12000):
            turns = np.exp(-2j * np.pi * hz / SAMPLE_RATE_HZ * np.arange(len(responses)))
            levels = "".join(f"{20 * np.log10(abs(value)):8.2f} dB" for value in turns @ responses)
            print(f"  {hz:6d} Hz {levels}")


if __name__ == "__main__":
    main()

"""Cabinet: what the loudspeaker and the microphone add, as an impulse response from a WAV file.

The convolution is done tap by tap, without any delay; its cost is the same in every period. The sum of 64 frames is
gathered in `sum`, eight taps in one pass over it, so both inner loops run along contiguous memory and LLVM makes
vector instructions of them. The past lies in a ring that is written twice, one copy behind the other: wherever the
ring wraps, some stretch of it holds the last 2,048 frames in one piece.

Source: Zölzer (ed.), DAFX, 2nd ed. 2011, chapter 2 (FIR filters).
"""

import numpy as np
from numba import njit

from ..audiofile import read_mono
from ..block import File, Level, Param, block
from ..dsp import arrived_after, gain, glide_from, make_finite, smoothing
from ..errors import ModelError

TAPS = 2048  # the most that is kept: 43 ms at 48 kHz, a close microphone and the first of the room
FADED = TAPS // 20  # the last taps of a longer file, faded so that the cut is not heard
CHUNK = 64  # frames summed at a time
RING = TAPS + CHUNK
GLIDE_MS = 10.0  # a turned knob arrives this fast


@njit(error_model="numpy", fastmath={"contract"}, forceinline=True)  # a * b + c in one instruction
def add_eight_taps(ir, past, total, frames):
    """total[i] += the sum over k < 8 of ir[k] * past[7 + i - k], for i < frames."""
    a, b, c, d, e, f, g, h = ir[0], ir[1], ir[2], ir[3], ir[4], ir[5], ir[6], ir[7]
    for i in range(frames):
        total[i] = (
            total[i]
            + (a * past[i + 7] + b * past[i + 6] + c * past[i + 5] + d * past[i + 4])
            + (e * past[i + 3] + f * past[i + 2] + g * past[i + 1] + h * past[i])
        )


@block(
    params=[Param("level", "dB", -40, 24, default=0, help="output level")],
    files=[File("ir", "impulse response, a mono WAV file at the sample rate of the chain")],
    constants=[
        ("ir", "f4", (TAPS,)),  # the impulse response, zeros after its end
        ("taps", "i8"),  # its length
    ],
    state=[
        ("ring", "f4", (2 * RING,)),  # the last frames, twice
        ("sum", "f4", (CHUNK,)),  # the convolution as it grows
        ("at", "i8"),  # where in the ring the next frame goes
        ("level", "f8"),  # linear output gain at the last frame
    ],
    work=TAPS,
    memory=TAPS - 1,
)
def cab(p, s, x, n):
    """Convolve x[0:n] with the impulse response, in place."""
    make_finite(x, n)
    ir, ring, total, at = p.ir, s.ring, s.sum, s.at
    goal, glide = gain(p.level), smoothing(GLIDE_MS, p.rate)
    level = glide_from(s.level, goal)
    done = 0
    while done < n:
        frames = min(n - done, CHUNK, RING - at)
        for i in range(frames):
            ring[at + i] = x[done + i]
            ring[at + i + RING] = x[done + i]
            total[i] = 0.0
        for k in range(0, p.taps, 8):
            add_eight_taps(ir[k : k + 8], ring[at + RING - k - 7 :], total, frames)
        for i in range(frames):
            level += glide * (goal - level)
            x[done + i] = level * total[i]
        done += frames
        at = at + frames if at + frames < RING else 0
    s.at, s.level = at, level


@cab.prepare
def prepare(p, settings):
    """Read the impulse response; what a longer file has beyond TAPS is left out."""
    ir = read_mono(settings.files["ir"], settings.rate, keep=TAPS + 1, error=ModelError)
    if len(ir) > TAPS:
        ir = ir[:TAPS]
        ir[-FADED:] *= 0.5 + 0.5 * np.cos(np.pi * np.arange(1, FADED + 1) / FADED)
    p["ir"][: len(ir)] = ir
    p["taps"] = len(ir)
    rest_after = len(ir) - 1 + arrived_after(GLIDE_MS, settings.rate)
    return (Level("full", len(ir), len(ir) - 1, cab.new_state, family="convolution", rest_after=rest_after),)

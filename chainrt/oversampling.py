"""Clippers without aliases: twice or four times the sample rate around a curve that is averaged, not sampled.

A block that clips calls `up`, bends s.fast to s.bent with one of the curves below, and calls `down`. How often the rate
is doubled (0, 1 or 2 times) is its level; the latency of all levels is the same, so they can be crossfaded.

The curve is applied to the straight line between two samples and averaged along it (first-order antiderivative
antialiasing), and each two such means are averaged: a delay of exactly one sample. One more makes it an even number, so
that after halving the rate again the delay is whole. The filters are half-band, linear in phase: every other tap is 0,
and of two output samples one is a plain copy.

Rules kept here:
* CHUNK frames at most are worked on at a time, in float32, in loops along contiguous memory that become vectors.
* Every buffer begins with the past that its filter still needs; `keep` moves it there.

Sources: Parker, Zavalishin and Le Bivic, "Reducing the aliasing of nonlinear waveshaping using continuous-time
convolution", DAFx-16; Zölzer (ed.), DAFX, 2nd ed. 2011, section 4.1 (oversampling around nonlinearities); Oppenheim and
Schafer, Discrete-Time Signal Processing, 3rd ed. 2010, sections 4.6 and 7.5 (polyphase, Kaiser windows).
"""

import math

import numpy as np
from numba import njit

from .block import Level

CHUNK = 64
NEAR, FAR = 16, 8  # taps beside the middle one: between 1x and 2x, and between 2x and 4x
LATENCY = NEAR - 1 + FAR // 2  # frames, at all levels
WAITS = (LATENCY - 2, LATENCY - NEAR, 0)  # frames by which the levels are held back for that
LEVELS = ("1x", "2x", "4x")
STEEPNESS = 7.0  # of the Kaiser windows: 70 dB

inline = njit(error_model="numpy", forceinline=True)


def half_band(taps: int) -> np.ndarray:
    """The taps of a half-band low-pass beside its middle one (which is 0.5); they add up to 0.5."""
    places = np.arange(-taps + 1, taps, 2)
    window = np.i0(STEEPNESS * np.sqrt(1 - (places / (taps + 1)) ** 2))
    h = np.sinc(places / 2) * window
    return (0.5 * h / h.sum()).astype(np.float32)


OVERSAMPLING_CONSTANTS = [("near", "f4", (NEAR,)), ("far", "f4", (FAR,))]  # taps of the two half-band filters


def oversampling_state() -> list[tuple]:
    """The fields that a block's state needs for `up` and `down`; fields of its own stand before them."""
    return [
        ("doublings", "i8"),  # of the sample rate: the number of the level
        ("base", "f4", (NEAR - 1 + CHUNK,)),  # what goes in, with its past
        ("middle", "f4", (FAR - 1 + 2 * CHUNK,)),  # at 2x on the way up, with its past
        ("fast", "f4", (3 + 4 * CHUNK,)),  # at the highest rate, three samples of past before it
        ("means", "f4", (4 * CHUNK + 1,)),  # of the curve, from each of these samples to the next
        ("bent", "f4", (4 * CHUNK,)),  # behind the curve
        ("far_even", "f4", (FAR - 1 + 2 * CHUNK,)),  # every other sample of that, with its past
        ("far_odd", "f4", (FAR // 2 + 2 * CHUNK,)),
        ("down", "f4", (2 * CHUNK,)),  # at 2x on the way down
        ("near_even", "f4", (NEAR - 1 + CHUNK,)),
        ("near_odd", "f4", (NEAR // 2 + CHUNK,)),
        ("late", "f4", (LATENCY + CHUNK,)),  # what comes out, held back
    ]


def oversampled_levels(p, block, memory_seconds: float) -> tuple[Level, ...]:
    """The three levels of a block that clips, smallest first; fills the constants."""
    p["near"], p["far"] = half_band(NEAR), half_band(FAR)
    memory = math.ceil(memory_seconds * float(p["rate"])) + 4 * LATENCY

    def level(doublings: int) -> Level:
        def new_state():
            state = block.new_state()
            state[0]["doublings"] = doublings
            return state

        filters = (0, 2 * NEAR, 2 * NEAR + 4 * FAR)[doublings]
        return Level(LEVELS[doublings], block.work * 2**doublings + filters, memory, new_state, latency=LATENCY)

    return tuple(level(doublings) for doublings in range(len(LEVELS)))


@inline
def keep(buffer, past, frames):
    """Move the last `past` of the past + frames samples in a buffer to its beginning."""
    for i in range(past):
        buffer[i] = buffer[frames + i]


@njit(error_model="numpy", forceinline=True, fastmath={"contract"})
def convolve(taps, past, out, frames, scale):
    """out[i] = scale * the sum over k of taps[k] * past[len(taps) - 1 + i - k]; the number of taps is one of fours."""
    for i in range(frames):
        out[i] = 0.0
    for k in range(0, len(taps), 4):
        a, b, c, d = scale * taps[k], scale * taps[k + 1], scale * taps[k + 2], scale * taps[k + 3]
        at = len(taps) - 4 - k
        for i in range(frames):
            out[i] += (a * past[at + 3 + i] + b * past[at + 2 + i]) + (c * past[at + 1 + i] + d * past[at + i])


@inline
def up(p, s, frames):
    """From s.base (frames behind its past) to s.fast. Returns how many samples that makes."""
    base, middle, fast, scratch = s.base, s.middle, s.fast, s.bent
    if s.doublings == 0:
        for i in range(frames):
            fast[3 + i] = base[NEAR - 1 + i]
        keep(base, NEAR - 1, frames)
        return frames
    convolve(p.near, base, scratch, frames, np.float32(2.0))
    for i in range(frames):
        middle[FAR - 1 + 2 * i] = scratch[i]
        middle[FAR + 2 * i] = base[NEAR // 2 + i]
    keep(base, NEAR - 1, frames)
    frames *= 2
    if s.doublings == 1:
        for i in range(frames):
            fast[3 + i] = middle[FAR - 1 + i]
        keep(middle, FAR - 1, frames)
        return frames
    convolve(p.far, middle, scratch, frames, np.float32(2.0))
    for i in range(frames):
        fast[3 + 2 * i] = scratch[i]
        fast[4 + 2 * i] = middle[FAR // 2 + i]
    keep(middle, FAR - 1, frames)
    return 2 * frames


@inline
def down(p, s, frames):
    """From s.bent to the first frames of s.down, at the base rate."""
    bent, slow, late = s.bent, s.down, s.late
    half = np.float32(0.5)
    if s.doublings == 2:
        even, odd = s.far_even, s.far_odd
        for i in range(2 * frames):
            even[FAR - 1 + i] = bent[2 * i]
            odd[FAR // 2 + i] = bent[2 * i + 1]
        convolve(p.far, even, slow, 2 * frames, np.float32(1.0))
        for i in range(2 * frames):
            bent[i] = slow[i] + half * odd[i]
        keep(even, FAR - 1, 2 * frames)
        keep(odd, FAR // 2, 2 * frames)
    if s.doublings >= 1:
        even, odd = s.near_even, s.near_odd
        for i in range(frames):
            even[NEAR - 1 + i] = bent[2 * i]
            odd[NEAR // 2 + i] = bent[2 * i + 1]
        convolve(p.near, even, slow, frames, np.float32(1.0))
        for i in range(frames):
            bent[i] = slow[i] + half * odd[i]
        keep(even, NEAR - 1, frames)
        keep(odd, NEAR // 2, frames)
    wait = WAITS[0] if s.doublings == 0 else (WAITS[1] if s.doublings == 1 else WAITS[2])
    for i in range(frames):
        late[LATENCY + i] = bent[i]
    for i in range(frames):
        slow[i] = late[LATENCY + i - wait]
    keep(late, LATENCY, frames)


# -- curves, averaged along the line from one sample to the next ------------------------------------------------------


@inline
def hard_mean(a, b):
    """The mean of min(max(u, -1), 1) for u from a to b.

    The antiderivative is c^2 / 2 + |u| - |c|, where c is u after clipping. Its difference is written so that nothing
    is lost where a and b are close, and what rounding there is left cannot leave the range of the two clipped ends.
    """
    one, half = np.float32(1.0), np.float32(0.5)
    ca, cb = min(max(a, -one), one), min(max(b, -one), one)
    far = b - a
    total = half * (cb - ca) * (cb + ca) + ((abs(b) - abs(cb)) - (abs(a) - abs(ca)))
    close = abs(far) < np.float32(1e-4)
    mean = half * (ca + cb) if close else total / far
    return min(max(mean, min(ca, cb)), max(ca, cb))


@inline
def soft_mean(a, b):
    """The mean of u / sqrt(1 + u^2) for u from a to b; see drive.py for why nothing is divided by almost nothing."""
    one = np.float32(1.0)
    return (a + b) / (math.sqrt(one + a * a) + math.sqrt(one + b * b))


@inline
def average_neighbours(s, count):
    """From s.means to s.bent; s.fast is done with."""
    means, bent, half = s.means, s.bent, np.float32(0.5)
    for i in range(count):
        bent[i] = half * (means[i] + means[i + 1])
    keep(s.fast, 3, count)


@inline
def bend_hard(s, count):
    """s.fast through the hard clipper to s.bent."""
    fast, means = s.fast, s.means
    for i in range(count + 1):
        means[i] = hard_mean(fast[i], fast[i + 1])
    average_neighbours(s, count)


@inline
def bend_soft(s, count):
    """s.fast through the soft clipper to s.bent."""
    fast, means = s.fast, s.means
    for i in range(count + 1):
        means[i] = soft_mean(fast[i], fast[i + 1])
    average_neighbours(s, count)

"""Clippers without aliases: twice or four times the sample rate around a curve that is averaged, not sampled.

A block that clips calls `up`, bends s.fast to s.bent with one of the curves below, and calls `down`. How often the rate
is doubled (0, 1 or 2 times) is its level; the latency of all levels is the same, so they can be crossfaded.

The curve is applied to the straight line between two samples and averaged along it (first-order antiderivative
antialiasing), and each two such means are averaged: a delay of exactly one sample. One more makes it an even number, so
that after halving the rate again the delay is whole. The filters are half-band, linear in phase: every other tap is 0,
and of two output samples one is a plain copy.

Rules kept here:
* CHUNK frames at most are worked on at a time, in float32, in loops along contiguous memory that become vectors. So
  samples of a higher rate are never mixed: sample t lies in plane t % phases, at frame t // phases (polyphase).
* Every plane begins with PAST frames of its past, as far as somebody needs them; `keep` moves them there.

Sources: Parker, Zavalishin and Le Bivic, "Reducing the aliasing of nonlinear waveshaping using continuous-time
convolution", DAFx-16; Zölzer (ed.), DAFX, 2nd ed. 2011, section 4.1 (oversampling around nonlinearities); Oppenheim and
Schafer, Discrete-Time Signal Processing, 3rd ed. 2010, sections 4.6 and 7.5 (polyphase, Kaiser windows).
"""

import math

import numpy as np

from .block import Level
from .dsp import CHUNK, called, inline

NEAR, FAR = 16, 8  # taps beside the middle one: between 1x and 2x, and between 2x and 4x
LATENCY = NEAR - 1 + FAR // 2  # frames, at all levels
WAITS = (LATENCY - 2, LATENCY - NEAR, 0)  # frames by which the levels are held back for that
PAST = 24  # frames before the present ones in each plane: more than any filter or WAITS look back
LEVELS = ("1x", "2x", "4x")
STEEPNESS = 7.0  # of the Kaiser windows: 70 dB


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
        ("base", "f4", (PAST + CHUNK,)),  # what goes in
        ("middle", "f4", (PAST + CHUNK,)),  # at 2x on the way up: the even samples; the odd ones are those that went in
        ("fast", "f4", (4, PAST + CHUNK)),  # at the highest rate: a plane for each phase
        ("means", "f4", (4, PAST + CHUNK)),  # of the curve, from the sample before to this one
        ("bent", "f4", (4, PAST + CHUNK)),  # behind the curve
        ("slow", "f4", (2, PAST + CHUNK)),  # at 2x on the way down
        ("late", "f4", (PAST + CHUNK,)),  # what comes out, before it is held back
        ("down", "f4", (CHUNK,)),  # ... and behind that
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
def keep(plane, past, frames):
    """Move the last `past` frames of a plane to where the past of the next chunk is looked for."""
    for i in range(PAST - past, PAST):
        plane[i] = plane[frames + i]


@called
def filter_near(taps, plane, scale, centre, half, out, frames):
    """out[i] = scale * the sum over k of taps[k] * plane[i - k], plus half * centre[i - NEAR / 2].

    Places count from the present frames on. The filter is symmetric: of two taps only one is looked up.
    """
    a, b, c, d = scale * taps[0], scale * taps[1], scale * taps[2], scale * taps[3]
    e, f, g, h = scale * taps[4], scale * taps[5], scale * taps[6], scale * taps[7]
    x, middle = plane[PAST - NEAR + 1 :], centre[PAST - NEAR // 2 :]
    for i in range(frames):
        outer = a * (x[i] + x[i + 15]) + b * (x[i + 1] + x[i + 14]) + c * (x[i + 2] + x[i + 13])
        inner = e * (x[i + 4] + x[i + 11]) + f * (x[i + 5] + x[i + 10]) + g * (x[i + 6] + x[i + 9])
        out[i] = outer + d * (x[i + 3] + x[i + 12]) + (inner + h * (x[i + 7] + x[i + 8])) + half * middle[i]


@called
def filter_far(taps, even, odd, scale, centre, half, out, frames):
    """out[i] = scale * the sum over k of taps[2k] * even[i - k] + taps[2k + 1] * odd[i - k], plus half * centre[i].

    `even` and `odd` begin three frames before the present ones: the planes of samples 0, 2, ... and 1, 3, ... ago.
    """
    a, c, e, g = scale * taps[0], scale * taps[2], scale * taps[4], scale * taps[6]
    b, d, f, h = scale * taps[1], scale * taps[3], scale * taps[5], scale * taps[7]
    for i in range(frames):
        of_even = a * even[i + 3] + c * even[i + 2] + e * even[i + 1] + g * even[i]
        of_odd = b * odd[i + 3] + d * odd[i + 2] + f * odd[i + 1] + h * odd[i]
        out[i] = of_even + of_odd + half * centre[i]


@called
def up(p, s, frames):
    """From the present frames of s.base to those of s.fast."""
    base, middle, fast, doublings = s.base, s.middle, s.fast, s.doublings
    two, none = np.float32(2.0), np.float32(0.0)
    late = NEAR // 2 - 1  # frames by which the odd samples at 2x are later than what went in
    if doublings == 0:
        copied(base, 0, fast[0], frames)
    else:
        filter_near(p.near, base, two, base, none, middle[PAST:], frames)
        if doublings == 1:
            copied(middle, 0, fast[0], frames)
            copied(base, late, fast[1], frames)
        else:
            evens, odds = middle[PAST - 3 :], base[PAST - 3 - late :]
            filter_far(p.far, evens, base[PAST - 4 - late :], two, odds, none, fast[0, PAST:], frames)
            copied(base, late + 2, fast[1], frames)
            filter_far(p.far, odds, evens, two, odds, none, fast[2, PAST:], frames)
            copied(middle, 1, fast[3], frames)
            keep(middle, 4, frames)
    keep(base, PAST, frames)


@called
def copied(plane, late, out, frames):
    """Copy the present frames of a plane, but those of `late` frames ago."""
    source, target = plane[PAST - late :], out[PAST:]
    for i in range(frames):
        target[i] = source[i]


@called
def down(p, s, frames):
    """From s.bent to the first frames of s.down, at the base rate."""
    bent, slow, late, doublings = s.bent, s.slow, s.late, s.doublings
    one, half = np.float32(1.0), np.float32(0.5)
    if doublings == 0:
        copied(bent[0], 0, late, frames)
    elif doublings == 1:
        filter_near(p.near, bent[0], one, bent[1], half, late[PAST:], frames)
        keep(bent[0], NEAR - 1, frames)
        keep(bent[1], NEAR // 2, frames)
    else:
        first, third = bent[0, PAST - 3 :], bent[2, PAST - 3 :]
        filter_far(p.far, first, bent[2, PAST - 4 :], one, bent[1, PAST - 2 :], half, slow[0, PAST:], frames)
        filter_far(p.far, third, first, one, bent[3, PAST - 2 :], half, slow[1, PAST:], frames)
        filter_near(p.near, slow[0], one, slow[1], half, late[PAST:], frames)
        for phase in range(4):
            keep(bent[phase], 4, frames)
        keep(slow[0], NEAR - 1, frames)
        keep(slow[1], NEAR // 2, frames)
    wait = WAITS[0] if doublings == 0 else (WAITS[1] if doublings == 1 else WAITS[2])
    out, heard = s.down, late[PAST - wait :]
    for i in range(frames):
        out[i] = heard[i]
    keep(late, WAITS[0], frames)


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
def plane_before(planes, s, phase, samples):
    """The present frames of that plane which lies `samples` samples before one of the phases."""
    row = (phase - samples) & ((1 << s.doublings) - 1)
    return planes[row, PAST + ((phase - samples) >> s.doublings) :]


@called
def average_neighbours(s, frames):
    """From s.means to s.bent."""
    half = np.float32(0.5)
    for phase in range(1 << s.doublings):
        old, new, out = plane_before(s.means, s, phase, 2), plane_before(s.means, s, phase, 1), s.bent[phase, PAST:]
        for i in range(frames):
            out[i] = half * (old[i] + new[i])
    for phase in range(1 << s.doublings):
        keep(s.means[phase], 2, frames)
        keep(s.fast[phase], 1, frames)


@called
def bend_hard(s, frames):
    """s.fast through the hard clipper to s.bent."""
    for phase in range(1 << s.doublings):
        old, new, out = plane_before(s.fast, s, phase, 1), s.fast[phase, PAST:], s.means[phase, PAST:]
        for i in range(frames):
            out[i] = hard_mean(old[i], new[i])
    average_neighbours(s, frames)


@called
def bend_soft(s, frames):
    """s.fast through the soft clipper to s.bent."""
    for phase in range(1 << s.doublings):
        old, new, out = plane_before(s.fast, s, phase, 1), s.fast[phase, PAST:], s.means[phase, PAST:]
        for i in range(frames):
            out[i] = soft_mean(old[i], new[i])
    average_neighbours(s, frames)

"""Small compiled helpers that blocks share: decibels, one-pole filters, knobs that glide, slow waves, tapes.

Rules kept here:
* Call them once per period or carry their result in a local; none keeps state of its own.
* What has no carried dependency is written for loops along contiguous float32 memory, CHUNK frames at a time, which
  become vectors. So a block that is to be quick reads its tape for a whole chunk, filters it frame by frame, and mixes
  it for the whole chunk; knobs take their glide from a table (`gliding`). There, a frame's number that is reckoned
  with is an int32: of int64 most processors have no vectors to floats.
"""

import math

import numpy as np

from .compiled.language import njit

CHUNK = 64  # frames that are worked on at a time
GUARD = 3 * CHUNK  # frames behind a tape's end, where what it begins with is repeated: any chunk lies in one piece

inline = njit(forceinline=True)
fused = njit(forceinline=True, fastmath={"contract"})  # a * b + c in one instruction
called = njit(fastmath={"contract"})  # LLVM decides; larger ones compile quicker as calls

SINE_1, SINE_3, SINE_5, SINE_7 = 1.5707910110721512, -0.6458928495206286, 0.07943434456113996, -0.0043330952606071005


@njit
def make_finite(x, n):
    """Replace what is no sound (not a number, or beyond 120 dBFS) in the plane x[0:n] by silence.

    In a filter's memory it would stay for ever. In float32 throughout: 8 or 16 frames at a time.
    """
    most, nothing = np.float32(1e6), np.float32(0.0)
    for i in range(n):
        x[i] = x[i] if -most < x[i] < most else nothing


@njit
def gain(db):
    """Linear gain of `db` decibels."""
    return 10.0 ** (db / 20.0)


@inline
def covered(x):
    """1 - exp(-x) for x from 0 on, to 3e-8 of it up to pi, without a call: Padé's approximation of order [6/6].

    Where x is so small that 1 and exp(-x) hardly differ, nothing is lost. Beyond 2 pi it stays what it is there, 0.998.
    """
    x = min(x, 2.0 * math.pi)
    x2 = x * x
    even = 1.0 + x2 * (5.0 / 44.0 + x2 * (1.0 / 792.0 + x2 * (1.0 / 665280.0)))
    odd = x * (0.5 + x2 * (1.0 / 66.0 + x2 * (1.0 / 15840.0)))
    return 2.0 * odd / (even + odd)


@inline
def pole(hz, rate):
    """Coefficient a of the one-pole low-pass y += a * (x - y) whose corner lies at `hz`.

    Source: Zölzer (ed.), DAFX, 2nd ed. 2011, section 2.3: a = 1 - exp(-2 pi f / fs).
    """
    return covered(2.0 * math.pi * hz / rate)


@inline
def smoothing(ms, rate):
    """Coefficient a of the one-pole y += a * (x - y) that covers 63 % of a step within `ms` milliseconds."""
    return covered(1000.0 / (ms * rate))


@fused
def low_pass(memory, pole, x):
    """The next value of a one-pole low-pass. The way from one frame to the next is one multiply-add long."""
    return (1.0 - pole) * memory + pole * x


GLIDE = ("glide", "f4", (CHUNK,))
"""A constant of blocks whose knobs glide for whole chunks, filled by `gliding`."""


def gliding(ms, rate):
    """(CHUNK,): the part of its way that a knob with `smoothing(ms, rate)` has covered after 1, 2, ... frames."""
    return -np.expm1(-1000.0 / (ms * rate) * np.arange(1, CHUNK + 1))


@inline
def on_its_way(start, goal, part):
    """Where a knob stands that has covered a `part` of its way from start to goal (`gliding`). In float32."""
    return np.float32(start) + np.float32(goal - start) * part


@inline
def moved_on(start, goal, part):
    """The same in double precision: where the next chunk begins."""
    return start + (goal - start) * part


def arrived_after(ms, rate):
    """Frames after which a glide with `smoothing(ms, rate)` stands still, bit for bit: 53 bits' worth of e-folds."""
    return math.ceil(53 * math.log(2) * ms * rate / 1000.0)


@njit
def glide_from(memory, goal):
    """Where a gliding knob stands: at its `memory`, or at once at its `goal` when the state is fresh (memory 0).

    For knobs that are always above 0, such as linear gains and delay times.
    """
    return memory if memory > 0.0 else goal


@njit
def louder(now, goal, glide):
    """The next value of a linear gain that glides, but grows by no more than 1 % a frame.

    A gain of 60 dB more, on its way by a one-pole alone, would be doubled in the first frame already.
    """
    return now + min(glide * (goal - now), 0.01 * now)


@inline
def louder_chunk(now, goal, glide, out, frames):
    """What `louder` makes of a gain in each of the next frames, to out[0:frames]. Returns the last of them.

    A gain within 1e-7 of its goal is as good as there.
    """
    if abs(now - goal) <= 1e-7 * goal:
        for i in range(frames):
            out[i] = goal
        return goal
    for i in range(frames):
        now = louder(now, goal, glide)
        out[i] = now
    return now


@njit
def sine(cycles):
    """sin(2 pi cycles) to 1e-6 for any number of cycles, without a branch or a call, so loops over it become vectors.

    The wave is folded to a quarter of a cycle; there it is a polynomial of seventh degree (least largest error).
    """
    turn = cycles - np.floor(cycles + 0.5)  # -0.5 .. 0.5
    t = 4.0 * (0.25 - abs(abs(turn) - 0.25))  # 0 .. 1 and back
    t2 = t * t
    return math.copysign(t * (SINE_1 + t2 * (SINE_3 + t2 * (SINE_5 + t2 * SINE_7))), turn)


@njit
def next_cycle(cycles, hz, rate):
    """Where a wave of `hz` stands one frame later, 0 to 1."""
    cycles += hz / rate
    return cycles - 1.0 if cycles >= 1.0 else cycles


@njit
def read_tape(tape, at, delay):
    """What a tape held `delay` frames before place `at`, between two frames by a polynomial of third order.

    The tape is a ring whose length is a power of two; delay is at least 1, or 2 if nothing has been recorded at `at`
    yet. The gain of Lagrange's polynomial is nowhere above 1, so a loop through it dies away.
    Source: Laakso, Välimäki, Karjalainen and Laine, "Splitting the unit delay", IEEE Signal Processing Magazine 13(1),
    1996 (Lagrange interpolation).
    """
    last = len(tape) - 1
    whole = int(delay)
    d = delay - whole  # 0: at frame `whole` back, 1: one frame further back
    newest, new = tape[(at - whole + 1) & last], tape[(at - whole) & last]
    old, oldest = tape[(at - whole - 1) & last], tape[(at - whole - 2) & last]
    outer = d * (d - 1.0) / 6.0
    inner = (d + 1.0) * (d - 2.0) / 2.0
    return outer * ((d + 1.0) * oldest - (d - 2.0) * newest) + inner * ((d - 1.0) * new - d * old)


@inline
def guard(tape, at, frames):
    """After up to CHUNK frames were put on a tape from the place `at` on: repeat behind its end what belongs there."""
    ring = len(tape) - GUARD
    if at < GUARD - CHUNK:
        for i in range(at, at + frames):
            tape[ring + i] = tape[i]


@fused
def read_chunk(tape, at, delay, out, frames):
    """out[i] = what a tape with a guard held `delay` frames before place at + i, as `read_tape`, for up to CHUNK i."""
    whole = int(delay)
    d = delay - whole
    outer, inner = d * (d - 1.0) / 6.0, (d + 1.0) * (d - 2.0) / 2.0
    oldest, old = np.float32(outer * (d + 1.0)), np.float32(-inner * d)
    new, newest = np.float32(inner * (d - 1.0)), np.float32(-outer * (d - 2.0))
    past = tape[(at - whole - 2) & (len(tape) - GUARD - 1) :]
    for i in range(frames):
        out[i] = (oldest * past[i] + old * past[i + 1]) + (new * past[i + 2] + newest * past[i + 3])


@fused
def read_swinging(tape, at, delay, swing, sign, nearest, out, frames):
    """As `read_chunk`, where the delay is `delay` + sign * swing[i] frames, but at least `nearest`.

    Places are float64: in float32, a delay of 500 frames would be rounded to 3e-5 of a frame, which is a noise.
    """
    last = len(tape) - GUARD - 1
    one, two, half, sixth = np.float32(1.0), np.float32(2.0), np.float32(0.5), np.float32(1.0 / 6.0)
    for i in range(frames):
        place = max(delay + sign * swing[i], nearest)
        whole = int(place)
        d = np.float32(place - whole)
        j = (at + i - whole - 2) & last
        outer, inner = sixth * d * (d - one), half * (d + one) * (d - two)
        oldest, old, new, newest = tape[j], tape[j + 1], tape[j + 2], tape[j + 3]
        out[i] = outer * ((d + one) * oldest - (d - two) * newest) + inner * ((d - one) * new - d * old)


@njit
def decibels(x):
    """20 log10(x) to 1e-4 dB, for float32 x above 1e-37, without a branch or a call: loops over it become vectors.

    The exponent of the float is the whole part of log2; the rest is a polynomial of sixth degree in the mantissa.
    """
    bits = np.float32(x).view(np.int32)
    whole = np.float32((bits >> np.int32(23)) - np.int32(127))
    z = np.int32((bits & np.int32(0x7FFFFF)) | np.int32(0x3F800000)).view(np.float32) - np.float32(1.0)
    top = np.float32(-0.30338967) + z * (np.float32(0.14643361) - z * np.float32(0.03459522))
    log2 = whole + z * (np.float32(1.4426832) + z * (np.float32(-0.72044237) + z * (np.float32(0.46930169) + z * top)))
    return np.float32(6.0205999) * log2


@njit
def amplitude(db):
    """10^(db / 20) to 1e-5 dB, for float32 db within 700 dB around 0, without a branch or a call, as `decibels`."""
    octaves = np.float32(0.16609640) * np.float32(db)
    whole = np.floor(octaves)
    f = octaves - whole
    top = np.float32(0.05586328) + f * (np.float32(0.00894621) + f * np.float32(0.00189511))
    mantissa = np.float32(0.9999999) + f * (np.float32(0.69315462) + f * (np.float32(0.24014077) + f * top))
    return np.int32((np.int32(whole) + np.int32(127)) << np.int32(23)).view(np.float32) * mantissa

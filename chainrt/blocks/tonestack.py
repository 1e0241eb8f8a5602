"""Tone stack: bass, middle and treble of a guitar amp as the passive circuit they are, not as three filters.

Three capacitors, three pots and one resistor, in which every knob changes what the others do; there is no flat
setting, and it always loses some level. The circuit is a third-order filter whose coefficients follow from the parts;
it is discretised with the bilinear transform. While a knob turns the coefficients are computed every STEP frames; with
another `circuit` the parts glide from the old values to the new ones, so that there is a real circuit at any time.

Sources: Yeh and Smith, "Discretization of the '59 Fender Bassman tone stack", DAFx-06 (the coefficients, table of
section 3; the bass pot is logarithmic); the parts are those of published schematics.
"""

import math

from ..block import Param, block, choice, fading_seconds
from ..compiled.language import njit
from ..dsp import gain, glide_from, make_finite, smoothing

STEP = 16  # frames between two moves of the parts
MOST_TURN = 0.005  # by which a pot moves at a time: more would click
GLIDE_MS = 15.0  # a turned knob arrives this fast
PARTS = 7
CIRCUITS = {  # ohm: treble pot, bass pot, middle pot, slope resistor; farad: treble, bass, middle capacitor
    "tweed": (250e3, 1e6, 25e3, 56e3, 250e-12, 20e-9, 20e-9),
    "american": (250e3, 250e3, 10e3, 100e3, 120e-12, 100e-9, 47e-9),
    "small": (250e3, 250e3, 4.8e3, 100e3, 250e-12, 100e-9, 47e-9),
    "british": (220e3, 1e6, 22e3, 33e3, 470e-12, 22e-9, 22e-9),
    "modern": (250e3, 1e6, 25e3, 47e3, 470e-12, 20e-9, 20e-9),
}


@njit(forceinline=True)
def analogue(parts, treble, middle, bass, numerator, denominator):
    """Coefficients of s, s^2, s^3 above and of 1, s, s^2, s^3 below the fraction; knobs 0 to 1. (Yeh and Smith)"""
    r1, r2, r3, r4, c1, c2, c3 = parts[0], parts[1], parts[2], parts[3], parts[4], parts[5], parts[6]
    t, m, l = treble, middle, math.exp(3.4 * (bass - 1.0))  # noqa: E741 - the letters of the paper
    c12, c13, c23, c123 = c1 * c2, c1 * c3, c2 * c3, c1 * c2 * c3
    numerator[1] = t * c1 * r1 + m * c3 * r3 + l * (c1 + c2) * r2 + (c1 + c2) * r3
    numerator[2] = (
        t * (c12 + c13) * r1 * r4
        - m * m * (c13 + c23) * r3 * r3
        + m * (c13 * r1 * r3 + (c13 + c23) * r3 * r3)
        + l * (c12 * r1 * r2 + (c12 + c13) * r2 * r4)
        + l * m * (c13 + c23) * r2 * r3
        + c12 * r1 * r3
        + (c12 + c13) * r3 * r4
    )
    numerator[3] = c123 * (
        (l * m * r2 * r3 - m * m * r3 * r3 + m * r3 * r3) * (r1 + r4)
        + (t - t * m) * r1 * r3 * r4
        + t * l * r1 * r2 * r4
    )
    denominator[0] = 1.0
    denominator[1] = c1 * (r1 + r3) + c2 * (r3 + r4) + c3 * r4 + m * c3 * r3 + l * (c1 + c2) * r2
    denominator[2] = (
        m * (c13 * r1 * r3 - c23 * r3 * r4 + (c13 + c23) * r3 * r3)
        + l * m * (c13 + c23) * r2 * r3
        - m * m * (c13 + c23) * r3 * r3
        + l * ((c12 + c13 + c23) * r2 * r4 + c12 * r1 * r2)
        + (c12 + c13) * r1 * r4
        + (c12 + c13 + c23) * r3 * r4
        + c12 * r1 * r3
    )
    denominator[3] = c123 * (
        l * m * r2 * r3 * (r1 + r4)
        - m * m * r3 * r3 * (r1 + r4)
        + m * (r3 * r3 * (r4 + r1) - r1 * r3 * r4)
        + l * r1 * r2 * r4
        + r1 * r3 * r4
    )


@njit(forceinline=True)
def bilinear(polynomial, rate, scale):
    """Replace the coefficients of 1, s, s^2, s^3 by those of 1, 1/z, 1/z^2, 1/z^3, times `scale`. Returns the first."""
    c = 2.0 * rate
    p0, p1, p2, p3 = polynomial[0], polynomial[1] * c, polynomial[2] * c * c, polynomial[3] * c * c * c
    polynomial[0] = scale * (p0 + p1 + p2 + p3)
    polynomial[1] = scale * (3.0 * p0 + p1 - p2 - 3.0 * p3)
    polynomial[2] = scale * (3.0 * p0 - p1 - p2 + 3.0 * p3)
    polynomial[3] = scale * (p0 - p1 + p2 - p3)
    return polynomial[0]


@njit(forceinline=True)
def move(s, parts, share):
    """Let pots and parts cover a share of their way; False if they are there already."""
    far, fresh = False, s.parts[0] == 0.0
    for k in range(3):
        gap = s.goals[k] - s.knobs[k]
        far |= gap != 0.0
        turned = s.knobs[k] + min(max(share * gap, -MOST_TURN), MOST_TURN)
        s.knobs[k] = s.goals[k] if fresh or abs(gap) < 1e-6 else turned
    for k in range(PARTS):
        gap = parts[k] - s.parts[k]
        far |= gap != 0.0
        s.parts[k] = parts[k] if fresh or abs(gap) < 1e-6 * parts[k] else s.parts[k] + share * gap
    return far or fresh


@block(
    params=[
        Param("bass", "%", 0, 100, default=50, help="the bass pot"),
        Param("middle", "%", 0, 100, default=50, help="the middle pot"),
        Param("treble", "%", 0, 100, default=50, help="the treble pot"),
        choice("circuit", *CIRCUITS, default="tweed", help="whose parts"),
        Param("level", "dB", -20, 40, default=6, help="gain behind it; the circuit loses some"),
    ],
    constants=[("circuits", "f8", (len(CIRCUITS), PARTS))],
    state=[
        ("goals", "f8", (3,)),  # bass, middle and treble, 0 to 1, where they are to stand
        ("knobs", "f8", (3,)),  # ... and where they stand now
        ("parts", "f8", (PARTS,)),  # ohms and farads, where they stand now; 0: nowhere yet
        ("above", "f8", (4,)),  # coefficients above the fraction
        ("below", "f8", (4,)),  # ... and below
        ("memory", "f8", (3,)),  # of the filter, transposed direct form II
        ("level", "f8"),  # linear gain at the last frame
        ("until", "i8"),  # frames until the parts move again
    ],
    work=10,
    tail=fading_seconds(4.0),  # the slowest of the poles
)
def tonestack(p, s, x, n):
    """Filter x[0:n] in place."""
    make_finite(x, n)
    s1, s2, s3, until, level = s.memory[0], s.memory[1], s.memory[2], s.until, s.level
    level_goal, glide, part = gain(p.level), smoothing(GLIDE_MS, p.rate), smoothing(GLIDE_MS, p.rate / STEP)
    level = glide_from(level, level_goal)
    above, below = s.above, s.below
    done = 0
    while done < n:
        if until == 0:
            until = STEP
            s.goals[0], s.goals[1], s.goals[2] = p.bass / 100.0, p.middle / 100.0, p.treble / 100.0
            if move(s, p.circuits[int(p.circuit)], part):
                above[0] = 0.0
                analogue(s.parts, s.knobs[2], s.knobs[1], s.knobs[0], above, below)
                scale = 1.0 / bilinear(below, p.rate, 1.0)
                for i in range(4):
                    below[i] *= scale
                bilinear(above, p.rate, scale)
        frames = min(n - done, until)
        b0, b1, b2, b3, a1, a2, a3 = above[0], above[1], above[2], above[3], below[1], below[2], below[3]
        for i in range(done, done + frames):
            level += glide * (level_goal - level)
            v = x[i]
            y = b0 * v + s1
            s1 = (b1 * v + s2) - a1 * y
            s2 = (b2 * v + s3) - a2 * y
            s3 = b3 * v - a3 * y
            x[i] = level * y
        done += frames
        until -= frames
    s.memory[0], s.memory[1], s.memory[2], s.until, s.level = s1, s2, s3, until, level


@tonestack.prepare
def prepare(p, settings):
    """Put all parts on the table."""
    p["circuits"] = list(CIRCUITS.values())

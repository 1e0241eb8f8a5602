"""Equalisers: rows of second-order filters whose bands glide to where the knobs say, for the blocks that have some.

Each section is the trapezoidal state-variable filter: its two memories are what two capacitors would hold, so it stays
calm while its coefficients move. It is written as a plain state space, in which the way from one frame to the next is
two multiply-adds long, and two sections are computed in one pass, so that neither waits for the other.

Rules kept here:
* A band is (Hz, dB, Q). Bands move every STEP frames, counted in the state, so the sound does not depend on the period.
* Coefficients are computed only while a band moves.
* All is inlined: an array that is passed on to a function would be counted by numba's runtime.
* The number of bands is even; a block that needs an odd number has a bell of 0 dB.

Sources: Simper, "Solving the continuous SVF equations using trapezoidal integration and equivalent currents", Cytomic
2013; the responses are those of Bristow-Johnson, "Cookbook formulae for audio equalizer biquad filter coefficients".
"""

import math

from .compiled.language import njit
from .dsp import smoothing

LOW_CUT, LOW_SHELF, BELL, HIGH_SHELF, HIGH_CUT = range(5)
STEP = 16  # frames between two moves of a band
MOST_DB = 0.2  # by which a band's gain moves at a time: more would click
GLIDE_MS = 15.0  # a turned knob arrives this fast
ARRIVED = 1e-4  # a band this near to its goal (a part of its frequency, a decibel) is put there


def equaliser_state(bands: int) -> list[tuple]:
    """The fields that a block's state needs for `equalise`; fields of its own stand before them.

    (Behind them, numba would take the state for that of another block which begins alike.)
    """
    return [
        ("goals", "f8", (bands, 3)),  # Hz, dB and Q of each band, as the knobs say
        ("bands", "f8", (bands, 3)),  # ... and where they stand now; Hz 0: nowhere yet
        ("sections", "f8", (bands, 6)),  # coefficients that belong to them
        ("memory", "f8", (bands, 2)),  # what the two capacitors of each section hold
        ("until", "i8"),  # frames until the bands move again
    ]


@njit(forceinline=True)
def aim(s, b, hz, db, q):
    """Say where band b is to go."""
    goal = s.goals[b]
    goal[0], goal[1], goal[2] = hz, db, q


@njit(forceinline=True)
def move_bands(bands, goals, part):
    """Let all bands cover a `part` of their way to their goals; False if they are there already.

    Frequencies and Qs move in ratios.
    """
    far = False
    fresh = bands[0, 0] == 0.0
    for b in range(len(bands)):
        band, goal = bands[b], goals[b]
        hz, db, q = goal[0], goal[1], goal[2]
        if fresh:
            band[0], band[1], band[2], far = hz, db, q, True
        elif abs(hz - band[0]) + abs(q - band[2]) + abs(db - band[1]) > 0.0:
            near = abs(hz - band[0]) < ARRIVED * hz and abs(q - band[2]) < ARRIVED * q and abs(db - band[1]) < ARRIVED
            share = 1.0 if near else part
            band[0] = hz if near else band[0] * (hz / band[0]) ** share
            band[1] = db if near else band[1] + min(max(share * (db - band[1]), -MOST_DB), MOST_DB)
            band[2] = q if near else band[2] * (q / band[2]) ** share
            far = True
    return far


@njit(forceinline=True)
def design(section, kind, hz, db, q, rate):
    """Fill the six coefficients of a section: a filter of this kind at `hz`, at most 0.49 of the rate."""
    g = math.tan(math.pi * min(hz / rate, 0.49))
    k, root = 1.0 / q, 10.0 ** (db / 40.0)
    m0, m1, m2 = 1.0, 0.0, 0.0
    if kind == LOW_CUT:
        m1, m2 = -k, -1.0
    elif kind == HIGH_CUT:
        m0, m2 = 0.0, 1.0
    elif kind == BELL:
        k /= root
        m1 = k * (root * root - 1.0)
    elif kind == LOW_SHELF:
        g /= math.sqrt(root)
        m1, m2 = k * (root - 1.0), root * root - 1.0
    else:
        g *= math.sqrt(root)
        m0, m1, m2 = root * root, k * (1.0 - root) * root, 1.0 - root * root
    a1 = 1.0 / (1.0 + g * (g + k))
    a2 = g * a1
    a3 = g * a2
    section[0], section[1], section[2] = 2.0 * a1 - 1.0, 2.0 * a2, 2.0 * a3
    section[3], section[4], section[5] = m1 * a1 + m2 * a2, m2 - m1 * a2 - m2 * a3, m0 + m1 * a2 + m2 * a3


@njit(fastmath={"contract"}, forceinline=True)
def filter_pair(sections, memory, b, x, start, frames):
    """x[start : start + frames] through the sections b and b + 1, in place."""
    first, second = sections[b], sections[b + 1]
    a0, a1, a2, a3, a4, a5 = first[0], first[1], first[2], first[3], first[4], first[5]
    b0, b1, b2, b3, b4, b5 = second[0], second[1], second[2], second[3], second[4], second[5]
    p, q = memory[b, 0], memory[b, 1]
    r, t = memory[b + 1, 0], memory[b + 1, 1]
    for i in range(start, start + frames):
        v = x[i]
        y = a3 * p + a4 * q + a5 * v
        p, q = a0 * p + (a1 * v - a1 * q), a1 * p + (a2 * v + (q - a2 * q))
        x[i] = b3 * r + b4 * t + b5 * y
        r, t = b0 * r + (b1 * y - b1 * t), b1 * r + (b2 * y + (t - b2 * t))
    memory[b, 0], memory[b, 1] = p, q
    memory[b + 1, 0], memory[b + 1, 1] = r, t


@njit(forceinline=True)
def equalise(kinds, s, rate, x, n):
    """x[0:n] through one section for each of the `kinds`, whose bands glide to where they were aimed at."""
    sections, memory = s.sections, s.memory
    until, done = s.until, 0
    while done < n:
        if until == 0:
            until = STEP
            if move_bands(s.bands, s.goals, smoothing(GLIDE_MS, rate / STEP)):
                for b in range(len(kinds)):
                    design(sections[b], kinds[b], s.bands[b, 0], s.bands[b, 1], s.bands[b, 2], rate)
        frames = min(n - done, until)
        for b in range(0, len(kinds), 2):
            filter_pair(sections, memory, b, x, done, frames)
        done += frames
        until -= frames
    s.until = until


def ringing_seconds(hz: float, q: float = 0.71, db: float = 200.0) -> float:
    """How long a second-order filter at `hz` takes to fall by `db`; see fading_seconds in block.py."""
    return db / 20 * math.log(10) / (2 * math.pi * hz) * max(2 * q, 1 / q)

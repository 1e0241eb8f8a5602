"""Small compiled helpers that blocks share: decibels, one-pole filters, knobs that glide.

Rule: call them once per period or carry their result in a local; none keeps state of its own.
"""

import math

import numpy as np
from numba import njit


@njit(error_model="numpy")
def finite(x):
    """x, or 0 for what is no sound: not a number, or beyond 120 dBFS. In a filter's memory it would stay for ever."""
    return x if -1e6 < x < 1e6 else 0.0


@njit(error_model="numpy")
def make_finite(x, n):
    """Replace what is no sound in the plane x[0:n] by silence. (In float32 throughout: 8 or 16 frames at a time.)"""
    most, nothing = np.float32(1e6), np.float32(0.0)
    for i in range(n):
        x[i] = x[i] if -most < x[i] < most else nothing


@njit(error_model="numpy")
def gain(db):
    """Linear gain of `db` decibels."""
    return 10.0 ** (db / 20.0)


@njit(error_model="numpy")
def pole(hz, rate):
    """Coefficient a of the one-pole low-pass y += a * (x - y) whose corner lies at `hz`.

    Source: Zölzer (ed.), DAFX, 2nd ed. 2011, section 2.3: a = 1 - exp(-2 pi f / fs).
    """
    return 1.0 - math.exp(-2.0 * math.pi * hz / rate)


@njit(error_model="numpy")
def smoothing(ms, rate):
    """Coefficient a of the one-pole y += a * (x - y) that covers 63 % of a step within `ms` milliseconds."""
    return 1.0 - math.exp(-1000.0 / (ms * rate))


def arrived_after(ms, rate):
    """Frames after which a glide with `smoothing(ms, rate)` stands still, bit for bit: 53 bits' worth of e-folds."""
    return math.ceil(53 * math.log(2) * ms * rate / 1000.0)


@njit(error_model="numpy")
def glide_from(memory, goal):
    """Where a gliding knob stands: at its `memory`, or at once at its `goal` when the state is fresh (memory 0).

    For knobs that are always above 0, such as linear gains and delay times.
    """
    return memory if memory > 0.0 else goal


@njit(error_model="numpy")
def louder(now, goal, glide):
    """The next value of a linear gain that glides, but grows by no more than 1 % a frame.

    A gain of 60 dB more, on its way by a one-pole alone, would be doubled in the first frame already.
    """
    return now + min(glide * (goal - now), 0.01 * now)

"""Small compiled helpers that blocks share: decibels, one-pole filters, knobs that glide.

Rule: call them once per period or carry their result in a local; none keeps state of its own.
"""

import math

from numba import njit


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


@njit(error_model="numpy")
def glide_from(memory, goal):
    """Where a gliding knob stands: at its `memory`, or at once at its `goal` when the state is fresh (memory 0).

    For knobs that are always above 0, such as linear gains and delay times.
    """
    return memory if memory > 0.0 else goal

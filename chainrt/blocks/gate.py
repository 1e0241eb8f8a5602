"""Noise gate: hum and hiss between the notes are turned down, the notes are left alone.

A peak follower measures the input. Above `threshold` the gate opens; it stays open until the peak has been
`hysteresis` below that for `hold` milliseconds, so a fading note neither flutters nor is cut at its zero crossings.

Source: Zölzer (ed.), DAFX, 2nd ed. 2011, chapter 4 (noise gate: threshold, hysteresis, attack and release).
"""

from ..block import Param, block
from ..dsp import gain, make_finite, smoothing

FALL_MS = 20.0  # peak follower: sags by less than 3 dB between two peaks of the low E (82 Hz)


@block(
    params=[
        Param("threshold", "dB", -100, 0, default=-60, help="peak level at which the gate opens"),
        Param("hysteresis", "dB", 0, 20, default=6, help="how far below the threshold the level may fall"),
        Param("attack", "ms", 0.1, 50, default=1, help="how fast it opens"),
        Param("hold", "ms", 0, 1000, default=50, help="how long it stays open after the level has fallen"),
        Param("release", "ms", 5, 2000, default=120, help="how fast it closes"),
        Param("range", "dB", 0, 100, default=80, help="how far a closed gate turns down"),
    ],
    state=[
        ("peak", "f8"),  # peak follower, linear
        ("left", "f8"),  # frames for which the gate stays open; 0: it is closed
        ("gain", "f8"),  # linear gain at the last frame
    ],
    work=8,
)
def gate(p, s, x, n):
    """Turn x[0:n] down in place while the gate is closed."""
    make_finite(x, n)
    peak, left, now = s.peak, s.left, s.gain
    opens, stays, shut = gain(p.threshold), gain(p.threshold - p.hysteresis), gain(-p.range)
    hold_frames = 1.0 + p.hold * p.rate / 1000.0
    fall = 1.0 - smoothing(FALL_MS, p.rate)
    rise, sink = smoothing(p.attack, p.rate), smoothing(p.release, p.rate)
    for i in range(n):
        peak = max(abs(x[i]), peak * fall)
        was_open = left > 0.0
        left = max(left - 1.0, 0.0)
        if peak > opens or (was_open and peak > stays):
            left = hold_frames
        goal, speed = (1.0, rise) if left > 0.0 else (shut, sink)
        now += speed * (goal - now)
        x[i] *= now
    s.peak, s.left, s.gain = peak, left, now

"""Noise gate: hum and hiss between the notes are turned down, the notes are left alone.

A peak follower measures the louder channel. Above `threshold` the gate opens; it stays open until the peak has been
`hysteresis` below that for `hold` milliseconds, so a fading note neither flutters nor is cut at its zero crossings.
Both channels of a stereo chain get the same gain, so nothing moves to the side.

An open gate multiplies by one: no overtone, no alias (below -120 dB of the whole, as far as was measured). Set so that
it chatters, a sine just at its threshold with no hysteresis and no hold, it aliases: up to -23 dB. 1 dB of hysteresis
ends that.

Source: Zölzer (ed.), DAFX, 2nd ed. 2011, chapter 4 (noise gate: threshold, hysteresis, attack and release).
"""

from ..block import Param, Reading, block
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
    linked=True,
    work=8,
    readings=[Reading("gain", "", help="1: open, towards 0: closed")],
)
def gate(p, s, left, right, n):
    """Turn both channels down in place while the gate is closed."""
    make_finite(left, n)
    make_finite(right, n)
    peak, stays_for, now = s.peak, s.left, s.gain
    opens, stays, shut = gain(p.threshold), gain(p.threshold - p.hysteresis), gain(-p.range)
    hold_frames = 1.0 + p.hold * p.rate / 1000.0
    fall = 1.0 - smoothing(FALL_MS, p.rate)
    rise, sink = smoothing(p.attack, p.rate), smoothing(p.release, p.rate)
    for i in range(n):
        a, b = left[i], right[i]
        peak = max(max(abs(a), abs(b)), peak * fall)
        was_open = stays_for > 0.0
        stays_for = max(stays_for - 1.0, 0.0)
        if peak > opens or (was_open and peak > stays):
            stays_for = hold_frames
        goal, speed = (1.0, rise) if stays_for > 0.0 else (shut, sink)
        now += speed * (goal - now)
        left[i], right[i] = a * now, b * now
    s.peak, s.left, s.gain = peak, stays_for, now

"""Wah: a resonant band-pass that the foot moves, or the loudness of the playing.

The resonance rises from 450 Hz to 2.2 kHz and gets narrower on the way down, as in the pedals with an inductor. With
`mode: envelope` a peak follower moves it: hard picking opens it. All of it moves in every frame: the tangent and the
power that the filter needs are short polynomials without branches.

Sources: J. O. Smith, "Virtual electric guitars and effects using Faust and Octave", Linux Audio Conference 2008
(frequency, resonance and gain over the pedal's travel, measured at one); Zölzer (ed.), DAFX, 2nd ed. 2011, chapter 2
(wah-wah, auto-wah); the filter: see chainrt/filters.py.
"""

import math

from ..block import Param, block, choice
from ..dsp import amplitude, make_finite, smoothing
from ..filters import ringing_seconds

OCTAVE_DB = 6.0205999  # decibels of a factor 2: `amplitude` serves as the power of 2
LOWEST_HZ, TRAVEL_OCTAVES = 450.0, 2.3
GLIDE_MS = 15.0  # a moved pedal arrives this fast
FOLLOW_MS = 4.0  # how fast the envelope opens it


@block(
    params=[
        Param("position", "%", 0, 100, default=40, help="of the pedal; in envelope mode where it rests"),
        choice("mode", "manual", "envelope", default="manual", help="moved by the foot or by the playing"),
        Param("sense", "dB", -40, 40, default=12, help="envelope: how strongly playing moves it"),
        Param("release", "ms", 20, 1000, default=150, help="envelope: how fast it falls back"),
        Param("mix", "%", 0, 100, default=100, help="0: only the guitar, 100: only the wah"),
        Param("level", "dB", -24, 24, default=6, help="level of the wah"),
    ],
    state=[
        ("position", "f8"),  # 0 to 1 at the last frame, without the envelope
        ("following", "f8"),  # 0: manual, 1: envelope, at the last frame
        ("sense", "f8"),  # dB at the last frame
        ("peak", "f8"),  # peak follower, linear
        ("follow", "f8"),  # the same, smoothed
        ("mix", "f8"),  # 0 to 1 at the last frame
        ("level", "f8"),  # dB at the last frame
        ("low", "f8"),  # what the two capacitors hold
        ("band", "f8"),
    ],
    work=50,
    tail=lambda p: ringing_seconds(LOWEST_HZ, 4),
)
def wah(p, s, x, n):
    """Filter x[0:n] in place."""
    make_finite(x, n)
    position, following, sense, mix, level = s.position, s.following, s.sense, s.mix, s.level
    peak, follow, low, band = s.peak, s.follow, s.low, s.band
    position_goal, mode, sense_goal, mix_goal, level_goal = p.position / 100.0, p.mode, p.sense, p.mix / 100.0, p.level
    glide, fall, rise = smoothing(GLIDE_MS, p.rate), smoothing(p.release, p.rate), smoothing(FOLLOW_MS, p.rate)
    scale = math.pi * LOWEST_HZ / p.rate
    for i in range(n):
        position += glide * (position_goal - position)
        following += glide * (mode - following)
        sense += glide * (sense_goal - sense)
        mix += glide * (mix_goal - mix)
        level += glide * (level_goal - level)
        peak = max(abs(x[i]), peak - fall * peak)
        follow += rise * (peak - follow)
        pedal = min(position + following * follow * amplitude(sense), 1.0)
        angle = scale * amplitude(OCTAVE_DB * TRAVEL_OCTAVES * pedal)
        square = angle * angle
        g = angle * (1.0 + square * (1.0 / 3.0 + square * (2.0 / 15.0)))  # tan(angle): 2e-6 off at 2.2 kHz
        k = amplitude(OCTAVE_DB * (2.0 * pedal - 3.0))  # 1 / Q; Q falls from 8 to 2
        a = 1.0 / (1.0 + g * (g + k))
        high = x[i] - low
        middle = a * (band + g * high)
        low += 2.0 * g * middle
        band = 2.0 * middle - band
        wet = k * middle * amplitude(level + 2.0 * OCTAVE_DB * pedal - 9.0)
        x[i] += mix * (wet - x[i])
    s.position, s.following, s.sense, s.mix, s.level = position, following, sense, mix, level
    s.peak, s.follow, s.low, s.band = peak, follow, low, band

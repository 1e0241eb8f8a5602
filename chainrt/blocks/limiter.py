"""Limiter: no sample leaves it above the ceiling, however loud it came in.

It looks 1.5 ms ahead, which is its latency. The most reduction that any of the next frames needs is held, released
exponentially, and averaged over as many frames: the average of values that are all large enough is large enough, so
the ceiling holds exactly (for samples; peaks between them are not measured), and the gain bends without a corner.
The maximum over a sliding window costs the same for any length: two running maxima, one forward in the present stretch
of frames, one backward in the last. Both channels of a stereo chain get the same gain.

A steady sine that is pushed 6 dB into the ceiling has a total harmonic distortion of 1.3 % (-38 dB) at 82 Hz, and
-102 dB at 440 Hz, where the window is longer than half a wave. Of a full sine at the highest input, all energy beside
the harmonics is -89 dB of the whole at 1,249 Hz and -84 dB at 3,121 Hz, at 48 kHz.

Sources: Giannoulis, Massberg and Reiss, "Digital dynamic range compressor design", JAES 60(6), 2012 (limiters);
van Herk, "A fast algorithm for local minimum and maximum filters", Pattern Recognition Letters 13(7), 1992.
"""

import math

from ..block import Level, Param, Reading, block
from ..dsp import gain, glide_from, louder, make_finite, smoothing

AHEAD_MS = 1.5  # two periods of 1.3 kHz: a gain that bends so fast is not heard as distortion of the bass
MOST_FRAMES = 300  # that it looks ahead, for rates up to 192 kHz
GLIDE_MS = 10.0  # a turned knob arrives this fast


@block(
    params=[
        Param("input", "dB", -12, 36, default=0, help="gain into the limiter"),
        Param("ceiling", "dB", -24, 0, default=-1, help="the loudest sample that leaves it"),
        Param("release", "ms", 5, 1000, default=80, help="how fast it turns up again"),
    ],
    constants=[("window", "i8")],  # frames over which it looks: those ahead and the present one
    state=[
        ("input", "f8"),  # linear gain at the last frame
        ("held", "f8"),  # reduction (1 - gain) before the average, at the last frame
        ("newest", "f8"),  # the largest reduction that the present stretch of frames needs so far
        ("sum", "f8"),  # of `averaged`
        ("reduction", "f8"),  # dB by which it turns down, at the last frame
        ("at", "i8"),  # where in the stretch, and in the rings, the next frame goes
        ("needed", "f8", (MOST_FRAMES,)),  # of each frame from here on: the largest reduction to the end of the last
        ("averaged", "f8", (MOST_FRAMES,)),  # ring of `held`
        ("left", "f4", (MOST_FRAMES,)),  # ring of the sound
        ("right", "f4", (MOST_FRAMES,)),
    ],
    linked=True,
    work=30,
    readings=[Reading("reduction", "dB", help="how far it turns down now")],
)
def limiter(p, s, left, right, n):
    """Limit both channels in place."""
    make_finite(left, n)
    make_finite(right, n)
    needed, averaged, past_left, past_right = s.needed, s.averaged, s.left, s.right
    held, newest, total, at, window = s.held, s.newest, s.sum, s.at, p.window
    input_goal, glide = gain(p.input), smoothing(GLIDE_MS, p.rate)
    now, ceiling, release = glide_from(s.input, input_goal), gain(p.ceiling), smoothing(p.release, p.rate)
    factor = 1.0
    for i in range(n):
        now = louder(now, input_goal, glide)
        a, b = now * left[i], now * right[i]
        need = 1.0 - ceiling / max(max(abs(a), abs(b)), ceiling)
        older = needed[at + 1] if at + 1 < window else 0.0
        needed[at] = need
        newest = max(newest, need)
        held += release * (0.0 - held)
        held = max(held, max(newest, older))
        total += held - averaged[at]
        averaged[at] = held
        past_left[at], past_right[at] = a, b
        at += 1
        if at == window:  # a stretch is complete: its maxima backward, and a sum without rounding errors
            at, newest, total = 0, 0.0, averaged[0]
            for k in range(window - 1, 0, -1):
                needed[k - 1] = max(needed[k - 1], needed[k])
                total += averaged[k]
        factor = 1.0 - total / window
        left[i], right[i] = factor * past_left[at], factor * past_right[at]
    s.held, s.newest, s.sum, s.at, s.input = held, newest, total, at, now
    s.reduction = -20.0 * math.log10(max(factor, 1e-10))


@limiter.prepare
def prepare(p, settings):
    """How many frames it looks ahead at this sample rate."""
    ahead = min(round(AHEAD_MS * settings.rate / 1000), MOST_FRAMES - 1)
    p["window"] = ahead + 1
    return (Level("full", limiter.work, 0, limiter.new_state, latency=ahead),)

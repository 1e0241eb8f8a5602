"""Overdrive: a soft clipper with the bass taken out before it and the fizz after it.

The clipper is f(u) = u / sqrt(1 + u^2). Computed sample by sample it would alias, so each output is the mean of f
along the straight line between two inputs (first-order antiderivative antialiasing). With F(u) = sqrt(1 + u^2):

    (F(b) - F(a)) / (b - a)  =  (a + b) / (F(a) + F(b))          since F(b)^2 - F(a)^2 = b^2 - a^2

The right side has no division by almost nothing, so the ill-conditioned case of the method never arises here. The
price is half a frame of delay and a slightly softer treble (3 dB less at a quarter of the sample rate). Of a full sine
at 40 dB of drive and with `tone` at 8 kHz, all energy beside the harmonics is -33 dB of the whole at 1,249 Hz and
-28 dB at 3,121 Hz, at 48 kHz; for less, `distortion` and `fuzz` oversample.

Sources: Parker, Zavalishin and Le Bivic, "Reducing the aliasing of nonlinear waveshaping using continuous-time
convolution", DAFx-16; Zölzer (ed.), DAFX, 2nd ed. 2011, chapter 4 (overdrive and its filters).
"""

import math

from ..block import Param, block, fading_seconds
from ..dsp import gain, glide_from, louder, make_finite, pole, smoothing

BASS_HZ = 250.0  # high-pass before the clipper: full bass would turn chords into mud
GLIDE_MS = 10.0  # a turned knob arrives this fast


@block(
    params=[
        Param("drive", "dB", 0, 60, default=24, help="gain into the clipper"),
        Param("tone", "Hz", 500, 8000, default=3500, help="corner of the low-pass after the clipper"),
        Param("level", "dB", -40, 12, default=-12, help="output level"),
    ],
    state=[
        ("drive", "f8"),  # linear gain into the clipper at the last frame
        ("level", "f8"),  # linear output gain at the last frame
        ("bass", "f8"),  # memory of the filter that takes out the bass
        ("before", "f8"),  # what went into the clipper at the last frame
        ("tone", "f8"),  # memory of the low-pass after the clipper
        ("tone_pole", "f8"),  # its coefficient at the last frame
    ],
    work=20,
    tail=fading_seconds(BASS_HZ),
)
def drive(p, s, x, n):
    """Clip x[0:n] in place."""
    make_finite(x, n)
    drive_now, level_now = glide_from(s.drive, gain(p.drive)), glide_from(s.level, gain(p.level))
    bass, before, tone = s.bass, s.before, s.tone
    bass_pole, tone_goal = pole(BASS_HZ, p.rate), pole(p.tone, p.rate)
    tone_pole = glide_from(s.tone_pole, tone_goal)
    glide, drive_goal, level_goal = smoothing(GLIDE_MS, p.rate), gain(p.drive), gain(p.level)
    root = math.sqrt(1.0 + before * before)
    for i in range(n):
        drive_now = louder(drive_now, drive_goal, glide)
        level_now += glide * (level_goal - level_now)
        bass += bass_pole * (x[i] - bass)
        u = drive_now * (x[i] - bass)
        root_before, root = root, math.sqrt(1.0 + u * u)
        clipped = (before + u) / (root_before + root)
        before = u
        tone_pole += glide * (tone_goal - tone_pole)
        tone += tone_pole * (clipped - tone)
        x[i] = level_now * tone
    s.drive, s.level, s.bass, s.before, s.tone, s.tone_pole = drive_now, level_now, bass, before, tone, tone_pole

"""Fuzz: two transistors with a wrong bias, which a loud note makes even more wrong.

The clipper is soft and works off its middle: one half of the wave is squashed before the other (even harmonics), and
small signals meet a flat part of the curve. So a high `bias` lets notes sputter and gates what is soft, as with an old
battery; `sag` moves the bias with the loudness, so a note begins thick and ends ragged.

Its levels are oversampling factors: 1x, 2x and 4x (see chainrt/oversampling.py). Of a full sine of 3,121 Hz at 40 dB of
fuzz, without sag and with `tone` at 12 kHz, all energy beside the harmonics is -33 dB at 1x, -42 dB at
2x, -50 dB at 4x of the whole, at 48 kHz.

Sources: Pakarinen and Yeh, "A review of digital techniques for modeling vacuum-tube guitar amplifiers", Computer Music
Journal 33(2), 2009 (bias shift by the coupling capacitor, asymmetric clipping); Zölzer (ed.), DAFX, 2nd ed. 2011,
section 4.3 (fuzz); against aliases: see chainrt/oversampling.py.
"""

from ..block import Param, block, fading_seconds
from ..dsp import gain, glide_from, louder, make_finite, pole, smoothing
from ..oversampling import (
    CHUNK,
    NEAR,
    OVERSAMPLING_CONSTANTS,
    bend_soft,
    down,
    oversampled_levels,
    oversampling_state,
    up,
)

BASS_HZ = 40.0  # high-passes before and after the clipper: coupling capacitors
MOST_BIAS = 4.0  # in units of the clipper's knee
SAG_MS = 25.0  # the coupling capacitor discharges this fast
GLIDE_MS = 10.0  # a turned knob arrives this fast


@block(
    params=[
        Param("fuzz", "dB", 0, 60, default=40, help="gain into the transistors"),
        Param("bias", "%", 0, 100, default=20, help="0: symmetric, 100: soft notes are gated"),
        Param("sag", "%", 0, 100, default=30, help="how far loud notes shift the bias"),
        Param("tone", "Hz", 500, 12000, default=5000, help="treble above this is taken out"),
        Param("level", "dB", -40, 12, default=-12, help="output level"),
    ],
    constants=OVERSAMPLING_CONSTANTS,
    state=[
        ("fuzz", "f8"),  # linear gain into the clipper at the last frame
        ("level", "f8"),  # linear output gain at the last frame
        ("bias", "f8"),  # in units of the knee at the last frame
        ("sag", "f8"),  # 0 to 1 at the last frame
        ("charge", "f8"),  # of the coupling capacitor: a slow mean of the loudness behind the gain, 0 to 1
        ("before", "f8"),  # memory of the high-pass before the clipper
        ("after", "f8"),  # memory of the one after it
        ("tone", "f8"),  # memory of the low-pass
        ("tone_pole", "f8"),  # its coefficient at the last frame
        *oversampling_state(),
    ],
    slimmable=True,
    work=28,
    tail=fading_seconds(BASS_HZ, 180) + 0.2,
)
def fuzz(p, s, x, n):
    """Clip x[0:n] in place."""
    make_finite(x, n)
    fuzz_goal, level_goal, glide = gain(p.fuzz), gain(p.level), smoothing(GLIDE_MS, p.rate)
    bias_goal, sag_goal, tone_goal = MOST_BIAS * p.bias / 100.0, p.sag / 100.0, pole(p.tone, p.rate)
    now, level, tone_pole = glide_from(s.fuzz, fuzz_goal), glide_from(s.level, level_goal), s.tone_pole
    tone_pole = glide_from(tone_pole, tone_goal)
    bias, sag, charge, before, after, tone = s.bias, s.sag, s.charge, s.before, s.after, s.tone
    bass_pole, leak = pole(BASS_HZ, p.rate), smoothing(SAG_MS, p.rate)
    for start in range(0, n, CHUNK):
        frames = min(CHUNK, n - start)
        for i in range(frames):
            now = louder(now, fuzz_goal, glide)
            bias += glide * (bias_goal - bias)
            sag += glide * (sag_goal - sag)
            before += bass_pole * (x[start + i] - before)
            u = now * (x[start + i] - before)
            charge += leak * (min(abs(u), 1.0) - charge)
            s.base[NEAR - 1 + i] = u - bias - MOST_BIAS * sag * charge
        bend_soft(s, up(p, s, frames))
        down(p, s, frames)
        for i in range(frames):
            level += glide * (level_goal - level)
            tone_pole += glide * (tone_goal - tone_pole)
            after += bass_pole * (s.down[i] - after)
            tone += tone_pole * (s.down[i] - after - tone)
            x[start + i] = level * tone
    s.fuzz, s.level, s.bias, s.sag, s.charge = now, level, bias, sag, charge
    s.before, s.after, s.tone, s.tone_pole = before, after, tone, tone_pole


@fuzz.prepare
def prepare(p, settings):
    """One level for each oversampling factor."""
    return oversampled_levels(p, fuzz, fading_seconds(BASS_HZ, 100) + SAG_MS / 1000 * 11.5)

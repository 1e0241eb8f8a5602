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
from ..dsp import (
    CHUNK,
    GLIDE,
    gain,
    glide_from,
    gliding,
    louder_chunk,
    low_pass,
    make_finite,
    moved_on,
    on_its_way,
    pole,
    smoothing,
)
from ..oversampling import (
    OVERSAMPLING_CONSTANTS,
    PAST,
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
    constants=[GLIDE, *OVERSAMPLING_CONSTANTS],
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
        ("gain", "f4", (CHUNK,)),  # into the clipper in each frame
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
    into, base, clipped = s.gain, s.base[PAST:], s.down
    for start in range(0, n, CHUNK):
        frames = min(CHUNK, n - start)
        now = louder_chunk(now, fuzz_goal, glide, into, frames)
        for i in range(frames):
            before = low_pass(before, bass_pole, x[start + i])
            u = into[i] * (x[start + i] - before)
            charge = low_pass(charge, leak, min(abs(u), 1.0))
            shifted = MOST_BIAS * on_its_way(sag, sag_goal, p.glide[i]) * charge
            base[i] = u - on_its_way(bias, bias_goal, p.glide[i]) - shifted
        up(p, s, frames)
        bend_soft(s, frames)
        down(p, s, frames)
        tone_way = tone_goal - tone_pole
        for i in range(frames):
            after = low_pass(after, bass_pole, clipped[i])
            tone = low_pass(tone, tone_pole + tone_way * p.glide[i], clipped[i] - after)
            x[start + i] = on_its_way(level, level_goal, p.glide[i]) * tone
        part = p.glide[frames - 1]
        bias, sag = moved_on(bias, bias_goal, part), moved_on(sag, sag_goal, part)
        level, tone_pole = moved_on(level, level_goal, part), moved_on(tone_pole, tone_goal, part)
    s.fuzz, s.level, s.bias, s.sag, s.charge = now, level, bias, sag, charge
    s.before, s.after, s.tone, s.tone_pole = before, after, tone, tone_pole


@fuzz.prepare
def prepare(p, settings):
    """One level for each oversampling factor."""
    p["glide"] = gliding(GLIDE_MS, settings.rate)
    return oversampled_levels(p, fuzz, fading_seconds(BASS_HZ, 100) + SAG_MS / 1000 * 11.5)

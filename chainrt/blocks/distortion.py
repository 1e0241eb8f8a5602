"""Distortion: a lot of gain into two diodes to ground, which cut hard; bass out before, fizz out after them.

Its levels are oversampling factors: 1x, 2x and 4x (see chainrt/oversampling.py). Of a full sine of 3,121 Hz at 40 dB of
drive and with `tone` at 12 kHz, all energy beside the harmonics is -33 dB at 1x, -42 dB at 2x, -50 dB at 4x
of the whole, at 48 kHz.

Sources: Yeh, Abel and Smith, "Simplified, physically-informed models of distortion and overdrive guitar effects
pedals", DAFx-07 (filters around a clipper; diodes to ground clip hard); against aliases: see chainrt/oversampling.py.
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
    bend_hard,
    down,
    oversampled_levels,
    oversampling_state,
    up,
)

LOWEST_HZ = 40.0
GLIDE_MS = 10.0  # a turned knob arrives this fast


@block(
    params=[
        Param("drive", "dB", 0, 60, default=36, help="gain into the diodes"),
        Param("bass", "Hz", LOWEST_HZ, 800, default=150, help="bass below this is taken out before them"),
        Param("tone", "Hz", 500, 12000, default=4000, help="treble above this is taken out after them"),
        Param("level", "dB", -40, 12, default=-12, help="output level"),
    ],
    constants=[GLIDE, *OVERSAMPLING_CONSTANTS],
    state=[
        ("drive", "f8"),  # linear gain into the diodes at the last frame
        ("level", "f8"),  # linear output gain at the last frame
        ("bass", "f8"),  # memory of the filter before the diodes
        ("bass_pole", "f8"),  # its coefficient at the last frame
        ("tone", "f8"),  # memory of the filter after them
        ("tone_pole", "f8"),  # its coefficient at the last frame
        ("gain", "f4", (CHUNK,)),  # into the diodes in each frame
        *oversampling_state(),
    ],
    slimmable=True,
    work=20,
    tail=fading_seconds(LOWEST_HZ, 180),
)
def distortion(p, s, x, n):
    """Clip x[0:n] in place."""
    make_finite(x, n)
    drive_goal, level_goal, glide = gain(p.drive), gain(p.level), smoothing(GLIDE_MS, p.rate)
    bass_goal, tone_goal = pole(p.bass, p.rate), pole(p.tone, p.rate)
    drive, level = glide_from(s.drive, drive_goal), glide_from(s.level, level_goal)
    bass_pole, tone_pole = glide_from(s.bass_pole, bass_goal), glide_from(s.tone_pole, tone_goal)
    bass, tone, into, base, clipped = s.bass, s.tone, s.gain, s.base[PAST:], s.down
    for start in range(0, n, CHUNK):
        frames = min(CHUNK, n - start)
        drive = louder_chunk(drive, drive_goal, glide, into, frames)
        bass_way, tone_way = bass_goal - bass_pole, tone_goal - tone_pole
        for i in range(frames):
            bass = low_pass(bass, bass_pole + bass_way * p.glide[i], x[start + i])
            base[i] = into[i] * (x[start + i] - bass)
        up(p, s, frames)
        bend_hard(s, frames)
        down(p, s, frames)
        for i in range(frames):
            tone = low_pass(tone, tone_pole + tone_way * p.glide[i], clipped[i])
            x[start + i] = on_its_way(level, level_goal, p.glide[i]) * tone
        part = p.glide[frames - 1]
        level = moved_on(level, level_goal, part)
        bass_pole, tone_pole = moved_on(bass_pole, bass_goal, part), moved_on(tone_pole, tone_goal, part)
    s.drive, s.level, s.bass, s.bass_pole, s.tone, s.tone_pole = drive, level, bass, bass_pole, tone, tone_pole


@distortion.prepare
def prepare(p, settings):
    """One level for each oversampling factor."""
    p["glide"] = gliding(GLIDE_MS, settings.rate)
    return oversampled_levels(p, distortion, fading_seconds(LOWEST_HZ, 100))

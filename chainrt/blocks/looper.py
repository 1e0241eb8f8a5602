"""Looper: play a phrase, let it go round, and play over it.

Turn `mode` to record, and to play where the phrase shall begin again; overdub adds what is played to it. Recording
fades in and out within some milliseconds, and fades out over the beginning of the loop, so its seam does not click.
Record again to begin anew; what is longer than the tape ends there.

Source: Zölzer (ed.), DAFX, 2nd ed. 2011, chapter 2 (delay lines): a comb filter whose feedback is 1.
"""

from ..block import Param, block, choice
from ..dsp import gain, glide_from, make_finite, smoothing

TAPE_FRAMES = 2097152  # 43 s at 48 kHz; in a stereo chain each side has a tape of its own
OFF, RECORD, PLAY, OVERDUB = range(4)
GLIDE_MS = 5.0  # turned knobs, and the begin and end of what is recorded and played
SILENT = 1e-5  # a gain below which nothing is heard


@block(
    params=[
        choice("mode", "off", "record", "play", "overdub", default="off", help="what the loop does"),
        Param("level", "dB", -40, 12, default=0, help="how loud the loop is"),
    ],
    state=[
        ("tape", "f4", (TAPE_FRAMES,)),  # the loop
        ("length", "i8"),  # its frames; 0: none was recorded
        ("at", "i8"),  # where it plays, or is recorded
        ("mode", "i8"),  # what it did at the last frame
        ("feed", "f8"),  # linear gain onto the tape at the last frame
        ("heard", "f8"),  # linear gain from the tape, without the level
        ("level", "f8"),  # linear
    ],
    work=8,
    tail=0.1,
)
def looper(p, s, x, n):
    """Record x[0:n], or add the loop to it."""
    make_finite(x, n)
    mode, tape, at, length = int(p.mode), s.tape, s.at, s.length
    if mode == RECORD and s.mode != RECORD:
        at, length = 0, 0
    if mode != RECORD and s.mode == RECORD:
        at, length = 0, at
    feed_goal = 1.0 if mode in (RECORD, OVERDUB) else 0.0
    heard_goal = 1.0 if mode in (PLAY, OVERDUB) else 0.0
    glide, level_goal = smoothing(GLIDE_MS, p.rate), gain(p.level)
    feed, heard, level = s.feed, s.heard, glide_from(s.level, level_goal)
    for i in range(n):
        feed += glide * (feed_goal - feed)
        heard += glide * (heard_goal - heard)
        level += glide * (level_goal - level)
        if mode == RECORD:
            if at < TAPE_FRAMES:
                tape[at] = feed * x[i]
                at += 1
        elif length > 0 and (feed > SILENT or heard > SILENT):
            loop = tape[at]
            tape[at] = loop + feed * x[i]
            x[i] += level * heard * loop
            at = at + 1 if at + 1 < length else 0
        else:
            at = 0
    s.at, s.length, s.mode, s.feed, s.heard, s.level = at, length, mode, feed, heard, level

"""Pitch: a second guitar, up to an octave higher or lower, a little late.

A tape that is read faster than it was recorded sounds higher. The reading head then catches up with the recording one,
so it must jump back now and then; or forward, if it reads more slowly. It jumps by a distance at which the sound
repeats itself, and fades over. Which distance that is, is sought all the time, one candidate a frame: the one at which
64 samples of the last 11 ms differ least from those before (so work is even, and single notes and most chords stay
clean). A strum of many strings has no such distance, and flutters.

Sources: Zölzer (ed.), DAFX, 2nd ed. 2011, sections 6.3 and 6.4 (delay-line pitch shifting, synchronised overlap);
Roucos and Wilgus, "High quality time-scale modification for speech", ICASSP 1985.
"""

from ..block import Param, block
from ..dsp import glide_from, make_finite, read_tape, smoothing

TAPE_FRAMES = 16384  # a power of two above 64 ms at 192 kHz
NEAREST_MS = 0.1  # of the reading head to the recording one
SHORTEST_MS, LONGEST_MS = 6.0, 20.0  # jumps; the low E repeats itself every 12 ms
STEP_MS = 0.04  # from one candidate to the next
SAMPLES, APART_MS = 64, 0.17  # how many are compared, and how far apart they lie
FADE_MS = 4.0  # from the old place to the new one
GLIDE_MS = 20.0  # turned knobs


@block(
    params=[
        Param("shift", "st", -12, 12, default=7, help="how much higher or lower the second guitar plays"),
        Param("mix", "%", 0, 100, default=50, help="0: only the guitar, 100: only the second one"),
    ],
    state=[
        ("tape", "f4", (TAPE_FRAMES,)),  # what was played, as a ring
        ("head", "i8"),  # where the next frame is recorded
        ("delay", "f8"),  # frames from there back to what is read
        ("old", "f8"),  # the same for the place that is faded out
        ("faded", "f8"),  # 0..1: how much of the old place is still heard
        ("ratio", "f8"),  # of the frequencies, at the last frame
        ("mix", "f8"),  # 0..1 at the last frame
        ("sought", "i8"),  # the candidate that is looked at next
        ("origin", "i8"),  # where the samples lie with which all candidates are compared
        ("least", "f8"),  # smallest difference so far ...
        ("nearest", "i8"),  # ... and its distance, in frames
        ("jump", "i8"),  # the best distance of the last complete search
    ],
    work=110,
    tail=0.001 * (3 * LONGEST_MS),
)
def pitch(p, s, x, n):
    """Mix x[0:n] with its shifted self."""
    make_finite(x, n)
    last, tape, head, delay, old, faded = TAPE_FRAMES - 1, s.tape, s.head, s.delay, s.old, s.faded
    frames_a_ms = p.rate / 1000.0
    nearest_frames, fade_frames = NEAREST_MS * frames_a_ms + 2.0, FADE_MS * frames_a_ms
    shortest, longest = SHORTEST_MS * frames_a_ms, LONGEST_MS * frames_a_ms
    step, apart = max(1, int(STEP_MS * frames_a_ms)), max(1, int(APART_MS * frames_a_ms))
    candidates = int((longest - shortest) / step)
    glide, fade, mix_goal = smoothing(GLIDE_MS, p.rate), 1.0 / fade_frames, p.mix / 100.0
    ratio_goal = 2.0 ** (p.shift / 12.0)
    ratio, mix, sought, origin, least, best, jump = (
        glide_from(s.ratio, ratio_goal),
        s.mix,
        s.sought,
        s.origin,
        s.least,
        s.nearest,
        s.jump,
    )
    if jump == 0:
        jump, delay = int(shortest), nearest_frames
    for i in range(n):
        ratio += glide * (ratio_goal - ratio)
        mix += glide * (mix_goal - mix)
        tape[head] = x[i]

        if sought == 0:
            origin, least = head, 1e30
        distance = int(shortest) + sought * step
        difference = 1e-9 * distance  # of equals, the shortest
        for k in range(SAMPLES):
            a, b = tape[(origin - k * apart) & last], tape[(origin - k * apart - distance) & last]
            difference += (a - b) * (a - b)
        if difference < least:
            least, best = difference, distance
        sought += 1
        if sought == candidates:
            sought, jump = 0, best

        delay += 1.0 - ratio
        old += 1.0 - ratio
        if faded <= 0.0 and delay < nearest_frames + fade_frames:
            old, delay, faded = delay, delay + jump, 1.0
        elif faded <= 0.0 and delay > longest + 2.0 * fade_frames + nearest_frames:
            old, delay, faded = delay, delay - jump, 1.0
        shifted = read_tape(tape, head, max(delay, 1.0))
        if faded > 0.0:
            shifted += faded * (read_tape(tape, head, max(old, 1.0)) - shifted)
            faded -= fade
        head = (head + 1) & last
        x[i] += mix * (shifted - x[i])
    s.head, s.delay, s.old, s.faded, s.ratio, s.mix = head, delay, old, faded, ratio, mix
    s.sought, s.origin, s.least, s.nearest, s.jump = sought, origin, least, best, jump

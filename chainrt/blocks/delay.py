"""Delay: clean repeats in stereo, from side to side if wanted, filtered and gently moving.

Each side has a line of its own. `cross` sends part of each repeat to the other side: at 100 % the guitar goes into the
left line and each line feeds the other, so the repeats bounce from left to right (ping-pong). When the time is turned,
a second head reads at the new place and both are crossfaded, so no pitch bends (on tape it does: see echo).
A line hears at most `feedback` times the loudest sample of both, so below 100 % the repeats die away.

Source: Zölzer (ed.), DAFX, 2nd ed. 2011, chapter 2 (delay lines) and section 5.3 (stereo).
"""

from ..block import Param, block, loop_turns
from ..dsp import glide_from, make_finite, next_cycle, pole, read_tape, sine, smoothing

TAPE_FRAMES = 524288  # a power of two above 2.5 s at 192 kHz
NEAREST = 2.0  # frames: what is read must have been recorded
FADE_MS = 30.0  # from the old time to the new one
GLIDE_MS = 20.0  # the other knobs


@block(
    params=[
        Param("time", "ms", 1, 2500, default=400, help="from one repeat to the next", follows_tempo=True),
        Param("feedback", "%", 0, 95, default=35, help="how much of a repeat is repeated again"),
        Param("mix", "%", 0, 100, default=30, help="0: only the guitar, 100: only the repeats"),
        Param("cross", "%", 0, 100, default=0, help="0: each side repeats itself, 100: from side to side"),
        Param("tone", "Hz", 500, 16000, default=7000, help="treble above this fades from repeat to repeat"),
        Param("lowcut", "Hz", 20, 1000, default=60, help="bass below this fades from repeat to repeat"),
        Param("speed", "Hz", 0.05, 5, default=0.4, help="how often the repeats swing", follows_tempo=True),
        Param("depth", "ms", 0, 5, default=0, help="how far they swing: 0 is still, 2 is lush"),
    ],
    state=[
        ("tape", "f4", (2, TAPE_FRAMES)),  # what was recorded left and right, as rings
        ("head", "i8"),  # where the next frame is recorded
        ("delay", "f8"),  # frames back to the head that is heard
        ("next", "f8"),  # frames back to the head that is faded in
        ("faded", "f8"),  # 0..1: how far that is done
        ("cycles", "f8"),  # where the wave stands, 0..1
        ("depth", "f8"),  # frames, at the last frame
        ("feedback", "f8"),  # 0..1 at the last frame
        ("cross", "f8"),  # 0..1 at the last frame
        ("mix", "f8"),  # 0..1 at the last frame
        ("treble", "f8", (2,)),  # memory of the low-pass of each line
        ("bass", "f8", (2,)),  # memory of the high-pass of each line
        ("tone_pole", "f8"),  # coefficients of the two at the last frame
        ("bass_pole", "f8"),
    ],
    channels=2,
    work=90,
    tail=lambda p: 0.001 * (p["time"] + 2 * p["depth"]) * (2 + loop_turns(p["feedback"], 100)) + 0.3,
)
def delay(p, s, left, right, n):
    """Mix both sides with their repeats, in place."""
    make_finite(left, n)
    make_finite(right, n)
    tape_left, tape_right, head, cycles = s.tape[0], s.tape[1], s.head, s.cycles
    frames_a_ms = p.rate / 1000.0
    goal, depth_goal = p.time * frames_a_ms, p.depth * frames_a_ms
    feedback_goal, cross_goal, mix_goal = p.feedback / 100.0, p.cross / 100.0, p.mix / 100.0
    tone_goal, bass_goal = pole(p.tone, p.rate), pole(p.lowcut, p.rate)
    glide, fade = smoothing(GLIDE_MS, p.rate), 1.0 / (FADE_MS * frames_a_ms)
    now = glide_from(s.delay, goal)
    then, faded = glide_from(s.next, now), s.faded
    depth, feedback, cross, mix = s.depth, s.feedback, s.cross, s.mix
    tone_pole, bass_pole = glide_from(s.tone_pole, tone_goal), glide_from(s.bass_pole, bass_goal)
    treble_left, treble_right, bass_left, bass_right = s.treble[0], s.treble[1], s.bass[0], s.bass[1]
    for i in range(n):
        depth += glide * (depth_goal - depth)
        feedback += glide * (feedback_goal - feedback)
        cross += glide * (cross_goal - cross)
        mix += glide * (mix_goal - mix)
        tone_pole += glide * (tone_goal - tone_pole)
        bass_pole += glide * (bass_goal - bass_pole)

        if faded == 0.0:
            then = goal
        swing = depth * sine(cycles)
        cycles = next_cycle(cycles, p.speed, p.rate)
        read_left = read_tape(tape_left, head, max(now + swing, NEAREST))
        read_right = read_tape(tape_right, head, max(now - swing, NEAREST))
        if then != now:
            faded += fade
            read_left += faded * (read_tape(tape_left, head, max(then + swing, NEAREST)) - read_left)
            read_right += faded * (read_tape(tape_right, head, max(then - swing, NEAREST)) - read_right)
            if faded >= 1.0:
                now, faded = then, 0.0

        treble_left += tone_pole * (read_left - treble_left)
        treble_right += tone_pole * (read_right - treble_right)
        bass_left += bass_pole * (treble_left - bass_left)
        bass_right += bass_pole * (treble_right - bass_right)
        repeat_left, repeat_right = treble_left - bass_left, treble_right - bass_right
        both = 0.5 * (left[i] + right[i])
        tape_left[head] = (
            left[i] + cross * (both - left[i]) + feedback * (repeat_left + cross * (repeat_right - repeat_left))
        )
        tape_right[head] = (1.0 - cross) * right[i] + feedback * (repeat_right + cross * (repeat_left - repeat_right))
        head = (head + 1) & (TAPE_FRAMES - 1)
        left[i] += mix * (repeat_left - left[i])
        right[i] += mix * (repeat_right - right[i])
    s.head, s.delay, s.next, s.faded, s.cycles = head, now, then, faded, cycles
    s.depth, s.feedback, s.cross, s.mix, s.tone_pole, s.bass_pole = depth, feedback, cross, mix, tone_pole, bass_pole
    s.treble[0], s.treble[1], s.bass[0], s.bass[1] = treble_left, treble_right, bass_left, bass_right

"""Delay: clean repeats in stereo, from side to side if wanted, filtered and gently moving.

Each side has a line of its own. `cross` sends part of each repeat to the other side: at 100 % the guitar goes into the
left line and each line feeds the other, so the repeats bounce from left to right (ping-pong). When the time is turned,
a second head reads at the new place and both are crossfaded, so no pitch bends (on tape it does: see echo).
A line hears at most `feedback` times the loudest sample of both, so below 100 % the repeats die away.

Source: Zölzer (ed.), DAFX, 2nd ed. 2011, chapter 2 (delay lines) and section 5.3 (stereo).
"""

import numpy as np

from ..block import Param, block, loop_turns
from ..dsp import (
    CHUNK,
    GLIDE,
    GUARD,
    fused,
    glide_from,
    gliding,
    guard,
    low_pass,
    make_finite,
    moved_on,
    on_its_way,
    pole,
    read_chunk,
    read_swinging,
    sine,
)

TAPE_FRAMES = 524288  # a power of two above 2.5 s at 192 kHz
NEAREST = 2.0  # frames: what is read must have been recorded
FADE_MS = 30.0  # from the old time to the new one
GLIDE_MS = 20.0  # the other knobs


@fused
def read_both(s, delay, is_still, out, frames):
    """What both lines held `delay` frames ago, and s.swing more or less if they are not still."""
    if is_still:
        read_chunk(s.tape[0], s.head, delay, out[0], frames)
        read_chunk(s.tape[1], s.head, delay, out[1], frames)
    else:
        read_swinging(s.tape[0], s.head, delay, s.swing, 1.0, NEAREST, out[0], frames)
        read_swinging(s.tape[1], s.head, delay, s.swing, -1.0, NEAREST, out[1], frames)


@fused
def filter_line(p, s, side, tone_pole, bass_pole, tone_way, bass_way, frames):
    """s.repeat of one side through its filters, whose coefficients cover their ways as knobs do."""
    repeat, glide, treble, bass = s.repeat[side], p.glide, s.treble[side], s.bass[side]
    for i in range(frames):
        treble = low_pass(treble, tone_pole + tone_way * glide[i], repeat[i])
        bass = low_pass(bass, bass_pole + bass_way * glide[i], treble)
        repeat[i] = treble - bass
    s.treble[side], s.bass[side] = treble, bass


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
    constants=[GLIDE],
    state=[
        ("tape", "f4", (2, TAPE_FRAMES + GUARD)),  # what was recorded left and right, as rings
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
        ("swing", "f8", (CHUNK,)),  # frames by which the lines are longer and shorter
        ("repeat", "f4", (2, CHUNK)),  # what comes off the tapes, and through the filters
        ("next_repeat", "f4", (2, CHUNK)),  # the same of the head that is faded in
    ],
    channels=2,
    work=90,
    tail=lambda p: 0.001 * (p["time"] + 2 * p["depth"]) * (2 + loop_turns(p["feedback"], 100)) + 0.3,
)
def delay(p, s, left, right, n):
    """Mix both sides with their repeats, in place."""
    make_finite(left, n)
    make_finite(right, n)
    frames_a_ms = p.rate / 1000.0
    goal, depth_goal, step = p.time * frames_a_ms, p.depth * frames_a_ms, p.speed / p.rate
    feedback_goal, cross_goal, mix_goal = p.feedback / 100.0, p.cross / 100.0, p.mix / 100.0
    tone_goal, bass_goal = pole(p.tone, p.rate), pole(p.lowcut, p.rate)
    fade = 1.0 / (FADE_MS * frames_a_ms)
    s.delay = glide_from(s.delay, goal)
    tone_pole, bass_pole = glide_from(s.tone_pole, tone_goal), glide_from(s.bass_pole, bass_goal)
    depth, feedback, cross, mix, cycles = s.depth, s.feedback, s.cross, s.mix, s.cycles
    glide, swing, done = p.glide, s.swing, 0
    repeat_left, repeat_right, next_left, next_right = s.repeat[0], s.repeat[1], s.next_repeat[0], s.next_repeat[1]
    while done < n:
        if s.faded == 0.0:
            s.next = goal
        is_fading = s.next != s.delay
        reach = max(depth, depth_goal)
        recorded = max(int(min(s.delay, s.next) - reach - NEAREST), 1)  # frames until a head meets what is new
        frames = min(min(n - done, CHUNK), min(recorded, TAPE_FRAMES - s.head))
        if is_fading:
            frames = min(frames, int((1.0 - s.faded) / fade) + 1)
        if reach > 0.0:
            deeper = depth_goal - depth
            for i in range(frames):
                swing[i] = (depth + deeper * glide[i]) * sine(cycles + np.int32(i) * step)
        read_both(s, s.delay, reach == 0.0, s.repeat, frames)
        if is_fading:
            read_both(s, s.next, reach == 0.0, s.next_repeat, frames)
            faded = np.float32(s.faded)
            for i in range(frames):
                share = faded + np.float32(fade) * np.float32(np.int32(i + 1))
                repeat_left[i] += share * (next_left[i] - repeat_left[i])
                repeat_right[i] += share * (next_right[i] - repeat_right[i])
            s.faded += fade * frames
            if s.faded >= 1.0:
                s.delay, s.faded = s.next, 0.0

        tone_way, bass_way = tone_goal - tone_pole, bass_goal - bass_pole
        filter_line(p, s, 0, tone_pole, bass_pole, tone_way, bass_way, frames)
        filter_line(p, s, 1, tone_pole, bass_pole, tone_way, bass_way, frames)
        record_left, record_right = s.tape[0, s.head :], s.tape[1, s.head :]
        for i in range(frames):
            echoed, crossed = on_its_way(feedback, feedback_goal, glide[i]), on_its_way(cross, cross_goal, glide[i])
            wet, ahead = on_its_way(mix, mix_goal, glide[i]), repeat_right[i] - repeat_left[i]
            dry_left, dry_right = left[done + i], right[done + i]
            to_middle = np.float32(0.5) * (dry_right - dry_left)
            record_left[i] = dry_left + crossed * to_middle + echoed * (repeat_left[i] + crossed * ahead)
            record_right[i] = dry_right - crossed * dry_right + echoed * (repeat_right[i] - crossed * ahead)
            left[done + i] = dry_left + wet * (repeat_left[i] - dry_left)
            right[done + i] = dry_right + wet * (repeat_right[i] - dry_right)
        guard(s.tape[0], s.head, frames)
        guard(s.tape[1], s.head, frames)
        part = glide[frames - 1]
        depth, feedback = moved_on(depth, depth_goal, part), moved_on(feedback, feedback_goal, part)
        cross, mix = moved_on(cross, cross_goal, part), moved_on(mix, mix_goal, part)
        tone_pole, bass_pole = moved_on(tone_pole, tone_goal, part), moved_on(bass_pole, bass_goal, part)
        cycles += frames * step
        cycles -= np.floor(cycles)
        s.head = (s.head + frames) & (TAPE_FRAMES - 1)
        done += frames
    s.cycles, s.depth, s.feedback, s.cross, s.mix = cycles, depth, feedback, cross, mix
    s.tone_pole, s.bass_pole = tone_pole, bass_pole


@delay.prepare
def prepare(p, settings):
    """How knobs glide at this rate."""
    p["glide"] = gliding(GLIDE_MS, settings.rate)

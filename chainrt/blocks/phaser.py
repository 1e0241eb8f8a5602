"""Phaser: a chain of all-pass filters turns the phase; mixed with the guitar it digs notches, and the notches move.

Each stage turns by 90 degrees at its corner, and all corners sweep together by octaves around `centre`. Two stages
make one notch. The tangent of the corner is computed every 32 frames, in between the coefficient moves in a line.

Source: Zölzer (ed.), DAFX, 2nd ed. 2011, section 2.4.2 (phaser of first-order all-passes); Smith, "An allpass approach
to digital phasing and flanging", ICMC 1984.
"""

import math

from ..block import Param, block, choice, fading_seconds, loop_turns
from ..dsp import glide_from, make_finite, sine, smoothing

STAGES = ("2", "4", "6", "8", "10", "12")
STEP = 32  # frames from one computed corner to the next
INAUDIBLE = 0.001  # the mix at which the number of stages changes, when that knob was turned
HIGHEST = 0.45  # of the sample rate: no corner beyond
GLIDE_MS = 20.0  # turned knobs


@block(
    params=[
        Param("speed", "Hz", 0.02, 10, default=0.5, help="how often it sweeps", follows_tempo=True),
        Param("depth", "oct", 0, 4, default=2, help="how far up and down it sweeps"),
        Param("centre", "Hz", 100, 4000, default=700, help="around which corner"),
        Param("feedback", "%", -90, 90, default=20, help="how much of the end goes back into the first stage"),
        choice("stages", *STAGES, default="4", help="all-pass filters in a row: 4 make two notches"),
        Param("mix", "%", 0, 100, default=50, help="0: only the guitar, 50: the deepest notches"),
    ],
    state=[
        ("stage", "f8", (2 * len(STAGES),)),  # memory of each all-pass
        ("stages", "i8"),  # how many of them are in use
        ("turned", "f8"),  # what left the last stage at the last frame
        ("cycles", "f8"),  # where the wave stands at the next computed corner, 0..1
        ("left", "i8"),  # frames until then
        ("centre", "f8"),  # Hz, at the last computed corner
        ("depth", "f8"),  # octaves, at the last computed corner
        ("corner", "f8"),  # coefficient of all stages at the last frame
        ("change", "f8"),  # by how much it changes in a frame
        ("feedback", "f8"),  # -1..1 at the last frame
        ("mix", "f8"),  # 0..1 at the last frame
    ],
    work=60,
    tail=lambda p: fading_seconds(max(p["centre"] * 2 ** -p["depth"], 20)) * (1 + loop_turns(p["feedback"])),
)
def phaser(p, s, x, n):
    """Mix x[0:n] with its turned self."""
    make_finite(x, n)
    stage, turned, cycles, left, corner, change = s.stage, s.turned, s.cycles, s.left, s.corner, s.change
    centre, depth, feedback, mix = glide_from(s.centre, p.centre), s.depth, s.feedback, s.mix
    wanted = 2 + 2 * int(p.stages)
    stages = s.stages if s.stages > 0 else wanted
    mix_goal = p.mix / 100.0 if stages == wanted else 0.0
    feedback_goal, glide = p.feedback / 100.0, smoothing(GLIDE_MS, p.rate)
    step_glide = smoothing(GLIDE_MS, p.rate / STEP)
    for i in range(n):
        if left == 0:
            cycles += STEP * p.speed / p.rate
            cycles -= math.floor(cycles)
            centre += step_glide * (p.centre - centre)
            depth += step_glide * (p.depth - depth)
            hz = min(centre * 2.0 ** (depth * sine(cycles)), HIGHEST * p.rate)
            tangent = math.tan(math.pi * hz / p.rate)
            if stages != wanted and mix < INAUDIBLE:
                stages, mix_goal = wanted, p.mix / 100.0
            change = ((tangent - 1.0) / (tangent + 1.0) - corner) / STEP
            left = STEP
        left -= 1
        corner += change
        feedback += glide * (feedback_goal - feedback)
        mix += glide * (mix_goal - mix)
        dry = x[i]
        turned = dry + feedback * turned
        for k in range(stages):
            out = corner * turned + stage[k]
            stage[k] = turned - corner * out
            turned = out
        x[i] = dry + mix * (turned - dry)
    s.stages, s.turned, s.cycles, s.left, s.corner, s.change = stages, turned, cycles, left, corner, change
    s.centre, s.depth, s.feedback, s.mix = centre, depth, feedback, mix

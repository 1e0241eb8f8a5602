"""Stereo: how wide the sound is, where it stands, and one side a little late.

Width scales the difference of both sides against their sum; 0 is mono, 200 % doubles the difference. A mono sound has
no difference: for that, `offset` delays one side, and the ear hears the other one first and places it there (Haas).

Sources: Zölzer (ed.), DAFX, 2nd ed. 2011, sections 5.3 (panorama) and 5.4 (precedence effect, stereo widening).
"""

from ..block import Param, block
from ..dsp import make_finite, read_tape, smoothing

TAPE_FRAMES = 8192  # a power of two above 30 ms at 192 kHz
NEAREST = 1.0  # frames by which both sides are late; one is later by the offset
GLIDE_MS = 30.0  # turned knobs
BEND = 0.3  # the most frames the offset may change in one frame: the pitch of one side bends on its way


@block(
    params=[
        Param("width", "%", 0, 200, default=100, help="0: mono, 100: as it is, 200: twice as wide"),
        Param("pan", "%", -100, 100, default=0, help="where the middle stands: -100 is left, 100 is right"),
        Param("offset", "ms", -30, 30, default=0, help="by how much the right side is late; below 0 the left one"),
    ],
    state=[
        ("tape", "f4", (2, TAPE_FRAMES)),  # both sides, as rings
        ("head", "i8"),  # where the next frame is recorded
        ("width", "f8"),  # 0..2 at the last frame
        ("left", "f8"),  # linear gain of each side at the last frame
        ("right", "f8"),
        ("offset", "f8"),  # frames, at the last frame
    ],
    channels=2,
    work=30,
    latency=1,
    tail=lambda p: 0.001 * abs(p["offset"]) + 0.001,
)
def stereo(p, s, left, right, n):
    """Widen, delay and pan both sides, in place."""
    make_finite(left, n)
    make_finite(right, n)
    tape_left, tape_right, head = s.tape[0], s.tape[1], s.head
    width_goal, offset_goal, glide = p.width / 100.0, p.offset * p.rate / 1000.0, smoothing(GLIDE_MS, p.rate)
    left_goal, right_goal = min(1.0, 1.0 - p.pan / 100.0), min(1.0, 1.0 + p.pan / 100.0)
    width, gain_left, gain_right, offset = s.width, s.left, s.right, s.offset
    for i in range(n):
        width += glide * (width_goal - width)
        gain_left += glide * (left_goal - gain_left)
        gain_right += glide * (right_goal - gain_right)
        offset += min(max(glide * (offset_goal - offset), -BEND), BEND)
        middle, apart = 0.5 * (left[i] + right[i]), 0.5 * width * (left[i] - right[i])
        tape_left[head], tape_right[head] = middle + apart, middle - apart
        left[i] = gain_left * read_tape(tape_left, head, NEAREST + max(-offset, 0.0))
        right[i] = gain_right * read_tape(tape_right, head, NEAREST + max(offset, 0.0))
        head = (head + 1) & (TAPE_FRAMES - 1)
    s.head, s.width, s.left, s.right, s.offset = head, width, gain_left, gain_right, offset

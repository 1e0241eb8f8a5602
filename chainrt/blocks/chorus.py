"""Chorus: beside the guitar plays a second one, a little late and never quite in tune; another one for each ear.

Each side hears a delay that a slow sine moves. `width` sets the right side's wave apart from the left one's, up to
half a cycle: then one ear hears the pitch rise while the other hears it fall, and both together stay in tune.

Source: Dattorro, "Effect design, part 2: delay-line modulation and chorus", Journal of the AES 45(10), 1997.
"""

from ..block import Param, block
from ..dsp import glide_from, make_finite, next_cycle, read_tape, sine, smoothing

TAPE_FRAMES = 16384  # a power of two above 50 ms at 192 kHz
NEAREST_MS = 0.1  # of the delay to the present, where it swings deeper than it is long
GLIDE_MS = 50.0  # a turned knob bends the pitch on its way; slowly, that is not heard


@block(
    params=[
        Param("speed", "Hz", 0.05, 10, default=0.8, help="how often the delay swings", follows_tempo=True),
        Param("depth", "ms", 0, 10, default=2, help="how far it swings"),
        Param("delay", "ms", 1, 40, default=8, help="around which delay"),
        Param("width", "%", 0, 100, default=100, help="0: both sides swing together, 100: against each other"),
        Param("mix", "%", 0, 100, default=50, help="0: only the guitar, 100: only the chorus"),
    ],
    state=[
        ("tape", "f4", (2, TAPE_FRAMES)),  # what was played left and right, as rings
        ("head", "i8"),  # where the next frame is recorded
        ("cycles", "f8"),  # where the left wave stands, 0..1
        ("apart", "f8"),  # cycles by which the right wave is ahead, at the last frame
        ("depth", "f8"),  # frames, at the last frame
        ("delay", "f8"),  # frames, at the last frame
        ("mix", "f8"),  # 0..1 at the last frame
    ],
    channels=2,
    work=55,
    tail=lambda p: 0.001 * (max(p["delay"], p["depth"] + NEAREST_MS) + p["depth"]) + 0.001,
)
def chorus(p, s, left, right, n):
    """Mix both sides with themselves, read where the swinging heads stand."""
    make_finite(left, n)
    make_finite(right, n)
    tape_left, tape_right, head, cycles = s.tape[0], s.tape[1], s.head, s.cycles
    frames_a_ms = p.rate / 1000.0
    depth_goal, delay_goal = p.depth * frames_a_ms, max(p.delay, p.depth + NEAREST_MS) * frames_a_ms
    mix_goal, apart_goal, glide = p.mix / 100.0, p.width / 200.0, smoothing(GLIDE_MS, p.rate)
    apart, depth, delay, mix = s.apart, s.depth, glide_from(s.delay, delay_goal), s.mix
    for i in range(n):
        apart += glide * (apart_goal - apart)
        depth += glide * (depth_goal - depth)
        delay += glide * (delay_goal - delay)
        mix += glide * (mix_goal - mix)
        dry_left, dry_right = left[i], right[i]
        tape_left[head], tape_right[head] = dry_left, dry_right
        left[i] = dry_left + mix * (read_tape(tape_left, head, delay + depth * sine(cycles)) - dry_left)
        right[i] = dry_right + mix * (read_tape(tape_right, head, delay + depth * sine(cycles + apart)) - dry_right)
        head = (head + 1) & (TAPE_FRAMES - 1)
        cycles = next_cycle(cycles, p.speed, p.rate)
    s.head, s.cycles, s.apart, s.depth, s.delay, s.mix = head, cycles, apart, depth, delay, mix

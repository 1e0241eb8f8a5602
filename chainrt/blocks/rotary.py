"""Rotary speaker: a horn and a drum that turn in front of two microphones, each at its own pace.

Treble goes to the horn, bass to the drum. A mouth that turns comes nearer and goes away: its path changes by
r cos(angle), which bends the pitch (Doppler), it is louder when it faces the microphone, and the horn then is brighter,
too. The microphones stand a quarter of a turn to the left and to the right. Motors have inertia: from slow to fast the
light horn takes about a second, the heavy drum three times as long.

Sources: Smith, Serafin, Abel and Berners, "Doppler simulation and the Leslie", DAFX-02; Henricksen, "Unearthing the
mysteries of the Leslie cabinet", Recording Engineer/Producer, 1981 (speeds, crossover).
"""

from ..block import Param, block, choice
from ..dsp import glide_from, make_finite, next_cycle, pole, read_tape, sine, smoothing

TAPE_FRAMES = 1024  # a power of two above 3 ms at 192 kHz
NEAREST = 2.0  # frames
CROSSOVER_HZ = 800.0
HORN_MS, DRUM_MS = 0.55, 0.25  # the way to the mouth's circle and back, over the speed of sound
HORN_SLOW_HZ, HORN_FAST_HZ = 0.8, 6.7
DRUM_SLOW_HZ, DRUM_FAST_HZ = 0.67, 5.7
HORN_INERTIA_MS, DRUM_INERTIA_MS = 400.0, 1300.0  # to 63 % of a change of speed
AWAY_HZ = 2000.0  # treble above this is lost when the horn looks away
GLIDE_MS = 20.0  # turned knobs


@block(
    params=[
        choice(
            "speed", "stop", "slow", "fast", default="slow", help="how fast horn and drum turn; they take their time"
        ),
        Param("depth", "%", 0, 100, default=70, help="how much softer and duller a mouth is that looks away"),
        Param("balance", "%", -100, 100, default=0, help="-100: only the drum, 100: only the horn"),
        Param("width", "%", 0, 100, default=80, help="0: both microphones in the middle"),
        Param("mix", "%", 0, 100, default=100, help="0: only the guitar, 100: only the speaker"),
    ],
    state=[
        ("horn", "f4", (TAPE_FRAMES,)),  # what the horn played, as a ring
        ("drum", "f4", (TAPE_FRAMES,)),  # what the drum played
        ("head", "i8"),  # where the next frame is recorded
        ("horn_cycles", "f8"),  # where the horn looks, 0..1
        ("drum_cycles", "f8"),  # where the drum looks
        ("horn_hz", "f8"),  # how fast they turn at the last frame
        ("drum_hz", "f8"),
        ("low", "f8", (2,)),  # memories of the crossover
        ("dull", "f8", (2,)),  # of the low-pass for a horn that looks away, for each microphone
        ("depth", "f8"),  # 0..1 at the last frame
        ("horn_gain", "f8"),  # linear, at the last frame
        ("drum_gain", "f8"),
        ("width", "f8"),  # 0..1 at the last frame
        ("mix", "f8"),  # 0..1 at the last frame
    ],
    channels=2,
    work=110,
    latency=int(NEAREST),
    tail=0.02,
)
def rotary(p, s, left, right, n):
    """Play the sum of both sides through the speaker, in place."""
    make_finite(left, n)
    make_finite(right, n)
    horn, drum, head, horn_cycles, drum_cycles = s.horn, s.drum, s.head, s.horn_cycles, s.drum_cycles
    horn_goal, drum_goal = 0.0, 0.0
    if p.speed > 0.5:
        horn_goal = HORN_FAST_HZ if p.speed > 1.5 else HORN_SLOW_HZ
        drum_goal = DRUM_FAST_HZ if p.speed > 1.5 else DRUM_SLOW_HZ
    horn_hz, drum_hz = glide_from(s.horn_hz, horn_goal), glide_from(s.drum_hz, drum_goal)
    horn_glide, drum_glide = smoothing(HORN_INERTIA_MS, p.rate), smoothing(DRUM_INERTIA_MS, p.rate)
    glide, crossover, away = smoothing(GLIDE_MS, p.rate), pole(CROSSOVER_HZ, p.rate), pole(AWAY_HZ, p.rate)
    depth_goal, width_goal, mix_goal = p.depth / 100.0, p.width / 100.0, p.mix / 100.0
    horn_gain_goal, drum_gain_goal = min(1.0, 1.0 + p.balance / 100.0), min(1.0, 1.0 - p.balance / 100.0)
    depth, width, mix, horn_gain, drum_gain = s.depth, s.width, s.mix, s.horn_gain, s.drum_gain
    low, lower, dull_left, dull_right = s.low[0], s.low[1], s.dull[0], s.dull[1]
    horn_reach, drum_reach = HORN_MS * p.rate / 1000.0, DRUM_MS * p.rate / 1000.0
    for i in range(n):
        depth += glide * (depth_goal - depth)
        width += glide * (width_goal - width)
        mix += glide * (mix_goal - mix)
        horn_gain += glide * (horn_gain_goal - horn_gain)
        drum_gain += glide * (drum_gain_goal - drum_gain)
        horn_hz += horn_glide * (horn_goal - horn_hz)
        drum_hz += drum_glide * (drum_goal - drum_hz)
        horn_cycles = next_cycle(horn_cycles, horn_hz, p.rate)
        drum_cycles = next_cycle(drum_cycles, drum_hz, p.rate)

        both = 0.5 * (left[i] + right[i])
        low += crossover * (both - low)
        lower += crossover * (low - lower)
        horn[head], drum[head] = horn_gain * (both - lower), drum_gain * lower
        # Nearness of each mouth to each microphone, -1 (looks away) .. 1 (looks at it).
        horn_left, drum_left = sine(horn_cycles), sine(drum_cycles)
        treble_left = read_tape(horn, head, NEAREST + horn_reach * (1.0 - horn_left))
        treble_right = read_tape(horn, head, NEAREST + horn_reach * (1.0 + horn_left))
        bass_left = read_tape(drum, head, NEAREST + drum_reach * (1.0 - drum_left))
        bass_right = read_tape(drum, head, NEAREST + drum_reach * (1.0 + drum_left))
        head = (head + 1) & (TAPE_FRAMES - 1)
        dull_left += away * (treble_left - dull_left)
        dull_right += away * (treble_right - dull_right)
        away_left, away_right = depth * (0.5 - 0.5 * horn_left), depth * (0.5 + 0.5 * horn_left)
        heard_left = treble_left + away_left * (0.5 * dull_left - treble_left)
        heard_right = treble_right + away_right * (0.5 * dull_right - treble_right)
        heard_left += bass_left * (1.0 - 0.5 * depth * (0.5 - 0.5 * drum_left))
        heard_right += bass_right * (1.0 - 0.5 * depth * (0.5 + 0.5 * drum_left))
        middle, apart = 0.5 * (heard_left + heard_right), 0.5 * width * (heard_left - heard_right)
        left[i] += mix * (middle + apart - left[i])
        right[i] += mix * (middle - apart - right[i])
    s.head, s.horn_cycles, s.drum_cycles, s.horn_hz, s.drum_hz = head, horn_cycles, drum_cycles, horn_hz, drum_hz
    s.depth, s.width, s.mix, s.horn_gain, s.drum_gain = depth, width, mix, horn_gain, drum_gain
    s.low[0], s.low[1], s.dull[0], s.dull[1] = low, lower, dull_left, dull_right

"""Reverb: a room, a hall or a plate, from a network of delay lines that feed each other.

Each side goes through a pre-delay, a low cut and four all-passes that blur it, into every second line. What leaves the
lines is mixed by a Hadamard matrix, which keeps the energy, and goes back. A line of d seconds loses 60 dB * d / decay
each time round, so all lines fade together and the reverb time is what the knob says; a filter of two taps, two
frames apart, lets the treble fade faster, most of all at a quarter of the sample rate. The lines' lengths swing a
little, each at a pace of its own: no ringing tones. A level has 4, 8 or 16 lines: the fewer, the more single echoes.

All lines are longer than a chunk of 64 frames. So they are computed a chunk at a time, in plain loops over contiguous
memory; a ring repeats its first frames behind its end, so that any chunk of it lies in one piece. A ring is hardly
longer than its line, and a whole number of chunks: what was written is still in the processor's cache when it comes
round. Chunks are counted from the first frame, as filters and lengths change once in each; a period that lies across
the border of two costs 1.5 times as much. So a level remembers a whole number of chunks: after that silence both begin
together.

Sources: Jot and Chaigne, "Digital delay networks for designing artificial reverberators", 90th AES Convention, 1991;
Dattorro, "Effect design, part 1: reverberator and other filters", Journal of the AES 45(9), 1997 (the blurring
all-passes and their lengths); Zölzer (ed.), DAFX, 2nd ed. 2011, section 5.6.
"""

import math

import numpy as np

from ..block import Level, Param, block, choice
from ..compiled.arena import aligned_zeros
from ..dsp import (
    CHUNK,
    GLIDE,
    GUARD,
    called,
    glide_from,
    gliding,
    guard,
    inline,
    low_pass,
    make_finite,
    moved_on,
    on_its_way,
    pole,
    sine,
    smoothing,
)

SPACES = {"room": (9.0, 37.0), "hall": (29.0, 79.0), "plate": (6.0, 27.0)}  # shortest and longest line, ms
LINES = 16
SIZES = (4, 8, 16)  # lines of each level
BLURS_MS = ((4.771, 3.595, 12.735, 9.307), (4.607, 3.731, 12.411, 9.611))  # Dattorro's, and others for the right side
RING = 16384  # frames of a line, above 80 ms at 192 kHz
BLUR_RING = 4096  # above 13 ms
LONGEST_WAIT_MS = 200
WAIT_RING = 65536  # above that
MOST_SWING_MS = 0.4
SLOWEST_HZ, FASTEST_HZ = 0.31, 1.13  # how often the lines' lengths swing
HUSH_MS = 250.0  # for which another space is waited: by then the lines are empty
GLIDE_MS = 25.0  # turned knobs
LOUDNESS = 3.0  # of the reverb at a mix of 100 %, so that noise comes out about as loud as it went in


@inline
def before(at, delay, size):
    """The place in a ring of that size where lies what was put there `delay` frames before the place `at`."""
    return at - delay if at >= delay else at - delay + size


@inline
def after(at, frames, size):
    """The place where the next frame is put, when `frames` were put at the place `at`."""
    return at + frames if at + frames < size else 0


@called
def blur(p, s, side, stage, frames):
    """One all-pass of one side on what enters, in place (Schroeder's)."""
    size, at = p.blur_ring[side, stage], s.blur_at[side, stage]
    ring, entry, gain = s.blurring[side, stage, : size + GUARD], s.entry[side], np.float32(0.75 if stage < 2 else 0.625)
    past, present = ring[before(at, p.blur[side, stage], size) :], ring[at:]
    for i in range(frames):
        present[i] = entry[i] - gain * past[i]
    for i in range(frames):
        entry[i] = gain * present[i] + past[i]
    guard(ring, at, frames)
    s.blur_at[side, stage] = after(at, frames, size)


@called
def wait(p, s, side, fade, frames):
    """The pre-delay of one side on what enters, in place; on its way to another one it fades over, `fade` a frame."""
    size, at, share = p.wait_ring, s.wait_at, np.float32(s.waited)
    ring, entry = s.waiting[side, : size + GUARD], s.entry[side]
    present = ring[at:]
    for i in range(frames):
        present[i] = entry[i]
    guard(ring, at, frames)
    old, new = ring[before(at, int(s.wait), size) :], ring[before(at, int(s.wait_next), size) :]
    for i in range(frames):
        entry[i] = old[i] + min(share + fade * np.float32(np.int32(i)), np.float32(1.0)) * (new[i] - old[i])


@called
def read_line(p, s, line, place, frames):
    """A chunk of what leaves a line: read between two frames, as it swings, and filtered by near + far z^-2.

    Where the length swings across a whole number of frames, the reading goes on between the next two.
    """
    start, slope = s.swing_now[line], (s.swing_next[line] - s.swing_now[line]) / CHUNK
    near, far, step = np.float32(s.near[line]), np.float32(s.far[line]), np.float32(slope)
    done = 0
    while done < frames:
        longer = start + slope * (s.into + done)
        whole = int(longer)
        border = ((whole + 1 if slope > 0.0 else whole) - longer) / slope if slope != 0.0 else CHUNK
        count = min(int(min(border, CHUNK)) + 1, frames - done)
        first = before(s.at[line] + done, p.length[s.space, place] + whole + 4, p.ring[s.space, place])
        past, sound, swing = s.line[line, first:], s.sound[line, done:], np.float32(longer - whole)
        for i in range(count):
            old = swing + step * np.float32(np.int32(i))
            new = np.float32(1.0) - old
            sound[i] = near * (new * past[i + 4] + old * past[i + 3]) + far * (new * past[i + 2] + old * past[i + 1])
        done += count


@called
def write_line(p, s, line, place, feed, frames):
    """A chunk of what enters a line: what left all of them, mixed, and what is new.

    Every second line sounds on the left, the others on the right, by turns with either sign: added to s.heard.
    """
    size, at = p.ring[s.space, place], s.at[line]
    ring = s.line[line, : size + GUARD]
    sound, entry, heard, present = s.sound[line], s.entry[line % 2], s.heard[line % 2], ring[at:]
    sign = np.float32(1 - line // 2 % 2 * 2)
    for i in range(frames):
        fed = sound[i] + feed * entry[i]
        present[i] = fed
        heard[i] += sign * fed
    guard(ring, at, frames)
    s.at[line] = after(at, frames, size)


@called
def mix_lines(sounds, lines, frames):
    """The Hadamard transform over the lines, four at a time; not divided by the square root of their number."""
    span = 1
    while 2 * span < lines:
        for first in range(0, lines, 4 * span):
            for line in range(first, first + span):
                a, b = sounds[line], sounds[line + span]
                c, d = sounds[line + 2 * span], sounds[line + 3 * span]
                for i in range(frames):
                    ab, cd, a_b, c_d = a[i] + b[i], c[i] + d[i], a[i] - b[i], c[i] - d[i]
                    a[i], b[i], c[i], d[i] = ab + cd, a_b + c_d, ab - cd, a_b - c_d
        span *= 4
    if span < lines:
        for line in range(span):
            a, b = sounds[line], sounds[line + span]
            for i in range(frames):
                plus, minus = a[i] + b[i], a[i] - b[i]
                a[i], b[i] = plus, minus


@called
def set_goals(p, s):
    """What the lines' filters glide to, for the present space and knobs."""
    lines, energy, is_hushed = s.lines, 0.0, s.hush > 0
    scale = 0.0 if is_hushed else 1.0 / math.sqrt(lines)
    for line in range(lines):
        seconds = p.length[s.space, line * (LINES // lines)] / p.rate
        low = 10.0 ** (-3000.0 * seconds / p.decay)
        high = 10.0 ** (-3000.0 * seconds / (p.decay * (1.0 - 0.95 * p.damping / 100.0)))
        s.near_goal[line] = 0.5 * (low + high) * scale
        s.far_goal[line] = 0.5 * (low - high) * scale
        energy += low * low / lines
    s.feed_goal = 0.0 if is_hushed else LOUDNESS * math.sqrt(1.0 - energy)
    s.decay_seen, s.damping_seen = p.decay, p.damping


@called
def next_chunk(p, s):
    """What happens every CHUNK frames: filters glide on, lines swing on, another space is moved into."""
    was_hushed, wanted = s.hush > 0, int(p.space)
    if was_hushed:
        s.hush -= 1
        if s.hush == 0:
            s.space = s.bound_for
            for line in range(LINES):
                s.at[line] = 0
    elif wanted != s.space and s.is_old == 0:
        s.space = wanted
    elif wanted != s.space:
        s.bound_for = wanted
        s.hush = int(HUSH_MS * p.rate / 1000.0 / CHUNK) + 1
    is_hushed = s.hush > 0
    if was_hushed != is_hushed or s.is_old == 0 or s.decay_seen != p.decay or s.damping_seen != p.damping:
        set_goals(p, s)
    s.is_old = 1
    glide, swing = smoothing(GLIDE_MS, p.rate / CHUNK), 0.5 * MOST_SWING_MS * p.rate / 1000.0 * p.swing / 100.0
    s.feed += glide * (s.feed_goal - s.feed)
    seconds = CHUNK / p.rate
    for line in range(LINES):
        s.near[line] += glide * (s.near_goal[line] - s.near[line])
        s.far[line] += glide * (s.far_goal[line] - s.far[line])
        cycles = s.cycles[line] + seconds * (SLOWEST_HZ + (FASTEST_HZ - SLOWEST_HZ) * line / LINES)
        s.cycles[line] = cycles - np.floor(cycles)
        s.swing_now[line] = s.swing_next[line]
        s.swing_next[line] += glide * (swing * (1.0 + sine(cycles)) - s.swing_next[line])
    if s.waited >= 1.0:
        s.wait, s.waited = s.wait_next, 0.0
    if s.waited == 0.0:
        s.wait_next = math.floor(p.predelay * p.rate / 1000.0)


@block(
    params=[
        choice("space", *SPACES, default="hall", help="how large the space is, and how dense its echoes"),
        Param("decay", "ms", 100, 20000, default=1800, help="time in which the reverb falls by 60 dB"),
        Param("predelay", "ms", 0, LONGEST_WAIT_MS, default=15, help="before the reverb begins", follows_tempo=True),
        Param("damping", "%", 0, 100, default=60, help="how much faster the treble fades"),
        Param("lowcut", "Hz", 20, 1000, default=120, help="bass below this gets no reverb"),
        Param("swing", "%", 0, 100, default=40, help="how far the lines' lengths swing: 0 is still, 100 is lush"),
        Param("width", "%", 0, 100, default=100, help="0: the reverb is mono"),
        Param("mix", "%", 0, 100, default=25, help="0: only the guitar, 100: only the reverb"),
    ],
    constants=[
        GLIDE,
        ("length", "i8", (len(SPACES), LINES)),  # of each line in each space, in frames
        ("blur", "i8", (2, 4)),  # of each all-pass, in frames
        ("ring", "i8", (len(SPACES), LINES)),  # frames of the rings in which they lie
        ("blur_ring", "i8", (2, 4)),
        ("wait_ring", "i8"),  # ... and of that of the pre-delay
    ],
    state=[
        ("lines", "i8"),  # how many are in use at this level
        ("into", "i8"),  # frames heard of this chunk
        ("space", "i8"),  # where one is,
        ("bound_for", "i8"),  # and where one is moving to
        ("hush", "i8"),  # in so many chunks
        ("is_old", "i8"),  # 1: some chunk was played
        ("at", "i8", (LINES,)),  # where the next frame is put in each line,
        ("blur_at", "i8", (2, 4)),  # each all-pass
        ("wait_at", "i8"),  # and the pre-delay
        ("line", "f4", (LINES, RING + GUARD)),
        ("blurring", "f4", (2, 4, BLUR_RING + GUARD)),  # rings of the all-passes
        ("waiting", "f4", (2, WAIT_RING + GUARD)),  # rings of the pre-delay
        ("sound", "f4", (LINES, CHUNK)),  # what leaves the lines
        ("entry", "f4", (2, CHUNK)),  # what enters them
        ("heard", "f4", (2, CHUNK)),  # what is heard of them
        ("bass", "f8", (2,)),  # memories of the low cut
        ("bass_pole", "f8"),  # its coefficient at the last frame
        ("near", "f8", (LINES,)),  # each line's filter in this chunk ...
        ("far", "f8", (LINES,)),
        ("near_goal", "f8", (LINES,)),  # ... and what it glides to
        ("far_goal", "f8", (LINES,)),
        ("feed", "f8"),  # linear gain into the lines in this chunk, and what it glides to
        ("feed_goal", "f8"),
        ("decay_seen", "f4"),  # knobs for which the goals were computed
        ("damping_seen", "f4"),
        ("cycles", "f8", (LINES,)),  # where each line's swing stands, 0..1
        ("swing_now", "f8", (LINES,)),  # frames by which each line is longer at the begin of this chunk
        ("swing_next", "f8", (LINES,)),  # and at the end of it
        ("wait", "f8"),  # pre-delay in frames, fading from this one
        ("wait_next", "f8"),  # to this one
        ("waited", "f8"),  # 0..1: how far that is done
        ("width", "f8"),  # 0..1 at the last frame
        ("mix", "f8"),  # 0..1 at the last frame
    ],
    channels=2,
    slimmable=True,
    work=1,
    tail=lambda p: 0.001 * (p["predelay"] + 2.2 * p["decay"]) + 0.5,
)
def reverb(p, s, left, right, n):
    """Mix both sides with their reverb, in place."""
    make_finite(left, n)
    make_finite(right, n)
    lines, step, scale = s.lines, LINES // s.lines, math.sqrt(2.0 / s.lines)
    half = np.float32(0.5 * scale)
    bass_goal, width_goal, mix_goal = pole(p.lowcut, p.rate), p.width / 100.0, p.mix / 100.0
    bass_pole, bass_left, bass_right = glide_from(s.bass_pole, bass_goal), s.bass[0], s.bass[1]
    entry_left, entry_right, heard_left, heard_right = s.entry[0], s.entry[1], s.heard[0], s.heard[1]
    width, mix, glide, done = s.width, s.mix, p.glide, 0
    while done < n:
        if s.into == 0:
            next_chunk(p, s)
        frames = min(n - done, CHUNK - s.into)
        bass_way = bass_goal - bass_pole
        for i in range(frames):
            now = bass_pole + bass_way * glide[i]
            bass_left, bass_right = low_pass(bass_left, now, left[done + i]), low_pass(bass_right, now, right[done + i])
            entry_left[i], entry_right[i] = left[done + i] - bass_left, right[done + i] - bass_right
        for i in range(frames):
            heard_left[i], heard_right[i] = 0.0, 0.0
        fade = np.float32(0.0 if s.wait_next == s.wait else 1000.0 / (GLIDE_MS * p.rate))
        for side in range(2):
            wait(p, s, side, fade, frames)
            for stage in range(4):
                blur(p, s, side, stage, frames)
        s.waited, s.wait_at = min(s.waited + fade * frames, 1.0), after(s.wait_at, frames, p.wait_ring)
        for line in range(lines):
            read_line(p, s, line, line * step, frames)
        mix_lines(s.sound, lines, frames)
        feed = np.float32(s.feed * scale)
        for line in range(lines):
            write_line(p, s, line, line * step, feed, frames)
        for i in range(frames):
            wet, apart = on_its_way(mix, mix_goal, glide[i]), half * on_its_way(width, width_goal, glide[i])
            middle, side_way = half * (heard_left[i] + heard_right[i]), apart * (heard_left[i] - heard_right[i])
            left[done + i] += wet * (middle + side_way - left[done + i])
            right[done + i] += wet * (middle - side_way - right[done + i])
        part = glide[frames - 1]
        width, mix = moved_on(width, width_goal, part), moved_on(mix, mix_goal, part)
        bass_pole = moved_on(bass_pole, bass_goal, part)
        done += frames
        s.into = (s.into + frames) % CHUNK
    s.width, s.mix, s.bass_pole, s.bass[0], s.bass[1] = width, mix, bass_pole, bass_left, bass_right


@reverb.prepare
def prepare(p, settings):
    """The lengths of lines and all-passes at this rate; one level for each number of lines."""
    for space, (shortest, longest) in enumerate(SPACES.values()):
        spread = shortest * (longest / shortest) ** ((np.arange(LINES) * 7 % LINES) / (LINES - 1))
        p["length"][space] = np.maximum(_odd(spread, settings.rate), CHUNK + 1)
    p["blur"] = np.maximum(_odd(np.array(BLURS_MS), settings.rate), CHUNK + 1)
    p["ring"] = _ring(p["length"] + MOST_SWING_MS * settings.rate / 1000)
    p["blur_ring"], p["wait_ring"] = _ring(p["blur"]), _ring(LONGEST_WAIT_MS * settings.rate / 1000)
    p["glide"] = gliding(GLIDE_MS, settings.rate)
    memory = CHUNK * math.ceil((p["predelay"] + p["decay"]) / 1000 * settings.rate / CHUNK)  # so periods stay whole
    return tuple(_level(lines, memory) for lines in SIZES)


def _ring(frames: np.ndarray | float) -> np.ndarray:
    """How long a ring must be from which a chunk of so many frames ago is read, in whole chunks."""
    return CHUNK * (np.ceil(frames / CHUNK).astype(int) + 2)


def _odd(milliseconds: np.ndarray, rate: float) -> np.ndarray:
    """Odd numbers of frames: lines whose lengths are all even would ring together."""
    return 2 * np.round(milliseconds * rate / 2000).astype(int) + 1


def _level(lines: int, memory: int) -> Level:
    def new_state():
        s = aligned_zeros((), reverb.state)
        s["lines"] = lines
        return (s,)

    name = "full" if lines == SIZES[-1] else str(lines)
    return Level(name, 40 + lines * (12 + math.log2(lines)), memory, new_state)

"""A sound card's callback: the card's samples in, one or more periods, samples out. It is called without Python.

When a callback is *due* is not told by any sound system, so it is found from when callbacks come:
* They are due at equal distances. One that comes early shows that all were due earlier than thought.
* Of WATCHED callbacks one at least is taken to be on time: by what the least late one was late, the grid is wrong
  (clocks drift; a driver begins anew after a fault).
* One that comes a whole period late or more means that periods were swallowed: nobody asked for them, so they are
  missed, and the grid begins anew with this one.

Rules kept here:
* Samples are float32, interleaved, as PortAudio gives them. A callback may be of any length, and have no input.
* Whatever happens, the output is written: with sound, or with silence.
* Flags are counted, not acted upon.
"""

import math

import numpy as np

from ..compiled.clock import now_ns
from ..compiled.language import INT32, INTEGER, UINT32, carray, njit
from ..compiled.memory import address, load_acquire, pointer, store_release
from ..compiled.native import Native
from ..compiled.thread import thread_number
from ..layout import CARD, STAGE
from .pair import give_time
from .planes import FLOAT_BYTES, plane
from .stage import engine_at, play_stage

WATCHED = 64
CONTINUE = 0  # paContinue of portaudio.h
STOP_OFFSET = CARD.fields["stop"][1]
DONE_OFFSET = CARD.fields["done"][1]
NEVER = 1e18  # ns


@njit
def begin_anew(card, now):
    """The grid of due times begins with the present callback."""
    card.due_ns = now
    card.least_late_ns = NEVER
    card.watched = 0


@njit
def find_due(card, engine, now, frames):
    """When the present callback, of so many frames, was due; swallowed periods are noted in the engine."""
    length = frames * engine.frame_time_ns
    late = now - card.due_ns
    if card.callbacks == 0 or late < 0.0:
        begin_anew(card, now)
        late = 0.0
    elif late >= length:
        engine.swallowed += int(late / (min(frames, card.frames) * engine.frame_time_ns))
        begin_anew(card, now)
        late = 0.0
    due = card.due_ns
    card.due_ns += length
    card.least_late_ns = min(card.least_late_ns, late)
    card.watched += 1
    if card.watched == WATCHED:
        card.due_ns += card.least_late_ns
        card.least_late_ns = NEVER
        card.watched = 0
    return due


@njit
def count_flags(card, flags):
    card.input_underflows += flags & 1
    card.input_overflows += flags >> 1 & 1
    card.output_underflows += flags >> 2 & 1
    card.output_overflows += flags >> 3 & 1


@njit
def fetch_input(card, engine, source, done, frames):
    """The next input onto the engine's plane: the card's channel, the samples that take its place, or silence."""
    target = plane(engine.input, frames)
    if card.source != 0:
        samples = plane(card.source, card.source_frames)
        at = card.source_at
        for i in range(frames):
            target[i] = samples[at]
            at = at + 1 if at + 1 < card.source_frames else 0
        card.source_at = at
    elif source != 0 and card.input_channels > 0:
        channels = card.input_channels
        heard = plane(source + done * channels * FLOAT_BYTES, frames * channels)
        for i in range(frames):
            target[i] = heard[i * channels + card.input_channel]
    else:
        for i in range(frames):
            target[i] = 0.0


@njit
def deliver_output(card, target, done, frames):
    """The stage's planes to the card."""
    channels = card.output_channels
    left, right = plane(card.left, frames), plane(card.right, frames)
    sound = plane(target + done * channels * FLOAT_BYTES, frames * channels)
    for i in range(frames):
        for channel in range(2, channels):
            sound[i * channels + channel] = 0.0
        if channels == 1:
            sound[i] = np.float32(0.5) * (left[i] + right[i])
        else:
            sound[i * channels] = left[i]
            sound[i * channels + 1] = right[i]


@njit
def keep_output(card, frames):
    """The stage's planes to where the sound is kept, as far as there is room."""
    room = min(frames, card.kept_frames - card.done)
    for channel in range(2):
        kept = card.kept_right if channel else card.kept_left
        if kept != 0 and room > 0:
            sound = plane(card.right if channel else card.left, room)
            target = plane(kept + card.done * FLOAT_BYTES, room)
            for i in range(room):
                target[i] = sound[i]


@njit
def fade_out(card, target, frames):
    """Bring the whole callback's output down to silence, along half a cosine."""
    sound = plane(target, frames * card.output_channels)
    for i in range(frames):
        share = np.float32(0.5 + 0.5 * math.cos(math.pi * (i + 1) / frames))
        for channel in range(card.output_channels):
            sound[i * card.output_channels + channel] *= share


@njit
def make_silence(card, target, frames):
    sound = plane(target, frames * card.output_channels)
    for i in range(frames * card.output_channels):
        sound[i] = 0.0


def _callback(source, target, frames, time, flags, card):
    """What PortAudio calls: source, target, time are addresses; returns whether to go on."""
    now = now_ns()
    frames = int(frames)
    card.asked_frames = frames
    count_flags(card, int(flags))
    if card.silent == 1 or frames == 0:
        make_silence(card, target, frames)
        return CONTINUE
    if card.callbacks == 0:
        card.thread = thread_number()
    if source == 0 and card.input_channels > 0:
        card.without_input += 1
    stage = carray(pointer(address(card)), 1, STAGE)[0]
    engine = engine_at(stage.engine)
    engine.release_ns = find_due(card, engine, now, frames)
    if engine.pair != 0:
        give_time(engine.pair, frames)
    done = 0
    while done < frames:
        piece = min(frames - done, card.frames)
        fetch_input(card, engine_at(stage.engine), source, done, piece)
        play_stage(stage, piece)
        deliver_output(card, target, done, piece)
        keep_output(card, piece)
        store_release(address(card) + DONE_OFFSET, card.done + piece)
        done += piece
    card.callbacks += 1
    if load_acquire(address(card) + STOP_OFFSET) != 0 or (card.most > 0 and card.done >= card.most):
        fade_out(card, target, frames)
        card.silent = 1
    return CONTINUE


callback = Native(_callback, (INTEGER, INTEGER, UINT32, INTEGER, UINT32, CARD), "callback", returns=INT32)
"""callback(input, output, frames, time, flags, card record) -> 0, as PortAudio's PaStreamCallback.

`unsigned long` differs between systems; its lower 32 bits are all that is ever used.
"""

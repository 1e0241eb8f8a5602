"""The stage: one engine plays, and another can take its place while the sound goes on.

Rules kept here:
* Both hear the same input from the first frame of the crossfade on, and are mixed at equal power: two pedalboards
  hardly sound alike.
* An engine with tails (an echo, a reverb) is faded at its input: it hears no more, and what it still has to say is
  heard for `ring_frames` more beside its successor, or until `cut` says that it is enough.
* Two that are too much for one deadline are kept apart: one fades out, then the other fades in, and nothing rings.
* `taken` is written last: from then on nobody here looks at the old engine.
"""

import math

import numpy as np

from ..compiled.call import call2
from ..compiled.language import carray, njit
from ..compiled.memory import address, load_acquire, pointer, store_release
from ..layout import ENGINE, STAGE
from .planes import plane

POSTED_OFFSET = STAGE.fields["posted"][1]
TAKEN_OFFSET = STAGE.fields["taken"][1]
CUT_OFFSET = STAGE.fields["cut"][1]


@njit
def engine_at(place):
    return carray(pointer(place), 1, ENGINE)[0]


@njit
def play_period(engine, frames):
    call2(engine.period, address(engine), frames)


@njit
def add_faded(source_at, target_at, frames, first_share, share_step):
    """Add a plane to another; its share of the power begins at `first_share` and grows by `share_step` a frame."""
    source, target = plane(source_at, frames), plane(target_at, frames)
    for i in range(frames):
        share = min(1.0, max(0.0, first_share + share_step * (i + 1)))
        target[i] += np.float32(math.sqrt(share)) * source[i]


@njit
def play_faded(stage, engine, frames, first_share, share_step):
    """One period of an engine onto the mix; nothing of it is computed once its share has gone."""
    play_period(engine, frames)
    add_faded(engine.output_left, stage.mix_left, frames, first_share, share_step)
    add_faded(engine.output_right, stage.mix_right, frames, first_share, share_step)


@njit
def follow(later, earlier):
    """An engine that plays after another in the same period was not woken late, but only waited for its turn."""
    later.ended_ns = earlier.ended_ns
    later.floor_ended_ns = earlier.floor_ended_ns


@njit
def share_inputs(stage, old, new, frames, progress, step):
    """Both hear the same, but one that rings hears less and less."""
    heard, first = plane(new.input, frames), plane(old.input, frames)
    for i in range(frames):
        heard[i] = first[i]
        if stage.ring_frames > 0:
            first[i] *= np.float32(math.sqrt(max(0.0, 1.0 - progress - step * (i + 1))))


@njit
def end_ringing(stage, posted):
    """Once it is enough, what still rings is faded out."""
    if load_acquire(address(stage) + CUT_OFFSET) == posted:
        stage.ring_frames = min(stage.ring_frames, stage.faded)


@njit
def crossfade_engines(stage, old, new, frames):
    """One period of the change from one engine to the other."""
    left, right = plane(stage.mix_left, frames), plane(stage.mix_right, frames)
    for i in range(frames):
        left[i] = 0.0
        right[i] = 0.0
    if stage.faded == 0:
        follow(new, old)
    progress, step = stage.faded / stage.fade_frames, 1.0 / stage.fade_frames
    share_inputs(stage, old, new, frames, progress, step)
    if stage.apart == 0:
        new.release_ns = old.release_ns
        play_faded(stage, old, frames, 1.0 - progress + stage.ring_frames * step, -step)
        follow(new, old)
        play_faded(stage, new, frames, progress, step)
        follow(old, new)
    elif progress < 0.5:
        play_faded(stage, old, frames, 1.0 - 2.0 * progress, -2.0 * step)
        new.release_ns = old.release_ns
        follow(new, old)
    else:
        play_faded(stage, new, frames, 2.0 * progress - 1.0, 2.0 * step)
        old.release_ns = new.release_ns
    stage.left, stage.right = stage.mix_left, stage.mix_right
    stage.faded += frames


@njit
def play_stage(stage, frames):
    """One period of whatever plays, from its engine's plane `input` to `stage.left` and `.right`."""
    posted = load_acquire(address(stage) + POSTED_OFFSET)
    engine = engine_at(stage.engine)
    if posted == stage.taken:
        play_period(engine, frames)
        stage.left, stage.right = engine.output_left, engine.output_right
        return
    end_ringing(stage, posted)
    crossfade_engines(stage, engine, engine_at(stage.next), frames)
    if stage.faded >= stage.fade_frames + stage.ring_frames:
        stage.engine = stage.next
        stage.faded = 0
        store_release(address(stage) + TAKEN_OFFSET, posted)

"""Many periods from memory to memory, paced by the clock or as fast as the machine can."""

from ..compiled.clock import now_ns, sleep_ns
from ..compiled.language import INTEGER, carray, njit
from ..compiled.memory import address, load_acquire, pointer
from ..compiled.native import Native
from ..layout import PERFORMANCE, STAGE
from .planes import FLOAT_BYTES, plane
from .stage import engine_at, play_stage

STOP_OFFSET = PERFORMANCE.fields["stop"][1]


@njit
def wait_until(release):
    """Sleep until a moment of the machine's clock."""
    left = release - now_ns()
    while left > 0:
        sleep_ns(int(left))
        left = release - now_ns()


@njit
def fetch(performance, engine, frames):
    """The next input onto the chain's first plane; the input goes round and round."""
    source = plane(performance.input, performance.input_frames)
    target = plane(engine.input, frames)
    at = performance.done % performance.input_frames
    for i in range(frames):
        target[i] = source[at]
        at = at + 1 if at + 1 < performance.input_frames else 0


@njit
def deliver(performance, frames):
    """The last planes to the output, if it is wanted."""
    for channel in range(2):
        target = performance.output_right if channel else performance.output_left
        if target != 0:
            sound = plane(performance.right if channel else performance.left, frames)
            kept = plane(target + performance.done * FLOAT_BYTES, frames)
            for i in range(frames):
                kept[i] = sound[i]


def _perform(performance, frames, periods, paced):
    """Play `periods` periods of `frames` frames; with `paced` each waits for its release time."""
    stage = carray(pointer(address(performance)), 1, STAGE)[0]
    for _ in range(periods):
        if load_acquire(address(performance) + STOP_OFFSET) != 0:
            break
        engine = engine_at(stage.engine)
        if paced == 1:
            wait_until(engine.release_ns)
        if engine.silent == 0:
            fetch(performance, engine, frames)
        play_stage(stage, frames)
        if engine.silent == 0:
            deliver(performance, frames)
        performance.done += frames


perform = Native(_perform, (PERFORMANCE, INTEGER, INTEGER, INTEGER), "perform")
"""perform(performance record, frames, periods, paced)."""

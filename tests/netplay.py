"""How tests play a network of any architecture: compiled, from a fresh state, in calls of any size."""

from itertools import cycle

import numpy as np

from chainrt.compiled.arena import aligned_zeros
from chainrt.compiled.native import address_of
from chainrt.nam.architectures import pack

ROUNDING = 2e-6  # of the peak: some ten float32 roundings on top of one another
PERIODS = [(1,), (7,), (64,), (512,), (1, 7, 64, 3, 512, 16, 33, 65)]


def guitar(frames, seed=5):
    """Noise that swells and dies, with some silence in it."""
    random = np.random.default_rng(seed)
    loudness = np.repeat(random.choice([0.0, 0.01, 0.2, 0.5], frames // 200 + 1), 200)[:frames]
    return (random.uniform(-1, 1, frames) * loudness).astype(np.float32)


def played(network, signal, sizes=(64,), silence=0):
    """What the compiled network makes of the signal, after so many frames of silence, in calls of these sizes."""
    packed = pack(network)
    state, run = packed.new_state(), packed.natives[0].from_python()
    plane = aligned_zeros(silence + len(signal), np.float32)
    plane[silence:] = signal
    done, size = 0, cycle(sizes)
    while done < len(plane):
        frames = min(next(size), len(plane) - done)
        run(address_of(state[0]), address_of(plane[done:]), frames)
        done += frames
    return plane[silence:]


def off_by(heard, expected):
    """Largest difference, relative to the peak of what was expected."""
    return np.abs(heard - expected).max() / np.abs(expected).max()

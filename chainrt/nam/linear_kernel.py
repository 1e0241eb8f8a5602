"""A long impulse response as machine code, tap by tap and without delay; its cost is the same in every period.

A tile of frames stays in registers across all taps: each tap is one factor for the whole tile and one load a vector.
The past lies in a ring that is written twice, one copy behind the other: wherever it wraps, some stretch of it holds
the last frames in one piece.

Rule: a tile past the last frame computes into thin air, so there is no scalar remainder and every period size gives
the same bits.
"""

import numpy as np

from ..compiled.arena import aligned_zeros
from ..compiled.language import INTEGER, PLANE, VOID, carray, intrinsic, signature
from ..compiled.memory import pointer
from ..compiled.native import Native, address_of
from ..compiled.simd import Emitter, machine
from .linear import Linear

CHUNK = 64  # frames taken at once
TILE_VECTORS = 4
TAPS_A_TURN = 4

FILTER = np.dtype(
    [
        ("taps", "i8"),  # a whole number of turns, zeros after the response's end
        ("weights", "i8"),  # address of one float a tap, the present frame's first, then the bias
        ("ring", "i8"),  # address of 2 * size frames and a tile more: the past, twice
        ("size", "i8"),  # frames until the ring repeats
        ("position", "i8"),  # where in the ring the next frame goes
        ("output", "i8"),  # address of a chunk's output and a tile more
    ]
)


def tile_frames() -> int:
    """Frames that the kernel computes at once on this machine."""
    return TILE_VECTORS * machine()[0]


def emit_filter(emit: Emitter, weights, taps, past, output, frames):
    """output[i] = bias + the sum over k < taps of weights[k] * past[i - k], for i < frames; pointers to floats."""
    bias = emit.spread(emit.at(weights, taps))
    with emit.loop(emit.integer(0), frames, emit.integer(TILE_VECTORS * emit.lanes)) as frame:
        sums = [emit.variable(bias) for _ in range(TILE_VECTORS)]
        here = emit.at(past, frame)
        with emit.loop(emit.integer(0), taps, emit.integer(TAPS_A_TURN)) as tap:
            newest = emit.at(here, emit.subtract(emit.integer(0), tap))
            for turn in range(TAPS_A_TURN):
                factor = emit.spread(emit.at(weights, tap, turn))
                for v, total in enumerate(sums):
                    heard = emit.load(emit.at(newest, v * emit.lanes - turn))
                    total.set(emit.fma(factor, heard, total.get()))
        for v, total in enumerate(sums):
            emit.store(total.get(), emit.at(output, frame, v * emit.lanes))


@intrinsic
def run_filter(typingctx, weights, taps, past, output, frames):
    def generate(context, builder, signature, arguments):
        emit = Emitter(builder, machine()[0])
        weights, taps, past, output, frames = arguments
        emit_filter(emit, emit.pointer(weights), taps, emit.pointer(past), emit.pointer(output), frames)
        return context.get_dummy_value()

    return signature(VOID, *[INTEGER] * 5), generate


def _play(state, x, n):
    """The filter over x[0:n], in place, a chunk at a time."""
    ring = carray(pointer(state.ring), 2 * state.size, np.float32)
    output = carray(pointer(state.output), CHUNK, np.float32)
    done = 0
    while done < n:
        at = state.position
        frames = min(CHUNK, n - done, state.size - at)
        for i in range(frames):
            ring[at + i] = x[done + i]
            ring[at + i + state.size] = x[done + i]
        run_filter(state.weights, state.taps, state.ring + 4 * (at + state.size), state.output, frames)
        for i in range(frames):
            x[done + i] = output[i]
        done += frames
        state.position = at + frames if at + frames < state.size else 0


play = Native(_play, (FILTER, PLANE, INTEGER), "linear")
"""play(FILTER, plane, n): runs the filter over the plane, in place."""


class PackedLinear:
    """A response in the kernel's order, from which any number of silent states can be made."""

    natives = (play,)

    def __init__(self, network: Linear):
        self.network = network
        self.taps = -(-len(network.response) // TAPS_A_TURN) * TAPS_A_TURN
        self.weights = aligned_zeros(self.taps + 1, np.float32)
        self.weights[: len(network.response)] = network.response
        self.weights[-1] = network.bias

    def new_state(self) -> tuple[np.ndarray, ...]:
        """A silent state: the FILTER record, then the memory to which it points."""
        size = self.taps + CHUNK
        ring = aligned_zeros(2 * size + tile_frames(), np.float32)
        output = aligned_zeros(CHUNK + tile_frames(), np.float32)
        state = aligned_zeros((), FILTER)
        state["taps"], state["weights"], state["size"] = self.taps, address_of(self.weights), size
        state["ring"], state["output"] = address_of(ring), address_of(output)
        return (state, ring, output, self.weights)

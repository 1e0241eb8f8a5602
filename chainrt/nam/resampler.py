"""A network inside a chain of another rate: resampled before it and behind it, within the period.

Both filters are one linear-phase low-pass, designed at the lowest rate of which both rates are whole parts, and cut
into phases: each frame, of the network or of the chain, takes only the taps that meet it. A frame of the network is
made as soon as the last frame of the chain before it has arrived, and a frame of the chain from what the network has
made up to then, so the latency is that of the two filters, and always a whole number of frames.

For the rates of audio (44.1, 48, 88.2, 96, 176.4, 192 kHz): flat to PASS_HZ at least within 0.001 dB, and whatever
could fall back below that is lowered by STOP_DB. Where the lower rate is 44.1 kHz the latency is 1.6 ms, else 0.8 ms
or less.

Rules kept here:
* No frame depends on how the frames are cut into periods.
* The phases follow a count of frames, which the engine sets (block.Level.clock): a level that paused, or rested, is in
  step with those that did not.
* What the network idles at goes around the second filter, so silence in gives one value out, bit for bit.

Source: Crochiere and Rabiner, "Multirate Digital Signal Processing", 1983, chapter 4 (polyphase structures); Kaiser,
"Nonrecursive digital filter design using the I0-sinh window function", 1974 (length and shape for a given attenuation).
"""

import math
from dataclasses import dataclass
from functools import cached_property, lru_cache
from typing import Any

import numpy as np

from ..compiled.arena import aligned_zeros
from ..compiled.call import call3
from ..compiled.language import INTEGER, PLANE, carray, njit
from ..compiled.memory import pointer
from ..compiled.native import Native, address_of

PASS_HZ = 20_000.0
PASS_SHARE = 20 / 44.1  # of the lower rate, where that is less
LEAST_PASS_SHARE = 0.4  # of the lower rate, where that is more: wide enough for a short filter
STOP_DB = 100.0
DESIGNED_DB = 102.0  # the formula is a little short of what it promises
CHUNK = 64  # frames of the chain taken at once
MOST_TAPS = 2**19  # of the filter; beyond, two rates have too little in common

RESAMPLED = np.dtype(
    [
        ("clock", "i8"),  # frames of the chain heard so far
        ("step", "i8"),  # ticks of the common rate from one frame of the chain to the next
        ("network_step", "i8"),  # ... from one frame of the network to the next
        ("taps", "i8"),  # in one phase of the first filter
        ("network_taps", "i8"),  # in one phase of the second
        ("phases", "i8"),  # address: `step` phases of the first filter, oldest tap first
        ("network_phases", "i8"),  # address: `network_step` phases of the second
        ("heard", "i8"),  # address: the last frames of the chain, then those of a chunk
        ("made", "i8"),  # address: the last frames of the network less what it idles at, then those of a chunk
        ("idle", "f4"),  # what the network makes of silence
        ("play", "i8"),  # address of the network's machine code
        ("network", "i8"),  # address of the network's state
    ]
)


@dataclass(frozen=True)
class Design:
    """The filter between two rates. step, network_step: ticks of the common rate a frame lasts."""

    step: int
    network_step: int
    taps: np.ndarray  # float64, (count,), at the common rate; their sum is 1

    @property
    def latency(self) -> int:
        """Frames of the chain by which both filters together lag."""
        return (len(self.taps) - 1) // self.step

    def phases(self, step: int) -> np.ndarray:
        """The taps that meet a signal of one frame in `step` ticks: float32 (step, taps), oldest first, each sum 1."""
        count = -(-len(self.taps) // step)
        padded = np.zeros(count * step)
        padded[: len(self.taps)] = self.taps
        phases = padded.reshape(count, step).T[:, ::-1]
        return np.ascontiguousarray(phases / phases.sum(axis=1, keepdims=True), np.float32)


def highest_pass_hz(lower_hz: float) -> float:
    """Up to where the filter is flat, when this is the lower of the two rates; what lies as far above half of it or
    further is stopped."""
    return max(min(PASS_HZ, PASS_SHARE * lower_hz), LEAST_PASS_SHARE * lower_hz)


@lru_cache(maxsize=8)
def design(chain_hz: int, network_hz: int) -> Design | None:
    """The filter between two rates, in Hz; None if they have too little in common."""
    common, lower = math.lcm(chain_hz, network_hz), min(chain_hz, network_hz)
    step, network_step = common // chain_hz, common // network_hz
    width = 2 * math.pi * (lower - 2 * highest_pass_hz(lower)) / common
    count = math.ceil((DESIGNED_DB - 7.95) / (2.285 * width))
    count = math.ceil(count / step) * step + 1  # then the latency is a whole number of frames
    if count > MOST_TAPS:
        return None
    away = np.arange(count) - (count - 1) / 2
    taps = np.sinc(away * lower / common) * np.kaiser(count, 0.1102 * (DESIGNED_DB - 8.7))
    return Design(step, network_step, taps / taps.sum())


@njit(fastmath={"contract", "reassoc"})
def dot(taps, sound, count):
    total = np.float32(0.0)
    for i in range(count):
        total += taps[i] * sound[i]
    return total


@njit
def floats(at, offset, count):
    return carray(pointer(at + 4 * offset), count, np.float32)


@njit
def move_back(at, kept, frames):
    """Keep the last `kept` floats of kept + frames, at the front."""
    memory = floats(at, 0, kept + frames)
    for i in range(kept):
        memory[i] = memory[i + frames]


def _play(s, x, n):
    """The network over x[0:n], in place; both at the rate of the chain."""
    step, network_step, taps, network_taps = s.step, s.network_step, s.taps, s.network_taps
    done = 0
    while done < n:
        frames = min(CHUNK, n - done)
        heard = floats(s.heard, taps - 1, frames)
        for i in range(frames):
            heard[i] = x[done + i]

        start = (s.clock % network_step) * step  # the clocks of both meet every `network_step` frames of the chain
        first = -(-start // network_step)  # the network's frame that is due next
        tick, made = first * network_step - start, 0
        fresh = floats(s.made, network_taps, 1)
        while tick < frames * step:
            phase = floats(s.phases, (tick % step) * taps, taps)
            fresh = floats(s.made, network_taps + made, 1)
            fresh[0] = dot(phase, floats(s.heard, tick // step, taps), taps)
            tick += network_step
            made += 1
        if made > 0:
            call3(s.play, s.network, s.made + 4 * network_taps, made)
        fresh = floats(s.made, network_taps, made)
        for i in range(made):
            fresh[i] -= s.idle

        for i in range(frames):
            tick = start + i * step
            latest = tick // network_step - first  # -1: made before this chunk
            phase = floats(s.network_phases, (tick % network_step) * network_taps, network_taps)
            x[done + i] = dot(phase, floats(s.made, latest + 1, network_taps), network_taps) + s.idle
        move_back(s.heard, taps - 1, frames)
        move_back(s.made, network_taps, made)
        s.clock += frames
        done += frames


play = Native(_play, (RESAMPLED, PLANE, INTEGER), "resampled")
"""play(RESAMPLED, plane, n)."""


class PackedResampled:
    """A packed network between two resamplers, to be played like a packed network (architectures.py)."""

    def __init__(self, inner: Any, chain_hz: int, network_hz: int):
        """`inner`: a packed network at `network_hz`. ValueError if the rates have too little in common."""
        self.inner, self.design = inner, design(chain_hz, network_hz)
        if self.design is None:
            raise ValueError(f"{network_hz} Hz and {chain_hz} Hz have too little in common")
        self.network = Resampled(inner.network, self.design)
        self.natives = (play, *inner.natives)
        self.phases = self.design.phases(self.design.step)
        self.network_phases = self.design.phases(self.design.network_step)

    @cached_property
    def idle(self) -> np.float32:
        """What the network makes of a long silence. Compiles it if need be."""
        plane = aligned_zeros(self.inner.network.receptive_field + CHUNK, np.float32)
        state = self.inner.new_state()
        self.inner.natives[0].from_python()(address_of(state[0]), address_of(plane), len(plane))
        return plane[-1]

    def new_state(self) -> tuple[np.ndarray, ...]:
        """A silent state: the RESAMPLED record, then the memory to which it points."""
        inner = self.inner.new_state()
        s, wanted = aligned_zeros((), RESAMPLED), self.design
        taps, network_taps = self.phases.shape[1], self.network_phases.shape[1]
        most = -(-CHUNK * wanted.step // wanted.network_step) + 1
        heard, made = aligned_zeros(taps + CHUNK, np.float32), aligned_zeros(network_taps + most + CHUNK, np.float32)
        s["step"], s["network_step"], s["taps"], s["network_taps"] = (
            wanted.step,
            wanted.network_step,
            taps,
            network_taps,
        )
        s["phases"], s["network_phases"] = address_of(self.phases), address_of(self.network_phases)
        s["heard"], s["made"], s["idle"] = address_of(heard), address_of(made), self.idle
        s["play"], s["network"] = self.inner.natives[0].address, address_of(inner[0])
        return (s, heard, made, *inner, self.phases, self.network_phases)


@dataclass(frozen=True, eq=False)
class Resampled:
    """A network as it is in a chain of another rate. The figures are for frames of the chain."""

    inner: Any
    design: Design

    @property
    def channels(self) -> int:
        return self.inner.channels

    @property
    def parameters(self) -> int:
        return self.inner.parameters

    @property
    def latency(self) -> int:
        return self.design.latency

    @property
    def multiply_adds(self) -> int:
        """Per frame of the chain, on average: the network's, and the taps of one phase of each filter."""
        share, taps = self.design.step / self.design.network_step, len(self.design.taps)
        filters = share * math.ceil(taps / self.design.step) + math.ceil(taps / self.design.network_step)
        return round(share * self.inner.multiply_adds + filters)

    @property
    def receptive_field(self) -> int:
        """Frames of the chain that shape one: two filters and the network between them."""
        inside = self.inner.receptive_field * self.design.network_step
        return math.ceil((2 * len(self.design.taps) + inside) / self.design.step) + 2

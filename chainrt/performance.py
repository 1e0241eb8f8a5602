"""One run of a chain from memory to memory: the Python side of `engine.perform`.

Rule: while a performance plays on another thread, Python may only read `done`, post plans, settings and successors,
and call `stop`.
"""

import math
import time

import numpy as np

from .chain import Chain
from .compiled.arena import aligned_zeros
from .compiled.memory import publish
from .compiled.native import address_of
from .engine import perform
from .layout import PERFORMANCE


class Performance:
    """Plays `samples` (float32, (frames,)), round and round, through a chain.

    output_frames: how much of the sound is kept for `output`; playing beyond it is a ValueError. 0: none.
    """

    def __init__(self, chain: Chain, samples: np.ndarray, output_frames: int = 0):
        self._chain = chain
        self._input = np.ascontiguousarray(samples, np.float32)
        whole_periods = math.ceil(output_frames / chain.frames) * chain.frames
        self._output = aligned_zeros((chain.channels, max(1, whole_periods)), np.float32)
        self._record = aligned_zeros((), PERFORMANCE)
        self._mix = aligned_zeros((2, chain.frames), np.float32)
        self._record["mix_left"], self._record["mix_right"] = map(address_of, self._mix)
        self._record["engine"] = address_of(chain.engine)
        self._record["input"], self._record["input_frames"] = address_of(self._input), len(self._input)
        if output_frames:
            self._record["output_left"] = address_of(self._output[0])
            self._record["output_right"] = address_of(self._output[1]) if chain.channels == 2 else 0
        self._perform = perform.from_python()
        self._publish = publish.from_python()

    @property
    def stage(self) -> np.ndarray:
        """Where another chain may take this one's place: the record that begins with layout.STAGE."""
        return self._record

    @property
    def done(self) -> int:
        """Frames played so far."""
        return int(self._record["done"])

    @property
    def played_s(self) -> float:
        """Seconds of sound played so far."""
        return self.done / self._chain.rate

    @property
    def output(self) -> np.ndarray:
        """What was played so far: float32, (frames,) or (frames, 2)."""
        return (
            self._output[:, : self.done].T.squeeze(axis=1) if len(self._output) == 1 else self._output[:, : self.done].T
        )

    def play(self, periods: int) -> None:
        """Play so many periods as fast as the machine can."""
        self._play(periods, paced=0)

    def play_paced(self, periods: int) -> None:
        """Play so many periods, each at its time by the clock. Blocks, without the interpreter's lock."""
        self._chain.engine["release_ns"] = time.monotonic_ns()
        self._play(periods, paced=1)

    def _play(self, periods: int, paced: int) -> None:
        if self._record["output_left"] and self.done + periods * self._chain.frames > self._output.shape[1]:
            raise ValueError(f"{periods} more periods do not fit into the output")
        self._perform(address_of(self._record), self._chain.frames, periods, paced)

    def stop(self) -> None:
        """End `play_paced` after the period that plays now. May be called from any thread."""
        self._publish(address_of(self._record) + PERFORMANCE.fields["stop"][1], 1)

"""Doors: what drives an engine in real time, period by period. Here the machine's own clock; sound cards: portaudio.

Rules kept here:
* The audio thread runs compiled code only. It starts in `start` and has ended when `stop` returns.
* A door has a stage (see engine/stage.py), on which one chain takes another's place; it owns the stage's memory.
"""

import threading
from typing import Protocol

import numpy as np

from . import machine
from .performance import Performance


class Door(Protocol):
    """What a session plays through."""

    clock: str
    """"wall" or "audio", as in the report."""
    text: str
    """What it is, for people: one short line."""
    stage: np.ndarray
    """The record that begins with the fields of layout.STAGE."""
    notes: list[str]
    """What people should be told: advice, and what happened on the way."""

    def start(self) -> None:
        """Begin to play. Raises DeviceError."""

    def stop(self) -> None:
        """End after the period that plays; nothing of the engine is touched when this returns. May be repeated."""

    def look_after(self) -> None:
        """Do what has to be done now and then. Raises DeviceError if the sound has ended for good."""

    @property
    def is_playing(self) -> bool: ...

    @property
    def played_s(self) -> float:
        """Seconds of sound so far."""

    @property
    def output(self) -> np.ndarray:
        """What was kept of the sound so far: float32, (frames,) or (frames, 2)."""

    @property
    def xruns(self) -> int | None:
        """How often the sound system itself says that sound was lost; None: it does not say."""


class WallClock:
    """Plays a performance for so many periods, each at its time by the machine's clock."""

    clock = "wall"
    text = "the clock"
    xruns = None

    def __init__(self, performance: Performance, periods: int):
        self.performance, self.stage = performance, performance.stage
        self.notes: list[str] = []
        self._periods = periods
        self._thread = threading.Thread(target=self._play, name="audio", daemon=True)

    def _play(self) -> None:
        self.notes += machine.prepare()
        self.performance.play_paced(self._periods)

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        self.performance.stop()
        if self._thread.ident:
            self._thread.join()

    def look_after(self) -> None:
        """A clock needs no care."""

    @property
    def is_playing(self) -> bool:
        return self._thread.is_alive()

    @property
    def played_s(self) -> float:
        return self.performance.played_s

    @property
    def output(self) -> np.ndarray:
        return self.performance.output

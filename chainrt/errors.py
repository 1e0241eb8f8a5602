"""Whose mistake it was, where it stands, and what is allowed there.

Rules kept here:
* Every fault a user can make ends as a `Fault`: file, line (when there is one), path inside the file, message.
* All faults of one input are collected and told at once; the command line prints one line each and exits with 2.
* The class says who can mend it: `PresetError` the musician, `ModelError` the file's maker, `DeviceError` the machine.
"""

from collections.abc import Iterable
from dataclasses import dataclass


@dataclass(frozen=True)
class Fault:
    """One mistake: `message` says what is wrong and what is allowed; `path` reads like `chain[1].drive.tone`."""

    file: str
    message: str
    line: int | None = None
    path: str | None = None

    def __str__(self) -> str:
        place = self.file if self.line is None else f"{self.file}:{self.line}"
        return ": ".join(part for part in (place, self.path, self.message) if part)


class ChainrtError(Exception):
    """A mistake outside the program; `faults` holds one or more, `str()` gives one line each."""

    def __init__(self, faults: Fault | Iterable[Fault]):
        self.faults = (faults,) if isinstance(faults, Fault) else tuple(faults)
        super().__init__("\n".join(map(str, self.faults)))


class PresetError(ChainrtError):
    """The pedalboard (or a value on the command line) asks for something that does not exist."""


class ModelError(ChainrtError):
    """A .nam file or an impulse response is damaged or of a kind that cannot be played."""


class DeviceError(ChainrtError):
    """A sound card, device profile or audio file cannot do what was asked."""

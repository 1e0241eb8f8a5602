"""Simulated devices: what a chain would cost on hardware that is not here.

`load` finds a profile: one in the box (a YAML file in this folder), a file of your own, or `this-machine`, which is
measured when it is first asked for and kept (here.py, measuring.py). Only measuring imports effects and the compiler.
"""

from collections.abc import Callable
from functools import lru_cache
from pathlib import Path

from ..errors import DeviceError, Fault
from .here import this_machine
from .profile import BASES, Cost, Device, Figure, Point, least_sure
from .reading import read, write

FOLDER = Path(__file__).resolve().parent
THIS_MACHINE = "this-machine"

__all__ = [
    "BASES",
    "THIS_MACHINE",
    "Cost",
    "Device",
    "Figure",
    "Point",
    "least_sure",
    "load",
    "names",
    "read_file",
    "write",
]


def names() -> list[str]:
    """All profiles in the box."""
    return sorted(path.stem for path in FOLDER.glob("*.yaml"))


def load(name: str, tell: Callable[[int, int, str], None] | None = None) -> Device:
    """The profile of this name, or in this file (its name ends in .yaml). DeviceError says what there is.

    tell(done, total, what) hears of progress where this machine has to be measured.
    """
    if name == THIS_MACHINE:
        return this_machine(tell)
    if name.endswith((".yaml", ".yml")):
        return read_file(name)
    return _in_the_box(name)


@lru_cache
def _in_the_box(name: str) -> Device:
    if name not in names():
        told = f"no profile {name!r}; there are {', '.join(names())}, {THIS_MACHINE}, and your own FILE.yaml"
        raise DeviceError(Fault("--device", told))
    return read(FOLDER / f"{name}.yaml", _in_the_box)


def read_file(path: str | Path) -> Device:
    """The profile in a file. DeviceError has all its faults."""
    return read(path, _in_the_box)

"""The profile of this machine: as it was measured when it was first asked for, or measured now (measuring.py).

Rule kept here: a kept profile is found by the machine's name and by a digest of all that decides its figures: kernels,
engine, the boards that are played, the laws by which it is added up, the versions of the compiler. Whatever of it
changes, the machine is measured anew, and what older versions of chainrt measured is removed.
"""

import hashlib
import os
import platform
from collections.abc import Callable
from pathlib import Path

from ..errors import DeviceError, Fault
from ..places import PACKAGE, cache_root, libraries
from .profile import Device
from .reading import read, write

DECIDING = (
    *(f"{room}/*.py" for room in ("blocks", "compiled", "devices", "engine", "nam")),
    *("block.py", "chain.py", "convolution.py", "dsp.py", "filters.py", "layout.py", "oversampling.py"),
    *("performance.py", "riff.py", "timing.py", "typical.py", "vocabulary.py"),
)
"""Sources on which a measured profile depends."""


def this_machine(tell: Callable[[int, int, str], None] | None = None) -> Device:
    """The profile of this machine. tell(done, total, what) hears of progress where it has to be measured."""
    place = _place()
    if not place.exists():
        from .measuring import measure  # needs the compiler

        text = write(measure("this-machine", tell))
        place.parent.mkdir(parents=True, exist_ok=True)
        for outdated in place.parent.glob(f"{_machine()}-*.yaml"):
            outdated.unlink(missing_ok=True)
        place.write_text(text, "utf-8")
    return read(place, _nothing_else)


def processor() -> str:
    """The processor's name as the system tells it."""
    try:
        for line in Path("/proc/cpuinfo").read_text("utf-8").splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    except OSError:
        pass
    return platform.processor() or platform.machine() or "unknown processor"


def _place() -> Path:
    digest = hashlib.sha256(repr(libraries()).encode())
    for pattern in DECIDING:
        for source in sorted(PACKAGE.glob(pattern)):
            digest.update(source.name.encode() + source.read_bytes())
    return cache_root() / "devices" / f"{_machine()}-{digest.hexdigest()[:16]}.yaml"


def _machine() -> str:
    name = f"{platform.node() or 'machine'} {processor()} {os.cpu_count()}"
    return "".join(letter if letter.isalnum() else "-" for letter in name)


def _nothing_else(name: str) -> Device:
    raise DeviceError(Fault(name, "a measured profile stands alone"))

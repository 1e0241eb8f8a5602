"""Simulated devices: what a block would cost on hardware that is not here.

A profile is a YAML file in this folder. Each figure carries its source and its basis: measured, published, derived or
estimated. So far the cost of a level is a straight line over its multiply-adds, one line for each family of
arithmetic (block.FAMILIES).
"""

from dataclasses import dataclass
from pathlib import Path

import yaml

from ..chain import Chain, CostTable
from ..errors import DeviceError, Fault

FOLDER = Path(__file__).resolve().parent
BASES = ("measured", "published", "derived", "estimated")


@dataclass(frozen=True)
class Figure:
    """One number of a profile; `basis` is one of BASES."""

    value: float
    basis: str
    source: str


@dataclass(frozen=True)
class Device:
    """A device profile: named figures, in the units their names say."""

    name: str
    core: str
    figures: dict[str, Figure]

    def __getitem__(self, figure: str) -> float:
        return self.figures[figure].value

    @property
    def weakest_basis(self) -> str:
        """How sure the least sure figure is."""
        return max((figure.basis for figure in self.figures.values()), key=BASES.index)

    def costs(self, chain: Chain) -> CostTable:
        """The cost table of a chain on this device."""
        call_ns, frame_ns = [], []
        for block, record in zip(chain.blocks, chain.block_records, strict=False):
            channels = int(record["channels"]) if block.declared.channels == 1 else 1
            frame_ns.append(tuple(channels * self._frame_ns(level) for level in block.levels))
            call_ns.append(tuple(channels * self["ns_per_call"] for _ in block.levels))
        return CostTable(tuple(call_ns), tuple(frame_ns), self["ns_per_period"])

    def _frame_ns(self, level) -> float:
        always = self["network_ns_per_frame"] if level.family == "network" else 0.0
        return always + level.work * self[f"{level.family}_ns_per_multiply_add"]


def names() -> list[str]:
    """All profiles in the box."""
    return sorted(path.stem for path in FOLDER.glob("*.yaml"))


def load(name: str) -> Device:
    """The profile of this name. DeviceError lists the names there are."""
    if name not in names():
        raise DeviceError(Fault("--device", f"no profile {name!r}; there are {', '.join(names())}"))
    document = yaml.safe_load((FOLDER / f"{name}.yaml").read_text("utf-8"))
    figures = {key: Figure(**figure) for key, figure in document["figures"].items()}
    return Device(document["name"], document["core"], figures)

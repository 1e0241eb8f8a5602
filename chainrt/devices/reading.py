"""Profiles as YAML: read, with all faults at once, by file, line and path; and written.

    version: 1
    name: pi4
    title: Raspberry Pi 4
    core: Cortex-A72
    lanes: share one core            # or: own cores
    figures:                         # all of FIGURES
      usable_share: {value: 0.85, basis: published, source: where it stands}
    costs:
      a2:                            # a family: points over multiply-adds a frame, rising
        - {work: 11776, value: 5833, basis: derived, source: ...}
      gate: {value: 30, extra_frames: 3, basis: measured, source: ..., error: 0.04}
      cab: [...]                     # points, too, where a block has levels
    reference: {value: 5833, basis: ..., source: ...}  # ns a frame of A2 Full in the field's reference engine
    scaled_from: zen3                # another profile with a reference, for all that `costs` does not list

Older profiles knew one family of amps, `network`, and one `first_network_ns`: that is a2, and the first of any family.

docs/devices.md explains each figure to a maker.
"""

import math
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import yaml
from yaml import MappingNode, Node

from ..errors import DeviceError
from ..vocabulary import FAMILIES, NETWORKS, kinds
from ..yamlfile import NAME, NAME_RULE, Reader, quote
from .profile import BASES, LANES, OPTIONAL, Device, Figure, Point, first_of, is_family

VERSION = 1


class Range(NamedTuple):
    """What a figure means and which values it may have."""

    low: float
    high: float
    help: str


FIRST = Range(0, 1e7, "what the first amp of its family takes in a period beyond any other, ns")
DEVIATIONS = Range(1, 10, "by how many standard deviations of the jitter the 99th percentile lies out")
FIGURES = {
    "clock_mhz": Range(1, 10_000, "clock of a core, MHz"),
    "cores": Range(1, 256, "cores that may play"),
    "period_frames": Range(1, 8192, "frames in the period to which the costs belong"),
    "rate_hz": Range(8000, 192_000, "sample rate to which shares in the sources belong, Hz"),
    "usable_share": Range(0.01, 1, "share of a deadline that may be used"),
    "ns_per_period": Range(0, 1e7, "work of a period beside its blocks, ns"),
    **{first_of(family): FIRST for family in NETWORKS},
    "extra_frames_per_call": Range(0, 10_000, "a call costs as much as so many frames more"),
    "p99_over_mean": Range(1, 10, "99th percentile of a period's time over its mean"),
    "p99_beside_ns": Range(0, 1e7, "what the 99th percentile has beside that, whatever the mean, ns"),
    "p99_deviations": DEVIATIONS,
    "jitter_lasting": Range(0, 1, "share of the jitter's variance that is the moment's and not the period's"),
    "jitter_lasts_s": Range(0.001, 3600, "in which the moment is forgotten, to 1/e, s"),
    "ram_bytes": Range(1024, 1e13, "memory for state and weights, bytes"),
    "slow_ram_bytes": Range(0, 1e13, "further memory, too slow for networks but not for delay lines, bytes"),
    "bypassed_share": Range(0, 1, "share of its cost that a bypassed block still costs"),
    "handover_ns": Range(0, 1e7, "handing a lane to another core and taking it back, ns"),
}
OLD_FIRST, OLD_FAMILY = first_of("network"), "network"
NEEDED_FAMILIES = tuple(family for family in FAMILIES if family not in NETWORKS[1:])
"""What a profile that is not scaled must list; other amps are priced as those."""
COST = Range(0, 1e9, "nanoseconds a frame")
WORK = Range(1, 1e12, "multiply-adds a frame")
EXTRA = FIGURES["extra_frames_per_call"]
REFERENCE = Range(1, 1e9, "nanoseconds a frame of an A2 Full in the field's reference engine")
ERROR = Range(0, 10, "how far off a figure may be, as a share of it")
KEYS = ("version", "name", "title", "core", "lanes", "note", "figures", "costs", "scaled_from", "reference")
NEEDED = ("version", "name", "title", "core", "lanes", "figures", "costs")
FIGURE_KEYS = ("value", "basis", "source", "error")


def read(path: str | Path, find: Callable[[str], Device]) -> Device:
    """The profile in this file. `find` gives the profile of a name (DeviceError), for `scaled_from`.

    Raises DeviceError with all faults of the file.
    """
    reader = _Reader(str(path))
    device = reader.device(reader.compose(), find)
    reader.raise_faults()
    return device


class _Reader(Reader):
    noun = "a device profile"
    needs = ", ".join(NEEDED[:-1]) + f" and {NEEDED[-1]}"
    error = DeviceError

    def device(self, root: Node, find: Callable[[str], Device]) -> Device:
        found = self.mapping(root, "", KEYS)
        for key in NEEDED:
            if key not in found:
                self.fault(root, key, "missing")
        if "version" in found and self.scalar(found["version"], "version", "1") not in (None, str(VERSION)):
            self.fault(found["version"], "version", f"must be {VERSION}, not {quote(found['version'].value)}")
        name = self.text(found.get("name"), "name")
        if name and not NAME.fullmatch(name):
            self.fault(found["name"], "name", f"{quote(name)} cannot be a name; {NAME_RULE}")
        figures = self.figures(root, found.get("figures"))
        costs = self.costs(found.get("costs"))
        base = self.base(root, found, costs, find)
        return Device(
            name=name,
            title=self.text(found.get("title"), "title"),
            core=self.text(found.get("core"), "core"),
            lanes=self.word(found["lanes"], "lanes", LANES) if "lanes" in found else None,
            figures=figures,
            prices=costs,
            note=self.text(found.get("note"), "note") or "",
            scaled_from=base,
            reference=self.figure(found["reference"], "reference", REFERENCE) if "reference" in found else None,
            file=self.source,
        )

    def base(self, root, found, costs, find) -> Device | None:
        """The profile from which costs are scaled; without one, families need costs of their own."""
        if "scaled_from" not in found:
            for family in NEEDED_FAMILIES:
                if "costs" in found and family not in costs:
                    self.fault(found["costs"], f"costs.{family}", "missing, and there is no scaled_from")
            return None
        if "reference" not in found:
            self.fault(root, "reference", f"missing; scaled_from needs it: {REFERENCE.help}")
        name = self.text(found["scaled_from"], "scaled_from")
        try:
            base = find(name) if name else None
        except DeviceError as error:
            self.fault(found["scaled_from"], "scaled_from", error.faults[0].message)
            return None
        if base and base.reference is None:
            self.fault(found["scaled_from"], "scaled_from", f"{name} has no reference: nothing can be scaled from it")
            return None
        return base

    def figures(self, root: Node, node: Node | None) -> dict[str, Figure]:
        ranges = FIGURES | {OLD_FIRST: FIRST}
        found = self.mapping(node, "figures", ranges)
        for name in FIGURES if node is not None else ():
            if name not in found and name not in OPTIONAL:
                self.fault(node, f"figures.{name}", f"missing: {FIGURES[name].help}")
        made = {name: self.figure(one, f"figures.{name}", ranges[name]) for name, one in found.items()}
        firsts = dict.fromkeys(map(first_of, NETWORKS), made.pop(OLD_FIRST)) if OLD_FIRST in made else {}
        return OPTIONAL | firsts | made

    def costs(self, node: Node | None) -> dict[str, tuple[Point, ...]]:
        found = self.mapping(node, "costs", (*FAMILIES, *kinds(), OLD_FAMILY))
        made = {name: self.points(name, one, f"costs.{name}") for name, one in found.items()}
        if OLD_FAMILY in made:
            made.setdefault("a2", made.pop(OLD_FAMILY))
        return made

    def points(self, name: str, node: Node, path: str) -> tuple[Point, ...]:
        if not is_family(name) and name != OLD_FAMILY and isinstance(node, MappingNode):
            return (self.point(node, path, needs_work=False),)
        nodes = self.sequence(node, path)
        if not nodes:
            self.fault(node, path, "needs at least one point: - {work: ..., value: ..., basis: ..., source: ...}")
        points = tuple(self.point(one, f"{path}[{i}]", needs_work=True) for i, one in enumerate(nodes))
        works = [point.work for point in points]
        for i, (one, before, after) in enumerate(zip(nodes[1:], works, works[1:], strict=False), 1):
            if None not in (before, after) and after <= before:
                self.fault(one, f"{path}[{i}].work", f"{after:g} is not above {before:g}; points go by rising work")
        return points

    def point(self, node: Node, path: str, needs_work: bool) -> Point:
        found = self.mapping(node, path, (*FIGURE_KEYS, "extra_frames", *["work"] * needs_work))
        if needs_work and "work" not in found:
            self.fault(node, f"{path}.work", f"missing: {WORK.help}")
        figure = self.figure_of(node, found, path, COST)
        return Point(
            *(figure.value, figure.basis, figure.source, figure.error),
            work=self.number(found.get("work"), f"{path}.work", WORK),
            extra_frames=self.number(found.get("extra_frames"), f"{path}.extra_frames", EXTRA),
        )

    def figure(self, node: Node, path: str, allowed: Range) -> Figure:
        return self.figure_of(node, self.mapping(node, path, FIGURE_KEYS), path, allowed)

    def figure_of(self, node: Node, found: dict[str, Node], path: str, allowed: Range) -> Figure:
        for key in ("value", "basis", "source"):
            if key not in found:
                self.fault(node, f"{path}.{key}", "missing; a figure has a value, a basis and a source")
        return Figure(
            self.number(found.get("value"), f"{path}.value", allowed),
            self.word(found["basis"], f"{path}.basis", BASES) if "basis" in found else BASES[-1],
            self.text(found.get("source"), f"{path}.source"),
            self.number(found.get("error"), f"{path}.error", ERROR),
        )

    def word(self, node: Node, path: str, allowed: tuple[str, ...]) -> str:
        text = self.scalar(node, path, " or ".join(allowed))
        if text is not None and text not in allowed:
            self.fault(node, path, f"needs {', '.join(allowed[:-1])} or {allowed[-1]}, not {quote(text)}")
        return text if text in allowed else allowed[-1]

    def number(self, node: Node | None, path: str, allowed: Range) -> float | None:
        if node is None:
            return None
        text = self.scalar(node, path, "a number")
        if text is None:
            return None
        try:
            value = float(text.replace("_", ""))
        except ValueError:
            value = math.nan
        if not math.isfinite(value):
            self.fault(node, path, f"needs a number ({allowed.help}), not {quote(text)}")
        elif not allowed.low <= value <= allowed.high:
            self.fault(node, path, f"{value:g} is outside {allowed.low:g} to {allowed.high:g} ({allowed.help})")
        else:
            return value
        return None


def write(device: Device) -> str:
    """The profile as YAML that `read` understands."""
    document = {
        "version": VERSION,
        "name": device.name,
        "title": device.title,
        "core": device.core,
        "lanes": device.lanes,
        **({"note": device.note} if device.note else {}),
        "figures": {name: _plain(one) for name, one in device.figures.items() if one is not OPTIONAL.get(name)},
        "costs": {
            name: [_plain(point) for point in points] if points[0].work is not None else _plain(points[0])
            for name, points in device.prices.items()
        },
    }
    if device.reference:
        document["reference"] = _plain(device.reference)
    if device.scaled_from:
        document["scaled_from"] = device.scaled_from.name
    return yaml.safe_dump(document, sort_keys=False, width=1000, allow_unicode=True, default_flow_style=None)


def _plain(figure: Figure) -> dict:
    """A figure as a mapping, numbers to four digits, without what it lacks."""

    def short(number: float):
        rounded = float(f"{number:.4g}") if abs(number) < 1000 else round(number)
        return int(rounded) if rounded == int(rounded) else rounded

    work = {"work": short(figure.work)} if getattr(figure, "work", None) is not None else {}
    extra = getattr(figure, "extra_frames", None)
    return {
        **work,
        "value": short(figure.value),
        **({"extra_frames": short(extra)} if extra is not None else {}),
        **({"error": short(figure.error)} if figure.error is not None else {}),
        "basis": figure.basis,
        "source": figure.source,
    }

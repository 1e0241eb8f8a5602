"""A device profile: what hardware that is not here can bear, and what each block would cost on it.

Rules kept here:
* Each figure says where it comes from, by its *basis*: measured on it, published by others, derived from such figures
  by a rule that its source states, or estimated. Whatever is computed from figures is only as sure as the least sure
  of them, and every output says so.
* A cost is nanoseconds a frame at the profile's `period_frames`, the cost of the call included. At other periods
  c(n) = a * (n + extra): a call costs as much as `extra` frames more. So small periods are dear, as measured anywhere.
* Costs are given for kinds of blocks (gate), and for families of arithmetic (a2, lstm) as points over multiply-adds,
  joined by straight lines. A kind goes before its family. What a profile does not list is scaled from another one
  (`scaled_from`), by one factor. For effects: how much longer an A2 Full takes here, in one and the same engine
  (`reference`). For amps: how much longer an A2 Full takes here as it is listed, in whatever engine; so amps of all
  families stand in the same proportions. The basis is then derived at best.
* Without anything to scale from, an amp of a family that is not listed is priced as an A2 of as many multiply-adds,
  and that is an estimate.
* Lanes of a split either share one core (the time of a period is the sum of all blocks), or each has a core of its
  own, in turn (the time of a split is that of its busiest core, plus a handover).
"""

from bisect import bisect_left
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from math import log, sqrt
from typing import TYPE_CHECKING, NamedTuple

from ..vocabulary import FAMILIES, NETWORKS

if TYPE_CHECKING:
    from ..block import Level
    from ..chain import Chain, CostTable

BASES = ("measured", "published", "derived", "estimated")
"""How sure a figure is, surest first."""
ONE_CORE, OWN_CORES = LANES = ("share one core", "own cores")
NORMAL_P99 = 2.326  # of a normal distribution, in standard deviations
A2_FULL_WORK = 11_776  # multiply-adds a frame


@dataclass(frozen=True)
class Figure:
    """One number of a profile. `error`: how far off it may be, as a share of it; None where nobody knows."""

    value: float
    basis: str
    source: str
    error: float | None = None


@dataclass(frozen=True)
class Point(Figure):
    """A cost in nanoseconds a frame. `work`: multiply-adds a frame, for families; `extra_frames`: see above."""

    work: float | None = None
    extra_frames: float | None = None


def first_of(family: str) -> str:
    """The name of the figure that tells what the first amp of this family takes in a period beyond any other."""
    return f"first_{family}_ns"


OPTIONAL = {
    **{first_of(family): Figure(0.0, "derived", "all amps cost the same") for family in NETWORKS},
    "p99_beside_ns": Figure(0.0, "derived", "jitter is a share of the load"),
    "p99_deviations": Figure(NORMAL_P99, "derived", "jitter is lognormal"),
    "jitter_lasting": Figure(0.0, "derived", "every period jitters for itself"),
    "jitter_lasts_s": Figure(1.0, "derived", "no jitter lasts"),
    "slow_ram_bytes": Figure(0.0, "derived", "all memory is one"),
}
"""What holds where a profile says nothing else."""


class Cost(NamedTuple):
    """What one channel of one level costs a period: call_ns + frames * frame_ns."""

    call_ns: float
    frame_ns: float
    basis: str

    def of(self, frames: int) -> float:
        return self.call_ns + frames * self.frame_ns


class Jitter(NamedTuple):
    """What makes periods differ: one lognormal factor of mean 1 for all blocks of a period.

    sd: of its logarithm. lasting: the share of that variance which is the moment's and not the period's; it is
    forgotten in `lasts_s` seconds (to 1/e). The rest is drawn anew for every period.
    """

    sd: float
    lasting: float = 0.0
    lasts_s: float = 1.0


@dataclass(frozen=True)
class Device:
    """A device profile. FIGURES (reading.py) says which `figures` there are, and in which units."""

    name: str
    title: str
    core: str
    lanes: str
    figures: Mapping[str, Figure]
    prices: Mapping[str, tuple[Point, ...]]
    """What blocks cost, by their kind or family: `costs` in the YAML."""
    note: str = ""
    scaled_from: "Device | None" = None
    reference: Figure | None = None
    """What an A2 Full takes here in the field's reference engine, nanoseconds a frame."""
    file: str = field(default="", compare=False)

    def __getitem__(self, figure: str) -> float:
        return self.figures[figure].value

    @property
    def cores_for_lanes(self) -> int:
        """How many cores the lanes of a split are dealt out to."""
        return int(self["cores"]) if self.lanes == OWN_CORES else 1

    def fixed_ns(self, families: Iterable[str]) -> float:
        """Mean nanoseconds of a period beside its blocks; the first amp of each family is dearer than any other."""
        return self["ns_per_period"] + sum(self[first_of(family)] for family in set(families) & set(NETWORKS))

    def p99_ns(self, mean_ns: float) -> float:
        """The 99th percentile of the time of a period that takes so long in the mean."""
        return self["p99_over_mean"] * mean_ns + self["p99_beside_ns"]

    def mean_ns(self, p99_ns: float) -> float:
        """The mean of a period whose 99th percentile is this; 0 if none has."""
        return max(0.0, p99_ns - self["p99_beside_ns"]) / self["p99_over_mean"]

    def jitter_sd(self, mean_ns: float) -> float:
        """Standard deviation of the logarithm of the lognormal factor of mean 1 by which periods of this mean jitter.

        The 99th percentile is so many deviations out as `p99_deviations` says.
        """
        ratio, out = self.p99_ns(mean_ns) / mean_ns, self["p99_deviations"]
        return max(0.0, out - sqrt(max(0.0, out**2 - 2 * log(ratio))))

    def jitter(self, mean_ns: float) -> Jitter:
        """How periods of this mean jitter."""
        return Jitter(self.jitter_sd(mean_ns), self["jitter_lasting"], self["jitter_lasts_s"])

    @property
    def times(self) -> float:
        """How much longer effects take here than on `scaled_from`."""
        return self.reference.value / self.scaled_from.reference.value

    @cached_property
    def _amp_times(self) -> tuple[float, str]:
        """(how much longer amps take here than on `scaled_from`, how sure that is)."""
        if "a2" not in self.prices:
            return self.times, self.reference.basis
        here, there = self._a2(A2_FULL_WORK), self.scaled_from._a2(A2_FULL_WORK)
        return here.of(1) / there.of(1), least_sure((here.basis, there.basis))

    @property
    def weakest_basis(self) -> str:
        """How sure the least sure figure is."""
        return least_sure(figure.basis for figure in self._all_figures())

    def figures_by_basis(self) -> dict[str, list[str]]:
        """Basis -> the names of the figures that have it, costs included. What the profile does not say is left out."""
        found: dict[str, list[str]] = {}
        said = {name: figure for name, figure in self.figures.items() if figure is not OPTIONAL.get(name)}
        named = [(name, figure.basis) for name, figure in said.items()]
        named += [(f"cost of {name}", least_sure(one.basis for one in points)) for name, points in self.prices.items()]
        if self.scaled_from:
            named.append(("cost of what is not listed", least_sure((self.reference.basis, "derived"))))
        else:
            named += [(f"cost of {family}", "estimated") for family in NETWORKS if family not in self.prices]
        for name, basis in named:
            found.setdefault(basis, []).append(name)
        return {basis: found[basis] for basis in BASES if basis in found}

    def _all_figures(self):
        yield from self.figures.values()
        for points in self.prices.values():
            yield from points
        if self.reference:
            yield self.reference

    def cost(self, kind: str, level: "Level") -> Cost:
        """What one channel of a block of this kind costs at this level (of a stereo block: both)."""
        points = self.prices.get(kind) or self.prices.get(level.family)
        if points:
            return self._cost(points, level.work)
        is_amp = level.family in NETWORKS
        if not self.scaled_from:
            assert is_amp, "reading a profile refuses one that lacks anything else"
            return self._a2(level.work)._replace(basis="estimated")
        call_ns, frame_ns, basis = self.scaled_from.cost(kind, level)
        times, sureness = self._amp_times if is_amp else (self.times, self.reference.basis)
        return Cost(times * call_ns, times * frame_ns, least_sure((basis, sureness, "derived")))

    def _a2(self, work: float) -> Cost:
        """What an A2 of so many multiply-adds costs."""
        return self._cost(self.prices["a2"], work)

    def _cost(self, points: tuple[Point, ...], work: float) -> Cost:
        """On the straight lines through the points; beyond their ends the outer lines go on, never below nothing."""
        if len(points) == 1:
            value, extra, basis = points[0].value, self._extra(points[0]), points[0].basis
            if points[0].work:
                value *= work / points[0].work
        else:
            right = min(max(bisect_left([point.work for point in points], work), 1), len(points) - 1)
            a, b = points[right - 1], points[right]
            share = (work - a.work) / (b.work - a.work)
            value = max(0.0, a.value + share * (b.value - a.value))
            inside = min(max(share, 0.0), 1.0)
            extra = (1 - inside) * self._extra(a) + inside * self._extra(b)
            basis = least_sure((a.basis, b.basis))
            if work not in (a.work, b.work):
                basis = least_sure((basis, "derived")) if basis != "measured" else basis
        frame_ns = value / (1 + extra / self["period_frames"])
        return Cost(extra * frame_ns, frame_ns, basis)

    def _extra(self, point: Point) -> float:
        return self["extra_frames_per_call"] if point.extra_frames is None else point.extra_frames

    def costs(self, chain: "Chain") -> "CostTable":
        """The cost table of a chain on one core of this device."""
        from ..chain import CostTable  # whoever has a chain has imported it

        call_ns, frame_ns = [], []
        for block, record in zip(chain.blocks, chain.block_records, strict=False):
            channels = int(record["channels"]) if block.declared.channels == 1 else 1
            costs = [self.cost(block.spec.kind, level) for level in block.levels]
            call_ns.append(tuple(channels * cost.call_ns for cost in costs))
            frame_ns.append(tuple(channels * cost.frame_ns for cost in costs))
        families = {level.family for block in chain.blocks for level in block.levels}
        return CostTable(tuple(call_ns), tuple(frame_ns), self.fixed_ns(families))


def least_sure(bases) -> str:
    """The least sure of some bases."""
    return max(bases, key=BASES.index)


def is_family(name: str) -> bool:
    """True if costs of this name are points over multiply-adds."""
    return name in FAMILIES

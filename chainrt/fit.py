"""What fits on a device: a chain's blocks with their costs there, and the answers to "what if".

Pure: a `Bench` (blocks, path, device, period) goes in, a `Fit` comes out. Where the figures of blocks come from is
said in facts.py, what devices can bear in devices/.

Rules kept here:
* A chain fits if the mean time of a period is within the budget and its 99th percentile within the deadline.
* Of the plans that fit, the one of most fidelity (decibels times priority) is chosen, exactly: scheduler/paths.py.
* Memory goes first: a plan may only use levels that stay resident (scheduler/resident.py).
* A bypassed block costs the share of its cost that the profile says.
* An added amp stands at the beginning of the chain, anything else at its end, where it hears both channels.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np

from .devices import Device
from .scheduler.paths import Frontier, Lanes, Path, frontier, time_ns
from .scheduler.resident import Residents, Sizes, Solved, residents

YES, SLIMMED, NO = "yes", "slimmed", "no"
BEST_DB = 60.0  # what is truer than this counts as perfect
MOST_COPIES = 999


@dataclass(frozen=True)
class FitLevel:
    """One level of a block, wherever it plays: `work` multiply-adds a frame of `family`; bytes of one channel."""

    name: str
    work: float
    family: str
    fidelity_db: float
    state_bytes: int = 0
    weights_bytes: int = 0


@dataclass(frozen=True)
class FitBlock:
    """One block of a chain. `channels`: how many it hears; `calls`: how often its kernel runs a period."""

    id: str
    kind: str
    levels: tuple[FitLevel, ...]
    allowed: tuple[int, ...]
    priority: float = 1.0
    enabled: bool = True
    channels: int = 1
    calls: int = 1
    ring_bytes: int = 0
    """The last inputs, one channel: what switching levels needs."""

    @property
    def sizes(self) -> Sizes:
        levels = (level.state_bytes * self.calls + level.weights_bytes for level in self.levels)
        return Sizes(tuple(levels), self.ring_bytes * self.channels)


@dataclass(frozen=True)
class FitChain:
    """The blocks of a preset, and how the sound passes through them (places in `blocks`)."""

    name: str
    blocks: tuple[FitBlock, ...]
    path: Path


@dataclass(frozen=True)
class Change:
    """A block that plays at another level than before."""

    id: str
    before: str
    after: str


@dataclass(frozen=True)
class Fit:
    """What a chain is on a device. Loads are shares of the deadline; `levels`: the level of each block."""

    fits: str  # YES: all blocks at their largest level; SLIMMED: not all; NO: not even at the smallest
    levels: tuple[int, ...]
    loads: tuple[float, ...]
    load: float
    p99: float
    memory: Residents
    bases: tuple[str, ...]


class Bench:
    """Blocks on a device, at a period (frames), a rate (Hz) and a budget (share of the deadline)."""

    def __init__(
        self,
        blocks: Sequence[FitBlock],
        path: Path,
        device: Device,
        frames: int = 64,
        rate: float = 48_000,
        budget: float | None = None,
        memory: float | None = None,
    ):
        self.blocks, self.path, self.device = tuple(blocks), path, device
        self.frames, self.rate = frames, rate
        self.budget = device["usable_share"] if budget is None else budget
        self.memory = device["ram_bytes"] if memory is None else memory
        self._frontiers: dict[tuple[tuple[int, ...], ...], Frontier] = {}

    @property
    def deadline_ns(self) -> float:
        return self.frames * 1e9 / self.rate

    def with_blocks(self, blocks: Sequence[FitBlock], path: Path) -> "Bench":
        return Bench(blocks, path, self.device, self.frames, self.rate, self.budget, self.memory)

    # figures

    @cached_property
    def _costs(self) -> list[list]:
        """Per block and level: devices.Cost of one call."""
        return [[self.device.cost(block.kind, level) for level in block.levels] for block in self.blocks]

    @cached_property
    def cost_ns(self) -> list[list[float]]:
        """Per block and level: mean nanoseconds a period."""
        return [
            [self._share(block) * block.calls * cost.of(self.frames) for cost in costs]
            for block, costs in zip(self.blocks, self._costs, strict=True)
        ]

    def _share(self, block: FitBlock) -> float:
        return 1.0 if block.enabled else self.device["bypassed_share"]

    @cached_property
    def _utility(self) -> list[list[float]]:
        return [[block.priority * block.enabled * one.fidelity_db for one in block.levels] for block in self.blocks]

    @property
    def _room_ns(self) -> float:
        """What the blocks may cost: within the budget, and the 99th percentile within the deadline."""
        return min(self.budget * self.deadline_ns, self.device.mean_ns(self.deadline_ns)) - self.fixed_ns

    @property
    def fixed_ns(self) -> float:
        """Mean nanoseconds of a period beside its blocks."""
        return self.device.fixed_ns(level.family for block in self.blocks if block.enabled for level in block.levels)

    def frontier(self, allowed: Sequence[Sequence[int]] | None = None) -> Frontier:
        """All plans worth having; costs are those of the blocks alone."""
        options = tuple(map(tuple, [block.allowed for block in self.blocks] if allowed is None else allowed))
        if options not in self._frontiers:
            cores, handover_ns = self.device.cores_for_lanes, self.device["handover_ns"]
            self._frontiers[options] = frontier(self.path, self.cost_ns, self._utility, options, cores, handover_ns)
        return self._frontiers[options]

    def frontier_by_load(self) -> tuple[np.ndarray, np.ndarray]:
        """(loads as shares of the deadline, fidelity as a share of what is possible) of all plans worth having."""
        plans = self.frontier()
        low, high = plans.utility[0], plans.utility[-1]
        worth = (plans.utility - low) / (high - low) if high > low else np.ones(len(plans.utility))
        return (plans.cost_ns + self.fixed_ns) / self.deadline_ns, worth

    # answers

    def fit(self) -> Fit:
        """The best that the device can do with the chain."""
        allowed = [block.allowed for block in self.blocks]
        memory = residents(self._sizes, allowed, self.memory, self._solve)
        solved = self._solve(memory.kept)
        plans = self.frontier(memory.kept)
        levels = solved.levels if solved else tuple(plans.levels[0].tolist())
        largest = all(
            level == block.allowed[-1] or not block.enabled for level, block in zip(levels, self.blocks, strict=True)
        )
        fits = NO if solved is None or not memory.fits else YES if largest else SLIMMED
        costs = [table[level] for table, level in zip(self.cost_ns, levels, strict=True)]
        load = self._load(costs)
        return Fit(
            fits,
            levels,
            tuple(cost / self.deadline_ns for cost in costs),
            load,
            self.device.p99_ns(load * self.deadline_ns) / self.deadline_ns,
            memory,
            tuple(costs[level].basis for costs, level in zip(self._costs, levels, strict=True)),
        )

    def _solve(self, allowed: Sequence[Sequence[int]]) -> Solved | None:
        plans = self.frontier(allowed)
        best = plans.best(self._room_ns)
        return None if best is None else Solved(tuple(plans.levels[best].tolist()), float(plans.utility[best]))

    def _load(self, costs: Sequence[float]) -> float:
        device = self.device
        playing_ns = time_ns(self.path, costs, device.cores_for_lanes, device["handover_ns"])
        return (playing_ns + self.fixed_ns) / self.deadline_ns

    @cached_property
    def _sizes(self) -> list[Sizes]:
        """What each block needs of the memory; delay lines go into the slower one, where it holds them all."""
        sizes = [block.sizes for block in self.blocks]
        is_effect = [all(level.family == "effect" for level in block.levels) for block in self.blocks]
        effects = sum(max(one.levels) for one, is_one in zip(sizes, is_effect, strict=True) if is_one)
        if effects > self.device["slow_ram_bytes"]:
            return sizes
        nothing = [Sizes((0,) * len(one.levels)) for one in sizes]
        return [none if is_one else one for one, none, is_one in zip(sizes, nothing, is_effect, strict=True)]

    def without(self, names: Sequence[str]) -> "Bench":
        """The same without some blocks: that of an id or, where no block has it, all of a kind. KeyError: none."""
        gone: set[int] = set()
        for name in names:
            by_id = {i for i, block in enumerate(self.blocks) if block.id == name}
            found = by_id or {i for i, block in enumerate(self.blocks) if block.kind == name}
            if not found:
                raise KeyError(name)
            gone |= found
        kept = [i for i in range(len(self.blocks)) if i not in gone]
        places = {old: new for new, old in enumerate(kept)}
        return self.with_blocks([self.blocks[i] for i in kept], _renumbered(self.path, places))

    def plus(self, block: FitBlock) -> "Bench":
        """The same with one more block."""
        index = len(self.blocks)
        ids = {one.id for one in self.blocks}
        block = replace(block, id=next(name for name in _names(block.id) if name not in ids))
        if block.kind == "nam":
            return self.with_blocks((*self.blocks, block), (index, *self.path))
        widest = max((one.channels for one in self.blocks), default=1)
        calls = block.calls if block.channels == 2 else widest
        block = replace(block, channels=max(block.channels, widest), calls=calls)
        return self.with_blocks((*self.blocks, block), (*self.path, index))

    def changes(self, before: Fit, after: Fit) -> list[Change]:
        """What plays at another level in `after`, the fit of a chain that begins with this one's blocks."""
        return [
            Change(block.id, block.levels[old].name, block.levels[new].name)
            for block, old, new in zip(self.blocks, before.levels, after.levels, strict=False)
            if old != new and block.enabled
        ]

    def most(self, block: FitBlock, level: int) -> int:
        """How many more of this block fit at this level, with the chain as small as it may be."""
        cost_ns = self.with_blocks((block,), (0,)).cost_ns[0][level]
        smallest_ns = float(self.frontier().cost_ns[0]) if self.blocks else 0.0
        by_time = int((self._room_ns - smallest_ns) / cost_ns + 1e-9) if cost_ns else MOST_COPIES
        needs = self.with_blocks((block,), (0,))._sizes[0].levels[level]
        pairs = zip(self._sizes, self.blocks, strict=True)
        floor = sum(min(sizes.levels[level] for level in one.allowed) for sizes, one in pairs)
        by_memory = int((self.memory - floor) / needs) if needs else MOST_COPIES
        return min(max(0, by_time), max(0, by_memory), MOST_COPIES)

    @property
    def least_load(self) -> float:
        """The load with everything at its smallest level."""
        return (float(self.frontier().cost_ns[0]) + self.fixed_ns) / self.deadline_ns


def truest(blocks: Sequence[FitBlock]) -> Callable[[Sequence[Sequence[int]]], Solved]:
    """What sounds best where time is no object: for scheduler.resident."""

    def solve(allowed: Sequence[Sequence[int]]) -> Solved:
        levels = tuple(
            max(options, key=lambda level, block=block: block.levels[level].fidelity_db)
            for block, options in zip(blocks, allowed, strict=True)
        )
        pairs = zip(blocks, levels, strict=True)
        return Solved(levels, sum(block.priority * block.levels[level].fidelity_db for block, level in pairs))

    return solve


def _names(name: str):
    yield name
    number = 2
    while True:
        yield f"{name}{number}"
        number += 1


def _renumbered(path: Path, places: dict[int, int]) -> Path:
    """The path with only the blocks that have a new place."""
    made: list[int | Lanes] = []
    for item in path:
        if isinstance(item, Lanes):
            made.append(Lanes(tuple(_renumbered(lane, places) for lane in item.lanes)))
        elif item in places:
            made.append(places[item])
    return tuple(made)

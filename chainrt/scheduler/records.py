"""The records that go round: what the scheduler is told (models, observation) and what it answers (plan).

Why records: the scheduler never learns that an engine exists. Whoever has a chain with a cost table can ask it, be
it live, rendering, or forty lines of pretence in a test.

Rules kept here:
* Times of work are nanoseconds by the cost table, that is at slowdown 1. Whoever wants real ones multiplies.
* Blocks are named by their place in the chain, levels by their index; level 0 is the smallest.
* A record never changes. What was learned about the tables makes a new one (`corrected`, `limited`).
"""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from math import ceil
from operator import ne

import numpy as np

NOT_WARM = -1  # in `Plan.warm`: no level of this block is kept running muted
UNREACHABLE = 1e18  # cost, and minus the utility, of a level that does not exist or is not allowed


@dataclass(frozen=True)
class BlockModel:
    """One block as the scheduler sees it: a few sizes, each with a price and a worth."""

    id: str
    call_ns: tuple[float, ...]  # per level: paid once a period
    frame_ns: tuple[float, ...]  # per level: paid for each frame
    utility: tuple[float, ...]  # per level: decibels of fidelity times the block's priority
    memory: tuple[int, ...]  # per level: frames of input that decide its output; 0: always ready
    allowed: tuple[int, ...]  # levels that may be heard, ascending; one of them: the block is pinned

    def __post_init__(self):
        levels = len(self.call_ns)
        if not levels == len(self.frame_ns) == len(self.utility) == len(self.memory):
            raise ValueError(f"block {self.id}: the columns of its table differ in length")
        if not self.allowed or sorted(set(self.allowed) & set(range(levels))) != list(self.allowed):
            raise ValueError(f"block {self.id}: allowed levels {self.allowed} are not ascending out of {levels}")

    @property
    def smallest(self) -> int:
        return self.allowed[0]

    @property
    def largest(self) -> int:
        return self.allowed[-1]

    def cost_ns(self, level: int, frames: int) -> float:
        return self.call_ns[level] + frames * self.frame_ns[level]

    def replaying_ns(self, level: int, frames: int, replay: int) -> float:
        """What a period of `frames` costs in which the level hears `replay` frames more, in calls of a period each."""
        heard = frames + replay
        return ceil(heard / frames) * self.call_ns[level] + heard * self.frame_ns[level]

    def bypassed(self, level: int) -> "BlockModel":
        """The same block while it is bypassed: it rests at `level`, costs nothing, and there is nothing to choose."""
        nothing = (0.0,) * len(self.call_ns)
        return replace(self, call_ns=nothing, frame_ns=nothing, allowed=(level,))


@dataclass(frozen=True)
class ChainModel:
    """All blocks of a chain, and the period they have to fit into."""

    blocks: tuple[BlockModel, ...]
    frames: int  # in a period
    deadline_ns: float  # frames / sample rate
    fixed_ns: float = 0.0  # work of a period that belongs to no block: conversion, meters, mixing

    @cached_property
    def tables(self) -> tuple[np.ndarray, np.ndarray]:
        """(cost, utility) of a period, each blocks x levels; what is not allowed is unreachable."""
        shape = len(self.blocks), max((len(block.call_ns) for block in self.blocks), default=1)
        cost, utility = np.full(shape, UNREACHABLE), np.full(shape, -UNREACHABLE)
        for row, block in enumerate(self.blocks):
            allowed = list(block.allowed)
            cost[row, allowed] = [block.cost_ns(level, self.frames) for level in allowed]
            utility[row, allowed] = [block.utility[level] for level in allowed]
        return cost, utility

    def cost_ns(self, levels: Sequence[int]) -> float:
        """What a period costs with every block at its level, and nothing muted beside it."""
        pairs = zip(self.blocks, levels, strict=True)
        return self.fixed_ns + sum(block.cost_ns(level, self.frames) for block, level in pairs)

    def utility(self, levels: Sequence[int]) -> float:
        return sum(block.utility[level] for block, level in zip(self.blocks, levels, strict=True))

    def corrected(self, ratios: Sequence[float]) -> "ChainModel":
        """The same chain with each block's table multiplied by what measuring found it to be worth."""
        blocks = (
            replace(
                block,
                call_ns=tuple(ns * ratio for ns in block.call_ns),
                frame_ns=tuple(ns * ratio for ns in block.frame_ns),
            )
            for block, ratio in zip(self.blocks, map(float, ratios), strict=True)
        )
        return replace(self, blocks=tuple(blocks))

    def limited(self, allowed: Sequence[tuple[int, ...]]) -> "ChainModel":
        """The same chain with fewer levels to choose from."""
        pairs = zip(self.blocks, allowed, strict=True)
        return replace(self, blocks=tuple(replace(block, allowed=levels) for block, levels in pairs))


@dataclass(frozen=True)
class Observation:
    """What the engine did since it was last asked. It may hold no period at all."""

    measured_ns: np.ndarray  # periods x blocks
    expected_ns: np.ndarray  # periods x blocks: the table's figure for exactly that work, muted and replayed too
    audible: tuple[int, ...]  # per block: the level that is heard
    ready: tuple[tuple[bool, ...], ...]  # per block and level: it has caught up and may be heard at once
    tripped: int = 0  # how often a block fell to its smallest level because its period had no time left


@dataclass(frozen=True)
class Plan:
    """What the engine shall do from the next period on. At most one level of a block ever has to catch up."""

    target: tuple[int, ...]  # per block: the level to be heard as soon as it is ready
    warm: tuple[int, ...]  # per block: a level to keep running muted, or NOT_WARM
    replay: tuple[int, ...]  # per block: frames a period, beside those that arrive, for the level catching up
    # per block: why its target has changed, for a guitarist; "" where it has not. Plans that differ in it are equal.
    reason: tuple[str, ...] = field(compare=False)
    # the blocks in the order in which the reflex shall let them fall; what is missing comes last
    give_up: tuple[int, ...] = ()


def differences(one: Sequence[int], other: Sequence[int]) -> int:
    """How many blocks are at another level."""
    return sum(map(ne, one, other))

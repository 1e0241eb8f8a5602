"""Chains made of numbers: blocks that cost what a table says and play nothing, for tests of the scheduler.

The engine, the control loop and the scheduler are the real ones; only the kernels do nothing, and the engine is set
to be silent. A million periods of nine blocks take seconds.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from .block import BLOCKS, Level, Settings
from .block import block as declare
from .chain import Chain, ChainBlock, CostTable
from .control import chain_model
from .preset import BlockSpec, Preset, Slim
from .scheduler import ChainModel

RATE_HZ, FRAMES = 48_000, 64
A2_MEMORY = 6347  # frames that shape an A2's output


@dataclass(frozen=True)
class NumericBlock:
    """One block: per level its share of the deadline, and the decibels by which its error lies below the signal."""

    id: str
    shares: tuple[float, ...]
    fidelity_db: tuple[float, ...] = (0.0,)
    priority: float = 1.0
    memory: int = 0


@declare(work=1)
def numeric(p, s, x, n):
    """The kernel: not called while the engine is silent, and harmless when it is not."""


del BLOCKS["numeric"]  # it is no effect that a preset may name


def numeric_chain(
    blocks: Sequence[NumericBlock], fixed_share: float = 0.0, frames: int = FRAMES
) -> tuple[Chain, ChainModel]:
    """(a silent chain of these blocks at 48 kHz, the same as the scheduler sees it). frames: in a period."""
    made = [_chain_block(number, block) for number, block in enumerate(blocks)]
    preset = Preset(Path("numeric"), "Numeric", None, (), tuple(block.spec for block in made))
    chain = Chain(preset, RATE_HZ, frames, blocks=made)
    chain.engine["silent"] = 1
    frame_ns = tuple(tuple(share * chain.deadline_ns / frames for share in block.shares) for block in blocks)
    costs = CostTable(tuple((0.0,) * len(ns) for ns in frame_ns), frame_ns, fixed_share * chain.deadline_ns)
    chain.set_costs(costs)
    return chain, chain_model(chain, costs, [block.fidelity_db for block in blocks])


def _chain_block(number: int, block: NumericBlock) -> ChainBlock:
    spec = BlockSpec(block.id, "numeric", {}, {}, Slim(), block.priority, True, number, f"chain[{number}]")
    levels = tuple(Level(str(n), 1.0, block.memory, numeric.new_state) for n in range(len(block.shares)))
    knobs, _ = numeric.build(Settings({}, {}, RATE_HZ))
    return ChainBlock(spec, numeric, knobs, levels, tuple(range(len(levels))))


def _sliced(id_: str, priority: float) -> NumericBlock:
    """Seven widths from 2 to 8 channels; costs and errors between those measured on brick.nam."""
    full, floor = 0.16, 0.172
    shares = tuple(full * (floor + (1 - floor) * step / 6) for step in range(7))
    return NumericBlock(id_, shares, tuple(19.5 + 3.4 * step for step in range(7)), priority, A2_MEMORY)


PEDALBOARD = (
    NumericBlock("gate", (0.005,)),
    NumericBlock("compressor", (0.012,)),
    NumericBlock("drive", (0.013,)),
    NumericBlock("pedal", (0.045, 0.225), (30.5, 40.0), 0.5, A2_MEMORY),
    _sliced("left amp", 1.0),
    NumericBlock("middle amp", (0.045, 0.225), (28.1, 40.0), 1.0, A2_MEMORY),
    _sliced("right amp", 0.5),
    NumericBlock("cab", (0.035,)),
    NumericBlock("echo", (0.025,)),
)
"""The pedalboard of the scheduler's benchmarks: two A2, two sliced amps, five effects.

All at full 86 % of the deadline, all at their smallest 23.5 %. Errors are those of the models in the box (fern, brick,
glass, brick); what lies 40 dB below the signal counts as perfect, since a full A2 itself is only about 25 dB from the
amp it models (median ESR 0.0033). Costs between the widths of a sliced amp are a straight line.
"""

"""A rack of amps that fills a machine: what the real clock is measured with, whatever the machine.

A gate, up to eight lanes of amps, an echo. The amps are turn about an A2 of two levels and one of seven widths, like
the two of presets/dual_amp.yaml, and there are as many of them as need FULL_SHARE of the deadline at full size. Their
weights are random: what they cost depends on their shapes alone. Their fidelity is that of the numeric pedalboard
(chainrt/numeric.py).

What a level costs is known from playing: all blocks at their smallest levels, at the next ones, and so on, as
`chainrt calibrate` does it, but by the clock. A table that is wrong for small levels against large ones would make
every prediction wrong, since a simulation knows only one slowdown for all.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from .. import preset, typical
from ..calibrate import cost_table
from ..chain import Chain, ChainBlock, CostTable, plan_blocks
from ..control import chain_model
from ..devices.probe import play_stretch
from ..numeric import A2_MEMORY, FRAMES, PEDALBOARD, RATE_HZ, NumericBlock, numeric_chain
from ..preset import Preset
from ..riff import riff
from ..scheduler import ChainModel

FULL_SHARE = 0.86  # of the deadline, as the numeric pedalboard
LANES = 8
FIRST_GUESS, LEAST_AMPS, MOST_AMPS = 14, 2, 256  # a split has two lanes at least
NEAR = 1  # amps more or less: the machine changes its pace by more from one moment to the next
TRIAL_SECONDS = 0.25  # in which a rack is tried, and then each of its levels
TRIALS = 2  # after the first
WIDTHS = {"a2": (3, 8), "sliced": tuple(range(2, 9))}
FIDELITY_DB = {
    "a2": next(block.fidelity_db for block in PEDALBOARD if block.id == "middle amp"),
    "sliced": next(block.fidelity_db for block in PEDALBOARD if block.id == "left amp"),
}


@dataclass(frozen=True, eq=False)
class Rack:
    """amps: how many; full_share: of the deadline that all at full needed when it was tried."""

    preset: Preset
    blocks: list[ChainBlock]
    costs: CostTable
    frames: int
    amps: int
    full_share: float

    def chain(self) -> Chain:
        made = Chain(self.preset, RATE_HZ, self.frames, blocks=self.blocks)
        made.set_costs(self.costs)
        return made

    def model(self, chain: Chain) -> ChainModel:
        return chain_model(chain, self.costs, fidelity_db(self.blocks))


def fidelity_db(blocks: Sequence[ChainBlock]) -> list[tuple[float, ...]]:
    """Per block and level. Amps are known by how many levels they have."""
    by_count = {len(fidelity): fidelity for fidelity in FIDELITY_DB.values()}
    return [by_count.get(len(block.levels), (0.0,)) for block in blocks]


def write(folder: Path, amps: int, kinds: Sequence[str] = tuple(WIDTHS)) -> Path:
    """The preset of a rack of so many amps, two at least, and its models, in `folder`."""
    for kind in kinds:
        (folder / f"{kind}.nam").write_text(json.dumps(typical.a2_like(WIDTHS[kind])), "utf-8")
    lanes = min(LANES, amps)
    lines = ["version: 1", f"name: Rack of {amps}", "chain:", "  - gate: {threshold: -62 dB}", "  - split:"]
    lines.append("      lanes:")
    for lane in range(lanes):
        lines.append(f"        lane{lane}:")
        for place in range(lane, amps, lanes):
            kind = kinds[(place + place // LANES) % len(kinds)]
            lines.append(f"          - nam: {{model: {kind}.nam, input: -20 dB}}")
    lines.append("  - echo: {time: 370 ms}")
    path = folder / "rack.yaml"
    path.write_text("\n".join(lines) + "\n", "utf-8")
    return path


def tried(folder: Path, amps: int, frames: int = FRAMES, kinds: Sequence[str] = tuple(WIDTHS)) -> Rack:
    """A rack of so many amps, measured."""
    board = preset.load(write(folder, amps, kinds))
    blocks = plan_blocks(board, RATE_HZ)
    chain = Chain(board, RATE_HZ, frames, blocks=blocks)
    return Rack(board, blocks, cost_table(chain), frames, amps, full_share(chain))


def sized(folder: Path, share: float = FULL_SHARE) -> Rack:
    """The rack that needs this share of the deadline at full size on this machine, now."""
    rack = tried(folder, FIRST_GUESS)
    for _ in range(TRIALS):
        amps = wanted(rack.amps, rack.full_share, share)
        if abs(amps - rack.amps) <= NEAR:
            break
        rack = tried(folder, amps)
    return replace(rack, costs=costs_played(rack))


def costs_played(rack: Rack) -> CostTable:
    """The rack's cost table with each level as dear as it was when the chain played."""
    chain, guitar = rack.chain(), riff(RATE_HZ)
    call_ns, frame_ns = ([list(costs) for costs in table] for table in (rack.costs.call_ns, rack.costs.frame_ns))
    for number in range(max(len(block.levels) for block in rack.blocks)):
        chain.rewind()
        chain.set_levels([min(number, len(block.levels) - 1) for block in rack.blocks])
        took_ns = np.median(play_stretch(chain, guitar, TRIAL_SECONDS).blocks, axis=0).tolist()
        for block, took in enumerate(took_ns):
            if number < len(call_ns[block]):
                times = took / (call_ns[block][number] + rack.frames * frame_ns[block][number])
                call_ns[block][number] *= times
                frame_ns[block][number] *= times
    return CostTable(tuple(map(tuple, call_ns)), tuple(map(tuple, frame_ns)), rack.costs.fixed_ns)


def wanted(amps: int, needed: float, share: float) -> int:
    """How many amps need `share`, if so many needed `needed`."""
    return max(LEAST_AMPS, min(MOST_AMPS, round(amps * share / needed)))


def full_share(chain: Chain) -> float:
    """What a period of the chain takes at full size, in the median, paced by the clock: a share of the deadline."""
    return float(np.median(play_stretch(chain, riff(RATE_HZ), TRIAL_SECONDS).whole)) / chain.deadline_ns


def twin(about: dict) -> tuple[Chain, ChainModel]:
    """A silent chain of numbers that decides as a recorded one did. about: of its trace, see `about`."""
    costs = about["costs"]
    table = CostTable(tuple(map(tuple, costs["call_ns"])), tuple(map(tuple, costs["frame_ns"])), costs["fixed_ns"])
    numbers = [
        NumericBlock(name, (0.0,) * len(fidelity), tuple(fidelity), memory=A2_MEMORY if len(fidelity) > 1 else 0)
        for name, fidelity in zip(about["blocks"], about["fidelity_db"], strict=True)
    ]
    chain, _ = numeric_chain(numbers)
    chain.set_costs(table)
    return chain, chain_model(chain, table, about["fidelity_db"])

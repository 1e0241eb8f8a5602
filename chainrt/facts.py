"""What a fit needs to know of blocks, wherever they play: shape, fidelity, memory.

Rules kept here:
* Nothing is compiled or played that is not needed: fidelity and memory are kept (tables.py) under the contents of the
  preset and its files, so an answer takes as long as reading the files. known.py keeps the answers themselves.
* Fidelity is that of the whole chain's sound (calibrate.py) for a preset. For the blocks on the *shelf*, which may be
  added, it is not measured: an A2 Lite is taken to have the median error published for it, any other smaller level
  to lie evenly below its largest.
"""

import tempfile
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path as FilePath

import numpy as np

from . import tables, typical
from .block import BLOCKS, Level, Settings
from .calibrate import FIDELITY_SECONDS, fidelity_table
from .chain import PLAYERS, ChainBlock, Plan, compile_blocks, plan_blocks
from .devices import Device
from .engine import FADE_FRAMES
from .fit import BEST_DB, Bench, FitBlock, FitLevel, truest
from .kept import keep, recall
from .preset import BlockSpec, Preset, Slim, Split
from .riff import riff
from .scheduler.paths import Lanes, Path
from .scheduler.resident import Residents, residents

FRAMES = 64  # at which fidelity is measured; it is the same at any
A2_LITE_ESR = 0.0062  # median over many amps, as published for the smallest official A2 (about that of A1)
FLOAT_BYTES = 4

Tell = Callable[[int, int, str], None]


def fit_blocks(
    preset: Preset, rate: float, frames: int, tell: Tell | None = None, blocks: list[ChainBlock] | None = None
) -> tuple[list[FitBlock], Path]:
    """The blocks of a preset, and how the sound passes through them. tell hears of kernels being compiled.

    blocks: what `plan_blocks` gave, if it was asked before. Raises PresetError.
    """
    planned = plan_blocks(preset, rate) if blocks is None else blocks
    known = _known(preset, rate, planned, tell)
    channels: dict[int, int] = {}
    path, _ = _walk(preset.chain, planned, 1, iter(range(len(planned))), channels)
    made = []
    for index, (block, fidelity, sizes) in enumerate(zip(planned, known["db"], known["bytes"], strict=True)):
        levels = tuple(
            FitLevel(level.name, level.work, level.family, db, state, weights)
            for level, db, (state, weights) in zip(block.levels, fidelity, sizes, strict=True)
        )
        made.append(_fit_block(block, levels, channels[index], frames))
    return made, path


def keep_in_memory(
    preset: Preset,
    blocks: list[ChainBlock],
    rate: float,
    frames: int,
    limit: float,
    device: Device | None = None,
    budget: float | None = None,
    tell: Tell | None = None,
    second_core: bool = False,
) -> tuple[list[ChainBlock], Residents]:
    """The blocks of a preset with only those levels allowed that stay in `limit` bytes, and what stays.

    On a device the best plan within the budget is kept; without one, what sounds best. second_core: an understudy
    (pair.py) shares the limit.
    """
    known, path = fit_blocks(preset, rate, frames, tell, blocks)

    def within(left: float) -> Residents:
        if device:
            return Bench(known, path, device, frames, rate, budget, left).fit().memory
        return residents([block.sizes for block in known], [block.allowed for block in known], left, truest(known))

    kept = _beside_understudy(known, limit, within) if second_core else within(limit)
    return [replace(block, allowed=levels) for block, levels in zip(blocks, kept.kept, strict=True)], kept


def _beside_understudy(known: Sequence[FitBlock], limit: float, within: Callable[[float], Residents]) -> Residents:
    """What stays in `limit` bytes together with a second state of each block's smallest level that stays.

    Which level that is, is known only when something has been left out. It is nearly always the smallest of all; if
    not, what the understudy gets is raised until it is enough.
    """
    taken = _understudy_bytes(known, [block.allowed for block in known])
    while True:
        kept = within(limit - taken)
        needed = _understudy_bytes(known, kept.kept)
        if needed <= taken:
            return replace(kept, used=kept.used + needed)
        taken = needed


def _understudy_bytes(known: Sequence[FitBlock], levels: Sequence[Sequence[int]]) -> int:
    """States of an understudy's blocks, which play the smallest of these levels; the weights are the lead's."""
    return sum(block.calls * block.levels[own[0]].state_bytes for block, own in zip(known, levels, strict=True))


def _fit_block(block: ChainBlock, levels: tuple[FitLevel, ...], channels: int, frames: int) -> FitBlock:
    ring = max(level.memory for level in block.levels) + 2 * frames + FADE_FRAMES if len(levels) > 1 else 0
    return FitBlock(
        block.id,
        block.spec.kind,
        levels,
        block.allowed,
        block.spec.priority,
        block.spec.enabled,
        channels,
        1 if block.declared.channels == 2 else channels,
        FLOAT_BYTES * ring,
    )


def _known(preset: Preset, rate: float, planned: list[ChainBlock], tell: Tell | None) -> dict:
    """{"db": fidelity, "bytes": (state, weights)}, each per block and level: kept, or found out now."""
    key = tables.preset_key(preset, planned, rate)
    known = recall("facts", key)
    if known is None:
        compile_blocks(planned, tell, PLAYERS)
        known = {
            "db": fidelity_table(Plan(preset, float(rate), FRAMES, planned), riff(rate, seconds=FIDELITY_SECONDS)),
            "bytes": [[level_bytes(level) for level in block.levels] for block in planned],
        }
        keep("facts", key, known)
    return known


def level_bytes(level: Level) -> tuple[int, int]:
    """(bytes of one state, bytes that all states share: the weights) of a level."""
    first, second = level.new_state(), level.new_state()
    shared = {array.ctypes.data for array in first} & {array.ctypes.data for array in second}
    state = sum(array.nbytes for array in first if array.ctypes.data not in shared)
    return state, sum(array.nbytes for array in first) - state


def _walk(chain: Sequence[BlockSpec | Split], planned, channels: int, places, found: dict[int, int]):
    """(path, channels at the end) of a chain that begins on so many channels; as Chain lays it out."""
    path: list[int | Lanes] = []
    for item in chain:
        if isinstance(item, Split):
            lanes = [(lane, *_walk(lane.chain, planned, channels, places, found)) for lane in item.lanes]
            path.append(Lanes(tuple(inner for _, inner, _ in lanes)))
            channels = 2 if any(ends == 2 or lane.pan_percent != 0 for lane, _, ends in lanes) else 1
        elif item.is_in_chain:
            index = next(places)
            declared = planned[index].declared
            if declared.makes_stereo:
                channels = 2
            found[index] = channels
            path.append(index)
    return tuple(path), channels


# -- the shelf ------------------------------------------------------------------------------------------------------


def shelf(rate: float, frames: int) -> dict[str, FitBlock]:
    """One block of each kind, with its knobs as they come, by kind: an official A2 as amp, a long cabinet."""
    found = {}
    with tempfile.TemporaryDirectory() as folder:
        for kind, declared in sorted(BLOCKS.items()):
            files = typical.files(FilePath(folder), declared, rate)
            if files is not None:
                knobs, levels = declared.build(Settings({}, files, rate))
                spec = BlockSpec(kind, kind, {}, files, Slim(), 1.0, True, 1, kind)
                found[kind] = _typical(ChainBlock(spec, declared, knobs, levels, tuple(range(len(levels)))), frames)
    return found


def added(path: str, rate: float, frames: int, tell: Tell | None = None) -> FitBlock:
    """The block that plays this file: an amp (.nam) or a cabinet (.wav). Raises ModelError, PresetError."""
    file = FilePath(path).absolute()
    kind, key = ("nam", "model") if file.suffix == ".nam" else ("cab", "ir")
    spec = BlockSpec(kind, kind, {}, {key: file}, Slim(), 1.0, True, 1, f"--add {path}")
    preset = Preset(file, file.stem, None, (), (spec,))
    (block,), _ = fit_blocks(preset, rate, frames, tell)
    return replace(block, id=file.stem)


def _typical(block: ChainBlock, frames: int) -> FitBlock:
    count = len(block.levels)
    levels = tuple(
        FitLevel(level.name, level.work, level.family, _assumed_db(block, number, count), *level_bytes(level))
        for number, level in enumerate(block.levels)
    )
    channels = 2 if block.declared.makes_stereo else 1
    return _fit_block(block, levels, channels, frames)


def _assumed_db(block: ChainBlock, number: int, count: int) -> float:
    if block.spec.kind == "nam" and number == 0:
        return float(-10 * np.log10(A2_LITE_ESR))
    return BEST_DB * (number + 1) / count

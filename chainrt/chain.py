"""Preset -> records, planes, program: the one place where memory is allocated and addresses are written down.

In two steps, so that faults are told before anything is compiled: `plan_blocks` reads models and impulse responses
and finds every fault; `Chain` lays the memory out, compiles what is missing, and lets the whole chain hear silence.

Rules kept here:
* All memory of a chain is owned by its `Chain`; nothing the engine points to can vanish while it lives.
* Lanes stay in step: where one of them lags (a block's latency), the others are delayed to match.
* A chain has heard silence before it goes live, at every level of every block. So filters have settled, knobs have
  arrived, and a neural amp's idle offset makes no click at the start.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import NamedTuple

import numpy as np

from . import blocks as _every_block  # noqa: F401 (fills BLOCKS)
from .block import BLOCKS, Block, Level, Settings
from .compiled.arena import aligned_zeros
from .compiled.native import Native, address_of, compile_all
from .engine import BEND_FRAMES, BYPASS_FRAMES, FADE_FRAMES, perform, period
from .errors import ChainrtError, Fault, PresetError
from .layout import ADD, BLOCK, CLEAR, COPY, DELAY, ENGINE, LEVEL, MAIL_COLUMNS, PERFORMANCE, PERIOD, RUN, SPENT, STEP
from .preset import BlockSpec, Preset, Slim, Split, values_at_tempo
from .timing import time_calls

RING_PERIODS = 8192  # periods that the meters keep: 11 s of 64 frames
SETTLING_SECONDS = 0.25
GUARD = 0.01  # of the deadline: what follows the last block, and the clock's own grain
MUTED_SHARE = 0.97  # of the deadline, up to which muted levels may work once the sound is done
CATCHING_UP_PERIODS = 3  # in which a muted level hears all that is kept
PLAYERS = (period, perform, time_calls)  # what plays blocks, or times them


@dataclass(frozen=True, eq=False)
class ChainBlock:
    """One block of a preset that plays or stands by, with its files read."""

    spec: BlockSpec
    declared: Block
    knobs: np.ndarray
    levels: tuple[Level, ...]
    allowed: tuple[int, ...]
    """Indices of the levels that the preset permits, ascending."""
    remarks: list[str] = field(default_factory=list)
    """What a musician should know about this block, one line each; all of it once `compile_blocks` has run."""
    when_compiled: list[Callable[[], None]] = field(default_factory=list)
    """What the block still has to do when its machine code is at hand."""

    @property
    def id(self) -> str:
        return self.spec.id

    @property
    def level_names(self) -> tuple[str, ...]:
        return tuple(level.name for level in self.levels)

    @property
    def latency(self) -> int:
        """Frames by which the block's output lags, at any level."""
        return self.levels[-1].latency

    def level_index(self, wanted: str | int) -> int:
        """The level of this name or index; "lite" and "full" are the smallest and the largest of any block.

        ValueError names the levels there are.
        """
        ends = {"lite": 0, "full": len(self.levels) - 1}
        if str(wanted) in self.level_names:  # a cabinet's are numbers
            return self.level_names.index(str(wanted))
        if wanted in ends:
            return ends[wanted]
        if str(wanted).isdecimal() and int(wanted) < len(self.levels):
            return int(wanted)
        names = ", ".join(f"{name} ({index})" for index, name in enumerate(self.level_names))
        raise ValueError(f"no level {wanted!r}; allowed are {names}")


@dataclass(frozen=True)
class CostTable:
    """Nanoseconds that a period costs: `fixed_ns`, and per block and level `call_ns` plus `frame_ns` for each frame.

    All channels of a block together. Measured (calibrate.py) or taken from a device profile (devices).
    """

    call_ns: tuple[tuple[float, ...], ...]
    frame_ns: tuple[tuple[float, ...], ...]
    fixed_ns: float


# -- step one: read and check ---------------------------------------------------------------------------------------


def plan_blocks(preset: Preset, rate: float) -> list[ChainBlock]:
    """Every block that plays or stands by, in the order of the chain, with models and impulse responses read.

    rate: Hz. Raises PresetError with all faults of all blocks.
    """
    planned, faults = [], []
    for spec in _in_chain(preset.chain):
        try:
            planned.append(_plan_block(spec, rate))
        except ChainrtError as error:
            faults += [Fault(str(preset.path), str(fault), spec.line, spec.path) for fault in error.faults]
        except ValueError as error:
            faults.append(Fault(str(preset.path), str(error), spec.line, f"{spec.path}.slim"))
    if faults:
        raise PresetError(faults)
    return planned


def _in_chain(chain: Sequence[BlockSpec | Split]):
    for item in chain:
        if isinstance(item, Split):
            for lane in item.lanes:
                yield from _in_chain(lane.chain)
        elif item.is_in_chain:
            yield item


def _plan_block(spec: BlockSpec, rate: float) -> ChainBlock:
    declared = BLOCKS[spec.kind]
    settings = Settings(spec.values, spec.files, rate, spec.options)
    knobs, levels = declared.build(settings)
    every = tuple(range(len(levels)))
    block = ChainBlock(spec, declared, knobs, levels, every, settings.remarks, settings.when_compiled)
    return replace(block, allowed=_allowed(block, spec.slim))


def _allowed(block: ChainBlock, slim: Slim) -> tuple[int, ...]:
    """The levels that `slim:` permits; ValueError if there are none."""
    low = 0 if slim.min is None else block.level_index(slim.min)
    high = len(block.levels) - 1 if slim.max is None else block.level_index(slim.max)
    if low > high:
        raise ValueError(f"min {slim.min!r} is a larger level than max {slim.max!r}")
    return tuple(range(low, high + 1))


def settled_state(block: ChainBlock, level: Level) -> Sequence[np.ndarray]:
    """A state of this level that has heard silence for as long as it remembers. Compiles the kernel if need be."""
    state = level.new_state()
    planes = [aligned_zeros(max(1, level.memory), np.float32) for _ in range(block.declared.channels)]
    play = block.declared.native.from_python()
    play(address_of(block.knobs), address_of(state[0]), *map(address_of, planes), len(planes[0]))
    return state


def compile_blocks(blocks: Sequence[ChainBlock], tell=None, others: Sequence[Native] = ()) -> None:
    """Compile what is missing of these blocks and of `others`, and let the blocks do what they put off until then.

    tell(done, total, label) hears of kernels being compiled.
    """
    natives = list(others)
    for block in blocks:
        natives += [block.declared.native, *(native for level in block.levels for native in level.natives)]
    compile_all(natives, tell)
    for block in blocks:
        while block.when_compiled:
            block.when_compiled.pop(0)()


class Plan(NamedTuple):
    """A chain that is not laid out: what `Chain` is made of."""

    preset: Preset
    rate: float
    frames: int
    blocks: list[ChainBlock]


# -- step two: lay out ----------------------------------------------------------------------------------------------


class Chain:
    """A preset ready to be played: `engine` is the record that `chainrt.engine.period` takes.

    `channels`: 1 or 2, at its end. `latency`: frames by which its output lags.
    rate: Hz. frames: the longest period, in frames. tell(done, total, label) hears of kernels being compiled.
    blocks: what `plan_blocks` gave for this preset and rate, if it was asked before; chains made of one list
    share its knobs.
    Raises PresetError.
    """

    def __init__(
        self,
        preset: Preset,
        rate: float,
        frames: int,
        tell: Callable[[int, int, str], None] | None = None,
        blocks: list[ChainBlock] | None = None,
    ):
        self.preset, self.rate, self.frames = preset, float(rate), int(frames)
        self.blocks = plan_blocks(preset, self.rate) if blocks is None else blocks
        compile_blocks(self.blocks, tell, PLAYERS)
        self._owned: list = [self.blocks]
        self._steps: list[tuple] = []
        self.engine = self._own(aligned_zeros((), ENGINE))
        self.block_records = self._own(aligned_zeros(max(1, len(self.blocks)), BLOCK))
        self.level_records = [self._own(aligned_zeros(len(block.levels), LEVEL)) for block in self.blocks]
        first = self._plane()
        self.engine["input"] = first
        self._next_block = 0
        self._silence = 0  # periods of it heard so far
        self._states: list[list[np.ndarray]] = [[] for _ in self.blocks]
        ends, self.latency = self._lay(preset.chain, [first])
        self.channels = len(ends)
        self._finish(ends)
        self._settle()

    @property
    def deadline_ns(self) -> float:
        return self.frames * 1e9 / self.rate

    def _own(self, memory):
        self._owned.append(memory)
        return memory

    def _plane(self) -> int:
        return address_of(self._own(aligned_zeros(self.frames, np.float32)))

    # the program

    def _step(self, kind: int, block: int = 0, source: int = 0, target: int = 0, gain: float = 0.0, frames: int = 0):
        self._steps.append((kind, block, source, target, gain, frames, 0))

    def _delay(self, planes: Sequence[int], frames: int):
        """From here on the planes lag by so many frames more."""
        for plane in planes if frames > 0 else ():
            ring = self._own(aligned_zeros(frames, np.float32))
            self._step(DELAY, source=address_of(ring), target=plane, frames=frames)

    def _lay(self, chain: Sequence[BlockSpec | Split], planes: list[int]) -> tuple[list[int], int]:
        """Append a chain's steps; it begins on `planes` (addresses, one per channel).

        Returns the planes on which it ends, and by how many frames they lag behind the former.
        """
        latency = 0
        for item in chain:
            if isinstance(item, Split):
                planes, more = self._lay_split(item, planes)
            elif item.is_in_chain:
                planes, more = self._lay_block(planes)
            else:
                more = 0
            latency += more
        return planes, latency

    def _lay_block(self, planes: list[int]) -> tuple[list[int], int]:
        index = self._next_block
        self._next_block += 1
        block = self.blocks[index]
        if block.declared.makes_stereo and len(planes) == 1:
            planes = [*planes, self._plane()]
            self._step(COPY, source=planes[0], target=planes[1])
        self._step(RUN, block=index)
        self._fill_block(index, block, planes)
        return planes, block.latency

    def _lay_split(self, split: Split, planes: list[int]) -> tuple[list[int], int]:
        lanes = []
        for lane in split.lanes:
            own = [self._plane() for _ in planes]
            for source, target in zip(planes, own, strict=True):
                self._step(COPY, source=source, target=target)
            lanes.append((lane, *self._lay(lane.chain, own)))
        latency = max(lag for _, _, lag in lanes)
        is_stereo = any(len(ends) == 2 or lane.pan_percent != 0 for lane, ends, _ in lanes)
        mixed = [self._plane() for _ in range(2 if is_stereo else 1)]
        for target in mixed:
            self._step(CLEAR, target=target)
        for lane, ends, lag in lanes:
            self._delay(ends, latency - lag + round(lane.delay_ms * self.rate / 1000))
            gains = pan_gains(lane.pan_percent, is_stereo=len(ends) == 2)
            for side, target in enumerate(mixed):
                gain = 10 ** (lane.level_db / 20) * gains[side] * (-1 if lane.invert else 1)
                self._step(ADD, source=ends[min(side, len(ends) - 1)], target=target, gain=gain)
        return mixed, latency

    # the records

    def _fill_block(self, index: int, block: ChainBlock, planes: list[int]):
        record, levels = self.block_records[index], self.level_records[index]
        record["kernel"], record["knobs"] = block.declared.native.address, address_of(block.knobs)
        record["stereo"] = int(block.declared.channels == 2)
        record["channels"] = len(planes)
        record["left"], record["right"] = planes[0], planes[-1]
        record["levels"], record["level_count"] = address_of(levels), len(levels)
        record["audible"] = record["wanted"] = record["target"] = block.allowed[-1]
        record["give_up"] = index
        record["warm"], record["least"], record["bent"] = -1, block.allowed[0], BEND_FRAMES
        record["enabled"], record["faded_in"] = 1, BYPASS_FRAMES
        if block.latency:
            record["latency"] = block.latency
            record["dry"] = address_of(self._own(aligned_zeros((len(planes), block.latency), np.float32)))
        record["knob_floats"] = 1 + len(block.declared.params)
        record["knobs_seen"] = address_of(self._own(aligned_zeros(int(record["knob_floats"]), np.float32)))
        memory = max(level.memory for level in block.levels)
        if len(levels) > 1:
            record["kept_size"] = memory + 2 * self.frames + FADE_FRAMES
            record["kept"] = address_of(self._own(aligned_zeros((len(planes), record["kept_size"]), np.float32)))
        for level_record, level in zip(levels, block.levels, strict=True):
            level_record["memory"] = level.memory
            level_record["rest_after"] = -1 if level.rest_after is None else level.rest_after
            level_record["settled"] = level.fed_back is None
            for side in ("left", "right")[: 1 if block.declared.channels == 2 else len(planes)]:
                state = self._own(settled_state(block, level))
                self._fill_state(level_record, side, level, state)
                if side == "left":
                    self._states[index].append(state[0])

    def _fill_state(self, record, side: str, level: Level, state: Sequence[np.ndarray]):
        """Where the state of one channel lies, and what in it is needed to rest."""
        record[side] = address_of(state[0])
        if level.clock:
            record[f"clock_{side}"] = address_of(level.clock(state))
        if level.fed_back:
            fed_back = level.fed_back(state)
            record[f"fed_back_{side}"] = address_of(fed_back)
            record["fed_back_floats"] = fed_back.size
            record["frame_ago"] = address_of(self._own(aligned_zeros((2, fed_back.size), np.float32)))

    def _finish(self, ends: list[int]):
        engine, count = self.engine, len(self.blocks)
        steps = self._own(aligned_zeros(len(self._steps), STEP))
        steps[:] = self._steps
        self.mail = self._own(aligned_zeros((max(1, count), MAIL_COLUMNS), np.int64))
        self.mail[:, 3] = np.arange(len(self.mail))
        self._add_settings()
        self.ring = self._own(aligned_zeros(RING_PERIODS, PERIOD))
        self.spent = self._own(aligned_zeros((RING_PERIODS, max(1, count)), SPENT))
        engine["steps"], engine["step_count"] = address_of(steps), len(steps)
        engine["period"] = period.address
        engine["blocks"], engine["block_count"] = address_of(self.block_records), count
        engine["output_left"], engine["output_right"] = ends[0], ends[-1]
        engine["scratch_left"], engine["scratch_right"] = self._plane(), self._plane()
        engine["dry_left"], engine["dry_right"] = self._plane(), self._plane()
        engine["most_frames"], engine["frame_time_ns"] = self.frames, 1e9 / self.rate
        engine["guard_ns"], engine["muted_share"] = GUARD * self.deadline_ns, MUTED_SHARE
        engine["mail"] = address_of(self.mail)
        engine["ring"], engine["spent"], engine["ring_size"] = (
            address_of(self.ring),
            address_of(self.spent),
            RING_PERIODS,
        )

    def _add_settings(self):
        """The triple buffer through which the player's settings come in, each of its sets as the preset says."""
        numbers = []
        for record, block in zip(self.block_records, self.blocks, strict=False):
            record["settings_at"], record["knob_count"] = len(numbers), len(block.declared.params)
            numbers += [block.spec.enabled, 0, *(block.knobs[param.name] for param in block.declared.params)]
        self.settings = self._own(aligned_zeros((3, max(1, len(numbers))), np.float64))
        self.settings[:, : len(numbers)] = numbers
        self.engine["settings"], self.engine["settings_size"] = address_of(self.settings), self.settings.shape[1]
        self.engine["settings_front"], self.engine["settings_middle"] = 0, 1

    def _settle(self):
        """Let the whole chain hear silence, at every level of every block, then forget that it ran."""
        count = max((len(levels) for levels in self.level_records), default=1)
        periods = math.ceil((SETTLING_SECONDS * self.rate + self.latency) / self.frames)
        self.settling_periods = min(RING_PERIODS, periods + count * CATCHING_UP_PERIODS)
        catching_up = [(level, CATCHING_UP_PERIODS) for level in range(count)]
        self._hear_silence([(None, self.settling_periods - count * CATCHING_UP_PERIODS), *catching_up])

    def settle_as_long_as(self, other: "Chain"):
        """Hear as much silence as another chain of this preset has, with more levels or more changes of them.

        What swings by itself (a chorus, say) is then at the same moment in both.
        """
        self._hear_silence([(None, other._silence - self._silence)])

    def _hear_silence(self, stretches: Sequence[tuple[int | None, int]]):
        """(level, periods): for so many periods; of a level, all blocks hear on the side what has been kept."""
        blocks = self.block_records
        silence = aligned_zeros(self.frames, np.float32)
        performance = aligned_zeros((), PERFORMANCE)
        performance["engine"], performance["input"] = address_of(self.engine), address_of(silence)
        performance["input_frames"] = self.frames
        blocks["enabled"], blocks["faded_in"], blocks["idle"] = 1, BYPASS_FRAMES, 0
        how = int(self.engine["virtual"]), int(self.engine["silent"]), int(self.engine["reflex"])
        self.engine["virtual"] = self.engine["silent"] = self.engine["reflex"] = 0
        play = perform.from_python()
        for level, periods in stretches:
            if level is not None:  # muted levels hear what the blocks before them make of silence
                blocks["warm"], blocks["replay"] = np.minimum(level, blocks["level_count"] - 1), blocks["kept_size"]
            play(address_of(performance), self.frames, periods, 0)
            self._silence += periods
        blocks["warm"], blocks["replay"] = -1, 0
        self.engine["virtual"], self.engine["silent"], self.engine["reflex"] = how
        for record, block in zip(blocks, self.blocks, strict=False):
            if not block.spec.enabled:
                record["enabled"], record["faded_in"], record["idle"] = 0, 0, 1
        self.rewind()

    def rewind(self):
        """Counters to zero; every level counts as exact, having heard nothing but silence so far."""
        for name in ("now_ns", "release_ns", "ended_ns", "floor_ended_ns", "posted", "taken", "periods", "misses"):
            self.engine[name] = 0
        for name in ("unavoidable", "miss_run", "longest_miss_run", "drops", "cold_drops", "holds", "take_from"):
            self.engine[name] = 0
        self.block_records["still"] = self.block_records["arrived"] = 0
        for name in ("slowdown", "muted_excess", "guard_growth"):
            self.engine[name] = 1.0
        for levels in self.level_records:
            levels["behind"], levels["fresh"], levels["running"], levels["calm"] = 0, levels["memory"], 0, 0

    def readings(self, index: int) -> dict[str, float]:
        """What block `index` has found out by now, in the units of its Readings; of a mono kernel, on the left.

        May be asked at any time, from any thread.
        """
        state = self._states[index][int(self.block_records[index]["audible"])]
        return {reading.name: float(state[reading.name]) for reading in self.blocks[index].declared.readings}

    # what may be set before it plays

    def set_levels(self, indices: Sequence[int]):
        """Begin with these levels, one index a block.

        The chain hears silence again, since each level idles differently; and for equally long whatever the levels are,
        so that what swings by itself (a chorus, say) is at the same moment at all of them.
        """
        for name in ("audible", "wanted", "target"):
            self.block_records[: len(self.blocks)][name] = indices
        self._settle()

    def set_tempo(self, bpm: float):
        """Turn every knob that the preset sets in note values to this tempo; it may be done while the chain plays."""
        for block in self.blocks:
            for name, value in values_at_tempo(block.spec, block.declared.params, bpm).items():
                block.knobs[name] = value

    def set_costs(self, table: CostTable):
        """Tell the engine what each block and level is expected to cost."""
        for records, calls, frames in zip(self.level_records, table.call_ns, table.frame_ns, strict=True):
            records["call_ns"], records["frame_ns"] = calls, frames
        self.engine["fixed_ns"] = table.fixed_ns


def pan_gains(percent: float, is_stereo: bool) -> tuple[float, float]:
    """Linear gains (left, right) of a lane in a stereo mix; percent -100 (left) to 100 (right).

    Mono lanes: constant power, 1 in the middle. Stereo lanes: the far side is turned down.
    Source: Zölzer (ed.), DAFX, 2nd ed. 2011, section 5.3 (panorama).
    """
    position = percent / 100
    if is_stereo:
        return min(1.0, 1.0 - position), min(1.0, 1.0 + position)
    angle = (position + 1) * math.pi / 4
    return math.sqrt(2) * math.cos(angle), math.sqrt(2) * math.sin(angle)

"""The boards on which a machine is measured: every kind of block, a handful at a time beside an amp, as in presets.

Each board plays for a moment with its blocks at their smallest levels, then at the next ones, and so on; then comes the
next board; a *round* is all of them. Whoever plays something else between the stretches compares it with a machine in
the same state.

Rules kept here:
* On every board stands the *reference*: an amp with the layers of an official A2, always at its largest level. What
  others take is known in terms of it from the same periods, so neither clock nor neighbours matter (`steady`).
* Weights of the amps are random: what a network costs depends on its shape and not on what it has learned.
* Each board opens with a drive: whatever comes first is dear, since the processor has slept. What the drive takes there
  beyond what it takes elsewhere is not charged to a block but to the period (`beside`).
* Kinds are dealt out, so that the large ones (reverb, long cabinets) stand on different boards: what they throw out of
  the caches is paid for by all, as in presets.
* The first SETTLING_PERIODS of a stretch do not count: another board has played before.
* Nothing rests (engine/rest.py): a cost is what a block takes when it has something to do.
"""

import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np

from .. import typical
from ..block import BLOCKS
from ..chain import Chain, plan_blocks
from ..machine import ask_for_priority
from ..performance import Performance
from ..preset import load as load_preset
from ..riff import riff

RATE_HZ = 48_000
STRETCH_SECONDS = 0.2
SETTLING_PERIODS = 20
BLOCKS_BESIDE = 5  # the opener and the reference on a board, at most
OPENER, REFERENCE = "opener", "reference"
OPENER_KIND = "drive"
IR_TAPS = (512, 2048)
A2_CHANNELS = (2, 3, 4, 6, 8)  # official are 3 (Lite) and 8 (Full)
QUICKEST = 0.25  # of the periods: nobody disturbed them


class Spent(NamedTuple):
    """What a stretch took, nanoseconds: `blocks` (periods, blocks), `whole` (periods,), and `missed` (periods,)."""

    blocks: np.ndarray
    whole: np.ndarray
    missed: np.ndarray


class Work(NamedTuple):
    """What was measured: a kind of block, and the family and multiply-adds a frame of its level."""

    kind: str
    family: str
    work: float


def play_stretch(chain: Chain, guitar: np.ndarray, seconds: float, paced: bool = True) -> Spent:
    """Play a chain from the beginning, with priority, by the wall clock or as fast as the machine can.

    seconds: of sound that count, at least a period.
    """
    periods = SETTLING_PERIODS + max(1, round(seconds * chain.rate / chain.frames))
    assert periods <= len(chain.ring)
    chain.rewind()
    chain.engine["restless"] = 1
    performance = Performance(chain, guitar)

    def play() -> None:
        ask_for_priority()
        (performance.play_paced if paced else performance.play)(periods)

    audio = threading.Thread(target=play, name="audio")
    audio.start()
    audio.join()
    counted = slice(SETTLING_PERIODS, periods)
    blocks = chain.spent["measured_ns"][counted, : len(chain.blocks)].copy()
    return Spent(blocks, chain.ring["spent_ns"][counted].astype(float), chain.ring["missed"][counted].copy())


def steady(blocks: np.ndarray, whole: np.ndarray, reference: int) -> tuple[np.ndarray, float]:
    """(what each block takes as a share of the reference, what that takes), from periods that nobody disturbed.

    blocks: nanoseconds, (periods, blocks); whole: (periods,). A slower machine gives the same shares.
    """
    quickest = whole <= np.quantile(whole, QUICKEST)
    medians = np.median(blocks[quickest], axis=0)
    return medians / medians[reference], float(medians[reference])


class Probe:
    """All boards at one period (frames), and what they took."""

    def __init__(self, folder: Path, frames: int, tell: Callable[[int, int, str], None] | None = None):
        compiling = tell and (lambda done, total, label: tell(done, total, f"compiling {label}"))
        boards = [load_preset(path) for path in _write_boards(folder)]
        self.frames = frames
        self.chains = [Chain(board, RATE_HZ, frames, compiling, plan_blocks(board, RATE_HZ)) for board in boards]
        self._guitar = riff(RATE_HZ)
        self._picks = [(chain, number) for chain in self.chains for number in range(_most_levels(chain))]
        self.spent: list[list[Spent]] = [[] for _ in self._picks]
        """Per board and level, the stretches that were played."""

    def __len__(self) -> int:
        """Stretches a round."""
        return len(self._picks)

    def play_round(self, paced: bool = True) -> Iterator[None]:
        """Play every board at every level; gives a sign after each stretch."""
        for (chain, number), spent in zip(self._picks, self.spent, strict=True):
            chain.set_levels(_picked(chain, number))
            spent.append(play_stretch(chain, self._guitar, STRETCH_SECONDS, paced))
            yield

    def costs(self) -> dict[Work, list[float]]:
        """Nanoseconds a call of everything that was played: the medians of the stretches."""
        found: dict[Work, list[float]] = {}
        for (chain, number), stretches in zip(self._picks, self.spent, strict=True):
            medians = np.transpose([np.median(one.blocks, axis=0) for one in stretches])
            for work, values in list(zip(_works(chain, number), medians, strict=True))[1:]:
                found.setdefault(work, []).extend(values.tolist())
        return found

    def costs_by_reference(self) -> dict[Work, list[float]]:
        """The same, as shares of the reference times what that takes on the whole, from the quicker half of stretches.

        They come out much the same on a busy machine, see `steady`.
        """
        found: dict[Work, list[float]] = {}
        references: list[float] = []
        for (chain, number), stretches in zip(self._picks, self.spent, strict=True):
            place = [block.id for block in chain.blocks].index(REFERENCE)
            quicker = sorted(stretches, key=lambda one: np.median(one.whole))[: (len(stretches) + 1) // 2]
            told = [steady(one.blocks, one.whole, place) for one in quicker]
            references += [reference_ns for _, reference_ns in told]
            shares = np.transpose([one for one, _ in told])
            for work, values in list(zip(_works(chain, number), shares, strict=True))[1:]:
                found.setdefault(work, []).extend(values.tolist())
        reference_ns = float(np.median(references))
        return {work: [share * reference_ns for share in shares] for work, shares in found.items()}

    def beside(self) -> list[float]:
        """Nanoseconds of a period beside its blocks, one of each stretch; what being the first costs, too."""
        opener_ns = np.median([ns for work, found in self.costs().items() if work.kind == OPENER_KIND for ns in found])
        rests = [np.median(whole - blocks[:, 1:].sum(axis=1)) for blocks, whole, _ in self._stretches()]
        return [max(0.0, float(rest - opener_ns)) for rest in rests]

    def mean_over_medians(self) -> float:
        """What periods took in the mean, over the sum of the medians of their parts."""
        took = sum(float(whole.sum()) for _, whole, _ in self._stretches())
        told = 0.0
        for blocks, whole, _ in self._stretches():
            parts = np.median(blocks[:, 1:], axis=0).sum() + np.median(whole - blocks[:, 1:].sum(axis=1))
            told += len(whole) * float(parts)
        return took / told

    def tails(self) -> np.ndarray:
        """(mean, 99th percentile) of the time of periods, (chains, 2): of each board, and of its first blocks alone."""
        found = []
        for stretches in self.spent:
            blocks = np.concatenate([one.blocks for one in stretches])
            beside = np.concatenate([one.whole for one in stretches]) - blocks.sum(axis=1)
            chains = np.cumsum(blocks, axis=1) + beside[:, np.newaxis]
            found.append(np.stack([chains.mean(axis=0), np.quantile(chains, 0.99, axis=0)], axis=1))
        return np.concatenate(found)

    def _stretches(self) -> Iterator[Spent]:
        for stretches in self.spent:
            yield from stretches


def _most_levels(chain: Chain) -> int:
    return max(len(block.levels) for block in chain.blocks if block.id != REFERENCE)


def _picked(chain: Chain, number: int) -> list[int]:
    """The level of each block in the stretch of this number."""
    tops = [len(block.levels) - 1 for block in chain.blocks]
    return [top if block.id == REFERENCE else min(number, top) for block, top in zip(chain.blocks, tops, strict=True)]


def _works(chain: Chain, number: int) -> list[Work]:
    """What each block is in the stretch of this number."""
    levels = [block.levels[level] for block, level in zip(chain.blocks, _picked(chain, number), strict=True)]
    return [Work(block.spec.kind, level.family, level.work) for block, level in zip(chain.blocks, levels, strict=True)]


def _write_boards(folder: Path) -> list[Path]:
    """Presets of all kinds of blocks, with the files they need, in this folder; stereo blocks stand last."""
    is_stereo = {kind: block.channels == 2 and not block.linked for kind, block in BLOCKS.items()}
    entries = []
    for kind in sorted(BLOCKS, key=lambda kind: (is_stereo[kind], kind)):  # so that the others hear one channel
        declared = BLOCKS[kind]
        for taps in IR_TAPS if any(file.name == "ir" for file in declared.files) else IR_TAPS[:1]:
            files = typical.files(folder, declared, RATE_HZ, taps, A2_CHANNELS)
            if files is not None:
                settings = [f"id: {kind}{taps}", *(f"{name}: {path.name}" for name, path in files.items())]
                entries.append((is_stereo[kind], f"  - {kind}: {{{', '.join(settings)}}}"))
    paths = []
    count = -(-len(entries) // BLOCKS_BESIDE)
    for start in range(count):
        beside = entries[start::count]
        mono, stereo = ([line for is_one, line in beside if is_one == wanted] for wanted in (False, True))
        opener, reference = f"  - {OPENER_KIND}: {{id: {OPENER}}}", f"  - nam: {{id: {REFERENCE}, model: a2.nam}}"
        lines = ["version: 1", "name: probe", "chain:", opener, *mono, reference, *stereo]
        paths.append(folder / f"probe{start}.yaml")
        paths[-1].write_text("\n".join(lines) + "\n", "utf-8")
    return paths

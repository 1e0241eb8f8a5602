"""The boards on which a machine is measured: every kind of block, a handful at a time, beside an amp and without one.

Each board plays for a moment with its blocks at their smallest levels, then at the next ones, and so on; then comes the
next board; a *round* is all of them. Whoever plays something else between the stretches compares it with a machine in
the same state. Stretches are short and rounds are many: what makes periods differ is mostly the moment (a neighbour, a
clock, a virtual machine's host), which slows down all blocks alike for longer than a stretch.

Rules kept here:
* On every board stands the *reference*: an amp with the layers of an official A2, always at its largest level. What
  others take is known in terms of it from the same periods, so neither clock nor neighbours matter (`steady`).
* Weights of the amps are random: what a network costs depends on its shape and not on what it has learned.
* Each board plays in another order each time: whatever comes first is dear, since the processor has slept, and so, less
  and less, is what comes after it (measured: a cabinet of 4096 taps takes 15.2 us as the second block of a period, 12.7
  as the third after another cabinet). What the first takes beyond what it takes elsewhere is not charged to a block but
  to the period (`beside`).
* Each board also plays without its amps. Where hardly anything plays, everything is a little dearer than in the middle
  of a large chain, and a processor that slept for most of a period spreads more (measured: of 24 and 40 us a period,
  the 99th percentile was 2.1 and 2.0 times the mean; of as much within a board, 1.5 and 1.6). What an effect costs is
  told from both, as presets are of both kinds.
* No kind stands on a board twice: the second one finds its code warm (a drive after a drive takes .9 us, after a
  compressor 1.5).
* The first amp of a family in a period fetches the code that all its kind share. What an amp costs is told
  from *stacks*, nothing but amps of one family, all but the first of each; what one takes beyond that where it is the
  only one of its family on its board (`alone`) is charged once. It does not matter whether the amps of a stack are
  copies (measured: it made no difference in 14 of them), for each has its own memory of the past, and that is most of
  what they touch.
* Larger stacks fill the deadline to FILLED, so that it is known how long periods spread that are nearly too long.
* Kinds are dealt out, so that the large ones (reverb, long cabinets) stand on different boards: what they throw out of
  the caches is paid for by all, as in presets.
* Each stretch lays its board out anew, since what a chain takes depends on where in the machine's memory it happens to
  lie: the medians of 24 copies of one lay between 78 and 95 us, for as long as they played.
* The first SETTLING_PERIODS of a stretch do not count: another board has played before.
* Nor do periods in which the machine looked away: half a deadline longer than usual, and several times as long. Of a
  board that takes 35 us a period, one look of 5 ms in a thousand periods is a seventh of the mean.
* Nothing rests (engine/rest.py): a cost is what a block takes when it has something to do.
"""

import json
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from math import ceil
from pathlib import Path
from typing import NamedTuple

import numpy as np

from .. import typical
from ..block import BLOCKS
from ..chain import Chain, plan_blocks
from ..machine import ask_for_priority
from ..performance import Performance
from ..preset import Preset
from ..preset import load as load_preset
from ..riff import riff
from ..vocabulary import NETWORKS

RATE_HZ = 48_000
STRETCH_SECONDS = 0.05
STEADY_SECONDS = 0.3  # of sound, where there are no pauses: takes less than the other by the wall clock
SETTLING_PERIODS = 20
BLOCKS_BESIDE = 5  # the reference on a board, at most
REFERENCE = "reference"
AMP = "nam"
IR_TAPS = (512, 4096)  # a cabinet of 4096 has levels of all lengths
STACKED = 4  # amps in the stack on which all their sizes are measured
FILLED = (0.125, 0.25, 0.375, 0.5, 0.625, 0.75)  # of the deadline, roughly, by stacks of amps at their largest
TRIALS = 8  # stretches, of which the slowest tells how many that are: beyond the deadline nothing would be told
MOST_STACKED = 64
STRUCK_TIMES = 3  # what is usual, on top of it; even of the smallest chains the 99th percentile is less
GROUPS = 3  # of chains, by their mean, in which rare moments are looked for
QUICKEST = 0.25  # of the stretches, and of the periods in them: nobody disturbed these


class Spent(NamedTuple):
    """What a stretch took, nanoseconds: `blocks` (periods, blocks), `whole` (periods,), and `missed` (periods,).

    began_ns: when, by the engine's clock; struck: periods in which the machine looked away, which are left out.
    """

    blocks: np.ndarray
    whole: np.ndarray
    missed: np.ndarray
    began_ns: float = 0.0
    struck: int = 0


class Work(NamedTuple):
    """What was measured: a kind of block, and the family and multiply-adds a frame of its level."""

    kind: str
    family: str
    work: float


def laid_out_anew(chain: Chain, order: Preset | None = None) -> Chain:
    """The same chain somewhere else in memory. order: the preset with its blocks in another order."""
    if order is None:
        return Chain(chain.preset, chain.rate, chain.frames, blocks=chain.blocks)
    blocks = {block.id: block for block in chain.blocks}
    return Chain(order, chain.rate, chain.frames, blocks=[blocks[spec.id] for spec in order.chain])


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
    blocks = chain.spent["measured_ns"][SETTLING_PERIODS:periods, : len(chain.blocks)]
    ring = chain.ring[SETTLING_PERIODS:periods]
    whole = ring["spent_ns"].astype(float)
    calm = ~struck(whole, chain.deadline_ns)
    return Spent(
        blocks[calm], whole[calm], ring["missed"][calm], float(ring["release_ns"][0]), int(np.count_nonzero(~calm))
    )


def struck(whole: np.ndarray, deadline_ns: float) -> np.ndarray:
    """True for the periods of a stretch in which the machine looked away. whole: nanoseconds, (periods,)."""
    usual = np.median(whole)
    return whole > usual + max(0.5 * deadline_ns, STRUCK_TIMES * usual)


def steady(blocks: np.ndarray, whole: np.ndarray, reference: int) -> tuple[np.ndarray, float]:
    """(what each block takes as a share of the reference, what that takes), from periods that nobody disturbed.

    blocks: nanoseconds, (periods, blocks); whole: (periods,). A slower machine gives the same shares.
    """
    quickest = whole <= np.quantile(whole, QUICKEST)
    medians = np.median(blocks[quickest], axis=0)
    return medians / medians[reference], float(medians[reference])


class Board(NamedTuple):
    """A chain, the number of its levels (see `_picked`), the orders in which it plays, and what its stretches took.

    The blocks of all stretches stand in the order of the chain, whatever the order in which they played.
    """

    chain: Chain
    number: int
    orders: list[Preset]
    spent: list[Spent]

    def play(self, guitar: np.ndarray, paced: bool) -> None:
        """One stretch more."""
        order = self._order(len(self.spent))
        chain = laid_out_anew(self.chain, order)
        chain.set_levels(_picked(chain, self.number))
        played = play_stretch(chain, guitar, STRETCH_SECONDS if paced else STEADY_SECONDS, paced)
        played_ids = [block.id for block in chain.blocks]
        places = [played_ids.index(block.id) for block in self.chain.blocks]
        self.spent.append(played._replace(blocks=played.blocks[:, places]))

    def _order(self, stretch: int) -> Preset:
        return self.orders[stretch % len(self.orders)]

    @property
    def firsts(self) -> list[int]:
        """Which block came first, one of each stretch."""
        ids = [block.id for block in self.chain.blocks]
        return [ids.index(self._order(stretch).chain[0].id) for stretch in range(len(self.spent))]

    @property
    def works(self) -> list[Work]:
        """What each block is."""
        return _works(self.chain, self.number)

    @property
    def reference(self) -> int:
        """The place of the reference."""
        return [block.id for block in self.chain.blocks].index(REFERENCE)

    @property
    def medians(self) -> np.ndarray:
        """Nanoseconds, (stretches, blocks)."""
        return np.array([np.median(one.blocks, axis=0) for one in self.spent])


class Probe:
    """All boards at one period (frames), and what they took. filled: shares of the deadline for stacks of amps."""

    def __init__(
        self,
        folder: Path,
        frames: int,
        tell: Callable[[int, int, str], None] | None = None,
        filled: Sequence[float] = (),
    ):
        compiling = tell and (lambda done, total, label: tell(done, total, f"compiling {label}"))

        def laid_out(path: Path) -> Chain:
            board = load_preset(path)
            return Chain(board, RATE_HZ, frames, compiling, plan_blocks(board, RATE_HZ))

        self.frames = frames
        self._guitar = riff(RATE_HZ)
        chains = [laid_out(path) for path in _write_boards(folder)]
        self.boards = _at_all_levels(chains)
        self.little = _at_all_levels(map(_without_amps, chains))
        of_all = [laid_out(_write_stack(folder, family, STACKED, typical.amp_like(family))) for family in NETWORKS]
        self.stacks = _at_all_levels(of_all)
        if filled:
            for count in self._counts(filled):
                full = typical.a2_like(typical.A2_CHANNELS[-1:])
                self.stacks += _at_all_levels([laid_out(_write_stack(folder, f"full{count}", count, full))])

    def _counts(self, filled: Sequence[float]) -> list[int]:
        """How many amps at their largest take these shares of the deadline, roughly and at least 2."""
        trial = next(one for one in reversed(self.stacks) if one.works[0].family == "a2")
        for _ in range(TRIALS):
            trial.play(self._guitar, paced=True)
        amp_ns = max(np.median(one.blocks) for one in trial.spent)
        trial.spent.clear()
        return [min(max(2, round(share * trial.chain.deadline_ns / amp_ns)), MOST_STACKED) for share in filled]

    def __len__(self) -> int:
        """Stretches a round."""
        return len(self._all)

    @property
    def _all(self) -> list[Board]:
        return [*self.boards, *self.stacks, *self.little]

    def play_round(self, paced: bool = True) -> Iterator[None]:
        """Play everything at every level; gives a sign after each stretch."""
        for board in self._all:
            board.play(self._guitar, paced)
            yield

    def forget(self) -> None:
        """Nothing of what was played so far counts."""
        for board in self._all:
            board.spent.clear()

    def costs(self) -> dict[Work, list[float]]:
        """Nanoseconds a call of everything that was played: the medians of the stretches, one of each stack.

        Amps crowd each other out of the caches (measured four times: each of 15 took up to a fifth more than of 4), so
        stacks of all sizes count alike, however many amps there are in them.
        """
        found: dict[Work, list[float]] = {}
        for board in [*self.boards, *self.little]:
            for work, values in zip(board.works, board.medians.T, strict=True):
                if work.family not in NETWORKS:
                    found.setdefault(work, []).extend(values.tolist())
        for stack in self.stacks:
            found.setdefault(stack.works[0], []).extend(np.median(stack.medians[:, 1:], axis=1).tolist())
        return found

    def costs_by_reference(self) -> dict[Work, list[float]]:
        """The same from the boards alone, as shares of the reference times what that takes on the whole, from the
        QUICKEST stretches of each.

        They come out much the same on a busy machine, see `steady`.
        """
        found: dict[Work, list[float]] = {}
        references: list[float] = []
        for board in self.boards:
            quickest = sorted(board.spent, key=lambda one: np.median(one.whole))[: ceil(QUICKEST * len(board.spent))]
            told = [steady(one.blocks, one.whole, board.reference) for one in quickest]
            references += [reference_ns for _, reference_ns in told]
            shares = np.transpose([one for one, _ in told])
            for work, values in zip(board.works, shares, strict=True):
                found.setdefault(work, []).extend(values.tolist())
        reference_ns = float(np.median(references))
        return {work: [share * reference_ns for share in shares] for work, shares in found.items()}

    def alone(self) -> dict[Work, list[float]]:
        """Nanoseconds of each amp where it is the only one of its family on a board: the medians of the stretches."""
        found: dict[Work, list[float]] = {}
        for board in self.boards:
            families = [work.family for work in board.works]
            for work, values in zip(board.works, board.medians.T, strict=True):
                if work.family in NETWORKS and families.count(work.family) == 1:
                    found.setdefault(work, []).extend(values.tolist())
        return found

    def beside(self, told: Callable[[Work], float]) -> list[float]:
        """Nanoseconds of a period beside its blocks, one of each stretch; what being the first costs, too.

        told: nanoseconds of a block where it is not the first.
        """
        found = []
        for board in self.little:
            for one, first in zip(board.spent, board.firsts, strict=True):
                others = np.delete(one.blocks, first, axis=1).sum(axis=1)
                found.append(max(0.0, float(np.median(one.whole - others)) - told(board.works[first])))
        return found

    def means(self, told: Callable[[Work], float], beside: float, first: Mapping[str, float]) -> np.ndarray:
        """(what figures say, what periods took in the mean), nanoseconds, (chains, 2).

        Nanoseconds: told: of a block; beside: of a period; first: of the first amp of each family, beyond any other.
        """
        found = []
        for board in self._all:
            families = {work.family for work in board.works}
            said = beside + sum(map(told, board.works)) + sum(first.get(family, 0.0) for family in families)
            found.append((said, np.mean([one.whole.mean() for one in board.spent])))
        return np.array(found)

    def moments(self) -> list[tuple[float, np.ndarray]]:
        """When each stretch began, and the logarithms of its periods over the mean of them on that board."""
        found = []
        for board in self._all:
            logs = [np.log(one.whole) for one in board.spent]
            middle = np.mean([log.mean() for log in logs])
            found += [(one.began_ns, log - middle) for one, log in zip(board.spent, logs, strict=True)]
        return sorted(found, key=lambda moment: moment[0])

    def tails(self) -> np.ndarray:
        """(mean, median, 95th percentile, 99th percentile) of the time of periods, nanoseconds, (GROUPS, 4).

        Chains of about the same mean are one group. The few periods of one chain fall into few moments, and most chains
        meet none of the rare ones: their own 99th percentile is too low.
        """
        wholes = sorted((np.concatenate([one.whole for one in board.spent]) for board in self._all), key=np.mean)
        found = []
        for places in np.array_split(np.arange(len(wholes)), GROUPS):
            means = [wholes[place].mean() for place in places]
            ratios = np.concatenate([wholes[place] / mean for place, mean in zip(places, means, strict=True)])
            found.append(np.exp(np.log(means).mean()) * np.array([1.0, *np.quantile(ratios, (0.5, 0.95, 0.99))]))
        return np.array(found)


def _at_all_levels(chains: Iterable[Chain]) -> list[Board]:
    numbered = [(chain, number) for chain in chains for number in range(_most_levels(chain))]
    return [Board(chain, number, _orders(chain.preset), []) for chain, number in numbered]


def _orders(preset: Preset) -> list[Preset]:
    """The blocks in turn, so that each comes first once; those of two channels stay last.

    Amps of a stack are all alike: there is one order of them.
    """
    two = [spec for spec in preset.chain if BLOCKS[spec.kind].makes_stereo]
    one = [spec for spec in preset.chain if not BLOCKS[spec.kind].makes_stereo]
    turns = range(1 if all(spec.kind == AMP for spec in one) else len(one))
    return [replace(preset, chain=(*one[turn:], *one[:turn], *two)) for turn in turns]


def _without_amps(chain: Chain) -> Chain:
    preset = replace(chain.preset, chain=tuple(spec for spec in chain.preset.chain if spec.kind != AMP))
    return Chain(preset, chain.rate, chain.frames, blocks=[one for one in chain.blocks if one.spec.kind != AMP])


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


def _write_stack(folder: Path, name: str, count: int, amp: dict) -> Path:
    """A preset of nothing but so many of this amp, a .nam document, with its file, in this folder."""
    (folder / f"{name}.nam").write_text(json.dumps(amp), "utf-8")
    lines = ["version: 1", "name: stack", "chain:", *[f"  - {AMP}: {{model: {name}.nam}}"] * count]
    path = folder / f"{name}.yaml"
    path.write_text("\n".join(lines) + "\n", "utf-8")
    return path


def _write_boards(folder: Path) -> list[Path]:
    """Presets of all kinds of blocks, with the files they need, in this folder.

    Stereo blocks stand last, so that the others hear one channel.
    """
    entries = []
    for declared in sorted(BLOCKS.values(), key=lambda block: (block.makes_stereo, block.kind)):
        lengths = IR_TAPS if any(file.name == "ir" for file in declared.files) else IR_TAPS[:1]
        for number, taps in enumerate(lengths):
            files = typical.files(folder, declared, RATE_HZ, taps, typical.A2_CHANNELS)
            if files is not None:
                said = [f"id: {declared.kind}{number}", *(f"{name}: {path.name}" for name, path in files.items())]
                entries.append((declared.makes_stereo, f"  - {declared.kind}: {{{', '.join(said)}}}"))
    for family in NETWORKS:
        if family != "a2":  # that one is the reference, and a kind of block like any other
            (folder / f"{family}.nam").write_text(json.dumps(typical.amp_like(family)), "utf-8")
            entries.append((False, f"  - {AMP}: {{id: {family}, model: {family}.nam}}"))
    paths = []
    count = -(-len(entries) // BLOCKS_BESIDE)
    for start in range(count):
        beside = entries[start::count]
        mono, stereo = ([line for is_one, line in beside if is_one == wanted] for wanted in (False, True))
        reference = f"  - {AMP}: {{id: {REFERENCE}, model: a2.nam}}"
        lines = ["version: 1", "name: probe", "chain:", *mono, reference, *stereo]
        paths.append(folder / f"probe{start}.yaml")
        paths[-1].write_text("\n".join(lines) + "\n", "utf-8")
    return paths

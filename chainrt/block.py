"""What a block is: its knobs, its files, its memory, one compiled function, and the levels it can run at.

A block is declared by `@block(...)` above a plain function `kernel(p, s, x, n)` and thereby exists everywhere: in
presets, in `chainrt blocks`, in the cost table and in the contract test.

Rules kept here:
* Units are written once, in the `Param`. The kernel reads its knobs in exactly that unit.
* `p` holds the knobs as the user last set them; `s` is everything the block remembers. Both are numpy records.
  `p.rate` (Hz) and the constants of `prepare` lie in `p`, too. State starts all zero.
* A mono kernel gets one plane, `kernel(p, s, x, n)`; in a stereo stretch of the chain it runs once per channel with
  a state of its own. A stereo block (`channels=2`) gets both: `kernel(p, s, left, right, n)`. Planes are changed in
  place.
* A *linked* block acts alike on both channels (a compressor, say): `kernel(p, s, left, right, n)` too, but where the
  chain is mono both planes are the same plane. So it reads both samples of a frame before it writes either.
* A kernel begins with `make_finite`: what comes from outside or from a broken neighbour must not stay in its memory.
* n may be any number from 1 up to the period, and the sound must not depend on it.
* A *level* is one size at which the block can run. A plain pedal has one.
"""

import inspect
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from .compiled.arena import aligned_zeros
from .compiled.language import INTEGER, PLANE
from .compiled.native import Native
from .vocabulary import UNITS


@dataclass(frozen=True)
class Param:
    """A knob: `name`, `unit` (a key of UNITS), smallest and largest value, and what it does.

    follows_tempo: a preset may also give it as a note value (1/8.), for a Param in ms or Hz.
    """

    name: str
    unit: str
    low: float
    high: float
    default: float = field(kw_only=True)
    help: str = field(kw_only=True)
    choices: tuple[str, ...] = field(default=(), kw_only=True)
    """Names of the positions of a switch, see `choice`; a knob has none."""
    follows_tempo: bool = field(kw_only=True, default=False)

    def __post_init__(self):
        if self.unit not in UNITS or not self.low <= self.default <= self.high:
            raise ValueError(f"{self.name}: unit {self.unit!r}, default {self.default} in {self.low}..{self.high}")


def choice(name: str, *choices: str, default: str, help: str) -> Param:
    """A switch with named positions. The kernel reads the number of the position, from 0."""
    return Param(name, "", 0, len(choices) - 1, default=choices.index(default), help=help, choices=choices)


@dataclass(frozen=True)
class Reading:
    """Something a block finds out while it plays: the field `name` of its state, in `unit` (a key of UNITS)."""

    name: str
    unit: str
    help: str

    def __post_init__(self):
        if self.unit not in UNITS:
            raise ValueError(f"{self.name}: unit {self.unit!r}")


@dataclass(frozen=True)
class Option:
    """What `prepare` reads once and no kernel does: a number with a unit, and absent where the preset does not set it.

    With `choices` it is one of these words, and is read as the word's position; OFF_ON is a plain true or false.
    """

    name: str
    unit: str
    low: float
    high: float
    help: str
    choices: tuple[str, ...] = ()
    unset: str = "off"
    """What it is where the preset does not set it, in a word for a musician."""

    default = None
    follows_tempo = False


OFF_ON = ("false", "true")


@dataclass(frozen=True)
class File:
    """A file a block needs, named in the preset relative to the preset's folder.

    many: a list of files, of which MOST_FILES are allowed. instead_of: the name of the File in whose place it stands.
    """

    name: str
    help: str
    many: bool = False
    instead_of: str | None = None


MOST_FILES = 16
HEARD_SECONDS = 0.1  # tails longer than this ring out after a bypass, unless the preset says otherwise


@dataclass(frozen=True)
class Settings:
    """What one block of a preset was set to: knob values in the Params' units, files as absolute paths.

    options: those that were set, in their units. `prepare` may leave remarks, one line each, for whoever plays the
    block; and functions in `when_compiled`, to be called once its machine code is at hand.
    """

    values: Mapping[str, float]
    files: Mapping[str, Path | tuple[Path, ...]]
    rate: float
    options: Mapping[str, float] = field(default_factory=dict)
    remarks: list[str] = field(default_factory=list)
    when_compiled: list[Callable[[], None]] = field(default_factory=list)


@dataclass(frozen=True)
class Level:
    """One size at which a block can run."""

    name: str
    work: float
    """Multiply-adds a frame: what a simulated device's cost is derived from."""
    memory: int
    """Frames of past input that shape the output. A state that has replayed them is exact."""
    new_state: Callable[[], Sequence[np.ndarray]]
    """Makes a silent state: first the record that the kernel gets, then the memory to which it points."""
    natives: tuple[Native, ...] = ()
    """Machine code that only this level needs."""
    family: str = "effect"
    """Which kind of arithmetic its work is, one of vocabulary.FAMILIES."""
    latency: int = 0
    """Frames by which its output lags; the same for all levels of a block. The chain makes up for it in lanes."""
    rest_after: int | None = None
    """Frames of an unchanging input after which neither the output nor anything that shapes it changes any more, bit
    for bit, gliding knobs included. The engine then rests (engine/rest.py). None: one cannot be sure."""
    fed_back: Callable[[Sequence[np.ndarray]], np.ndarray] | None = None
    """From a state: the float32 memory that the level feeds back to itself, for a level that never forgets for certain.
    `rest_after` is then about everything else."""
    clock: Callable[[Sequence[np.ndarray]], np.ndarray] | None = None
    """From a state: its count of frames, int64 (), if the level does not do the same in every frame. The kernel counts
    on; the engine sets it where it left frames out. Of zeros such a level makes one value, whatever the time."""


@dataclass(eq=False)
class Block:
    """A declared effect. `kind` is its name in presets."""

    kind: str
    kernel: Callable
    params: tuple[Param, ...]
    files: tuple[File, ...]
    options: tuple[Option, ...]
    channels: int
    linked: bool
    """True if the kernel takes both channels, which are one and the same where the chain is mono."""
    slimmable: bool
    """True if a preset may say `slim:` and `priority:`, because the block can have several levels."""
    work: float
    memory: int
    latency: int
    tail: Callable[[np.ndarray], float]
    readings: tuple[Reading, ...]
    parameters: np.dtype
    """The record `p`: rate (Hz), one float per Param, then the constants that `prepare` fills."""
    state: np.dtype
    native: Native
    _prepare: Callable | None = None

    @property
    def makes_stereo(self) -> bool:
        """True if a mono chain has two channels behind it."""
        return self.channels == 2 and not self.linked

    @property
    def summary(self) -> str:
        """The first line of the file in which the block stands."""
        return self._paragraphs[0]

    @property
    def page(self) -> list[str]:
        """What the file says behind that: how the block works, what was measured of it, its sources. Paragraphs."""
        return self._paragraphs[1:]

    @property
    def _paragraphs(self) -> list[str]:
        """Each is one line; a formula, which is indented, stays as it stands."""
        doc = inspect.cleandoc(inspect.getmodule(self.kernel).__doc__ or self.kernel.__doc__ or "")
        return [text if text.startswith(" ") else " ".join(text.split()) for text in doc.split("\n\n")]

    def prepare(self, function: Callable) -> Callable:
        """Decorator for `prepare(p, settings)`, which runs once before the block plays.

        It may fill the constants in the record `p` (from files, say), and may return the block's levels, smallest
        first; without that the block has the one level it was declared with. Raises ModelError.
        """
        self._prepare = function
        return function

    def build(self, settings: Settings) -> tuple[np.ndarray, tuple[Level, ...]]:
        """The record `p` and the levels, smallest first, of a block with these settings."""
        p = aligned_zeros((), self.parameters)
        p["rate"] = settings.rate
        for param in self.params:
            p[param.name] = settings.values.get(param.name, param.default)
        levels = self._prepare(p, settings) if self._prepare else None
        return p, tuple(levels or (Level("full", self.work, self.memory, self.new_state, latency=self.latency),))

    def tail_seconds(self, p: np.ndarray, levels: Sequence[Level]) -> float:
        """Seconds after which silence in is silence out (-100 dB), with the knobs and levels that `build` gave."""
        return float(self.tail(p)) + max(level.memory + level.latency for level in levels) / float(p["rate"])

    def rings(self, p: np.ndarray) -> bool:
        """Whether its tail is heard after it was switched off, with the knobs in `p`: a plain pedal's is too short."""
        return float(self.tail(p)) > HEARD_SECONDS

    def new_state(self) -> Sequence[np.ndarray]:
        return (aligned_zeros((), self.state),)


def fading_seconds(hz: float, db: float = 200.0) -> float:
    """How long a first-order filter with its corner at `hz` takes to fall by `db`.

    The default is 100 dB for what the block may amplify, and 100 dB for the tail.
    """
    return db / 20 * math.log(10) / (2 * math.pi * hz)


def loop_turns(feedback: float, db: float = 200.0) -> float:
    """How often a sound goes round a loop with `feedback` %, until it has fallen by `db`; see fading_seconds."""
    return db / 20 * math.log(10) / -math.log(min(max(abs(feedback), 0.01), 99.99) / 100)


BLOCKS: dict[str, Block] = {}
"""Every declared block by its kind. Filled by importing chainrt.blocks."""


def block(
    *,
    params: Sequence[Param] = (),
    files: Sequence[File] = (),
    options: Sequence[Option] = (),
    constants: Sequence[tuple] = (),
    state: Sequence[tuple] = (),
    channels: int = 1,
    linked: bool = False,
    slimmable: bool = False,
    work: float,
    memory: int = 0,
    latency: int = 0,
    tail: float | Callable[[np.ndarray], float] = 0.0,
    readings: Sequence[Reading] = (),
) -> Callable[[Callable], Block]:
    """Declare the function below as a block of the function's name.

    params, files, options: what a preset may set. constants: further fields of `p`, filled by `prepare`. state: the
    fields of `s`, as in a numpy dtype; say in a comment what each remembers. work: multiply-adds a frame, roughly, for
    simulated devices. memory, latency (both in frames): see Level. linked: see the rules above. tail: seconds until
    filters and loops have fallen by 100 dB after the input fell silent, or a function of `p` that gives them; the
    levels' memory is added. readings: what a view may show of the state.
    """
    channels = 2 if linked else channels

    def declare(kernel: Callable) -> Block:
        parameters = np.dtype([("rate", "f4"), *((p.name, "f4") for p in params), *constants], align=True)
        memory_of = np.dtype(list(state) or [("nothing", "f4")], align=True)
        unknown = {reading.name for reading in readings} - set(memory_of.names)
        if unknown:
            raise ValueError(f"{kernel.__name__}: no state field for the readings {sorted(unknown)}")
        planes = (PLANE,) * channels
        native = Native(kernel, (parameters, memory_of, *planes, INTEGER))
        made = Block(
            kernel.__name__,
            kernel,
            tuple(params),
            tuple(files),
            tuple(options),
            channels,
            linked,
            slimmable,
            work,
            memory,
            latency,
            tail if callable(tail) else lambda p: tail,
            tuple(readings),
            parameters,
            memory_of,
            native,
        )
        BLOCKS[made.kind] = made
        return made

    return declare

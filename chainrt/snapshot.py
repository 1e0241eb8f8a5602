"""What a view shows of a session: plain, frozen values, taken at one moment. Nothing in here changes afterwards.

Loads are shares of the deadline (0.42, not 42); times are seconds since the session began.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from .chain import Chain
from .meters import LevelChange


@dataclass(frozen=True)
class Knob:
    """A knob of a block, in its Param's unit."""

    name: str
    unit: str
    low: float
    high: float
    default: float
    value: float
    choices: tuple[str, ...]
    """Names of the positions of a switch, whose value is the number of one; a knob has none."""
    help: str


@dataclass(frozen=True)
class BlockView:
    """One block of the chain."""

    id: str
    kind: str
    enabled: bool
    """False: bypassed by the player, whether or not its tail is still ringing."""
    idle: bool
    """True: bypassed and rung out, so it does not run."""
    levels: tuple[str, ...]
    """Names, smallest first; a plain pedal has one."""
    level: int
    """The one that is heard."""
    target: int
    """The one that the plan wants to be heard."""
    load: float
    """Its cost in the last second, mean."""
    load_mean: float
    """Its cost since it began to play."""
    load_p99: float
    knobs: tuple[Knob, ...]
    readings: Mapping[str, tuple[float, str]]
    """What the block itself finds out, such as a tuner's pitch: name -> (value, unit); most find out nothing."""


@dataclass(frozen=True)
class Change:
    """A block was heard at another level from `time_s` on."""

    time_s: float
    block: str
    before: str
    after: str
    reason: str


def named(change: LevelChange, chain: Chain) -> Change:
    """The same change by the names of its block and levels."""
    block = chain.blocks[change.block]
    names = block.level_names
    return Change(change.time_s, block.id, names[change.before], names[change.after], change.reason)


@dataclass(frozen=True)
class Moment:
    """The load of the periods of one tick of the control loop, about 10 ms."""

    time_s: float
    mean: float
    max: float


@dataclass(frozen=True)
class SecondCore:
    """What the understudies of all presets so far have done, see pair.py. Then `misses` are theirs."""

    late_ms: float
    """By how much later all is heard."""
    stands_in: bool
    """True while an understudy is heard."""
    stood_in: int
    """Periods in which one was, crossfades included."""
    changes: int
    """From leads to understudies, and back."""


@dataclass(frozen=True)
class Snapshot:
    preset: str
    """Its name; `path` is its file."""
    path: str
    device: str
    """What it plays through, one short line."""
    clock: str
    """"wall" or "audio"."""
    rate: float
    frames: int
    deadline_us: float
    time_s: float
    is_playing: bool
    budget: float
    load: float
    """Mean of the last second."""
    load_mean: float
    """Of all periods of this chain so far, as the next two."""
    load_p99: float
    load_max: float
    history: tuple[Moment, ...]
    """The last half minute, oldest first."""
    periods: int
    misses: int
    unavoidable: int
    longest_miss_run: int
    lost_periods: int
    """Periods whose records were overwritten before they were read."""
    xruns: int | None
    """How often the sound system says that sound was lost; None: it does not say."""
    blocks: tuple[BlockView, ...]
    changes: tuple[Change, ...]
    """The last hundred changes of level, oldest first."""
    scenes: tuple[str, ...]
    scene: str | None
    """The scene that was last chosen."""
    is_changing: bool
    """True while another preset fades in."""
    second_core: SecondCore | None = None
    """None: the chain plays on one core."""
    notes: tuple[str, ...] = ()
    """What people should be told of the machine and the device, oldest first."""

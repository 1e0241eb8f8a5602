"""This machine as a device profile, by playing on it: every kind of block, in one chain, in real time.

A chain of all effects and a neural amp plays against the clock, with the amp at each of its sizes in turn, at two
periods. So costs are what they are in a chain: caches are cold, the processor has slept in between.

Rules kept here:
* A cost is a median of periods: what others do on the machine is not the block's. How much that adds on the average
  is a figure of its own, `mean_over_median`. ROUNDS stretches give as many medians; the middle one counts, and half the
  distance between their quarter points, as a share, is the error.
* What a call costs is told from two periods: c(n) = a * (n + extra).
* The amp is made up on the spot: the layers of an official A2 with random weights, at several widths. Costs of a
  network depend on its shape and not on what it has learned.
"""

import os
import platform
import tempfile
import threading
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import llvmlite.binding as llvm
import numpy as np
import psutil

from .. import typical
from ..block import BLOCKS, FAMILIES
from ..chain import Chain, plan_blocks
from ..compiled.native import cache_folder, cache_root
from ..machine import ask_for_priority
from ..performance import Performance
from ..preset import load as load_preset
from ..riff import riff
from .profile import ONE_CORE, Device, Figure, Point
from .reading import read, write

RATE_HZ = 48_000
FRAMES, FEW_FRAMES = 64, 16
ROUNDS = 6
ROUND_SECONDS = 0.5
USABLE_SHARE = 0.7
IR_TAPS = (512, 2048)
A2_CHANNELS = (2, 3, 4, 6, 8)  # official are 3 (Lite) and 8 (Full)


def this_machine(tell: Callable[[int, int, str], None] | None = None) -> Device:
    """The profile of this machine: as kept, or measured now and kept until the kernels or the machine change."""
    place = cache_root() / "devices" / f"{_machine_name()}-{cache_folder().name}.yaml"
    if not place.exists():
        text = write(measure("this-machine", tell))
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_text(text, "utf-8")
    return read(place, lambda name: (_ for _ in ()).throw(LookupError(name)))


def measure(
    name: str,
    tell: Callable[[int, int, str], None] | None = None,
    rounds: int = ROUNDS,
    paced: bool = True,
) -> Device:
    """Play for about `rounds` x 5 seconds and tell what it cost. tell(done, total, what) hears of progress.

    Without `paced` the periods follow each other at once, so what waking up costs is left out: to scale from.
    """
    with tempfile.TemporaryDirectory() as folder:
        long, short = (_Probe(Path(folder), frames, tell) for frames in (FRAMES, FEW_FRAMES))
        total = rounds * (len(long) + len(short))
        done = 0
        for _ in range(rounds):
            for probe in (long, short):
                for _ in probe.play_each_level(paced):
                    done += 1
                    if tell:
                        tell(done, total, "playing")
    pace = "" if paced else ", without pauses"
    source = (
        f"played on {platform.node() or 'this machine'} ({_processor()}), {rounds} x {ROUND_SECONDS} s a level{pace}"
    )
    costs = _costs(long, short, source)
    beside, beside_error = long.beside()

    def measured(value: float, error: float | None = None) -> Figure:
        return Figure(value, "measured", source, error)

    def told(value: float, said: str) -> Figure:
        return Figure(value, "published", said)

    figures = {
        "clock_mhz": told(_clock_mhz(), "what the system says"),
        "cores": told(os.cpu_count() or 1, "what the system says"),
        "period_frames": Figure(FRAMES, "measured", source),
        "rate_hz": Figure(RATE_HZ, "measured", source),
        "usable_share": Figure(USABLE_SHARE, "estimated", "chainrt's own default budget"),
        "ns_per_period": measured(beside, beside_error),
        "extra_frames_per_call": Figure(
            float(np.median([points[0].extra_frames for points in costs.values()])),
            "measured",
            "the median of the costs below",
        ),
        "mean_over_median": measured(*long.mean_over_median()),
        "p99_over_mean": measured(*long.p99_over_mean()),
        "ram_bytes": told(psutil.virtual_memory().total, "what the system says"),
        "bypassed_share": Figure(0.0, "measured", "blocks with enabled: false are not played at all"),
        "handover_ns": Figure(0.0, "measured", "lanes share one core"),
    }
    return Device(name, _processor(), llvm.get_host_cpu_name(), ONE_CORE, figures, costs)


def _costs(long: "_Probe", short: "_Probe", source: str) -> dict[str, tuple[Point, ...]]:
    def point(index: int, level: int, work: float | None) -> Point:
        (many_ns, error), (few_ns, _) = long.cost_ns(index, level), short.cost_ns(index, level)
        return Point(many_ns / FRAMES, "measured", source, error, work, _extra_frames(many_ns, few_ns))

    families: dict[str, dict[float, Point]] = {family: {} for family in FAMILIES}
    kinds: dict[str, dict[float, Point]] = {}
    for index, block in enumerate(long.chain.blocks):
        for number, level in enumerate(block.levels):
            made = point(index, number, level.work)
            families[level.family][level.work] = made
            if level.family != "network":
                kinds.setdefault(block.spec.kind, {})[level.work] = made
    found = {kind: _rising(points) for kind, points in kinds.items()}
    found = {kind: points if len(points) > 1 else (replace(points[0], work=None),) for kind, points in found.items()}
    effects = families.pop("effect")
    work, value, extra = (
        float(np.mean([getattr(one, name) for one in effects.values()])) for name in ("work", "value", "extra_frames")
    )
    found["effect"] = (Point(value, "measured", f"mean of all effects; {source}", None, work, extra),)
    return found | {family: _rising(points) for family, points in families.items()}


def _rising(points: dict[float, Point]) -> tuple[Point, ...]:
    return tuple(points[work] for work in sorted(points))


def _extra_frames(many_ns: float, few_ns: float) -> float:
    """c(FRAMES) and c(FEW_FRAMES) -> the extra frames of c(n) = a * (n + extra); not below 0, at most a period."""
    ratio = few_ns / many_ns
    if ratio >= 1:
        return float(FRAMES)
    return min(max(0.0, (FRAMES * ratio - FEW_FRAMES) / (1 - ratio)), float(FRAMES))


class _Probe:
    """The chain that plays, at one period, and what its blocks cost in each round."""

    def __init__(self, folder: Path, frames: int, tell):
        board = load_preset(_write_board(folder))
        compiling = tell and (lambda done, total, label: tell(done, total, f"compiling {label}"))
        self.chain = Chain(board, RATE_HZ, frames, compiling, plan_blocks(board, RATE_HZ))
        self._levels = max(len(block.levels) for block in self.chain.blocks)
        self._guitar = riff(RATE_HZ)
        self._medians: dict[tuple[int, int], list[float]] = {}
        self._beside: list[float] = []
        self._mean_over_median: list[float] = []
        self._p99_over_mean: list[float] = []

    def __len__(self) -> int:
        return self._levels

    def play_each_level(self, paced: bool) -> Iterator[None]:
        """Play a stretch with all blocks at their smallest level, one at the next, and so on."""
        for level in range(self._levels):
            picked = [min(level, len(block.levels) - 1) for block in self.chain.blocks]
            self.chain.set_levels(picked)
            self._play(picked, paced)
            yield

    def _play(self, picked: list[int], paced: bool) -> None:
        chain = self.chain
        periods = min(len(chain.ring), round(ROUND_SECONDS * chain.rate / chain.frames))
        chain.rewind()
        performance = Performance(chain, self._guitar)

        def play() -> None:
            ask_for_priority()
            (performance.play_paced if paced else performance.play)(periods)

        audio = threading.Thread(target=play, name="audio")
        audio.start()
        audio.join()
        spent = chain.ring["spent_ns"][:periods].astype(float)
        blocks = chain.spent["measured_ns"][:periods, : len(chain.blocks)]
        medians = np.median(blocks, axis=0)
        for index, level in enumerate(picked):
            self._medians.setdefault((index, level), []).append(float(medians[index]))
        self._beside.append(float(np.median(spent - blocks.sum(axis=1))))
        self._mean_over_median.append(float(spent.mean() / np.median(spent)))
        self._p99_over_mean.append(float(np.quantile(spent, 0.99) / spent.mean()))

    def cost_ns(self, index: int, level: int) -> tuple[float, float]:
        """(nanoseconds a call, error as a share) of one level of a block."""
        return _middle(self._medians[index, level])

    def beside(self) -> tuple[float, float]:
        """(nanoseconds of a period beside its blocks, error)."""
        return _middle(self._beside)

    def mean_over_median(self) -> tuple[float, float]:
        """(mean of a period's time over its median, error)."""
        return _ratio(self._mean_over_median)

    def p99_over_mean(self) -> tuple[float, float]:
        """(99th percentile of a period's time over its mean, error)."""
        return _ratio(self._p99_over_mean)


def _ratio(values: list[float]) -> tuple[float, float]:
    value, error = _middle(values)
    return max(1.0, value), error


def _middle(values: list[float]) -> tuple[float, float]:
    """(median, half the distance between the quarter points as a share of it)."""
    low, middle, high = np.quantile(values, (0.25, 0.5, 0.75))
    return float(middle), float((high - low) / 2 / middle) if middle else 0.0


# -- what is played -------------------------------------------------------------------------------------------------


def _write_board(folder: Path) -> Path:
    """A preset of every kind of block, with the files they need, in this folder; its path."""
    lines = ["version: 1", "name: probe", "chain:"]
    is_stereo = {kind: block.channels == 2 and not block.linked for kind, block in BLOCKS.items()}
    for kind in sorted(BLOCKS, key=lambda kind: (is_stereo[kind], kind)):  # so that the others hear one channel
        declared = BLOCKS[kind]
        for taps in IR_TAPS if any(file.name == "ir" for file in declared.files) else IR_TAPS[:1]:
            files = typical.files(folder, declared, RATE_HZ, taps, A2_CHANNELS)
            if files is not None:
                settings = [f"id: {kind}{taps}", *(f"{name}: {path.name}" for name, path in files.items())]
                lines.append(f"  - {kind}: {{{', '.join(settings)}}}")
    path = folder / "probe.yaml"
    path.write_text("\n".join(lines) + "\n", "utf-8")
    return path


# -- what the machine is --------------------------------------------------------------------------------------------


def _processor() -> str:
    """The processor's name as the system tells it."""
    try:
        for line in Path("/proc/cpuinfo").read_text("utf-8").splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    except OSError:
        pass
    return platform.processor() or platform.machine() or "unknown processor"


def _clock_mhz() -> float:
    try:
        frequency = psutil.cpu_freq()
        return max(1.0, frequency.max or frequency.current)
    except (AttributeError, NotImplementedError, OSError):
        return 1.0


def _machine_name() -> str:
    return f"{platform.node() or 'machine'}-{llvm.get_host_cpu_name()}-{os.cpu_count()}"

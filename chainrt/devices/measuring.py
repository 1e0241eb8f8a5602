"""This machine as a device profile, by playing on it: every kind of block, in real time, on boards of a usual size.

So costs are what they are in a chain: caches are cold, the processor has slept in between. probe.py plays; here it is
added up.

Rules kept here:
* A cost is a mean. It is found from medians, since a mean of a few periods is the machine's and not the block's: the
  middle one of the medians of all stretches. What chains took in the mean is a straight line over what the medians say
  of them, from a few blocks to most of the deadline: its slope is one factor for all blocks, its beginning is charged
  to the period. (A factor alone, in the mean of all boards, was that of small chains: they jitter more, so their means
  lie farther above their medians, and full houses came out 3 to 6 % too slow.) Half the distance between the quarter
  points of the medians, as a share, is the error.
* What a call costs is told from two periods: c(n) = a * (n + extra).
* The 99th percentile of a period is a straight line over its mean, through what little chains, boards and stacks of
  amps took, up to most of the deadline, a third of them at a time (`Probe.tails`). Told from each chain alone it came
  out 20 % too low for chains without an amp, three times, for a chain is too short to meet what is rare. Adding the
  share of the mean and what waking up adds to it by their squares, as deviations do, told six recordings no better
  (of presets, rms .063, the line .050; of full houses .065 and .070). It does not come of the percentiles of blocks:
  what makes periods differ slows down all blocks alike (in stretches of 0.1 s, the means lay 10 to 30 % apart, for 5 %
  of the deadline as for 90 %).
* What misses a deadline is more often the dearer half of all periods than the last one in a hundred. Their logarithms
  are about those of a normal distribution up to the 95th percentile, which gives the jitter its deviation; by how many
  of these the 99th percentile lies out is told beside (2.3 to 2.4 on one busy machine, four times; normal were 2.33).
* A profile *to scale from* (`paced` false) has no pauses, and costs in terms of the reference (probe.steady). What is
  scaled from it depends on these shares alone, so it comes out the same on a busy machine.
"""

import os
import platform
import tempfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

import llvmlite.binding as llvm
import numpy as np
import psutil

from ..vocabulary import FAMILIES, NETWORKS
from .here import processor
from .probe import FILLED, RATE_HZ, STEADY_SECONDS, STRETCH_SECONDS, Probe, Work
from .profile import A2_FULL_WORK, ONE_CORE, OPTIONAL, Device, Figure, Point, first_of
from .reading import DEVIATIONS, ERROR

FRAMES, FEW_FRAMES = 64, 16
ROUNDS = 8
USABLE_SHARE = 0.7
NORMAL_P95 = 1.645  # of a normal distribution, in standard deviations
ENGINE_RATIO = 4.4
"""How much longer the field's reference engine takes for an A2 Full than chainrt, at 64 frames: bench/RESULTS.md,
Networks, fastest rounds on one machine, 1,282 over 293 ns."""


def measure(
    name: str,
    tell: Callable[[int, int, str], None] | None = None,
    rounds: int = ROUNDS,
    paced: bool = True,
) -> Device:
    """Play for about `rounds` x 18 seconds and tell what it cost. tell(done, total, what) hears of progress.

    Without `paced` the periods follow each other at once, so what waking up costs is left out: to scale from.
    """
    with tempfile.TemporaryDirectory() as folder:
        measurement = Measurement(Path(folder), tell)
        total = rounds * len(measurement)
        done = 0
        for _ in range(rounds):
            for _ in measurement.play_round(paced):
                done += 1
                if tell:
                    tell(done, total, "playing")
    return measurement.device(name, paced)


class Median(NamedTuple):
    """Nanoseconds of a call at FRAMES in the middle of all stretches, and what was found out beside."""

    ns: float
    error: float
    extra_frames: float


class Measurement:
    """What is known of this machine so far."""

    def __init__(self, folder: Path, tell: Callable[[int, int, str], None] | None = None):
        self._long, self._short = Probe(folder, FRAMES, tell, FILLED), Probe(folder, FEW_FRAMES, tell)
        self._rounds = 0

    def __len__(self) -> int:
        """Stretches a round."""
        return len(self._long) + len(self._short)

    def play_round(self, paced: bool = True) -> Iterator[None]:
        """Play all boards at all levels at both periods; gives a sign after each stretch, when others may play."""
        for probe in (self._long, self._short):
            yield from probe.play_round(paced)
        self._rounds += 1

    def forget(self) -> None:
        """Begin anew, with the same boards: what was played so far does not count."""
        for probe in (self._long, self._short):
            probe.forget()
        self._rounds = 0

    def device(self, name: str, paced: bool = True) -> Device:
        """The profile after the rounds so far."""
        stretch, pace = (STRETCH_SECONDS, "") if paced else (STEADY_SECONDS, ", without pauses")
        source = (
            f"played on {platform.node() or 'this machine'} ({processor()}), {self._rounds} x {stretch} s a level{pace}"
        )
        medians = self._medians(paced)
        beside, beside_error = _middle(self._long.beside(lambda work: medians[work].ns))
        firsts = self._firsts(medians) if paced else {}
        first = {family: ns for family, (ns, _) in firsts.items()}
        mean, more = line(self._long.means(lambda work: medians[work].ns, beside, first)) if paced else (1.0, 0.0)
        costs = self._costs(medians, source, mean)
        tails = self._long.tails()
        slope, beside_tail = tail_law(tails[:, [0, 3]])
        share, seconds = lasting(self._long.moments()) if paced else (0.0, 0.0)

        def measured(value: float, error: float | None = None) -> Figure:
            return Figure(value, "measured", source, error)

        def told(value: float, said: str) -> Figure:
            return Figure(value, "published", said)

        extra = float(np.median([points[0].extra_frames for points in costs.values()]))
        figures = {
            **OPTIONAL,
            "clock_mhz": told(_clock_mhz(), "what the system says"),
            "cores": told(os.cpu_count() or 1, "what the system says"),
            "period_frames": measured(FRAMES),
            "rate_hz": measured(RATE_HZ),
            "usable_share": Figure(USABLE_SHARE, "estimated", "chainrt's own default budget"),
            "ns_per_period": measured(mean * beside + more, beside_error),
            "extra_frames_per_call": Figure(extra, "measured", "the median of the costs below"),
            "p99_over_mean": measured(slope),
            "p99_beside_ns": measured(beside_tail),
            "ram_bytes": told(psutil.virtual_memory().total, "what the system says"),
            "bypassed_share": Figure(0.0, "measured", "blocks with enabled: false are not played at all"),
            "handover_ns": Figure(0.0, "measured", "lanes share one core"),
        }
        if paced:
            figures |= {
                **{first_of(family): measured(mean * ns, error) for family, (ns, error) in firsts.items()},
                "p99_deviations": measured(deviations(tails)),
                "jitter_lasting": measured(share),
                "jitter_lasts_s": measured(seconds),
            }
        full = next(point for point in costs["a2"] if point.work == A2_FULL_WORK)
        said = f"A2 Full here, times {ENGINE_RATIO}: what the reference engine took on one machine (bench/RESULTS.md)"
        reference = Figure(ENGINE_RATIO * (full.value + mean * first.get("a2", 0.0) / FRAMES), "derived", said)
        return Device(name, processor(), llvm.get_host_cpu_name(), ONE_CORE, figures, costs, reference=reference)

    def _medians(self, paced: bool) -> dict[Work, Median]:
        """What a call of everything takes in the middle."""
        long, short = (probe.costs() if paced else probe.costs_by_reference() for probe in (self._long, self._short))
        found = {}
        for work in sorted(long):
            (many_ns, error), (few_ns, _) = _middle(long[work]), _middle(short[work])
            found[work] = Median(many_ns, error, _extra_frames(many_ns, few_ns))
        return found

    def _firsts(self, medians: dict[Work, Median]) -> dict[str, tuple[float, float | None]]:
        """(what the first amp of each family takes beyond any other, nanoseconds; error as a share of it)."""
        beyond: dict[str, list[float]] = {family: [] for family in NETWORKS}
        for work, values in self._long.alone().items():
            beyond[work.family] += [ns - medians[work].ns for ns in values]
        found = {}
        for family, values in beyond.items():
            low, middle, high = np.quantile(values, (0.25, 0.5, 0.75))
            ns = max(0.0, float(middle))
            found[family] = ns, min(float(high - low) / 2 / ns, ERROR.high) if ns else None
        return found

    def _costs(self, medians: dict[Work, Median], source: str, mean: float) -> dict[str, tuple[Point, ...]]:
        points = {
            work: Point(mean * one.ns / FRAMES, "measured", source, one.error, work.work, one.extra_frames)
            for work, one in medians.items()
        }
        found: dict[str, list[Point]] = {}
        families: dict[str, dict[float, Point]] = {family: {} for family in FAMILIES}
        for work, made in points.items():
            families[work.family][work.work] = made
            if work.family not in NETWORKS:
                found.setdefault(work.kind, []).append(made)
        kinds = {kind: tuple(made) if len(made) > 1 else (replace(made[0], work=None),) for kind, made in found.items()}
        effects = [made for work, made in points.items() if work.family == "effect"]
        work, value, extra = (
            float(np.mean([getattr(one, name) for one in effects])) for name in ("work", "value", "extra_frames")
        )
        kinds["effect"] = (Point(value, "measured", f"mean of all effects; {source}", None, work, extra),)
        others = [family for family in FAMILIES if family != "effect"]
        return kinds | {family: tuple(families[family][work] for work in sorted(families[family])) for family in others}


def tail_law(tails: np.ndarray) -> tuple[float, float]:
    """(slope, ns) of p99 = slope * mean + ns, from (mean, 99th percentile) of chains; relative errors are least.

    The slope is not below 1, and the rest not below 0: a tail is never before its mean.
    """
    mean, p99 = tails.T
    slope, beside = line(tails)
    if slope < 1:
        return 1.0, max(0.0, float(np.average(p99 - mean, weights=1 / mean**2)))
    return slope, beside


def line(points: np.ndarray) -> tuple[float, float]:
    """(slope, beginning) of the straight line through (x, y) whose relative errors are least; it begins at 0 or above.

    points: (points, 2).
    """
    x, y = points.T
    slope, beginning = np.polyfit(x, y, 1, w=1 / x)
    return (float(slope), float(beginning)) if beginning >= 0 else (float(np.mean(y / x)), 0.0)


def deviations(tails: np.ndarray) -> float:
    """By how many deviations of a lognormal factor of mean 1 the 99th percentile lies out, in the middle of chains.

    tails: (mean, median, 95th percentile, 99th percentile) of each. Between median and 95th percentile it is lognormal.
    """
    mean, median, p95, p99 = tails.T
    sd = np.log(p95 / median) / NORMAL_P95
    return float(np.clip(np.median((np.log(p99 / mean) + sd**2 / 2) / sd), DEVIATIONS.low, DEVIATIONS.high))


def lasting(moments: Sequence[tuple[float, np.ndarray]]) -> tuple[float, float]:
    """(share of the variance of periods that is their stretch's, seconds in which that is forgotten).

    moments: of stretches in their order, when each began (ns) and the logarithms of its periods, about 0 on the whole.
    From one stretch to the next so much is left as their means have in common.
    """
    began_ns = np.array([began for began, _ in moments])
    means = np.array([logs.mean() for _, logs in moments])
    within = np.mean([logs.var() for _, logs in moments])
    between = max(0.0, means.var() - within / len(moments[0][1]))
    left = (means[1:] * means[:-1]).mean() / max(means.var(), 1e-12)
    seconds = np.diff(began_ns).mean() / 1e9 / -np.log(np.clip(left, 0.01, 0.99))
    return float(between / (between + within)) if between else 0.0, float(seconds)


def _extra_frames(many_ns: float, few_ns: float) -> float:
    """c(FRAMES) and c(FEW_FRAMES) -> the extra frames of c(n) = a * (n + extra); not below 0, at most a period."""
    ratio = few_ns / many_ns
    if ratio >= 1:
        return float(FRAMES)
    return min(max(0.0, (FRAMES * ratio - FEW_FRAMES) / (1 - ratio)), float(FRAMES))


def _middle(values: Sequence[float]) -> tuple[float, float]:
    """(median, half the distance between the quarter points as a share of it)."""
    low, middle, high = np.quantile(values, (0.25, 0.5, 0.75))
    return float(middle), float((high - low) / 2 / middle) if middle else 0.0


# -- what the machine is --------------------------------------------------------------------------------------------


def _clock_mhz() -> float:
    try:
        frequency = psutil.cpu_freq()
        return max(1.0, frequency.max or frequency.current)
    except (AttributeError, NotImplementedError, OSError):
        return 1.0

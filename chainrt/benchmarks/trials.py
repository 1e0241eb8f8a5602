"""Trials: what a machine and its neighbours are like just now, and what a simulation may know of it.

Between the runs that are compared the same rack plays for a moment at half its size, beside each kind of neighbour in
turn. So whatever the machine does in the course of a round, it does to runs and trials alike. From the trials just
before and just after a run it is predicted twice: by the laws (weather.py) with the slowdowns and the jitter that the
trials had, and on a day that is pieced together of the trials' own periods.

Rules kept here:
* Nothing of the run that is predicted is known but when its neighbours were busy.
* At half: every other amp at its largest level, the rest at their smallest, and the other way round in the next trial.
  So the machine sleeps between periods as it does under most policies, and both ends of the cost table are met.
* How slow: what periods took over what the table says, in the median, by kind of noise. Jitter: as far as the 99th
  percentile lies above each trial's own median, all kinds together; what of it lasts: as of a device profile
  (devices/measuring.py).
* A day is made of whole pieces, each kind of noise from its own, each once before any comes again: so what lasts for a
  while does so in the day, too.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from ..control import TICK_SECONDS
from ..devices.measuring import lasting
from ..devices.probe import STRETCH_SECONDS
from ..devices.profile import NORMAL_P99, Jitter
from ..numeric import FRAMES, RATE_HZ
from ..scheduler import ChainModel, Fixed
from ..trace import Trace
from .neighbour import KINDS, Burst, noise_at
from .playing import SETTLE_SECONDS, Run, moments_s
from .preventable import sound_ns

PIECE_SECONDS = 0.2  # beside one kind of noise; before each it is quiet for as long
TURNS = 2  # of each kind
BURSTS = [
    Burst((2 * place + 1) * PIECE_SECONDS, (2 * place + 2) * PIECE_SECONDS, kind)
    for place, kind in enumerate(KINDS * TURNS)
]
SECONDS = BURSTS[-1].end_s
NOISES = ("quiet", *KINDS)  # as noise_at numbers them
PERIOD_SECONDS = FRAMES / RATE_HZ


def at_half(number: int, model: ChainModel) -> Fixed:
    """The policy that plays the trial of this number."""
    sized = [index for index, block in enumerate(model.blocks) if len(block.allowed) > 1]
    large = set(sized[number % 2 :: 2])
    return Fixed(block.largest if index in large else block.smallest for index, block in enumerate(model.blocks))


@dataclass(frozen=True, eq=False)
class Piece:
    """Some periods in a row beside one kind of noise. rows: of their trace; ratio: measured over expected cost.

    noise: place in NOISES; release_ns: when they were due, by the engine's clock.
    """

    noise: int
    rows: np.ndarray
    ratio: np.ndarray
    release_ns: np.ndarray


Trial = list[Piece]


def heard(run: Run, trace: Trace) -> Trial:
    """What a run beside BURSTS has shown, its beginning left out. ValueError: some kind of noise was not heard."""
    moments = moments_s(run)
    noise = np.where(moments < 0, -1, noise_at(BURSTS, moments))
    measured_ns, expected_ns = (each.sum(axis=1) for each in sound_ns(run.spent))
    trial = [
        Piece(int(noise[part][0]), trace.rows[part], (measured_ns / expected_ns)[part], run.ring["release_ns"][part])
        for part in _stretches(noise)
        if noise[part][0] >= 0
    ]
    if {piece.noise for piece in trial} != set(range(len(NOISES))):
        raise ValueError("too few periods of a trial were played")
    return trial


def _stretches(values: np.ndarray) -> Iterator[slice]:
    """Where the same value stays for a while."""
    edges = [0, *(np.flatnonzero(np.diff(values)) + 1).tolist(), len(values)]
    return (slice(*ends) for ends in pairwise(edges))


def _of_kind(trials: Sequence[Trial], noise: int) -> list[Piece]:
    return [piece for trial in trials for piece in trial if piece.noise == noise]


# -- laws with the figures of trials --------------------------------------------------------------------------------


def medians(trials: Sequence[Trial]) -> dict[str, float]:
    """By kind of noise: measured over expected cost, in the median."""
    return {
        name: float(np.median(np.concatenate([piece.ratio for piece in _of_kind(trials, noise)])))
        for noise, name in enumerate(NOISES)
    }


def jitter(trials: Sequence[Trial]) -> Jitter:
    """How periods of the same trial beside the same kind of noise differ."""
    logs = [_logs(trial) for trial in trials]
    p99 = np.quantile(np.concatenate([log for trial in logs for _, log in trial]), 0.99)
    told = [lasting([moment for piece, log in trial for moment in _moments(piece, log)]) for trial in logs]
    share, seconds = np.median(told, axis=0)
    return Jitter(float(p99) / NORMAL_P99, float(share), float(seconds))


def _logs(trial: Trial) -> list[tuple[Piece, np.ndarray]]:
    """Of each piece the logarithms of its periods' ratios, about 0 for each kind of noise."""
    middle = list(medians([trial]).values())
    return [(piece, np.log(piece.ratio / middle[piece.noise])) for piece in trial]


def slowdowns(trials: Sequence[Trial]) -> dict[str, float]:
    """By kind of noise: the slowdown with which the laws have the median of the trials; a jitter's mean is 1."""
    over_median = float(np.exp(jitter(trials).sd ** 2 / 2))
    return {name: over_median * median for name, median in medians(trials).items()}


def _moments(piece: Piece, logs: np.ndarray) -> Iterator[tuple[float, np.ndarray]]:
    """Stretches of a piece, as long as those of a device's measurement: when each began, and its logarithms."""
    size = round(STRETCH_SECONDS / PERIOD_SECONDS)
    for begin in range(0, len(logs) - size + 1, size):
        yield float(piece.release_ns[begin]), logs[begin : begin + size]


# -- a day of trials ------------------------------------------------------------------------------------------------


def day(trials: Sequence[Trial], about: dict, bursts: Sequence[Burst], periods: int, seed: int) -> Trace:
    """A run beside these bursts as the trials would have met it. about: see playing.about."""
    due_s = PERIOD_SECONDS * np.arange(periods)
    noise = noise_at(bursts, due_s - SETTLE_SECONDS)
    random = np.random.default_rng(seed)
    supplies = [_endless(_of_kind(trials, kind), random) for kind in range(len(NOISES))]
    rows = np.concatenate([_filled(supplies[noise[part][0]], part.stop - part.start) for part in _stretches(noise)])
    tick = max(1, round(TICK_SECONDS / PERIOD_SECONDS))
    ticks = np.append(np.arange(tick, periods, tick), periods)
    return Trace(rows, ticks, np.zeros(len(ticks), np.int64), 1e9 * due_s, np.zeros(periods, np.int64), about)


def _endless(pieces: Sequence[Piece], random: np.random.Generator) -> Iterator[np.ndarray]:
    """Rows of one piece after the other, in any order, for ever."""
    while True:
        for number in random.permutation(len(pieces)):
            yield pieces[number].rows


def _filled(supply: Iterator[np.ndarray], periods: int) -> np.ndarray:
    """So many rows; what is left of the last piece is thrown away."""
    rows = [next(supply)]
    while sum(map(len, rows)) < periods:
        rows.append(next(supply))
    return np.concatenate(rows)[:periods]

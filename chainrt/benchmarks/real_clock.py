"""Cells by a real clock: all policies in turn within the same minute, beside the same noisy neighbour.

A cell is one round on one clock, in a process of its own: a sound system that aborts must not take the benchmark with
it. First a rack is made that fills this machine just now, then the policies play in turn, `adaptive` twice, with a
trial (trials.py) before each and after the last. At last every run is simulated: from its own trace, from the trace of
`adaptive`, and twice from nothing but trials and the neighbours' schedule.
"""

import os
import tempfile
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import numpy as np

from .. import portaudio
from ..chain import Chain
from ..errors import DeviceError, Fault
from ..live import Door, WallClock
from ..machine import ask_for_priority
from ..numeric import FRAMES, RATE_HZ
from ..performance import Performance
from ..riff import riff
from ..scheduler import ChainModel, Fixed
from ..trace import Trace
from . import playing, rack, trials
from .chapter import Cell
from .contestants import CONTESTANTS, OURS, Make
from .jack import dummy_server
from .neighbour import Burst, Neighbours, noise_at, schedule
from .playing import SETTLE_SECONDS, Run
from .priority import at_priority
from .trials import Trial

TIMER, JACK = "timer", "jack"
SEPARATOR = "; "
AGAIN = f"{OURS}, again"
PLAYERS = CONTESTANTS | {AGAIN: CONTESTANTS[OURS]}
SPARE_SECONDS = 5.0  # of a run, for what comes before and after its sound
TIMELINE_PERIODS = 30  # in one point of a picture

OpenDoor = Callable[[Chain, int], Door]


def measure(cell: Cell, folder: Path) -> dict[str, Any]:
    """cell: clock, round, seconds, who: policies with SEPARATOR between. {"failed": why}: no clock could be had."""
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as apart:
        try:
            return apart.submit(play_round, cell, folder).result()
        except DeviceError as error:
            return {"failed": str(error)}
        except BrokenProcessPool:
            return {"failed": "the sound system ended the process that played"}


def play_round(cell: Cell, folder: Path) -> dict[str, Any]:
    """One round, in this process. Raises DeviceError."""
    names, seconds = cell["who"].split(SEPARATOR), float(cell["seconds"])
    turn = cell["round"] % len(names)
    order = names[turn:] + names[:turn]
    bursts = schedule(cell["round"], seconds)
    with tempfile.TemporaryDirectory() as own, _doors(cell["clock"]) as open_door:
        made = rack.sized(Path(own))
        with Neighbours(2 * _longest_s(len(order), seconds)) as neighbours:
            tried = [_try(made, 0, open_door, neighbours)]
            runs = {}
            for number, name in enumerate(order, 1):
                try:
                    runs[name] = _play(made, name, PLAYERS[name], open_door, neighbours, bursts, seconds)
                except (DeviceError, ValueError) as error:  # JACK dropped its client; the control thread was starved
                    runs[name] = str(error)
                tried.append(_try(made, number, open_door, neighbours))
    heard = {name: run for name, run in runs.items() if not isinstance(run, str)}
    around = {name: _around(tried, place) for place, name in enumerate(order)}
    answer = {
        "amps": made.amps,
        "full_share": made.full_share,
        "trials": [trials.medians([trial]) for trial in tried if trial],
        "jitter": trials.jitter([trial for trial in tried if trial])._asdict(),
        "is_real_time": at_priority(ask_for_priority),
        "load_average": os.getloadavg()[0],
        "lost": {name: run for name, run in runs.items() if isinstance(run, str)},
        "policies": {name: _told(cell, name, heard, around[name], bursts) for name in names if name in heard},
        "files": [],
    }
    if OURS in heard:
        folder.mkdir(parents=True, exist_ok=True)
        file = f"{cell['clock']}-{cell['round']}-{OURS}.trace"
        heard[OURS][0].save(folder / file)
        answer["files"].append(file)
    return answer


@contextmanager
def _doors(clock: str) -> Iterator[OpenDoor]:
    """What opens a door for a chain and so many periods."""
    guitar = riff(RATE_HZ)
    if clock == TIMER:
        yield lambda chain, periods: WallClock(Performance(chain, guitar), periods)
        return
    with dummy_server(f"bench-{os.getpid()}", FRAMES, RATE_HZ):
        try:
            portaudio.look_again()
            _, output = portaudio.choose("jack", None, None)
            yield lambda chain, periods: portaudio.SoundCard(
                chain, None, output, source=guitar, most_frames=periods * FRAMES
            )
        finally:
            portaudio.library()._terminate()  # PortAudio aborts if its JACK has gone before it does


def _longest_s(runs: int, seconds: float) -> float:
    """How long a round may take by the clock, from its first trial on."""
    return (runs + 1) * (SETTLE_SECONDS + trials.SECONDS + SPARE_SECONDS) + runs * (
        SETTLE_SECONDS + seconds + SPARE_SECONDS
    )


def _play(
    made: rack.Rack,
    name: str,
    make: Make,
    open_door: OpenDoor,
    neighbours: Neighbours,
    bursts: list[Burst],
    seconds: float,
) -> tuple[Trace, Run, ChainModel]:
    chain = made.chain()
    model = made.model(chain)
    periods = round((SETTLE_SECONDS + seconds) * RATE_HZ / FRAMES)
    told = playing.about(chain, model, name, bursts)
    listener = playing.play(chain, model, make, open_door(chain, periods), told, neighbours, bursts)
    return listener.trace(), listener.run(), model


def _try(made: rack.Rack, number: int, open_door: OpenDoor, neighbours: Neighbours) -> Trial | None:
    """A trial; None: it did not come about."""

    def make(model: ChainModel, budget: float) -> Fixed:
        return trials.at_half(number, model)

    try:
        trace, run, _ = _play(made, "trial", make, open_door, neighbours, trials.BURSTS, trials.SECONDS)
        return trials.heard(run, trace)
    except (DeviceError, ValueError):  # as in play_round
        return None


def _around(tried: list[Trial | None], place: int) -> list[Trial]:
    """The trials just before and just after the run at this place; all of the round if neither came about.

    DeviceError: there is none at all.
    """
    near = [trial for trial in tried[place : place + 2] if trial] or [trial for trial in tried if trial]
    if not near:
        raise DeviceError(Fault("trials", "none of them could be played"))
    return near


def _told(cell: Cell, name: str, heard: dict, around: list[Trial], bursts: list[Burst]) -> dict[str, Any]:
    trace, run, model = heard[name]
    make, first, periods = PLAYERS[name], round(SETTLE_SECONDS * RATE_HZ / FRAMES), len(run.ring)

    def counted(one: Run) -> dict[str, Any]:
        return playing.figures(one, model, first)

    load = playing.load_of(bursts, trials.slowdowns(around))
    laws = playing.by_the_laws(trace.about, make, periods, load, trials.jitter(around), cell["round"])
    pieced = trials.day(around, trace.about, bursts, periods, cell["round"])
    answer = {
        "real": counted(run),
        "is_same": run.is_same_as(playing.replayed(trace, make)),
        "laws": counted(laws),
        "day of trials": counted(playing.on_the_day_of(pieced, make)),
        "timeline": _timeline(run, model, bursts),
    }
    if OURS in heard:
        answer["day of adaptive"] = counted(playing.on_the_day_of(heard[OURS][0], make))
    return answer


def _timeline(run: Run, model: ChainModel, bursts: list[Burst]) -> dict[str, list[float]]:
    """Pictures of a run, TIMELINE_PERIODS in a point: seconds, mean and longest response, utility, misses, noise."""
    count = len(run.ring) // TIMELINE_PERIODS

    def grouped(values: np.ndarray) -> np.ndarray:
        return values[: count * TIMELINE_PERIODS].reshape(count, TIMELINE_PERIODS)

    moments = playing.moments_s(run)
    response = grouped(playing.response_shares(run, model.deadline_ns))
    points = {
        "time_s": grouped(moments)[:, 0],
        "mean": response.mean(axis=1),
        "longest": response.max(axis=1),
        "utility": grouped(playing.utilities(run, model)).mean(axis=1),
        "misses": grouped(run.ring["missed"] + run.ring["swallowed"]).sum(axis=1),
        "noise": grouped(noise_at(bursts, moments) > 0).mean(axis=1),
    }
    return {name: np.asarray(values, float).round(4).tolist() for name, values in points.items()}

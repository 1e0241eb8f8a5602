"""Cells by a real clock: all policies in turn within the same minute, beside the same noisy neighbour.

A cell is one round on one clock, in a process of its own: a sound system that aborts must not take the benchmark with
it. First a rack is made that fills this machine just now, then it is found how much its neighbours slow it down, then
the policies play in turn. At last every run is simulated: from its own trace, from the trace of `adaptive`, and from
nothing but the laws (weather.py) and the neighbours' schedule.
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
from ..errors import DeviceError
from ..live import Door, WallClock
from ..machine import ask_for_priority
from ..numeric import FRAMES, RATE_HZ
from ..performance import Performance
from ..riff import riff
from ..scheduler import ChainModel
from . import playing, rack
from .chapter import Cell
from .contestants import CONTESTANTS, OURS
from .jack import dummy_server
from .neighbour import KINDS, Burst, noise_at, schedule
from .playing import SETTLE_SECONDS, Run
from .priority import at_priority

TIMER, JACK = "timer", "jack"
SEPARATOR = "; "
TRIAL_SECONDS = 0.7  # of each kind of noise, to find out how slow it makes the machine
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
    with tempfile.TemporaryDirectory() as own, _doors(cell["clock"]) as open_door:
        made = rack.sized(Path(own))
        slow = _slowdowns(made)
        bursts = schedule(cell["round"], seconds)
        runs = {}
        for name in names[turn:] + names[:turn]:
            try:
                runs[name] = _play(made, name, open_door, seconds, bursts)
            except (DeviceError, ValueError) as error:  # JACK dropped its client; the control thread was starved
                runs[name] = str(error)
    heard = {name: run for name, run in runs.items() if not isinstance(run, str)}
    answer = {
        "amps": made.amps,
        "full_share": made.full_share,
        "slowdowns": slow,
        "is_real_time": at_priority(ask_for_priority),
        "load_average": os.getloadavg()[0],
        "lost": {name: run for name, run in runs.items() if isinstance(run, str)},
        "policies": {name: _told(cell, name, heard, slow, bursts) for name in names if name in heard},
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


def _play(made: rack.Rack, name: str, open_door: OpenDoor, seconds: float, bursts: list[Burst]):
    chain = made.chain()
    model = made.model(chain)
    periods = round((SETTLE_SECONDS + seconds) * RATE_HZ / FRAMES)
    told = playing.about(chain, model, name, bursts)
    listener = playing.play(chain, model, CONTESTANTS[name], open_door(chain, periods), bursts, told)
    return listener.trace(), listener.run(), model


def _slowdowns(made: rack.Rack) -> dict[str, float]:
    """What the neighbours do to a rack at full: how slow it is in quiet and beside each kind of them."""
    bursts = [Burst(TRIAL_SECONDS * place, TRIAL_SECONDS * (place + 1), kind) for place, kind in enumerate(KINDS)]
    _, run, _ = _play(made, "full", _timer, TRIAL_SECONDS * len(KINDS), bursts)
    return playing.slowdowns(run, noise_at(bursts, playing.moments_s(run)))


def _timer(chain: Chain, periods: int) -> Door:
    return WallClock(Performance(chain, riff(RATE_HZ)), periods)


def _told(cell: Cell, name: str, heard: dict, slow: dict[str, float], bursts: list[Burst]) -> dict[str, Any]:
    trace, run, model = heard[name]
    make, first = CONTESTANTS[name], round(SETTLE_SECONDS * RATE_HZ / FRAMES)

    def counted(one: Run) -> dict[str, Any]:
        return playing.figures(one, model, first)

    laws = playing.by_the_laws(trace.about, make, len(run.ring), playing.load_of(bursts, slow), cell["round"])
    answer = {
        "real": counted(run),
        "is_same": run.is_same_as(playing.replayed(trace, make)),
        "laws": counted(laws),
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

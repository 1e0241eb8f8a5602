"""What `chainrt run` does in real time: choose a door, make the session, say how it goes."""

import math
import os
import time
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from .. import portaudio, preset, report
from ..board import Board, make_board
from ..calibrate import cost_table
from ..errors import DeviceError, Fault, PresetError
from ..live import Door, WallClock
from ..performance import Performance
from ..riff import riff
from ..session import Session
from ..snapshot import Change
from . import show

CLOCK = "clock"  # for --host: no sound card
HOSTS = (*portaudio.HOSTS, CLOCK)
LINE_SECONDS = 5.0  # between two lines about how it goes


@dataclass(frozen=True)
class Route:
    """How a chain is going to be played."""

    output: portaudio.Device | None
    """The sound card to play through; None: the clock."""
    input: portaudio.Device | None
    """The sound card to play from, if any."""
    samples: np.ndarray | None
    """float32, played instead of an input; None: the guitar that is plugged in."""
    source: str
    """What is played, for people."""
    frames: int
    """How long: so many frames; 0: until somebody stops it."""


def find_route(options, rate: int, samples: np.ndarray | None, frames: int | None) -> Route:
    """Through a sound card if there is one or one was asked for, else by the clock.

    samples: of --input. frames: by --seconds. CHAINRT_HOST stands for --host where that is not given. Raises
    DeviceError, PresetError.
    """
    host = options.host or os.environ.get("CHAINRT_HOST") or None
    asked_for = any((options.host, options.input_device, options.output_device)) and host != CLOCK
    if host == CLOCK and (options.input_device or options.output_device):
        raise PresetError(Fault("--host", "the clock has no devices; leave --in and --out out"))
    if options.riff and options.input:
        raise PresetError(Fault("--riff", "not together with --input"))
    source = options.input or "the built-in riff"
    plays_samples = options.riff or samples is not None
    input_device = output_device = None
    if host != CLOCK:
        names = options.input_device, options.output_device
        try:
            input_device, output_device = portaudio.choose(host, *names, needs_input=not plays_samples)
        except DeviceError:
            if asked_for:
                raise
    if input_device is None and samples is None:
        samples = riff(rate)
    if input_device:
        if options.output and not frames:
            raise PresetError(Fault("--output", "say with --seconds how much of the guitar is to be kept"))
        return Route(output_device, input_device, None, "", frames or 0)
    return Route(output_device, None, samples, source, frames or len(samples))


def open_door(route: Route, board: Board, keep: bool) -> Door:
    """The door of a route. keep: the sound is wanted afterwards, as `door.output`."""
    chain = board.played
    if route.output is None:
        periods = math.ceil(route.frames / chain.frames)
        performance = Performance(chain, route.samples, periods * chain.frames if keep else 0)
        return WallClock(performance, periods)
    return portaudio.SoundCard(
        chain,
        route.input,
        route.output,
        source=route.samples,
        kept_frames=route.frames if keep else 0,
        most_frames=route.frames,
    )


def told_by(session: Session) -> dict:
    """What only a session knows: of all presets that it played, and of its sound card."""
    seen = session.snapshot()
    answer = {
        "periods": seen.periods,
        "misses": seen.misses,
        "unavoidable_misses": seen.unavoidable,
        "longest_miss_run": seen.longest_miss_run,
        "lost_periods": seen.lost_periods,
    }
    if session.board.pair:
        answer["second_core"] = report.second_core([board.pair for board in session.boards])
    if isinstance(session.door, portaudio.SoundCard):
        into, out_of = session.door.latency_s
        answer["card"] = {
            **session.door.flags,
            "input_latency_ms": round(1000 * into, 3),
            "output_latency_ms": round(1000 * out_of, 3),
        }
    return answer


def board_loader(rate: int, frames: int, policy: str, second_core: bool) -> Callable[[str, float], Board]:
    """What a session loads other presets with."""

    def load(path: str, budget: float) -> Board:
        other = preset.on_standby(preset.load(path))
        return make_board(
            other,
            rate,
            frames,
            riff(rate),
            policy=policy,
            budget=budget,
            costs=cost_table,
            second_core=second_core,
        )

    return load


def play(session: Session, out, is_watched: bool) -> None:
    """Play to the end, in the full-screen view or with lines.

    A line for each change of level, for each note, and every few seconds for how it goes.
    """
    if is_watched:
        from . import view  # half a second that only those wait who look

        view.watch(session)
        return
    noted, next_line = 0, time.monotonic() + LINE_SECONDS

    def tell(changes: list[Change]) -> None:
        nonlocal noted, next_line
        show.print_changes(out, changes)
        for note in session.door.notes[noted:]:
            out.print(f"  {note}")
            noted += 1
        if time.monotonic() >= next_line:
            next_line += LINE_SECONDS
            show.print_moment(out, session.snapshot())

    session.play(tell)

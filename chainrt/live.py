"""A chain in real time, and the one control thread.

The audio thread runs compiled code only: it waits for each period's release, plays it, counts. The main thread looks
at its records a hundred times a second, asks the policy and posts the plan. Should Python be starved, the engine goes
on with the last plan.

Sound cards are not played yet; the clock is the machine's own.
"""

import os
import threading
import time
from collections.abc import Callable

from .chain import Chain
from .control import TICK_SECONDS, Control
from .meters import LevelChange
from .performance import Performance

PRIORITY = 70  # of 99: what JACK gives its own thread


def sound_cards() -> list[str]:
    """Names of the sound cards that PortAudio finds; none if PortAudio itself is missing."""
    try:
        import sounddevice

        return [device["name"] for device in sounddevice.query_devices() if device["max_output_channels"] > 0]
    except Exception:  # a missing library is an OSError, a broken audio system anything
        return []


def ask_for_priority() -> bool:
    """Let the calling thread go before all ordinary ones, where the system permits it; True if it does."""
    try:
        os.sched_setscheduler(0, os.SCHED_FIFO, os.sched_param(PRIORITY))
    except (AttributeError, OSError):  # not Linux; not permitted
        return False
    return True


def play_by_the_clock(
    chain: Chain,
    control: Control,
    performance: Performance,
    periods: int,
    tell: Callable[[float, list[LevelChange]], None] | None = None,
) -> None:
    """Play so many periods in real time. tell(seconds played, changes) hears of every tick.

    Ctrl-C ends the performance after the period that plays, and is passed on.
    """

    def play() -> None:
        ask_for_priority()
        performance.play_paced(periods)

    audio = threading.Thread(target=play, name="audio", daemon=True)
    audio.start()
    try:
        while audio.is_alive():
            time.sleep(TICK_SECONDS)
            changes = control.tick()
            if tell:
                tell(performance.done / chain.rate, changes)
    finally:
        performance.stop()
        audio.join()
        control.tick()

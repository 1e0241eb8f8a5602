"""The machine under the sound: priority for the audio thread, memory that stays, a processor that keeps its pace.

Everything plays without these, only less safely. So what is refused is told once, with what to do about it.
"""

import ctypes
import os
import sys
from pathlib import Path

import psutil

PRIORITY = 70  # of 99: what JACK gives its own threads
LOCK_CURRENT = 1  # MCL_CURRENT of <sys/mman.h> on Linux
GOVERNOR = Path("/sys/devices/system/cpu/cpu0/cpufreq/scaling_governor")
THROTTLED = 0.75  # a processor at less than this share of its highest frequency, under load, is being held back

LIMITS_ADVICE = "add '@audio - rtprio 95' and '@audio - memlock unlimited' to /etc/security/limits.d/audio.conf"


def ask_for_priority(thread: int = 0, priority: int = PRIORITY) -> bool:
    """Let a thread (0: the calling one) go before all ordinary ones, where the system permits it; True if it does."""
    try:
        if os.sched_getscheduler(thread) not in (os.SCHED_FIFO, os.SCHED_RR):
            os.sched_setscheduler(thread, os.SCHED_FIFO, os.sched_param(priority))
    except (AttributeError, OSError):  # not Linux; not permitted, or the thread is gone
        return False
    return True


def keep_memory() -> bool:
    """Let nothing that this process has in memory by now be written to disk; True if the system permits it.

    Not what it asks for later, since Python asks for much: each request would have to be fulfilled at once.
    """
    if sys.platform != "linux":
        return False
    import resource

    if os.geteuid() != 0 and resource.getrlimit(resource.RLIMIT_MEMLOCK)[0] != resource.RLIM_INFINITY:
        return False
    return ctypes.CDLL(None, use_errno=True).mlockall(LOCK_CURRENT) == 0


def prepare(audio_thread: int = 0) -> list[str]:
    """Do what the system permits, for the audio thread of this number (0: the calling one).

    Returns a line for each thing that would make playing safer on this machine.
    """
    has_priority, has_memory = ask_for_priority(audio_thread), keep_memory()
    lines = []
    missing = [name for name, has in (("real-time priority", has_priority), ("locked memory", has_memory)) if not has]
    if missing and sys.platform == "linux":
        lines.append(f"Without {' and '.join(missing)}: {LIMITS_ADVICE}, join the group audio, log in again.")
    governor = cpu_governor()
    if governor not in (None, "performance"):
        lines.append(f"The CPU governor is {governor!r}: 'cpupower frequency-set -g performance' keeps its pace.")
    return lines


def cpu_governor() -> str | None:
    """What decides on the processor's frequency; None: the system does not tell."""
    try:
        return GOVERNOR.read_text().strip()
    except OSError:
        return None


def throttling() -> str | None:
    """ "1,500 of 2,400 MHz" if the processor runs well below its highest frequency; None: it does not, or is not told.

    Under the load of a chain that plays this is heat or a saving governor.
    """
    try:
        frequency = psutil.cpu_freq()
    except (OSError, NotImplementedError, RuntimeError):
        return None
    if not frequency or not frequency.max or frequency.current >= THROTTLED * frequency.max:
        return None
    return f"{frequency.current:,.0f} of {frequency.max:,.0f} MHz"

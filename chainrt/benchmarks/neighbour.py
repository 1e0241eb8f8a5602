"""A noisy neighbour, started on purpose: processes that compute and copy memory, on and off by a seeded schedule.

    bursts = schedule(seed, seconds)
    with Neighbours(60) as neighbours:
        neighbours.begin(bursts, 1.0)      # the bursts are counted from a second from now
        ...

One process for each core, of ordinary priority, pinned nowhere: beside an audio thread that goes first they take
caches, memory and the other half of a core; without real-time priority they take the core itself.

Rules kept here:
* The same seed gives the same bursts, so that every policy has the same neighbour.
* It is of ordinary priority, even if whoever starts it is not.
* It always ends: with the `with`, by a limit of its own that the system keeps (SIGALRM), and within a slice when
  whoever started it is gone.
* One schedule after the other: none begins before the last burst of the one before is over, however that ended.
"""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from ..weather import Bursts

LAW = Bursts(gap_s=0.5, least_s=0.05, mean_s=0.3, most_s=1.0, factors=(1.0, 1.0))
KINDS = "compute", "copy"
SLICE_SECONDS = 0.01  # between two looks at the clock and at the parent
READY_SECONDS = 20.0  # for a process to start, on a machine that is busy
READY = "ready\n"
MATRIX, COPIED_BYTES = 192, 1 << 25  # fits the second cache; does not fit the third


@dataclass(frozen=True)
class Burst:
    """Seconds from the beginning of a run; kind: of KINDS."""

    begin_s: float
    end_s: float
    kind: str


def schedule(seed: int, seconds: float, law: Bursts = LAW) -> list[Burst]:
    """The bursts of a run of so many seconds; none lasts longer than the run."""
    random = np.random.default_rng(seed)
    bursts = []
    for begin, end, _ in law.draw(random):
        if begin >= seconds:
            return bursts
        bursts.append(Burst(begin, min(end, seconds), str(random.choice(KINDS))))
    raise AssertionError("a law has bursts for ever")


def noise_at(bursts: Sequence[Burst], times_s: np.ndarray) -> np.ndarray:
    """Per moment: 0 for quiet, or 1 + the place in KINDS of the burst that is on."""
    states = np.zeros(len(times_s), np.int64)
    for burst in bursts:
        states[(times_s >= burst.begin_s) & (times_s < burst.end_s)] = 1 + KINDS.index(burst.kind)
    return states


class Neighbours:
    """Processes that keep to schedules. seconds: the longest that they may live after they are ready."""

    def __init__(self, seconds: float, processes: int = os.cpu_count() or 1):
        limit = seconds + READY_SECONDS
        self._command = [sys.executable, "-m", __name__, str(os.getpid()), str(int(np.ceil(limit)))]
        self._wanted = processes
        self._over_s = 0.0
        self.processes: list[subprocess.Popen] = []

    def __enter__(self) -> "Neighbours":
        try:
            for _ in range(self._wanted):
                environment = {**os.environ, "OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1"}
                self.processes.append(
                    subprocess.Popen(
                        self._command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=environment
                    )
                )
            for process in self.processes:
                if process.stdout.readline() != READY:
                    raise RuntimeError("a noisy neighbour did not start")
        except BaseException:
            self.__exit__()
            raise
        return self

    def begin(self, bursts: Sequence[Burst], in_s: float = 0.0) -> None:
        """Let a schedule begin in so many seconds. Waits until the one before is over.

        RuntimeError: they have come to their limit.
        """
        time.sleep(max(0.0, self._over_s - time.monotonic()))
        start_s = time.monotonic() + in_s
        self._over_s = start_s + max((burst.end_s for burst in bursts), default=0.0)
        told = json.dumps([start_s, [[burst.begin_s, burst.end_s, burst.kind] for burst in bursts]])
        for process in self.processes:
            if process.poll() is not None:
                raise RuntimeError("the noisy neighbours have ended before the run")
            process.stdin.write(f"{told}\n")
            process.stdin.flush()

    def __exit__(self, *_) -> None:
        for process in self.processes:
            process.kill()
        for process in self.processes:
            process.wait()
            process.stdin.close()
            process.stdout.close()


# -- in the child ---------------------------------------------------------------------------------------------------


def _live(parent: int) -> None:
    """Keep to one schedule after the other, as they are told, until there are no more."""
    work = {"compute": _computing(), "copy": _copying()}
    print(READY, end="", flush=True)
    for line in sys.stdin:
        start_s, bursts = json.loads(line)
        for begin_s, end_s, kind in bursts:
            _be_noisy(parent, start_s + begin_s, start_s + end_s, work[kind])


def _be_noisy(parent: int, begin_s: float, end_s: float, work: Callable[[], object]) -> None:
    """Work from one moment of time.monotonic() to another."""
    while (left := begin_s - time.monotonic()) > 0:
        time.sleep(min(left, SLICE_SECONDS))
        _end_with(parent)
    while time.monotonic() < end_s:
        _end_with(parent)
        work()


def _end_with(parent: int) -> None:
    if os.getppid() != parent:
        sys.exit()


def _computing():
    matrix = np.random.default_rng(0).random((MATRIX, MATRIX), np.float32) / MATRIX
    return lambda: matrix @ matrix


def _copying():
    source, target = np.ones(COPIED_BYTES, np.uint8), np.zeros(COPIED_BYTES, np.uint8)
    return lambda: np.copyto(target, source)


if __name__ == "__main__":
    if hasattr(signal, "alarm"):
        signal.alarm(int(sys.argv[2]))
    if hasattr(os, "sched_setscheduler"):
        os.sched_setscheduler(0, os.SCHED_OTHER, os.sched_param(0))
    _live(int(sys.argv[1]))

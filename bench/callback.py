"""Who keeps JACK's time while Python is busy: chainrt's callback, one in C, one in Python?

JACK's dummy driver is the clock: 64 frames at 48 kHz. Each player is a process of its own, whose main thread computes,
allocates and collects garbage all the time. All take turns, round after round, so that what else the machine does
strikes them all. Misses are counted by one rule (chainrt/engine/card.py): a period that ended after its deadline, or
for which nobody asked. JACK's own xruns stand beside them.

The callbacks in C and in Python do nothing but write silence: what they miss is what the machine takes away.

    python bench/callback.py [--seconds 60] [--rounds 6] [--presets NAME ...] [--write]
"""

import argparse
import ctypes
import gc
import json
import os
import platform
import shutil
import subprocess
import sys
import tempfile
import time
from contextlib import contextmanager
from pathlib import Path

import cffi
import numpy as np
from numba import carray, types

from chainrt import portaudio, preset
from chainrt.board import make_board
from chainrt.compiled.memory import pointer
from chainrt.compiled.native import FLOAT, INTEGER, Native, address_of, aligned_zeros
from chainrt.engine.card import find_due
from chainrt.layout import CARD, ENGINE
from chainrt.riff import riff
from chainrt.session import Session

HERE = Path(__file__).resolve().parent
PRESETS = sorted((HERE.parent / "presets").glob("*.yaml"))
RATE_HZ, FRAMES = 48_000, 64
SETTLE_SECONDS = 1.0  # before counting: JACK itself stumbles when a client comes
CALLS = np.dtype([("began_ns", "i8"), ("ended_ns", "i8"), ("frames", "i8"), ("flags", "i8")])
LOG = np.dtype([("count", "i8"), ("most", "i8"), ("calls", "i8")])
MARKS = "<!-- bench/callback.py -->", "<!-- end of bench/callback.py -->"
FFI = cffi.FFI()


# -- one player -----------------------------------------------------------------------------------------------------


def be_busy(seconds: float) -> float:
    """Compute, allocate and collect garbage, and never wait. Returns how many seconds that took."""
    began = time.monotonic()
    while time.monotonic() < began + seconds:
        sum(i * i for i in range(100_000))
        rubbish = [[number, str(number)] for number in range(50_000)]
        del rubbish
        gc.collect()
    return time.monotonic() - began


def _count_xrun(counter):
    carray(pointer(counter), 1, np.int64)[0] += 1
    return 0


count_xrun = Native(_count_xrun, (INTEGER,), "count_xrun", returns=types.int32)


class Xruns:
    """JACK's own count, kept by a client of its own whose callback needs no interpreter."""

    def __init__(self):
        self._jack, self._counter = ctypes.CDLL("libjack.so.0"), aligned_zeros(1, np.int64)
        self._jack.jack_client_open.restype = ctypes.c_void_p
        self._client = ctypes.c_void_p(self._jack.jack_client_open(b"xruns", 1, None))
        address, argument = ctypes.c_void_p(count_xrun.address), ctypes.c_void_p(address_of(self._counter))
        self._jack.jack_set_xrun_callback(self._client, address, argument)
        self._jack.jack_activate(self._client)

    @property
    def count(self) -> int:
        return int(self._counter[0])


def _due(card, engine, now, frames):
    due = find_due(card, engine, now, frames)
    card.callbacks += 1
    return due


due_of = Native(_due, (CARD, ENGINE, FLOAT, INTEGER), "due_of", returns=FLOAT)


def misses_of(calls: np.ndarray) -> int:
    """Periods that ended after their deadline, and those that were swallowed, of a log."""
    card, engine, due = aligned_zeros((), CARD), aligned_zeros((), ENGINE), due_of.from_python()
    card["frames"], engine["frame_time_ns"] = FRAMES, 1e9 / RATE_HZ
    missed = 0
    for began, ended, frames, _ in calls.tolist():
        deadline = due(address_of(card), address_of(engine), float(began), frames) + frames * 1e9 / RATE_HZ
        missed += ended > deadline
    return missed + int(engine["swallowed"])


def play_preset(path: str, seconds: float) -> dict:
    board = make_board(preset.load(path), RATE_HZ, FRAMES, riff(RATE_HZ))
    _, output = portaudio.choose("jack", None, None)
    card = portaudio.SoundCard(board.chain, None, output, source=riff(RATE_HZ))
    with Session(board, card, 0.7) as session:
        time.sleep(SETTLE_SECONDS)
        xruns = Xruns()
        time.sleep(SETTLE_SECONDS)
        before, told = session.snapshot(), xruns.count
        took = be_busy(seconds)
        after, told = session.snapshot(), xruns.count - told
    return {
        "seconds": took,
        "misses": after.misses - before.misses,
        "avoidable": after.misses - after.unavoidable - (before.misses - before.unavoidable),
        "xruns": told,
        "load": after.load_mean,
        "lost": after.lost_periods - before.lost_periods,
    }


def play_log(callback, seconds: float, log: np.ndarray, calls: np.ndarray, **userdata) -> dict:
    """Any other callback that keeps a log."""
    sounddevice, (_, output) = portaudio.library(), portaudio.choose("jack", None, None)
    stream = sounddevice._StreamBase(
        "output",
        samplerate=RATE_HZ,
        blocksize=0,
        device=output.index,
        channels=2,
        dtype="float32",
        latency="low",
        callback=callback,
        **userdata,
    )
    stream.start()
    time.sleep(SETTLE_SECONDS)
    xruns = Xruns()
    time.sleep(SETTLE_SECONDS)
    first, told = int(log["count"]), xruns.count
    began_ns = time.monotonic_ns()
    took = be_busy(seconds)
    told = xruns.count - told
    counted = calls[first : int(log["count"])]
    counted = counted[counted["began_ns"] > began_ns - 1e7]
    stream.close(ignore_errors=True)
    return {"seconds": took, "misses": misses_of(counted), "xruns": told}


def new_log(seconds: float) -> tuple[np.ndarray, np.ndarray]:
    calls = aligned_zeros(int((seconds + 10) * RATE_HZ / FRAMES), CALLS)
    log = aligned_zeros((), LOG)
    log["most"], log["calls"] = len(calls), address_of(calls)
    return log, calls


def play_c(library: str, seconds: float) -> dict:
    log, calls = new_log(seconds)
    address = ctypes.cast(ctypes.CDLL(library).log_callback, ctypes.c_void_p).value
    userdata = FFI.cast("void *", address_of(log))
    return play_log(FFI.cast("void *", address), seconds, log, calls, userdata=userdata)


def play_python(seconds: float) -> dict:
    log, calls = new_log(seconds)

    def callback(target, frames, _, status):
        began = time.monotonic_ns()
        target[:] = bytes(len(target))
        count = int(log["count"])
        if count < len(calls):
            calls[count] = began, time.monotonic_ns(), frames, 0
            log["count"] = count + 1

    return play_log(callback, seconds, log, calls, wrap_callback="buffer")


# -- all of them ----------------------------------------------------------------------------------------------------


@contextmanager
def jack():
    """A server of our own."""
    name = f"bench-{os.getpid()}"
    os.environ |= {"JACK_DEFAULT_SERVER": name, "JACK_NO_START_SERVER": "1"}
    arguments = ["-R", "-P", "70", "--name", name, "-d", "dummy", "-r", str(RATE_HZ), "-p", str(FRAMES)]
    server = subprocess.Popen(["jackd", *arguments], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    time.sleep(2)
    try:
        yield
    finally:
        server.terminate()
        server.wait()


def build_c(folder: str) -> str | None:
    """The C callback as a library; None where there is no compiler."""
    compiler = shutil.which(os.environ.get("CC", "cc"))
    if not compiler:
        return None
    library = str(Path(folder) / "callback.so")
    subprocess.run([compiler, "-O2", "-shared", "-fPIC", "-o", library, str(HERE / "callback.c")], check=True)
    return library


def one_round(players: dict[str, list[str]], seconds: float, results: dict[str, list[dict]]) -> None:
    for name, arguments in players.items():
        command = [sys.executable, __file__, "--player", *arguments, "--seconds", str(seconds)]
        answer = subprocess.run(command, capture_output=True, text=True, check=False)
        if answer.returncode:  # JACK drops a client now and then on a machine that is too busy; told, not hidden
            print(f"{name}: {answer.stderr.strip().splitlines()[-1:]}", file=sys.stderr)
            continue
        results[name].append(json.loads(answer.stdout.splitlines()[-1]))
        print(f"{name}: {results[name][-1]}", file=sys.stderr)


def table(results: dict[str, list[dict]], seconds: float) -> str:
    rounds = max(map(len, results.values()))
    lines = [
        "| player | load | misses | of all periods | worst round | avoidable | JACK's xruns |",
        "|---|---|---|---|---|---|---|",
    ]
    for name, each in results.items():
        if not each:
            lines.append(f"| {name} | | did not play | | | | |")
            continue
        misses, due = sum(one["misses"] for one in each), sum(one["seconds"] for one in each) * RATE_HZ / FRAMES
        worst = max(one["misses"] / one["seconds"] for one in each) * FRAMES / RATE_HZ
        load = f"{100 * np.mean([one['load'] for one in each]):.1f} %" if "load" in each[0] else ""
        avoidable = f"{sum(one['avoidable'] for one in each):,}" if "avoidable" in each[0] else ""
        lines.append(
            f"| {name} | {load} | {misses:,} | {100 * misses / due:.3f} % | {100 * worst:.3f} % "
            f"| {avoidable} | {sum(one['xruns'] for one in each):,} |"
        )
    told = Path("/proc/cpuinfo").read_text("utf-8") if Path("/proc/cpuinfo").exists() else ""
    model = next((line.split(":")[1].strip() for line in told.splitlines() if "model name" in line), platform.machine())
    when = time.strftime("%d %B %Y", time.gmtime())
    where = f"{os.cpu_count()} cores of {model}, {when}; others used the machine, load average {os.getloadavg()[2]:.1f}"
    return (
        f"JACK's dummy driver, {FRAMES} frames at {RATE_HZ:,} Hz, {rounds} rounds of {seconds:g} s in turn, "
        f"main thread busy in Python. {where}.\n\n" + "\n".join(lines)
    )


def write(text: str) -> None:
    """Put the table between the marks of RESULTS.md."""
    path = HERE / "RESULTS.md"
    old = path.read_text("utf-8") if path.exists() else "# Results\n"
    if MARKS[0] not in old:
        old += f"\n## Who keeps JACK's time while Python is busy (`bench/callback.py`)\n\n{MARKS[0]}\n{MARKS[1]}\n"
    before, _, rest = old.partition(MARKS[0])
    path.write_text(f"{before}{MARKS[0]}\n\n{text}\n\n{MARKS[1]}{rest.partition(MARKS[1])[2]}", "utf-8")


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    options.add_argument("--seconds", type=float, default=60, help="per player, all rounds together")
    options.add_argument("--rounds", type=int, default=6)
    options.add_argument("--presets", nargs="+", help="names of presets in the box (default: all)")
    options.add_argument("--write", action="store_true", help="into bench/RESULTS.md")
    options.add_argument("--player", nargs="+", help=argparse.SUPPRESS)
    options = options.parse_args()
    if options.player:
        kind, *arguments = options.player
        play = {"preset": play_preset, "c": play_c, "python": play_python}[kind]
        print(json.dumps(play(*arguments, options.seconds)), flush=True)
        return
    with tempfile.TemporaryDirectory() as folder, jack():
        library = build_c(folder)
        players = {f"chainrt, {path.name}": ["preset", str(path)] for path in PRESETS}
        if options.presets:
            players = {name: play for name, play in players.items() if Path(play[1]).stem in options.presets}
        players |= {"C, silence": ["c", library]} if library else {}
        players["Python, silence"] = ["python"]
        results: dict[str, list[dict]] = {name: [] for name in players}
        for _ in range(options.rounds):
            one_round(players, options.seconds / options.rounds, results)
    text = table(results, options.seconds / options.rounds)
    print(text)
    if options.write:
        write(text)


if __name__ == "__main__":
    main()

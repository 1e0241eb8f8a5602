"""Who keeps JACK's time while Python is busy: chainrt's callback, one in C, one in Python?

JACK's dummy driver is the clock: 64 frames at 48 kHz. Each player is a process of its own, whose main thread computes,
allocates and collects garbage all the time while it plays. They take turns, round after round, so that what else the
machine does strikes them all; between its turns a player waits for its name to be called and holds no client of JACK.
Misses are counted by one rule (chainrt/engine/card.py): a period that ended after its deadline, or for which nobody
asked. JACK's own xruns stand beside them.

The callbacks in C and in Python do nothing but write silence: what they miss is what the machine takes away. The one in
C plays twice in each round and twice as long as a preset, since it is what the others are held against.

A player that fails is started anew once, and both are told. The table is written after every turn, so a run that is
stopped has what it has.

    python bench/callback.py [--seconds 60] [--rounds 3] [--presets all | NAME ...] [--write]

All presets of the box for 60 s each take 21 minutes.
"""

import argparse
import ctypes
import gc
import json
import os
import platform
import selectors
import shutil
import subprocess
import sys
import tempfile
import time
from contextlib import contextmanager, suppress
from pathlib import Path

import cffi
import numpy as np

from chainrt import portaudio, preset
from chainrt.board import make_board
from chainrt.compiled.arena import aligned_zeros
from chainrt.compiled.language import FLOAT, INT32, INTEGER, carray
from chainrt.compiled.memory import pointer
from chainrt.compiled.native import Native, address_of
from chainrt.engine.card import find_due
from chainrt.layout import CARD, ENGINE
from chainrt.riff import riff
from chainrt.session import Session

HERE = Path(__file__).resolve().parent
PRESETS = sorted((HERE.parent / "presets").glob("*.yaml"))
RATE_HZ, FRAMES = 48_000, 64
SETTLE_SECONDS = 0.5  # before counting, once for each client that comes: JACK itself stumbles then
PATIENCE_SECONDS = 300.0  # for a player to get ready or to end its turn, beyond what it plays
C_TURNS, C_TIMES = 2, 2.0  # turns of the callback in C in a round; how much longer than a preset it plays, in all
PYTHON_TIMES = 1 / 3  # the same of the callback in Python, of which little is enough
TIME_OUT_MS = 10_000  # after which JACK throws a client out; its own 500 ms are too few on a machine this busy
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


count_xrun = Native(_count_xrun, (INTEGER,), "count_xrun", returns=INT32)


class Xruns:
    """JACK's own count, kept by a client of its own whose callback needs no interpreter. `close` when it is read."""

    def __init__(self):
        self._jack, self._counter = ctypes.CDLL("libjack.so.0"), aligned_zeros(1, np.int64)
        self._jack.jack_client_open.restype = ctypes.c_void_p
        self._client = ctypes.c_void_p(self._jack.jack_client_open(b"xruns", 1, None))
        if not self._client:
            raise RuntimeError("JACK takes no client that counts its xruns")
        address, argument = ctypes.c_void_p(count_xrun.address), ctypes.c_void_p(address_of(self._counter))
        self._jack.jack_set_xrun_callback(self._client, address, argument)
        self._jack.jack_activate(self._client)

    @property
    def count(self) -> int:
        return int(self._counter[0])

    def close(self) -> None:
        self._jack.jack_client_close(self._client)


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


def get_ready(kind: str, argument: str = ""):
    """A function of seconds that plays one turn and returns what it was like."""
    if kind == "preset":
        board = make_board(preset.load(argument), RATE_HZ, FRAMES, riff(RATE_HZ))
        return lambda seconds: play_preset(board, seconds)
    if kind == "c":
        return lambda seconds: play_c(argument, seconds)
    return play_python


@contextmanager
def client():
    """JACK's output device, for one turn: whoever waits must not be one of JACK's clients."""
    portaudio.look_again()
    try:
        yield portaudio.choose("jack", None, None, needs_input=False)[1]
    finally:
        portaudio.library()._terminate()


def count_xruns(seconds: float, look) -> tuple[float, int, tuple]:
    """Be busy while something plays: how long that took, JACK's xruns, and what look() said before and after."""
    time.sleep(SETTLE_SECONDS)
    xruns = Xruns()
    time.sleep(SETTLE_SECONDS)
    before, told = look(), xruns.count
    took = be_busy(seconds)
    after, told = look(), xruns.count - told
    xruns.close()
    return took, told, (before, after)


def play_preset(board, seconds: float) -> dict:
    with client() as output:
        card = portaudio.SoundCard(board.chain, None, output, source=riff(RATE_HZ))
        with Session(board, card, 0.7) as session:
            took, told, (before, after) = count_xruns(seconds, session.snapshot)
    return {
        "seconds": took,
        "misses": after.misses - before.misses,
        "avoidable": after.misses - after.unavoidable - (before.misses - before.unavoidable),
        "xruns": told,
        "load": after.load_mean,
    }


def play_log(callback, seconds: float, log: np.ndarray, calls: np.ndarray, **userdata) -> dict:
    """Any other callback that keeps a log."""
    with client() as output:
        stream = portaudio.library()._StreamBase(
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
        took, told, (first, last) = count_xruns(seconds, lambda: int(log["count"]))
        stream.close(ignore_errors=True)
    return {"seconds": took, "misses": misses_of(calls[first:last]), "xruns": told}


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


def take_turns(arguments: list[str]) -> None:
    """What a player does: get ready, say so, and play for as many seconds as each line that comes in says."""
    play = get_ready(*arguments)
    print(json.dumps({}), flush=True)
    for line in sys.stdin:
        print(json.dumps(play(float(line))), flush=True)


# -- all of them ----------------------------------------------------------------------------------------------------


class Player:
    """A process that plays when it is asked to. One that dies or says nothing is started anew by the next turn."""

    def __init__(self, name: str, arguments: list[str], folder: str):
        self.name, self._arguments, self._process = name, arguments, None
        self._complaints = Path(folder) / f"{arguments[0]}-{Path(arguments[-1]).stem}.txt"

    def start(self) -> None:
        """Begin to get ready. RuntimeError: it cannot."""
        command = [sys.executable, __file__, "--player", *self._arguments]
        with self._complaints.open("w") as complaints:
            self._process = subprocess.Popen(
                command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=complaints, text=True
            )
        self._answer(0)

    def turn(self, seconds: float) -> dict:
        """Play once. RuntimeError: it fell silent; what it said last."""
        if self._process is None:
            self.start()
        with suppress(OSError):
            self._process.stdin.write(f"{seconds}\n")
            self._process.stdin.flush()
        return self._answer(seconds)

    def _answer(self, seconds: float) -> dict:
        with selectors.DefaultSelector() as selector:
            selector.register(self._process.stdout, selectors.EVENT_READ)
            is_heard = bool(selector.select(seconds + PATIENCE_SECONDS))
        line = self._process.stdout.readline() if is_heard else ""
        if line:
            return json.loads(line)
        how = f"ended with {self._process.wait()}" if is_heard else "fell silent"
        self.stop()
        said = self._complaints.read_text("utf-8").strip().splitlines()[-1:]
        raise RuntimeError(f"{how}: {said[0] if said else 'without a word'}")

    def stop(self) -> None:
        if self._process is not None:
            self._process.kill()
            self._process.communicate()
            self._process = None


class Jack:
    """A server of our own, started anew should it have died."""

    def __init__(self, folder: str):
        self._name, self._log, self._server = f"bench-{os.getpid()}", Path(folder) / "jackd.txt", None
        os.environ |= {"JACK_DEFAULT_SERVER": self._name, "JACK_NO_START_SERVER": "1"}

    def run(self) -> None:
        if self._server and self._server.poll() is None:
            return
        if self._server:
            print(f"jackd ended: {self._log.read_text('utf-8').strip().splitlines()[-1:]}", file=sys.stderr)
        arguments = ["-R", "-P", "70", "-t", str(TIME_OUT_MS), "--name", self._name]
        driver = ["-d", "dummy", "-r", str(RATE_HZ), "-p", str(FRAMES)]
        with self._log.open("a") as log:
            self._server = subprocess.Popen(["jackd", *arguments, *driver], stdout=log, stderr=log)
        time.sleep(2)

    def stop(self) -> None:
        if self._server:
            self._server.terminate()
            self._server.wait()


def build_c(folder: str) -> str | None:
    """The C callback as a library; None where there is no compiler."""
    compiler = shutil.which(os.environ.get("CC", "cc"))
    if not compiler:
        return None
    library = str(Path(folder) / "callback.so")
    subprocess.run([compiler, "-O2", "-shared", "-fPIC", "-o", library, str(HERE / "callback.c")], check=True)
    return library


def turn_of(player: Player, jack: Jack, seconds: float) -> dict | None:
    """One turn; a second try if the first fails. None: it failed twice. What happened is told."""
    for _ in range(2):
        jack.run()
        try:
            answer = player.turn(seconds)
        except RuntimeError as error:
            print(f"{player.name}: {error}", file=sys.stderr)
            continue
        print(f"{player.name}: {answer}", file=sys.stderr)
        return answer
    return None


def one_round(presets: list[Player], others: dict[str, Player], seconds: float) -> list[tuple[Player, float]]:
    """Whose turn it is, for how long: the one in C is spread among the presets. seconds: of a preset."""
    turns = [(player, seconds) for player in presets]
    if "c" in others:
        for number in range(1, C_TURNS + 1):
            place = number * (len(presets) + 1) // (C_TURNS + 1) + number - 1
            turns.insert(place, (others["c"], seconds * C_TIMES / C_TURNS))
    return [*turns, (others["python"], seconds * PYTHON_TIMES)]


def row(name: str, turns: list[dict]) -> str:
    """A line of the table: what a player missed in all its turns."""
    if not turns:
        return f"| {name} | | | did not play | | | | |"
    seconds, misses, xruns = (sum(turn[key] for turn in turns) for key in ("seconds", "misses", "xruns"))
    worst = max(turn["misses"] / turn["seconds"] for turn in turns) * FRAMES / RATE_HZ
    load = avoidable = ""
    if "load" in turns[0]:
        load = f"{100 * np.mean([turn['load'] for turn in turns]):.1f} %"
        avoidable = f"{sum(turn['avoidable'] for turn in turns):,}"
    share = misses * FRAMES / RATE_HZ / seconds
    return (
        f"| {name} | {seconds:.0f} s | {load} | {misses:,} | {100 * share:.3f} % | {100 * worst:.3f} % "
        f"| {avoidable} | {xruns:,} |"
    )


def table(results: dict[str, list[dict]], rounds: int) -> str:
    lines = [
        "| player | played | load | misses | of all periods | worst turn | avoidable | JACK's xruns |",
        "|---|---|---|---|---|---|---|---|",
    ]
    ours = {name: turns for name, turns in results.items() if turns and "load" in turns[0]}
    lines += [row(name, turns) for name, turns in results.items()]
    if len(ours) > 1:
        lines.append(row(f"chainrt, these {len(ours)} together", [turn for turns in ours.values() for turn in turns]))
    told = Path("/proc/cpuinfo").read_text("utf-8") if Path("/proc/cpuinfo").exists() else ""
    model = next((line.split(":")[1].strip() for line in told.splitlines() if "model name" in line), platform.machine())
    when = time.strftime("%d %B %Y", time.gmtime())
    return (
        f"JACK's dummy driver, {FRAMES} frames at {RATE_HZ:,} Hz, {rounds} rounds in turn, "
        f"main thread busy in Python. {os.cpu_count()} cores of {model}, {when}, load average "
        f"{os.getloadavg()[2]:.1f}, of which the player itself is 1.\n\n" + "\n".join(lines)
    )


def write(text: str) -> None:
    """Put the table between the marks of RESULTS.md."""
    path = HERE / "RESULTS.md"
    old = path.read_text("utf-8") if path.exists() else "# Results\n"
    if MARKS[0] not in old:
        old += f"\n## Who keeps JACK's time while Python is busy (`bench/callback.py`)\n\n{MARKS[0]}\n{MARKS[1]}\n"
    before, _, rest = old.partition(MARKS[0])
    path.write_text(f"{before}{MARKS[0]}\n\n{text}\n\n{MARKS[1]}{rest.partition(MARKS[1])[2]}", "utf-8")


def play_all(options, folder: str, jack: Jack) -> None:
    """All rounds; after every turn the table is written, if it is to be."""
    chosen = [path for path in PRESETS if options.presets == ["all"] or path.stem in options.presets]
    presets = [Player(f"chainrt, {path.name}", ["preset", str(path)], folder) for path in chosen]
    library = build_c(folder)
    others = {"c": Player("C, silence", ["c", library], folder)} if library else {}
    others["python"] = Player("Python, silence", ["python"], folder)
    results: dict[str, list[dict]] = {player.name: [] for player in (*presets, *others.values())}
    try:
        for _ in range(options.rounds):
            for player, seconds in one_round(presets, others, options.seconds / options.rounds):
                if answer := turn_of(player, jack, seconds):
                    results[player.name].append(answer)
                    if options.write:
                        write(table(results, options.rounds))
    finally:
        for player in (*presets, *others.values()):
            player.stop()
        print(table(results, options.rounds))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seconds", type=float, default=60, help="of each preset, all rounds together")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--presets", nargs="+", default=["all"], help="names of presets in the box (default: all)")
    parser.add_argument("--write", action="store_true", help="into bench/RESULTS.md")
    parser.add_argument("--player", nargs="+", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.player:
        take_turns(options.player)
        return
    if unknown := {*options.presets} - {"all", *(path.stem for path in PRESETS)}:
        parser.error(f"no preset {', '.join(sorted(unknown))}; there are {', '.join(path.stem for path in PRESETS)}")
    with tempfile.TemporaryDirectory() as folder:
        jack = Jack(folder)
        try:
            play_all(options, folder, jack)
        except KeyboardInterrupt:
            sys.exit(130)
        finally:
            jack.stop()


if __name__ == "__main__":
    main()

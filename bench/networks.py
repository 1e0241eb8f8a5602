"""Nanoseconds a sample of the compiled networks, beside other engines if asked, all interleaved in one run on one core.

    python bench/networks.py [MODEL.nam ...] [--rival NAME=COMMAND ...] [--json FILE] [--write bench/RESULTS.md]
    python bench/networks.py --read FILE --write bench/RESULTS.md

Without models it takes the two levels of presets/models/glass.nam, which have exactly the shape of the official A2
(8 channels: Full, 3 channels: Lite), and networks of the other shapes that are in use, with seeded random weights:
the cost is the architecture's, not the weights'. In every round each cell is timed once, ours and every rival's one
right after the other, so that a noisy neighbour hits all alike; what counts is the ratio within a round. The best
possible time is measured too: how many multiply-adds one core can do with its vectors if nothing has to be fetched.
On a busy machine run it as `chrt -f 20 python bench/networks.py`: long calls would be interrupted, short ones not.

A rival is any program that answers these lines on its standard input with one line each on its standard output:

    load FRAMES VALUE PATH    ->  ready             one more cell: the .nam at PATH, of a slimmable one the size that
                                                    VALUE (0 to 1) selects, for calls of FRAMES samples at 48 kHz
                              ->  cannot REASON     it does not play this one; no cell is made
    time CELL CALLS           ->  NANOSECONDS       the median over CALLS timed calls of cell CELL (from 0, in the order
                                                    of loading), divided by FRAMES
"""

import argparse
import json
import os
import shlex
import statistics
import subprocess
import tempfile
from datetime import date
from pathlib import Path

import numpy as np

from chainrt import typical
from chainrt.benchmarks.results import commit, processor, write_section
from chainrt.compiled.arena import aligned_zeros
from chainrt.compiled.call import call3
from chainrt.compiled.clock import now_ns
from chainrt.compiled.language import INTEGER, PLANE, intrinsic, signature
from chainrt.compiled.memory import address
from chainrt.compiled.native import Native, address_of
from chainrt.compiled.simd import I64, Emitter, machine
from chainrt.nam.architectures import pack
from chainrt.nam.levels import load
from chainrt.timing import time_calls

ROOT = Path(__file__).resolve().parent.parent
A2 = ROOT / "presets" / "models" / "glass.nam"
FRAMES = (16, 32, 64, 128, 256, 512)
MAIN_FRAMES = 64  # the period at which engines are compared
ROUNDS, CALLS = 40, 25
WARM_CALLS = 20  # before the first round: the code and the state are in the caches, the core is awake
CHAINS, TURNS = 10, 200_000  # independent sums of the peak test, and how often each is added to
OURS = "chainrt"
LSTMS = ((1, 8), (1, 16), (2, 8))  # layers, hidden size


# -- networks of well-known shapes ------------------------------------------------------------------------------------


def shapes() -> dict[str, dict]:
    """Name -> a .nam document with seeded random weights."""
    made = {f"A1 {size}": typical.a1_like(size) for size in ("standard", "lite", "feather", "nano")}
    return made | {f"LSTM {layers}x{hidden}": typical.lstm_like(layers, hidden) for layers, hidden in LSTMS}


def save_shapes(folder: Path) -> dict[str, Path]:
    """A .nam of each of `shapes`; name -> path."""
    paths = {}
    for name, document in shapes().items():
        paths[name] = folder / f"{name}.nam"
        paths[name].write_text(json.dumps(document), encoding="utf-8")
    return paths


# -- what is timed ----------------------------------------------------------------------------------------------------


class OurCells:
    """Our compiled networks: cells are (network, frames)."""

    def __init__(self):
        self.cells = []
        self.source = aligned_zeros(max(FRAMES), np.float32)
        self.source[:] = 0.1 * np.random.default_rng(0).uniform(-1, 1, len(self.source))
        self.plane = aligned_zeros(max(FRAMES), np.float32)
        self.run = time_calls.from_python()

    def load(self, packed, frames: int) -> None:
        """One more cell: a packed network that has heard its receptive field of silence."""
        state, silence = packed.new_state(), aligned_zeros(packed.network.receptive_field, np.float32)
        packed.natives[0].from_python()(address_of(state[0]), address_of(silence), len(silence))
        self.cells.append((packed, state, frames))

    def time(self, cell: int, calls: int) -> float:
        """Nanoseconds a sample, the median over so many calls."""
        packed, state, frames = self.cells[cell]
        taken, plane = np.zeros(calls), address_of(self.plane)
        play = packed.natives[0].address
        self.run(
            *(through.address, play, address_of(state[0]), 0),
            *(address_of(self.source), plane, plane, frames, calls, address_of(taken)),
        )
        return statistics.median(taken) / frames


def _through(play, state, x, n):
    """A network, called as a block is: `play` is its address."""
    call3(play, state, address(x), n)


through = Native(_through, (INTEGER, INTEGER, PLANE, INTEGER), "network_as_block")


class Rival:
    """Another engine, a program that speaks the lines that stand at the top of this file."""

    def __init__(self, command: str):
        self.program = subprocess.Popen(
            shlex.split(command), stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, bufsize=1
        )
        self.command = command
        self.count = 0

    def load(self, frames: int, value: float, path: Path) -> int | None:
        """The number of the new cell; None if the rival does not play this file."""
        if not self._ask(f"load {frames} {value} {path}").startswith("ready"):
            return None
        self.count += 1
        return self.count - 1

    def time(self, cell: int, calls: int) -> float:
        """Nanoseconds a sample, the median over so many calls."""
        return float(self._ask(f"time {cell} {calls}"))

    def _ask(self, line: str) -> str:
        self.program.stdin.write(line + "\n")
        answer = self.program.stdout.readline()
        if not answer:
            raise SystemExit(f"{self.command}: ended without an answer to '{line}'")
        return answer.strip()


@intrinsic
def _multiply_add_peak(typingctx, turns):
    """CHAINS vector sums, each multiplied and added to `turns` times, all in registers."""

    def generate(context, builder, signature, arguments):
        emit = Emitter(builder, machine()[0])
        sums = [emit.variable(emit.constant(0.1 * chain)) for chain in range(CHAINS)]
        with emit.loop(emit.integer(0), arguments[0], emit.integer(1)):
            for total in sums:
                total.set(emit.fma(total.get(), emit.constant(0.999), emit.constant(0.5)))
        kept = sums[0].get()
        for total in sums[1:]:
            kept = emit.plus(kept, total.get())
        lane = builder.extract_element(kept, emit.integer(0))
        return builder.fptosi(lane, I64)

    return signature(INTEGER, INTEGER), generate


def _time_peak(turns):
    before = now_ns()
    kept = _multiply_add_peak(turns)
    return now_ns() - before + (kept & 1)


time_peak = Native(_time_peak, (INTEGER,), "multiply_add_peak", returns=INTEGER)
"""time_peak(turns) -> nanoseconds."""


def multiply_adds_per_ns() -> float:
    """What one core of this machine can do at most: the best of some tries."""
    run = time_peak.from_python()
    return max(TURNS * CHAINS * machine()[0] / run(TURNS) for _ in range(30))


# -- measuring --------------------------------------------------------------------------------------------------------


def networks(paths: dict[str, Path]) -> list[dict]:
    """Every level of every model: name, path, slimmable value, packed network."""
    found = []
    for name, path in paths.items():
        levels = load(path).levels
        for level in levels:
            label = f"{name} {level.name.capitalize()}" if len(levels) > 1 else name
            found.append({"name": label, "path": path, "value": level.value, "packed": pack(level.network)})
    return found


def measure(paths: dict[str, Path], rivals: dict[str, str], rounds: int) -> dict:
    """Figures that `section` shows: per network the nanoseconds a sample, [engine][frames][round]."""
    ours, others = OurCells(), {name: Rival(command) for name, command in rivals.items()}
    cells, measured = [], []
    for one in networks(paths):
        times = {}
        for frames in FRAMES:
            ours.load(one["packed"], frames)
            contestants = [(OURS, ours, len(ours.cells) - 1)]
            contestants += [(name, it, it.load(frames, one["value"], one["path"])) for name, it in others.items()]
            for name, engine, cell in contestants:
                if cell is not None:
                    times.setdefault(name, {})[str(frames)] = []
                    cells.append((engine, cell, times[name][str(frames)]))
        work = one["packed"].network.multiply_adds
        measured.append({"name": one["name"], "multiply_adds": work, "times": times})
    for engine, cell, _ in cells:
        engine.time(cell, WARM_CALLS)
    for _ in range(rounds):
        for engine, cell, times in cells:
            times.append(engine.time(cell, CALLS))
    return {
        "machine": f"{processor()}, {os.cpu_count()} cores, vectors of {machine()[0]} floats",
        "date": date.today().isoformat(),
        "commit": commit(),
        "command": ("chrt -f 20 " if is_real_time() else "")
        + "python bench/networks.py"
        + "".join(f" --rival '{name}=...'" for name in rivals),
        "rounds": rounds,
        "multiply_adds_per_ns": multiply_adds_per_ns(),
        "networks": measured,
    }


def is_real_time() -> bool:
    """Whether nothing of ordinary priority interrupts this program."""
    return hasattr(os, "sched_getscheduler") and os.sched_getscheduler(0) in (os.SCHED_FIFO, os.SCHED_RR)


# -- telling ----------------------------------------------------------------------------------------------------------


def section(figures: dict) -> str:
    """The figures as a page: ours, then each rival's, then the ratios."""
    found, peak = figures["networks"], figures["multiply_adds_per_ns"]
    frames = list(found[0]["times"][OURS])
    engines = list(dict.fromkeys(name for one in found for name in one["times"]))
    head = [f"{count} frames" for count in frames]
    main = str(MAIN_FRAMES)
    ours = [
        [
            *(one["name"], f"{one['multiply_adds']:,}"),
            *(shown(one["times"][OURS][count]) for count in frames),
            f"{100 * one['multiply_adds'] / peak / min(one['times'][OURS][main]):.0f} %",
        ]
        for one in found
    ]
    parts = [
        f"{figures['machine']}; {figures['date']}; commit {figures['commit']}; `{figures['command']}`; "
        f"{figures['rounds']} rounds of {CALLS} calls, all cells interleaved on one core. "
        f"One core does at most {peak:.1f} multiply-adds a nanosecond (measured).",
        f"Nanoseconds a sample, {OURS}: median over the rounds, in brackets the fastest; its share of the peak.",
        grid(["network", "multiply-adds", *head, f"of peak at {main}"], ours),
    ]
    for name in engines[1:]:
        rows = [
            [one["name"], *(shown(one["times"][name][count]) if name in one["times"] else "-" for count in frames)]
            for one in found
        ]
        parts += [f"The same, {name}:", grid(["network", *head], rows)]
    if engines[1:]:
        rows = [[one["name"], *(ratio(one["times"], count) for count in frames)] for one in found]
        parts += [
            f"{OURS} over the faster of the others, of the two times of each round: median, and in brackets the "
            "quartiles. Below 1 is faster.",
            grid(["network", *head], rows),
        ]
    return "\n\n".join(parts)


def shown(times: list[float]) -> str:
    """Median (fastest)."""
    return f"{statistics.median(times):.0f} ({min(times):.0f})"


def ratio(times: dict, frames: str) -> str:
    """Ours over the rival with the smallest median, round by round: median (quartiles)."""
    others = [its[frames] for name, its in times.items() if name != OURS]
    if not others:
        return "-"
    best = min(others, key=statistics.median)
    ratios = [a / b for a, b in zip(times[OURS][frames], best, strict=True)]
    low, middle, high = np.percentile(ratios, (25, 50, 75))
    return f"{middle:.2f} ({low:.2f}-{high:.2f})"


def grid(head: list[str], rows: list[list[str]]) -> str:
    """A table in Markdown; all but the first column aligned to the right."""
    lines = [head, ["---", *["---:"] * (len(head) - 1)], *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def main() -> None:
    parser = argparse.ArgumentParser(description="nanoseconds a sample of networks, ours and others'")
    parser.add_argument("models", nargs="*", type=Path, metavar="MODEL.nam")
    parser.add_argument("--rival", action="append", default=[], metavar="NAME=COMMAND", help="another engine to time")
    parser.add_argument("--rounds", type=int, default=ROUNDS)
    parser.add_argument("--json", type=Path, metavar="FILE", help="keep every figure")
    parser.add_argument("--read", type=Path, metavar="FILE", help="measure nothing, read what --json kept")
    parser.add_argument("--write", type=Path, metavar="PAGE.md", help="put the tables into this page")
    asked = parser.parse_args()
    if asked.read:
        figures = json.loads(asked.read.read_text("utf-8"))
    else:
        if hasattr(os, "sched_setaffinity"):
            os.sched_setaffinity(0, {max(os.sched_getaffinity(0))})  # rivals inherit it
        rivals = dict(text.split("=", 1) for text in asked.rival)
        with tempfile.TemporaryDirectory() as folder:
            own = {path.stem: path for path in asked.models}
            figures = measure(own or {"A2": A2} | save_shapes(Path(folder)), rivals, asked.rounds)
    if asked.json:
        asked.json.write_text(json.dumps(figures), encoding="utf-8")
    page = section(figures)
    if asked.write:
        write_section(asked.write, "networks", "Networks", page)
    else:
        print(page)


if __name__ == "__main__":
    main()

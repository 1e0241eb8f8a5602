"""Does a profile tell the truth? This machine is measured, then what its profile predicts is held against real runs.

    python bench/profiles.py [--rounds 5] [--seconds 4] [--json FILE]

Each round measures a profile (`device new`) and then plays every preset in the box by the wall clock, all blocks at
their largest level. So machine and profile are compared in the same minute; the table has the median of the rounds and
their range. Misses are counted on a chain of as many amps as fill the deadline. What was aimed at: mean load within
5 %, p99 within 10 %, misses within a factor of 2.
"""

import argparse
import json
import math
import tempfile
import threading
from pathlib import Path
from statistics import NormalDist

import numpy as np
from rich.console import Console
from rich.table import Table

from chainrt import facts, preset, typical
from chainrt.chain import Chain
from chainrt.devices import Device, measuring
from chainrt.fit import Bench
from chainrt.machine import ask_for_priority
from chainrt.performance import Performance
from chainrt.riff import riff

RATE_HZ, FRAMES = 48_000, 64
PRESETS = sorted((Path(__file__).resolve().parents[1] / "presets").glob("*.yaml"))
PROFILE_ROUNDS = 3
FILLED = 0.9  # of the deadline, by the mean, for the chain that shall miss


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=4)
    parser.add_argument("--presets", nargs="*", type=Path, default=PRESETS)
    parser.add_argument("--json", metavar="FILE")
    options = parser.parse_args()
    found: dict[str, list[dict]] = {}
    with tempfile.TemporaryDirectory() as folder:
        for _ in range(options.rounds):
            device = measuring.measure("this-machine", None, PROFILE_ROUNDS)
            boards = [*options.presets, full_house(Path(folder), device)]
            for path in boards:
                found.setdefault(path.stem, []).append(compared(path, device, options.seconds))
    print_table(found)
    if options.json:
        Path(options.json).write_text(json.dumps(found, indent=2) + "\n", "utf-8")


def compared(path: Path, device: Device, seconds: float) -> dict:
    """What the profile says of a preset, and what happens."""
    board = preset.load(path)
    blocks, shape = facts.fit_blocks(board, RATE_HZ, FRAMES)
    largest = [(block.allowed[-1],) for block in blocks]
    bench = Bench(blocks, shape, device, FRAMES, RATE_HZ, 1.0)
    mean = float((bench.frontier(largest).cost_ns[0] + bench.fixed_ns) / bench.deadline_ns)
    spent, missed = played(Chain(board, RATE_HZ, FRAMES), seconds)
    return {
        "mean": {"said": mean, "was": float(spent.mean())},
        "p99": {"said": mean * device["p99_over_mean"], "was": float(np.quantile(spent, 0.99))},
        "misses": {"said": miss_share(mean, device), "was": float(missed.mean())},
    }


def miss_share(mean: float, device: Device) -> float:
    """The share of periods that a lognormal jitter with the profile's p99 makes longer than the deadline."""
    sd = device.jitter_sd
    if sd == 0 or mean <= 0:
        return float(mean > 1)
    return 1 - NormalDist().cdf((math.log(1 / mean) + sd**2 / 2) / sd)


def played(chain: Chain, seconds: float) -> tuple[np.ndarray, np.ndarray]:
    """(loads, misses) of a chain that plays by the wall clock, its blocks at their largest level."""
    periods = min(len(chain.ring), round(seconds * RATE_HZ / FRAMES))
    performance = Performance(chain, riff(RATE_HZ))

    def play() -> None:
        ask_for_priority()
        performance.play_paced(periods)

    audio = threading.Thread(target=play)
    audio.start()
    audio.join()
    ring = chain.ring[:periods]
    return ring["spent_ns"] * 1e-9 * RATE_HZ / FRAMES, ring["missed"]


def full_house(folder: Path, device: Device) -> Path:
    """A preset of as many amps as fill the deadline."""
    (folder / "a2.nam").write_text(json.dumps(typical.a2_like((3, 8))), "utf-8")
    amp = facts.shelf(RATE_HZ, FRAMES)["nam"]
    bench = Bench((amp,), (0,), device, FRAMES, RATE_HZ)
    count = max(1, int(FILLED * bench.deadline_ns / bench.cost_ns[0][-1]))
    lines = ["version: 1", "name: Full house", "chain:", *["  - nam: {model: a2.nam, input: -20 dB}"] * count]
    path = folder / "full_house.yaml"
    path.write_text("\n".join(lines) + "\n", "utf-8")
    return path


def print_table(found: dict[str, list[dict]]) -> None:
    table = Table("preset", "figure", "profile said", "was", "said / was: median", "lowest", "highest", box=None)
    for name, rounds in found.items():
        for figure in ("mean", "p99", "misses"):
            said, was = (np.array([one[figure][key] for one in rounds]) for key in ("said", "was"))
            ratios = said[was > 0] / was[was > 0]
            cells = (
                [f"{np.median(ratios):.2f}", f"{ratios.min():.2f}", f"{ratios.max():.2f}"] if len(ratios) else [""] * 3
            )
            table.add_row(name, figure, f"{100 * np.median(said):.2f} %", f"{100 * np.median(was):.2f} %", *cells)
    Console(width=110).print(table)


if __name__ == "__main__":
    main()

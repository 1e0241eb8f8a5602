"""Does a profile tell the truth? What this machine's profile predicts is held against real runs by the wall clock.

    python bench/profiles.py [--rounds 40] [--write]

While the profile is measured (`device new`), the presets in the box are played: after each stretch of a measuring
board come two of presets, as long, all their blocks at their largest level, nothing resting. So machine and profile are
compared in the same minutes, and a clock that drifts does so for both. Stretches are short (0.05 s), so that each
preset is heard at many moments: what slows a machine down lasts longer than that. How far the stretches of a preset lie
apart is told, too; the mean of N of them is only known to about 1.5 times that over the root of N, and the p99 of 200
only to 4 % (7 % for some, by drawing stretches anew from those there are). Each stretch lays its chain out anew, as
those of the measuring do: where in memory a chain happens to lie makes a difference of 10 %.

Misses are counted on chains of A2 amps that fill the deadline to FILLED; what the profile says of them is simulated:
the engine on the virtual clock, with the profile's costs and its jitter, in stretches as long. What was aimed at: mean
load within 5 %, p99 within 10 %, misses within a factor of 2.
"""

import argparse
import json
import tempfile
from dataclasses import dataclass, field, replace
from datetime import date
from itertools import cycle, product
from pathlib import Path

import numpy as np

from chainrt import facts, preset, typical
from chainrt.benchmarks.results import write_section
from chainrt.chain import Chain
from chainrt.compiled.native import address_of
from chainrt.devices import Device, measuring
from chainrt.devices.probe import SETTLING_PERIODS, STRETCH_SECONDS, Spent, laid_out_anew, play_stretch
from chainrt.fit import Bench
from chainrt.layout import LAWS
from chainrt.performance import Performance
from chainrt.riff import riff
from chainrt.weather import Weather

RATE_HZ, FRAMES = 48_000, 64
GUITAR = riff(RATE_HZ)
ROOT = Path(__file__).resolve().parents[1]
PRESETS = sorted((ROOT / "presets").glob("*.yaml"))
PAGE = ROOT / "bench" / "RESULTS.md"
FILLED = (0.75, 0.85, 0.95)  # of the deadline, by the mean, for chains that shall miss; beyond it nothing is paced
ROUNDS = 40
PLAYED_AFTER_EACH = 2  # stretch of measuring
ROUNDS_BEFORE = 3  # to know how many amps fill a deadline
SIMULATED_STRETCHES = 1000
USUAL, FULL = "presets", "full houses"
AIMS = {"mean": 1.05, "p99": 1.10, "misses": 2.0}


@dataclass
class Played:
    """One chain, and what its stretches took."""

    name: str
    chain: Chain
    bench: Bench
    counts_misses: bool = False
    stretches: list[Spent] = field(default_factory=list)

    def play(self) -> None:
        """One stretch more."""
        self.stretches.append(play_stretch(laid_out_anew(self.chain), GUITAR, STRETCH_SECONDS))

    @property
    def loads(self) -> np.ndarray:
        return np.concatenate([one.whole for one in self.stretches]) / self.chain.deadline_ns

    @property
    def missed(self) -> np.ndarray:
        return np.concatenate([one.missed for one in self.stretches])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=ROUNDS)
    parser.add_argument("--presets", nargs="*", type=Path, default=PRESETS)
    parser.add_argument("--write", action="store_true", help="put the table into bench/RESULTS.md")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        measurement = measuring.Measurement(Path(folder))
        for _ in range(ROUNDS_BEFORE):
            for _ in measurement.play_round():
                pass
        device = measurement.device("this-machine")
        played = [one(path, device) for path in options.presets]
        played += [full_house(Path(folder), device, share) for share in FILLED]
        measurement.forget()  # that was another minute than what follows
        turn = cycle(played)
        for _ in range(options.rounds):
            for _ in measurement.play_round():
                for _ in range(PLAYED_AFTER_EACH):
                    next(turn).play()
    device = measurement.device("this-machine")
    text = page(played, device, options)
    print(text)
    if options.write:
        write_section(PAGE, "profiles", "Profiles", text)


def one(path: Path, device: Device) -> Played:
    """A preset, laid out; all its blocks stay at their largest level."""
    board = preset.load(path)
    blocks, shape = facts.fit_blocks(board, RATE_HZ, FRAMES)
    return Played(path.stem, Chain(board, RATE_HZ, FRAMES), Bench(blocks, shape, device, FRAMES, RATE_HZ, 1.0))


def full_house(folder: Path, device: Device, share: float) -> Played:
    """As many amps as fill this share of the deadline."""
    (folder / "full.nam").write_text(json.dumps(typical.a2_like((8,))), "utf-8")
    amp = facts.shelf(RATE_HZ, FRAMES)["nam"]
    amp = replace(amp, levels=amp.levels[-1:], allowed=(0,))
    bench = Bench((amp,), (0,), device, FRAMES, RATE_HZ)
    count = max(1, round(share * bench.deadline_ns / bench.cost_ns[0][0]))
    lines = ["version: 1", "name: Full house", "chain:", *["  - nam: {model: full.nam}"] * count]
    path = folder / f"{count} A2.yaml"
    path.write_text("\n".join(lines) + "\n", "utf-8")
    chain = Chain(preset.load(path), RATE_HZ, FRAMES)
    return Played(path.stem, chain, bench.with_blocks([amp] * count, tuple(range(count))), counts_misses=True)


def said(one: Played, device: Device) -> dict[str, float]:
    """What the profile says: shares of the deadline, and of periods that are missed."""
    bench = Bench(one.bench.blocks, one.bench.path, device, FRAMES, RATE_HZ, budget=1.0)
    largest = [(block.allowed[-1],) for block in bench.blocks]
    mean_ns = float(bench.frontier(largest).cost_ns[0] + bench.fixed_ns)
    found = {"mean": mean_ns / bench.deadline_ns, "p99": device.p99_ns(mean_ns) / bench.deadline_ns}
    return found | ({"misses": simulated_misses(one.chain, device, mean_ns)} if one.counts_misses else {})


def was(one: Played) -> dict[str, float]:
    found = {"mean": float(one.loads.mean()), "p99": float(np.quantile(one.loads, 0.99))}
    return found | ({"misses": float(one.missed.mean())} if one.counts_misses else {})


def simulated_misses(chain: Chain, device: Device, mean_ns: float) -> float:
    """The share of periods that the same chain misses on the virtual clock of the device."""
    chain.set_costs(device.costs(chain))
    chain.engine["silent"], chain.engine["virtual"] = 1, LAWS
    weather = Weather(len(chain.blocks), chain.deadline_ns / 1e9, jitter=device.jitter(mean_ns))
    periods = SETTLING_PERIODS + round(STRETCH_SECONDS * RATE_HZ / FRAMES)
    missed = []
    for _ in range(SIMULATED_STRETCHES):
        rows = np.ascontiguousarray(weather.rows(periods))
        chain.rewind()
        chain.engine["weather"], chain.engine["weather_first"] = address_of(rows), 0
        Performance(chain, GUITAR).play(periods)
        missed.append(chain.ring["missed"][SETTLING_PERIODS:periods].copy())
    return float(np.concatenate(missed).mean())


def spread(one: Played) -> float:
    """Half the distance between the quarter points of the mean loads of the stretches, as a share."""
    low, middle, high = np.quantile([stretch.whole.mean() for stretch in one.stretches], (0.25, 0.5, 0.75))
    return float((high - low) / 2 / middle)


def page(played: list[Played], device: Device, options) -> str:
    """The section of the page of results."""
    periods = sum(len(each.loads) for each in played)
    struck = sum(stretch.struck for each in played for stretch in each.stretches)
    lines = [
        f"{device.title}, {date.today()}; `python bench/profiles.py --rounds {options.rounds}`; {periods:,} periods of"
        f" {FRAMES} frames by the wall clock, between half as many of measuring. A ratio is what the profile said over"
        f" what was. {struck:,} periods more do not count: in these the machine looked away, for longer than half a"
        " deadline and several times what the chain takes.",
        "",
        "| preset | load: said | was | ratio | stretches apart | p99: said | was | ratio |",
        "|---|--:|--:|--:|--:|--:|--:|--:|",
    ]
    ratios: dict[tuple[str, str], list[float]] = {}
    misses = []
    for each in played:
        told, real = said(each, device), was(each)
        for figure in told:
            ratio = told[figure] / real[figure] if real[figure] else float("inf" if told[figure] else 1)
            ratios.setdefault((figure, FULL if each.counts_misses else USUAL), []).append(ratio)
        cells = [
            f"{100 * told[figure]:.2f} % | {100 * real[figure]:.2f} % | {told[figure] / real[figure]:.2f}"
            for figure in ("mean", "p99")
        ]
        lines.append(f"| {each.name} | {cells[0]} | ± {100 * spread(each):.0f} % | {cells[1]} |")
        if each.counts_misses:
            misses.append(
                f"| {each.name} | {100 * told['mean']:.0f} % | {100 * told['misses']:.2f} % |"
                f" {100 * real['misses']:.2f} % | {ratios['misses', FULL][-1]:.2f} |"
            )
    lines += ["", "| chain | load: said | periods missed: said (simulated) | was | ratio |", "|---|--:|--:|--:|--:|"]
    lines += [*misses, ""]
    for chains, (figure, aim) in product((USUAL, FULL), AIMS.items()):
        found = ratios.get((figure, chains))
        if not found:
            continue
        near = sum(1 / aim <= ratio <= aim for ratio in found)
        worst = max(found, key=lambda ratio: abs(np.log(max(ratio, 1e-9))))
        lines.append(
            f"* {figure} of {chains}: {near} of {len(found)} within a factor of {aim:g}; median {np.median(found):.2f},"
            f" worst {worst:.2f}."
        )
    return "\n".join(lines)


if __name__ == "__main__":
    main()

"""What meters and reflex cost: periods of chains in which no kernel is called, on the real clock.

    python bench/overhead.py [--rounds 15] [--periods 20000] [--write]

A chain of 1 to 16 blocks of two levels plays with `silent` set: no kernel runs and no sample is touched. What is left
is what the engine does around the kernels: it looks at the clock before and after each block, decides what still fits,
finds out which levels are ready, counts and writes down. Measured in CPU time of the thread that plays, so neighbours
disturb it little; all chains in turn, `--rounds` times. Median, and from the lowest to the highest round. A straight
line through the medians gives the price of a period and of a block.

* off: without the reflex. on: with it. warm: with it, and all smallest levels kept warm beside the full ones.
"""

import argparse
import sys
import time
from pathlib import Path

import numpy as np

ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT), str(ROOT / "bench")]

from effects import machine_name  # noqa: E402

from chainrt.benchmarks.results import write_section  # noqa: E402
from chainrt.chain import Chain  # noqa: E402
from chainrt.numeric import FRAMES, NumericBlock, numeric_chain  # noqa: E402
from chainrt.performance import Performance  # noqa: E402

BLOCKS = 1, 2, 4, 8, 16
KINDS = "off", "on", "warm"
AHEAD_NS = 10**15  # the deadline is so far away that nothing falls: what an ordinary period costs


def chain_of(blocks: int, kind: str) -> tuple[Chain, Performance]:
    """A chain of so many two-level blocks at full."""
    chain, _ = numeric_chain([NumericBlock(f"b{n}", (0.01, 0.05), (20.0, 40.0), memory=640) for n in range(blocks)])
    chain.set_levels([1] * blocks)
    chain.engine["reflex"] = int(kind != "off")
    chain.block_records["warm"][:blocks] = 0 if kind == "warm" else -1
    chain.block_records["replay"][:blocks] = FRAMES
    return chain, Performance(chain, np.zeros(FRAMES, np.float32))


def period_ns(chain: Chain, performance: Performance, periods: int) -> float:
    """CPU time of a period."""
    chain.engine["release_ns"] = time.monotonic_ns() + AHEAD_NS
    began = time.thread_time_ns()
    performance.play(periods)
    return (time.thread_time_ns() - began) / periods


def measure(rounds: int, periods: int) -> dict[str, np.ndarray]:
    """Per kind: nanoseconds a period, rounds x chains."""
    players = {(kind, blocks): chain_of(blocks, kind) for kind in KINDS for blocks in BLOCKS}
    for player in players.values():
        period_ns(*player, periods // 10)
    found = {kind: np.zeros((rounds, len(BLOCKS))) for kind in KINDS}
    for row in range(rounds):
        for (kind, blocks), player in players.items():
            found[kind][row, BLOCKS.index(blocks)] = period_ns(*player, periods)
    return found


def lines(found: dict[str, np.ndarray]) -> list[str]:
    table = [f"| ns a period | {' | '.join(f'{n} blocks' for n in BLOCKS)} | a period | and a block |"]
    table.append("|---" * (len(BLOCKS) + 3) + "|")
    for kind, ns in found.items():
        cells = [f"{np.median(one):.0f} ({one.min():.0f} to {one.max():.0f})" for one in ns.T]
        a_block, a_period = np.polyfit(BLOCKS, np.median(ns, axis=0), 1)
        table.append(f"| {kind} | {' | '.join(cells)} | {a_period:.0f} | {a_block:.0f} |")
    return table


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--periods", type=int, default=20_000)
    parser.add_argument("--write", action="store_true", help="write the table into bench/RESULTS.md")
    options = parser.parse_args()
    table = "\n".join(lines(measure(options.rounds, options.periods)))
    print(table)
    if options.write:
        about = (
            f"`python bench/overhead.py --rounds {options.rounds} --periods {options.periods}` on {machine_name()}: CPU"
            " time of a period in which no kernel is called, median (lowest to highest round), and the straight line"
            " through the medians. off: without the reflex, on: with it, warm: with all smallest levels warm too.\n\n"
        )
        write_section(ROOT / "bench" / "RESULTS.md", "overhead", "Price of meters and reflex", about + table)


if __name__ == "__main__":
    main()

"""How loud a change of level clicks: energy above 8 kHz in the moment of the change, beside what the sound has there.

    python bench/clicks.py [--changes 200]

For each model in the box and each of so many places of the riff the full level falls to the smallest one: by a planned
crossfade of two exact levels, by the reflex's bend to a warm level, and, for comparison, by a hard switch between warm
levels; and a dropout of 64 samples. How it is measured: chainrt/benchmarks/clicks.py; told are the median, the
95 % quantile and the largest.
"""

import argparse
import sys
from pathlib import Path

import numpy as np

ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT), str(ROOT / "bench")]

from chainrt.benchmarks.clicks import KINDS, RATE_HZ, click_db, loud_places  # noqa: E402
from chainrt.benchmarks.results import write_section  # noqa: E402
from chainrt.block import BLOCKS, Settings  # noqa: E402
from chainrt.calibrate import play_level  # noqa: E402
from chainrt.chain import ChainBlock  # noqa: E402
from chainrt.preset import BlockSpec, Slim  # noqa: E402
from chainrt.riff import riff  # noqa: E402


def block_of(path: Path) -> ChainBlock:
    knobs, levels = BLOCKS["nam"].build(Settings({}, {"model": path}, RATE_HZ))
    spec = BlockSpec(path.stem, "nam", {}, {"model": path}, Slim(), 1.0, True, 1, "chain[0]")
    return ChainBlock(spec, BLOCKS["nam"], knobs, levels, tuple(range(len(levels))))


def measure(path: Path, changes: int, seed: int = 0) -> dict[str, np.ndarray]:
    """Per kind of change: the clicks at so many places of the riff, in dB."""
    block, guitar = block_of(path), riff(RATE_HZ)
    old, new = (play_level(block, level, guitar) for level in (block.levels[-1], block.levels[0]))
    places = np.random.default_rng(seed).choice(loud_places(old), changes)
    return {kind: np.array([click_db(make, old, new, at) for at in places]) for kind, make in KINDS.items()}


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--changes", type=int, default=200)
    parser.add_argument("--write", action="store_true", help="write the table into bench/RESULTS.md")
    options = parser.parse_args()
    lines = [f"| model | {' | '.join(KINDS)} |", "|---" * (len(KINDS) + 1) + "|"]
    for path in sorted((ROOT / "presets" / "models").glob("*.nam")):
        if len(block_of(path).levels) == 1:
            continue
        clicks = measure(path, options.changes)
        cells = [f"{np.median(db):.0f} ({np.quantile(db, 0.95):.0f}; {db.max():.0f})" for db in clicks.values()]
        lines.append(f"| {path.stem} | {' | '.join(cells)} |")
    print("\n".join(lines))
    if options.write:
        about = (
            f"`python bench/clicks.py --changes {options.changes}`: the click of a change from the largest to the"
            " smallest level above 8 kHz, over all energy from 256 samples before it to 256 after the crossfade, dB:"
            " median (95 % quantile; largest).\n\n"
        )
        write_section(ROOT / "bench" / "RESULTS.md", "clicks", "Clicks at changes of level", about + "\n".join(lines))


if __name__ == "__main__":
    main()

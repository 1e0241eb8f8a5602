"""How loud a change of level clicks: energy above 8 kHz in the moment of the change, beside what the sound has there.

    python bench/clicks.py [--changes 200]

For each model in the box and each of so many places of the riff the full level falls to the smallest one: by a planned
crossfade of two exact levels, by the reflex's bend to a warm level, and, for comparison, by a hard switch between warm
levels; and a dropout of 64 samples.

A change mixes the two levels, sample by sample, with some weights. Both have treble of their own, which is no click.
The click is what is left above 8 kHz when that is taken out:

    click = high_pass(heard) - weight x high_pass(new) - (1 - weight) x high_pass(old)

its energy over all energy of the 512 samples around the change, in dB: median and 95 % quantile.
"""

import argparse
import sys
from pathlib import Path

import numpy as np

ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT), str(ROOT / "bench")]

from chainrt.benchmarks.results import write_section  # noqa: E402
from chainrt.block import BLOCKS, Settings  # noqa: E402
from chainrt.calibrate import play_level  # noqa: E402
from chainrt.chain import ChainBlock  # noqa: E402
from chainrt.engine import BEND_FRAMES, FADE_FRAMES  # noqa: E402
from chainrt.preset import BlockSpec, Slim  # noqa: E402
from chainrt.riff import riff  # noqa: E402

RATE_HZ, WINDOW, BORDER_HZ = 48_000, 512, 8_000


def block_of(path: Path) -> ChainBlock:
    knobs, levels = BLOCKS["nam"].build(Settings({}, {"model": path}, RATE_HZ))
    spec = BlockSpec(path.stem, "nam", {}, {"model": path}, Slim(), 1.0, True, 1, "chain[0]")
    return ChainBlock(spec, BLOCKS["nam"], knobs, levels, tuple(range(len(levels))))


def crossfaded(old, new, at):
    share = np.clip((np.arange(len(old)) - at + 1) / FADE_FRAMES, 0, 1)
    return old + share * (new - old), 1 - share, share


def bent(old, new, at):
    """As engine/levels.py does it: the last difference goes on, and is let go."""
    offset = old[at - 1] - new[at - 1]
    done = np.clip((np.arange(len(old)) - at) / BEND_FRAMES, 0, 1)
    is_new = np.arange(len(old)) >= at
    return np.where(is_new, new + offset * (1 - done) ** 2 * (1 + 2 * done), old), ~is_new, is_new


def hard(old, new, at):
    is_new = np.arange(len(old)) >= at
    return np.where(is_new, new, old), ~is_new, is_new


def dropout(old, new, at):
    place = np.arange(len(old)) - at
    is_heard = (place < 0) | (place >= 64)
    return np.where(is_heard, old, 0.0), is_heard, 0.0


KINDS = {"planned crossfade": crossfaded, "reflex, warm": bent, "hard switch, warm": hard, "dropout of 64": dropout}


def high_pass(sound: np.ndarray) -> np.ndarray:
    """What lies above 8 kHz: a windowed sinc of 255 taps."""
    taps = np.arange(-127, 128)
    low = 2 * BORDER_HZ / RATE_HZ * np.sinc(2 * BORDER_HZ / RATE_HZ * taps) * np.blackman(255)
    return sound - np.convolve(sound, low, "same")


def click_db(make, old, new, at) -> float:
    wide = slice(at - WINDOW, at + WINDOW)
    before, after = old[wide], new[wide]
    heard, share_before, share_after = make(before, after, WINDOW)
    click = high_pass(heard) - share_before * high_pass(before) - share_after * high_pass(after)
    middle = slice(WINDOW // 2, 3 * WINDOW // 2)
    energy = max(float(np.sum(before[middle] ** 2)), 1e-20)
    return 10 * np.log10(max(float(np.sum(click[middle] ** 2)), 1e-12 * energy) / energy)


def measure(path: Path, changes: int, seed: int = 0) -> dict[str, np.ndarray]:
    """Per kind of change: the clicks at so many places of the riff, in dB."""
    block, guitar = block_of(path), riff(RATE_HZ)
    old, new = (play_level(block, level, guitar) for level in (block.levels[-1], block.levels[0]))
    loud = np.flatnonzero(np.convolve(old**2, np.ones(WINDOW) / WINDOW, "same") > 1e-4 * np.mean(old**2))
    loud = loud[(loud > WINDOW) & (loud < len(old) - WINDOW)]
    places = np.random.default_rng(seed).choice(loud, changes)
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
        cells = [f"{np.median(db):.0f} ({np.quantile(db, 0.95):.0f})" for db in clicks.values()]
        lines.append(f"| {path.stem} | {' | '.join(cells)} |")
    print("\n".join(lines))
    if options.write:
        about = (
            f"`python bench/clicks.py --changes {options.changes}`: the click of a change from the largest to the"
            " smallest level above 8 kHz, over all energy of the 512 samples around it, dB: median (95 % quantile).\n\n"
        )
        write_section(ROOT / "bench" / "RESULTS.md", "clicks", "Clicks at changes of level", about + "\n".join(lines))


if __name__ == "__main__":
    main()

"""Measure a model of ours and write its card into presets/models/CARDS.md.

Rules kept here:
* Every figure is measured on the written file, played by chainrt itself: nothing is shared with training.
* The playing is held out: its seed was used for no training and for no choice of weights.
* Training times come from the file, where training wrote them.
* A card stands between two comments that name it. What is written round them is left alone.
"""

import itertools
import re
from dataclasses import dataclass

import data
import measures
import namfile
import numpy as np
from plans import CONTAINER, PACK, PARTS_OF, SLICED

from chainrt.compiled.arena import aligned_zeros
from chainrt.compiled.native import address_of
from chainrt.nam import levels
from chainrt.nam.architectures import pack

SETTLING_FRAMES = 6400  # of silence first, longer than any receptive field
PERIOD_FRAMES = 512

FORMS = {
    CONTAINER: "Official A2 container (architecture as in the official files), its two sizes trained separately.",
    SLICED: "One A2 with a one-tap head, sliced: one set of weights, each width trained in every step.",
    PACK: "Four A1 networks of the official sizes, each in its own file, trained separately.",
}


COLUMNS = (
    "level",
    "ESR",
    "pre-emphasised",
    "typical",
    "convergence",
    "log magnitude",
    "RMS",
    "to device",
    "delay",
    "steps",
    "CPU",
)


@dataclass(frozen=True)
class Figures:
    """One level, measured. Errors as in measures.py; rms in dBFS, louder in dB against the device, delay in samples."""

    level: str
    esr: float
    pre_emphasised: float
    convergence: float
    log_magnitude: float
    typical: float
    rms: float
    louder: float
    delay: float
    steps: int
    cpu_seconds: int


def played(network, signal):
    """The signal through one level of a model, by chainrt's engine, after silence."""
    packed = pack(network)
    state, run = packed.new_state(), packed.natives[0].from_python()
    plane = aligned_zeros(SETTLING_FRAMES + len(signal), np.float32)
    plane[SETTLING_FRAMES:] = signal
    for begin in range(0, len(plane), PERIOD_FRAMES):
        period = plane[begin : begin + PERIOD_FRAMES]
        run(address_of(state[0]), address_of(period), len(period))
    return plane[SETTLING_FRAMES:]


def sizes(paths):
    """(name, network, metadata) of every level in these files, smallest first."""
    found = []
    for path in paths:
        saved = namfile.levels(path)
        for level, size in zip(levels.load(path).levels, saved, strict=True):
            name = path.stem.rpartition("-")[2] if len(paths) > 1 else f"{level.name}, {size.width} channels"
            found.append((name, level.network, size.metadata))
    return found


def measure(plan, paths):
    """Figures of every level, smallest first."""
    x, y = data.performance_pair(plan.device, *data.HELD_OUT)
    plain, plain_y = data.typical_pair(plan.device)
    figures = []
    for name, network, metadata in sizes(paths):
        out, plain_out = played(network, x), played(network, plain)
        rms = measures.rms_dbfs(plain_out)
        figures.append(
            Figures(
                name,
                measures.esr(out, y),
                measures.pre_emphasised_esr(out, y),
                *measures.spectral_error(out, y),
                measures.esr(plain_out, plain_y),
                rms,
                rms - measures.rms_dbfs(plain_y),
                measures.delay(plain_out, plain_y),
                metadata["training"]["steps"],
                metadata["training"]["cpu_seconds"],
            )
        )
    return figures


def row(f):
    """One level's line of the table."""
    errors = f"{f.esr:.5f} | {f.pre_emphasised:.5f} | {f.typical:.5f} | {f.convergence:.4f} | {f.log_magnitude:.3f}"
    against_device = f"{f.rms:.2f} dBFS | {f.louder:+.3f} dB | {f.delay:+.3f}"
    return f"| {f.level} | {errors} | {against_device} | {f.steps:,} | {f.cpu_seconds:,} s |"


def levels_compared(figures):
    """How the levels differ in error, loudness and delay, in two sentences."""
    falling = all(a.esr > b.esr for a, b in itertools.pairwise(figures))
    loudness, delays = [f.rms for f in figures], [f.delay for f in figures]
    return (
        f"The smallest level's error is {figures[0].esr / figures[-1].esr:.1f} times the largest's; errors "
        f"{'fall with every level upward' if falling else 'do NOT fall with every level upward'}. The levels differ "
        f"by {max(loudness) - min(loudness):.3f} dB in loudness and {max(delays) - min(delays):.3f} samples in delay."
    )


def text(name, plan, paths, figures):
    """The card, in Markdown."""
    files = ", ".join(f"`{path.name}`" for path in paths)
    size = sum(path.stat().st_size for path in paths) / 1000
    table = ["| " + " | ".join(COLUMNS) + " |", "|" + "---|" * len(COLUMNS), *map(row, figures)]
    paragraphs = [
        f"## {name}",
        f'"{plan.gear_make} {plan.gear_model}", {files}, {size:.0f} kB. {FORMS[plan.form]}',
        f"What it models: {PARTS_OF[plan.device]} (`devices.{plan.device}`).",
        "\n".join(table),
        *(
            f"Its full size was not trained anew: the weights of `{part.start}.nam`, the head filled up with zeros."
            for part in plan.parts
            if part.start
        ),
        levels_compared(figures),
        f"Made by `python presets/training/train.py {name}`"
        + (" (one CPU time for all its widths)." if plan.form == SLICED else "."),
    ]
    return "\n\n".join(paragraphs)


def place(cards, name, card):
    """The text of CARDS.md with one card in it replaced."""
    begin, end = f"<!-- card: {name} -->", f"<!-- end of {name} -->"
    where = re.compile(f"{re.escape(begin)}\n.*?{re.escape(end)}", re.DOTALL)
    if not where.search(cards):
        raise SystemExit(f"CARDS.md has no place for {name}: write {begin} and {end} in it")
    return where.sub(lambda _: f"{begin}\n{card}\n{end}", cards)


def write(name, plan, paths, cards_path):
    """Measure the files of a model, write its card, return it."""
    card = text(name, plan, paths, measure(plan, paths))
    cards_path.write_text(place(cards_path.read_text("utf-8"), name, card), "utf-8")
    return card

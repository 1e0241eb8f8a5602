"""Neural amp: a .nam capture, at any of its sizes.

Source: Steven Atkinson, "Slimmable NAM", arXiv 2511.07470 (2025): one trained network that plays at several widths.
What a network computes stands in chainrt/nam; here it gets a gain before and after it.

Each level has two fixed gains of its own beside the knobs: by the file's metadata (`calibrate`, `normalize`), and to
match the largest level where the levels are several files (`match`).

A network is played as it was trained, neither oversampled nor averaged: either would make another one of it. So its
aliases are those of the capture. Of a full sine of 1,249 Hz at 48 kHz, all energy beside the harmonics is -55 dB of the
whole with `linen.nam` of the presets, a clean amp, -45 dB with `glass.nam` and -30 dB with `brick.nam`, which has the
most gain.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np

from ..block import OFF_ON, File, Level, Option, Param, Settings, block
from ..compiled.arena import aligned_zeros
from ..compiled.call import call3
from ..compiled.memory import address
from ..compiled.native import address_of
from ..dsp import arrived_after, gain, glide_from, make_finite, smoothing
from ..errors import Fault, ModelError
from ..nam import matching
from ..nam.architectures import family, forgets
from ..nam.gains import MOST_DB, gains
from ..nam.levels import Model, load
from ..nam.lstm import LSTM
from ..nam.packs import load_pack, rate_of
from ..nam.rates import packed_for
from ..nam.resampler import Resampled
from ..riff import riff

GLIDE_MS = 10.0  # a turned knob arrives this fast
MATCHED_SECONDS = 3.0  # of the riff, on which levels are compared


@block(
    params=[
        Param("input", "dB", -40, 40, default=0, help="gain into the amp: how hard it is driven"),
        Param("output", "dB", -40, 40, default=0, help="gain after the amp"),
    ],
    files=[
        File("model", help="a .nam file"),
        File("levels", "several .nam files of one amp, smallest first", many=True, instead_of="model"),
    ],
    options=[
        Option("normalize", "dB", -60, 0, "make the amp as loud as this, by the loudness in its file (usual: -18 dB)"),
        Option("calibrate", "dBu", -20, 40, "your interface's level at full scale: drive the amp as its file says"),
        Option("match", "", 0, 1, "make levels equally loud and of one polarity", OFF_ON, unset="true"),
    ],
    state=[
        ("play", "i8"),  # address of the compiled network
        ("network", "i8"),  # address of the network's own state
        ("drive", "f8"),  # fixed linear gain before the network
        ("makeup", "f8"),  # fixed linear gain after it, negative where it turns the polarity
        ("input", "f8"),  # linear gain of the knob before the network at the last sample
        ("output", "f8"),  # linear gain of the knob after it
    ],
    slimmable=True,
    work=0,
)
def nam(p, s, x, n):
    """Play x[0:n] through the network in place. Gains glide, so a turned knob does not click."""
    make_finite(x, n)
    glide = smoothing(GLIDE_MS, p.rate)
    goal = gain(p.input)
    before = glide_from(s.input, goal)
    for i in range(n):
        before += glide * (goal - before)
        x[i] *= s.drive * before
    call3(s.play, s.network, address(x), n)
    goal = gain(p.output)
    after = glide_from(s.output, goal)
    for i in range(n):
        after += glide * (goal - after)
        x[i] *= s.makeup * after
    s.input, s.output = before, after


@dataclass(eq=False)
class Size:
    """One level in the making. drive, makeup: its fixed linear gains."""

    name: str
    packed: Any
    drive: float
    makeup: float

    def new_state(self):
        memory = self.packed.new_state()
        s = aligned_zeros((), nam.state)
        s["play"], s["network"] = self.packed.natives[0].address, address_of(memory[0])
        s["drive"], s["makeup"] = self.drive, self.makeup
        return (s, *memory)

    def level(self, rate: float) -> Level:
        network = self.packed.network
        is_resampled, is_lstm = isinstance(network, Resampled), isinstance(network, LSTM)
        settled = network.receptive_field + arrived_after(GLIDE_MS, rate)
        return Level(
            self.name,
            network.multiply_adds,
            network.receptive_field,
            self.new_state,
            self.packed.natives,
            family(network),
            latency=network.latency if is_resampled else 0,
            rest_after=settled if forgets(network) or is_lstm else None,
            fed_back=(lambda state: state[2]) if is_lstm else None,
            clock=(lambda state: state[1]["clock"]) if is_resampled else None,
        )


@nam.prepare
def levels_of_model(p, settings: Settings) -> tuple[Level, ...]:
    """One level for each size of the file, or one for each of the files."""
    if "levels" in settings.files:
        models, remarks = load_pack(settings.files["levels"])
        settings.remarks.extend(remarks)
    else:
        models = (load(settings.files["model"]),)
        if "match" in settings.options:
            settings.remarks.append("match does nothing for a single file; it is for levels")
    settings.remarks.extend(warning for model in models for warning in model.warnings)
    sizes = _sizes(models, settings)
    if len(models) > 1:
        settings.when_compiled.append(lambda: _match(sizes, settings))
    return tuple(size.level(settings.rate) for size in sizes)


def _sizes(models: Sequence[Model], settings: Settings) -> list[Size]:
    """Every level of every model, for the chain's rate and with the gains of its file."""
    networks = [level.network for model in models for level in model.levels]
    try:
        packed = iter(packed_for(networks, rate_of(models[0]), settings.rate))
    except ValueError as error:
        raise ModelError(Fault(str(models[0].path), str(error), path="sample_rate")) from None
    sizes = []
    for model in models:
        found = gains(model.metadata, settings.options.get("calibrate"), settings.options.get("normalize"))
        settings.remarks.extend(f"{model.path.name}: {remark}" for remark in found.remarks)
        drive, makeup = 10 ** (found.input_db / 20), 10 ** (found.output_db / 20)
        sizes += [Size(level.name, next(packed), drive, makeup) for level in model.levels]
    return sizes


def _match(sizes: list[Size], settings: Settings) -> None:
    """Make all levels as loud as the largest, with its polarity; or only say how they differ."""
    is_wanted, samples = bool(settings.options.get("match", 1.0)), _playing(settings.rate)
    *smaller, largest = sizes
    truth = _heard(largest, samples)
    for size in smaller:
        found = matching.difference(truth, _heard(size, samples), settings.rate)
        is_mended = is_wanted and found.likeness >= matching.ALIKE and abs(found.gain_db) <= MOST_DB
        if is_mended:
            size.makeup = largest.makeup * 10 ** (found.gain_db / 20) * (-1 if found.is_inverted else 1)
        if line := matching.remark(size.name, largest.name, found, is_mended):
            settings.remarks.append(line)


@lru_cache(maxsize=2)
def _playing(rate: float) -> np.ndarray:
    return riff(rate)[: int(MATCHED_SECONDS * rate)]


def _heard(size: Size, samples: np.ndarray) -> np.ndarray:
    """What a size makes of the samples, behind its drive and before its makeup, once it has settled in silence."""
    quiet = size.packed.network.receptive_field
    plane = aligned_zeros(quiet + len(samples), np.float32)
    plane[quiet:] = samples * size.drive
    state = size.packed.new_state()
    size.packed.natives[0].from_python()(address_of(state[0]), address_of(plane), len(plane))
    return plane[quiet:]

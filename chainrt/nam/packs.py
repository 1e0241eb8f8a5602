"""Packs: several files of one amp, each captured at another size, as the levels of one model.

Rules kept here:
* Each file counts at its full size, whatever sizes it has inside.
* The files need not share an architecture, but a sample rate.
* Smallest first. How dear a file is can only be estimated here (`estimated_cost`); so the order in which a musician
  lists the files stands, unless a file is clearly dearer (CLEARLY times) than the one after it. Then they are sorted.
* A level is called what its file is called, without what all the names have in common.
"""

import os
import re
from collections.abc import Sequence
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

from chainrt.errors import ChainrtError, Fault, ModelError

from .levels import Model, load
from .lstm import LSTM

CLEARLY = 1.5
LSTM_WORK, LSTM_LAYER_WORK = 2.5, 400.0  # an LSTM waits for itself: its cost in a WaveNet's multiply-adds
LONGEST_NAME = 24
USUAL_RATE_HZ = 48_000.0  # of files that do not say: most captures of the first years


def load_pack(paths: Sequence[str | os.PathLike]) -> tuple[tuple[Model, ...], tuple[str, ...]]:
    """The models of the pack, smallest first, each with one level; and remarks. ModelError has all faults of all."""
    models, faults = [], []
    for path in paths:
        try:
            models.append(load(path))
        except ChainrtError as error:
            faults += error.faults
    rates = [rate_of(model) for model in models]
    for model, rate in zip(models, rates, strict=True):
        if rate != rates[0]:
            wrong = f"{rate:g} Hz, but {models[0].path.name} has {rates[0]:g} Hz; levels of one block need one rate"
            faults.append(Fault(str(model.path), wrong, path="sample_rate"))
    if faults:
        raise ModelError(faults)
    remarks = []
    costs = [estimated_cost(model.levels[-1].network) for model in models]
    if any(earlier > CLEARLY * later for earlier, later in pairwise(costs)):
        models = [model for _, model in sorted(zip(costs, models, strict=True), key=lambda pair: pair[0])]
        remarks.append(f"put into the order of their size: {', '.join(model.path.name for model in models)}")
    names = short_names([model.path for model in models])
    return (
        tuple(
            replace(model, levels=(replace(model.levels[-1], name=name),))
            for model, name in zip(models, names, strict=True)
        ),
        tuple(remarks),
    )


def rate_of(model: Model) -> float:
    """Hz; 48,000 where the file does not say, as in the reference plugin."""
    return model.sample_rate or USUAL_RATE_HZ


def estimated_cost(network) -> float:
    """How dear a network is, in multiply-adds of a WaveNet: within a factor of two or so."""
    if isinstance(network, LSTM):
        return LSTM_WORK * network.multiply_adds + LSTM_LAYER_WORK * len(network.layers)
    return float(network.multiply_adds)


def short_names(paths: Sequence[Path]) -> list[str]:
    """A name for each file that can be written in a preset: "JCM nano.nam" and "JCM lite.nam" are nano and lite."""
    words = [re.findall(r"[\w]+", path.stem) or ["model"] for path in paths]
    while len(words) > 1 and all(len(one) > 1 for one in words) and len({one[0] for one in words}) == 1:
        words = [one[1:] for one in words]
    while len(words) > 1 and all(len(one) > 1 for one in words) and len({one[-1] for one in words}) == 1:
        words = [one[:-1] for one in words]
    names: list[str] = []
    for one in words:
        name = plain = "-".join(one)[:LONGEST_NAME]
        if name.isdecimal() or name == "auto":  # a number would be an index
            name = plain = f"size-{name}"
        number = 1
        while name in names:
            number += 1
            name = f"{plain}-{number}"
        names.append(name)
    return names

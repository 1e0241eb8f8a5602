"""The levels of a .nam: the sizes at which one model can run, smallest first, each with a name and an index.

A .nam offers sizes in two ways: a `SlimmableContainer` holds whole networks, a slimmable `WaveNet` is one network of
which the first channels can be played alone. Any other WaveNet has one level. Nothing after this module needs to know
which it was.

Rules kept here:
* The slimmable value (0 to 1) that other programs use is told, never asked for: they disagree about its borders, so
  `value` is the middle of the interval in which it selects the level.
* The largest level is always "full"; of two, the other is "lite"; of more, they are named by channels: "ch2", "ch4".

Source: NeuralAmpModelerCore, NAM/container.cpp and NAM/wavenet/slimmable.cpp (MIT licence).
"""

import os
from dataclasses import dataclass, replace
from pathlib import Path

from chainrt.nam import file, wavenet

MAX_SUBMODELS = 64


@dataclass(frozen=True, eq=False)
class ModelLevel:
    """One size of a model. `value`: 0 to 1, the slimmable value by which others select it."""

    name: str
    network: wavenet.WaveNet
    value: float


@dataclass(frozen=True, eq=False)
class Model:
    """A .nam, ready to be played at any of its `levels`, smallest (in multiply-adds) first.

    `sample_rate`: Hz, None where the file does not say. `metadata`: the outermost model's, see file.Document.
    `warnings`: one line each.
    """

    path: Path
    version: str
    architecture: str
    sample_rate: float | None
    metadata: dict
    warnings: tuple[str, ...]
    levels: tuple[ModelLevel, ...]

    def find(self, level: str | int) -> ModelLevel:
        """The level of this name or index (0 is the smallest); KeyError tells which there are."""
        for index, candidate in enumerate(self.levels):
            if level == candidate.name or (level == index and not isinstance(level, bool)):
                return candidate
        allowed = ", ".join(f"{candidate.name} ({index})" for index, candidate in enumerate(self.levels))
        raise KeyError(f"no level {level!r}; allowed are {allowed}")


def load(path: str | os.PathLike) -> Model:
    """Read the .nam at `path` whole. ModelError, in one line, where it is damaged or not of a kind that is played."""
    document = file.read(path)
    sizes = _submodels(document) if document.architecture == "SlimmableContainer" else _slices(document)
    documents = [document, *(size.document for size in sizes)]
    sample_rate = _common_sample_rate(documents)
    sizes = sorted(sizes, key=lambda size: size.network.multiply_adds)
    names = _names([size.network.channels for size in sizes])
    return Model(
        path=Path(path),
        version=document.version,
        architecture=document.architecture,
        sample_rate=sample_rate,
        metadata=document.metadata,
        warnings=tuple(dict.fromkeys(warning for one in documents for warning in one.warnings)),
        levels=tuple(
            ModelLevel(name, replace(size.network, sample_rate=sample_rate), size.value)
            for name, size in zip(names, sizes, strict=True)
        ),
    )


@dataclass(frozen=True, eq=False)
class _Size:
    document: file.Document
    network: wavenet.WaveNet
    value: float


def _slices(document: file.Document) -> list[_Size]:
    """The widths of one WaveNet. The reference plays allowed[min(floor(value * n), n - 1)]."""
    network, widths = wavenet.parse(document), wavenet.widths(document)
    return [
        _Size(document, wavenet.sliced(network, channels), (index + 0.5) / len(widths))
        for index, channels in enumerate(widths)
    ]


def _submodels(document: file.Document) -> list[_Size]:
    """The networks in a container. The reference plays the first one with value < max_value, else the last one.

    A submodel that is slimmable itself is played at its full width, as in the reference.
    """
    if len(document.weights):
        raise document.node["weights"].fault(f"{len(document.weights)} weights, but a container has none of its own")
    entries = document.config["submodels"].items(1, MAX_SUBMODELS)
    sizes, low = [], 0.0
    for entry in entries:
        high = entry["max_value"].number(0, 1000)
        if high <= low:
            raise entry["max_value"].fault(f"{high:g} must be above {low:g}; max_value rises from submodel to submodel")
        if (high < 1) == (entry is entries[-1]):
            raise entry["max_value"].fault(f"{high:g}: the last max_value, and only that, must reach 1")
        submodel = file.document(entry["model"], architectures=("WaveNet",))
        sizes.append(_Size(submodel, wavenet.parse(submodel), (low + min(high, 1)) / 2))
        low = high
    return sizes


def _common_sample_rate(documents: list[file.Document]) -> float | None:
    """The one sample rate of all `documents` that name any, in Hz."""
    common = None
    for document in documents:
        rate = document.sample_rate
        if None not in (rate, common) and rate != common:
            raise document.node["sample_rate"].fault(f"{rate:g} Hz differs from {common:g} Hz elsewhere in the file")
        common = common if rate is None else rate
    return common


def _names(channels: list[int]) -> list[str]:
    """Names for levels of so many channels, smallest level first; a width that returns is numbered: "ch4-2"."""
    if len(channels) == 2:
        return ["lite", "full"]
    names = []
    for index, width in enumerate(channels[:-1]):
        earlier = channels[:index].count(width)
        names.append(f"ch{width}-{earlier + 1}" if earlier else f"ch{width}")
    return [*names, "full"]

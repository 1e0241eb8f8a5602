"""The levels of a .nam: the sizes at which one model can run, smallest first, each with a name and an index.

A .nam offers sizes in two ways: a `SlimmableContainer` holds whole networks of any architecture, a slimmable `WaveNet`
is one network of which the first channels can be played alone. Any other model has one level. Nothing after this
module needs to know which it was.

Rules kept here:
* The slimmable value (0 to 1) that other programs use is told, never asked for: they disagree about its borders, so
  `value` is the middle of the interval in which it selects the level.
* A submodel that has sizes of its own, be it a container or a slimmable WaveNet, is played at its full one. So does
  the reference: the slimmable value chooses among the outermost submodels, and each of them stays at its default.
* The largest level is always "full"; of two, the other is "lite"; of more, they are named by channels: "ch2", "ch4".

Source: NeuralAmpModelerCore, NAM/container.cpp and NAM/wavenet/slimmable.cpp (MIT licence).
"""

import os
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from chainrt.nam import architectures, file, wavenet

CONTAINER = "SlimmableContainer"
MAX_SUBMODELS = 64
MAX_DEPTH = 8  # containers in one another


@dataclass(frozen=True, eq=False)
class ModelLevel:
    """One size of a model. `value`: 0 to 1, the slimmable value by which others select it."""

    name: str
    network: Any  # of any architecture: see architectures.py
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
    if document.architecture == CONTAINER:
        sizes = _submodels(document)
    elif document.architecture == "WaveNet":
        sizes = _slices(document)
    else:
        sizes = [_Size((document,), architectures.parse(document), 0.5)]
    documents = [document, *(one for size in sizes for one in size.documents)]
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
    documents: tuple[file.Document, ...]  # from the outermost submodel to the one that is played
    network: Any
    value: float


def _slices(document: file.Document) -> list[_Size]:
    """The sizes of one WaveNet."""
    network = wavenet.parse(document)
    return [_Size((document,), wavenet.sliced(network, widths), value) for value, widths in wavenet.widths(document)]


def _submodels(document: file.Document) -> list[_Size]:
    """The networks in a container. The reference plays the first one with value < max_value, else the last one."""
    sizes, low = [], 0.0
    for node, high in _entries(document):
        documents = played(node)
        sizes.append(_Size(documents, architectures.parse(documents[-1]), (low + min(high, 1)) / 2))
        low = high
    return sizes


def played(node: file.Node) -> tuple[file.Document, ...]:
    """The submodel at `node` and, while it is a container itself, its last submodel: the size at which it starts."""
    documents = [file.document(node)]
    while documents[-1].architecture == CONTAINER:
        if len(documents) == MAX_DEPTH:
            raise documents[-1].node.fault(f"more than {MAX_DEPTH} containers in one another")
        *others, (last, _) = _entries(documents[-1])
        for other, _ in others:
            file.document(other)
        documents.append(file.document(last))
    return tuple(documents)


def _entries(document: file.Document) -> list[tuple[file.Node, float]]:
    """The submodels of a container, each with its max_value; those rise, and the last one reaches 1."""
    if len(document.weights):
        raise document.node["weights"].fault(f"{len(document.weights)} weights, but a container has none of its own")
    entries, found, low = document.config["submodels"].items(1, MAX_SUBMODELS), [], 0.0
    for entry in entries:
        high = entry["max_value"].number(0, 1000)
        if high <= low:
            raise entry["max_value"].fault(f"{high:g} must be above {low:g}; max_value rises from submodel to submodel")
        if (high < 1) == (entry is entries[-1]):
            raise entry["max_value"].fault(f"{high:g}: the last max_value, and only that, must reach 1")
        found.append((entry["model"], high))
        low = high
    return found


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

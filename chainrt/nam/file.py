"""The outside of a .nam file: JSON that comes from strangers, read into checked values.

A .nam says who made it (`version`), what it is (`architecture`, `config`), and what was learned (`weights`).
People download such files, so nothing in one is believed before it was looked at, and whatever is wrong ends as one
`ModelError` with one line that names the file, the path inside it, and what is allowed there.

Rules kept here:
* A value is only ever taken out through `Node`, which knows its own path and checks type and range.
* Work and memory are bounded by the size of the file, and that by `MAX_BYTES`. Nothing is allocated because a number
  in the file says so.
* `null` counts as absent wherever a value is optional.

Source of the format: NeuralAmpModelerCore, NAM/get_dsp.cpp (MIT licence).
"""

import json
import os
import re
import stat
from dataclasses import dataclass
from typing import Any

import numpy as np

from chainrt.errors import Fault, ModelError

ARCHITECTURES = ("SlimmableContainer", "WaveNet", "LSTM", "ConvNet", "Linear")
OLDEST_MINOR, NEWEST_MINOR = 5, 7  # 0.5 to 0.7
MAX_BYTES = 32 * 2**20  # fifty times an A2; text for over a million weights, which nothing plays in real time
SAMPLE_RATE_HZ = (8_000, 768_000)
METADATA_DB = (-200, 200)
METADATA_LEVELS = ("loudness", "input_level_dbu", "output_level_dbu")  # what a player computes with; the rest is prose


@dataclass(frozen=True, eq=False)
class Node:
    """One JSON value, with the file and the path where it stands. Every reader below raises `ModelError`."""

    value: Any
    file: str
    path: str = ""

    def fault(self, message: str) -> ModelError:
        """The error (to be raised by the caller) that this value is at fault."""
        return ModelError(Fault(self.file, message, path=self.path or None))

    def get(self, key: str, default: Any = None) -> "Node":
        """The value under `key` of this object; `default` where it is absent or null."""
        if not isinstance(self.value, dict):
            raise self.fault(f"{shown(self.value)} is not an object")
        value = self.value.get(key)
        return Node(default if value is None else value, self.file, f"{self.path}.{key}".lstrip("."))

    def __getitem__(self, key: str) -> "Node":
        """The value under `key` of this object, which must be there."""
        node = self.get(key)
        if key not in self.value:
            raise node.fault("is missing")
        return node

    def items(self, low: int, high: int) -> list["Node"]:
        """The `low` to `high` values of this list."""
        if not isinstance(self.value, list):
            raise self.fault(f"{shown(self.value)} is not a list")
        if not low <= len(self.value) <= high:
            allowed = f"{low}" if low == high else f"{low} to {high}"
            raise self.fault(f"a list of {len(self.value)} where {allowed} are allowed")
        return [Node(value, self.file, f"{self.path}[{index}]") for index, value in enumerate(self.value)]

    def number(self, low: float, high: float) -> float:
        """A number from `low` to `high`, both included."""
        if not _is_number(self.value) or not low <= self.value <= high:
            raise self.fault(f"{shown(self.value)} is not a number from {low:g} to {high:g}")
        return float(self.value)

    def integer(self, low: int, high: int) -> int:
        """A whole number from `low` to `high`, both included; 8.0 counts as 8, as in the reference."""
        if not _is_number(self.value) or not low <= self.value <= high or self.value != int(self.value):
            raise self.fault(f"{shown(self.value)} is not a whole number from {low} to {high}")
        return int(self.value)

    def flag(self) -> bool:
        """True or false."""
        if not isinstance(self.value, bool):
            raise self.fault(f"{shown(self.value)} is neither true nor false")
        return self.value

    def text(self, played: tuple[str, ...] = ()) -> str:
        """A text; one of `played`, if that is given."""
        if not isinstance(self.value, str):
            raise self.fault(f"{shown(self.value)} is not a text")
        if played and self.value not in played:
            *most, last = played
            told = f"{', '.join(most)} and {last}" if most else last
            raise self.fault(f"{shown(self.value)} is not played; this release plays {told}")
        return self.value

    def weights(self) -> np.ndarray:
        """A flat list of finite numbers, as a read-only float32 array of shape (count,)."""
        if not isinstance(self.value, list):
            raise self.fault(f"{shown(self.value)} is not a list of numbers")
        if not set(map(type, self.value)) <= {int, float}:
            wrong = next(index for index, value in enumerate(self.value) if not _is_number(value))
        else:
            exact = np.array(self.value, np.float64)
            fits = np.abs(exact) <= np.finfo(np.float32).max  # false for NaN, too
            if fits.all():
                array = exact.astype(np.float32)
                array.setflags(write=False)
                return array
            wrong = int(np.argmin(fits))
        value = self.value[wrong]
        message = f"{shown(value)} is not a finite number that single precision can hold"
        raise Node(value, self.file, f"{self.path}[{wrong}]").fault(message)


@dataclass(frozen=True, eq=False)
class Document:
    """One whole model, outermost or inside a container, its outside checked and its `config` not yet.

    `weights`: float32 (count,), read-only. `sample_rate`: Hz, None when the file does not say. `metadata`: as in the
    file; loudness (dB) and input and output level (dBu) are finite numbers if they are there at all.
    `warnings`: one line each. `node`: the place of this model in its file.
    """

    node: Node
    version: str
    architecture: str
    config: Node
    weights: np.ndarray
    sample_rate: float | None
    metadata: dict
    warnings: tuple[str, ...]


def read(path: str | os.PathLike) -> Document:
    """Read and check the outside of the .nam at `path`; ModelError says what is wrong with it, in one line."""
    return document(Node(_parsed(path), os.fspath(path)))


def document(node: Node, architectures: tuple[str, ...] = ARCHITECTURES) -> Document:
    """Check the outside of the model at `node`, which must be of one of the `architectures`."""
    version, warnings = _version(node["version"])
    architecture = node["architecture"].text(architectures)
    rate, metadata = node.get("sample_rate"), node.get("metadata", {})
    for key in METADATA_LEVELS:
        if metadata.get(key).value is not None:
            metadata.get(key).number(*METADATA_DB)
    return Document(
        node=node,
        version=version,
        architecture=architecture,
        config=node["config"],
        weights=node["weights"].weights(),
        sample_rate=None if rate.value is None else rate.number(*SAMPLE_RATE_HZ),
        metadata=metadata.value,
        warnings=warnings,
    )


def shown(value: Any) -> str:
    """A JSON value in a few characters, for a fault; never deep, never long."""
    if isinstance(value, (list, dict)):
        return "a list" if isinstance(value, list) else "an object"
    text = json.dumps(value)
    return text if len(text) <= 40 else text[:36] + " ..."


def _is_number(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def _whole(digits: str) -> int | float:
    """Python takes quadratic time over a very long whole number; a float ends at infinity instead."""
    return int(digits) if len(digits) <= 18 else float(digits)


def _parsed(path: str | os.PathLike) -> Any:
    """The JSON value in the file at `path`."""
    place = os.fspath(path)

    def fault(message: str, line: int | None = None) -> ModelError:
        return ModelError(Fault(place, message, line=line))

    try:
        mode = os.stat(place).st_mode
        if not stat.S_ISREG(mode):  # opening a pipe would wait for ever
            raise fault("is a directory, not a .nam file" if stat.S_ISDIR(mode) else "is not a regular file")
        with open(place, "rb") as stream:
            raw = stream.read(MAX_BYTES + 1)
    except FileNotFoundError:
        raise fault("there is no such file") from None
    except (OSError, ValueError) as error:  # ValueError: a zero byte in the name
        raise fault(f"cannot be read: {getattr(error, 'strerror', None) or error}") from None
    if len(raw) > MAX_BYTES:
        raise fault(f"is larger than {MAX_BYTES // 2**20} MiB, the most that is read")
    try:
        text = raw.decode("utf-8-sig")
        return json.loads(text, parse_int=_whole)
    except UnicodeDecodeError as error:
        raise fault(f"is not a .nam file: byte {error.start} is not UTF-8 text") from None
    except json.JSONDecodeError as error:
        cut_off = error.pos >= len(text.rstrip()) or error.msg.startswith("Unterminated")
        reason = "the file ends too early" if cut_off else error.msg
        raise fault(f"column {error.colno}: not JSON: {reason}", error.lineno) from None
    except RecursionError:
        raise fault("is nested too deeply for a .nam file") from None


def _version(node: Node) -> tuple[str, tuple[str, ...]]:
    """The format's version and what to warn of: 0.5 to 0.7 are known, a newer 0.x is tried, all else is refused."""
    known = f"0.{OLDEST_MINOR} to 0.{NEWEST_MINOR}"
    found = re.fullmatch(r"([0-9]{1,4})\.([0-9]{1,4})\.[0-9]{1,6}", node.text())
    if not found:
        raise node.fault(f"{shown(node.value)} is not a version such as 0.{NEWEST_MINOR}.0")
    major, minor = map(int, found.groups())
    if major > 0 or minor < OLDEST_MINOR:
        age = "newer" if major > 0 else "older"
        raise node.fault(f"{node.value} is {age} than what this release plays, {known}")
    if minor > NEWEST_MINOR:
        return node.value, (str(node.fault(f"{node.value} is newer than {known}; it may not sound as it should")),)
    return node.value, ()

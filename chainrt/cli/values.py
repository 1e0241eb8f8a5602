"""Values on the command line, with the same kind of fault as in a preset; and JSON, the way back."""

import json
import os
import re
import sys
from collections.abc import Callable, Collection

from ..errors import ChainrtError, DeviceError, Fault, PresetError
from ..quantity import parse_quantity
from ..scheduler import policy_named


class Reader:
    """Calls what reads a value, notes its faults and goes on, so that all faults are told at once."""

    def __init__(self):
        self._faults: list[Fault] = []

    def __call__(self, read: Callable, *arguments):
        """What `read` returns; None after a fault."""
        try:
            return read(*arguments)
        except ChainrtError as error:
            self._faults += error.faults
            return None

    def raise_faults(self) -> None:
        """Raise PresetError if there are faults."""
        if self._faults:
            raise PresetError(self._faults)


def integer(option: str, text: str, low: int, high: int) -> int:
    """A whole number from `low` to `high`."""
    try:
        value = int(text) if len(text) < 30 else None
    except ValueError:
        value = None
    if value is None or not low <= value <= high:
        raise PresetError(Fault(option, f"{text!r} is not a whole number from {low:,} to {high:,}"))
    return value


def number(option: str, text: str, low: float, high: float) -> float:
    """A number from `low` to `high`."""
    try:
        value = parse_quantity(text, "")
    except ValueError as error:
        raise PresetError(Fault(option, str(error))) from None
    if not low <= value <= high:
        raise PresetError(Fault(option, f"{text} is outside {low:g} to {high:g}"))
    return value


def choice(option: str, text: str, allowed: Collection[str]) -> str:
    """One of the words that are allowed."""
    if text not in allowed:
        what = option.strip("-").lower()
        raise PresetError(Fault(option, f"no {what} {text!r}; there are {', '.join(allowed)}"))
    return text


def policy(text: str) -> str:
    """The name of a policy: "adaptive", "adaptive:150", "full" ..."""
    try:
        policy_named(text)
    except ValueError as error:
        raise PresetError(Fault("--policy", str(error))) from None
    return text


def budget(text: str) -> float:
    """A share of the deadline: "70%" (or a bare 70) is 0.7."""
    try:
        value = parse_quantity(text, "%")
    except ValueError as error:
        raise PresetError(Fault("--budget", str(error))) from None
    if not 0 < value <= 100:
        raise PresetError(Fault("--budget", f"{text} is not above 0 % and at most 100 % of the deadline"))
    return value / 100


BYTES = {"bytes": 1, "B": 1, "kB": 1e3, "KiB": 2**10, "MB": 1e6, "MiB": 2**20, "GB": 1e9, "GiB": 2**30}
QUANTITY_OF_BYTES = re.compile(r"([0-9]+(?:\.[0-9]+)?)\s*([A-Za-z]*)")


def memory(text: str) -> float:
    """An amount of memory in bytes: "2MiB", "512 kB", 65536."""
    found = QUANTITY_OF_BYTES.fullmatch(text.strip())
    unit = found and (found[2] or "bytes")
    if not found or unit not in BYTES or not 1024 <= float(found[1]) * BYTES[unit] <= 1e13:
        told = f"{text!r} is not an amount of memory; write it as 2MiB or 512kB, at least 1 KiB"
        raise PresetError(Fault("--memory", told))
    return float(found[1]) * BYTES[unit]


def period(text: str) -> int:
    return integer("--period", text, 1, 8192)


def rate(text: str) -> int:
    return integer("--rate", text, 8000, 192000)


def writable(path: str | None, others: Collection[str | None], is_sound: bool = True) -> None:
    """Find out before playing whether a file can be written afterwards, and is none of the `others`."""

    def refuse(message: str):
        raise PresetError(Fault(path or "''", f"cannot be written: {message}"))

    if path is None:
        return
    if not path:
        refuse("it has no name")
    folder = os.path.dirname(path) or "."
    if not os.path.isdir(folder):
        refuse(f"there is no folder {folder!r}")
    if os.path.isdir(path):
        refuse("it is a folder")
    if is_sound and os.path.exists(path) and not os.path.isfile(path):  # it would be replaced: /dev/null, say
        refuse("it is not a regular file")
    if not os.access(path if os.path.exists(path) else folder, os.W_OK):
        refuse("permission denied")
    if any(other and os.path.realpath(other) == os.path.realpath(path) for other in others):
        refuse("another argument names the same file")


def write_json(target: str | None, answer: dict) -> None:
    """Write one JSON object to a file, to standard output ("-"), or nowhere (None)."""
    if target is None:
        return
    text = json.dumps(answer, indent=2) + "\n"
    if target == "-":
        sys.stdout.write(text)
        return
    try:
        with open(target, "w", encoding="utf-8") as file:
            file.write(text)
    except OSError as error:
        raise DeviceError(Fault(target, f"cannot be written: {error.strerror}")) from None

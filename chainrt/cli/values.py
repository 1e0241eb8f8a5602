"""Numbers on the command line, with the same kind of fault as in a preset."""

from ..errors import Fault, PresetError
from ..preset import parse_quantity


def integer(option: str, text: str, low: int, high: int) -> int:
    """A whole number from `low` to `high`."""
    if not text.strip().lstrip("-").isdecimal() or not low <= int(text) <= high:
        raise PresetError(Fault(option, f"{text!r} is not a whole number from {low:,} to {high:,}"))
    return int(text)


def number(option: str, text: str, low: float, high: float) -> float:
    """A number from `low` to `high`."""
    try:
        value = parse_quantity(text, "")
    except ValueError as error:
        raise PresetError(Fault(option, str(error))) from None
    if not low <= value <= high:
        raise PresetError(Fault(option, f"{text} is outside {low:g} to {high:g}"))
    return value


def budget(text: str) -> float:
    """A share of the deadline: "70%" (or a bare 70) is 0.7."""
    try:
        value = parse_quantity(text, "%")
    except ValueError as error:
        raise PresetError(Fault("--budget", str(error))) from None
    if not 0 < value <= 100:
        raise PresetError(Fault("--budget", f"{text} is outside 0 % to 100 % of the deadline"))
    return value / 100


def period(text: str) -> int:
    return integer("--period", text, 1, 8192)


def rate(text: str) -> int:
    return integer("--rate", text, 8000, 192000)

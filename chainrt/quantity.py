"""Numbers with units as a musician writes them, in a preset and on the command line: "0.38 s", "12%", "4.1 kHz"."""

import math
import re

from .vocabulary import UNITS
from .yamlfile import quote

QUANTITY = re.compile(r"([+-]?(?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+)(?:[eE][+-]?[0-9]+)?)\s*(%|[^\W\d_]*)")


def parse_quantity(text: str, unit: str) -> float:
    """The number in `text` in `unit` (a key of UNITS): "0.38 s" is 380.0 in "ms", "12%" is 12.0 in "%".

    A bare number is in `unit`. Raises ValueError, whose text says what is allowed.
    """
    found = QUANTITY.fullmatch(text.strip())
    if not found:
        raise ValueError(f"{quote(text)} is not a number; write one {in_units(unit)}")
    number, written = found.groups()
    if written and written not in UNITS[unit]:
        raise ValueError(f"{quote(text)}: the unit {quote(written)} is not allowed; write a number {in_units(unit)}")
    # A unit is a power of ten, so 9 decimals lose nothing: 4.1 kHz is 4100 Hz and not 4099.999999999999.
    value = round(float(number) * UNITS[unit][written or unit], 9)
    if not math.isfinite(value):
        raise ValueError(f"{quote(text)} is too large")
    return value


def in_units(unit: str) -> str:
    """What may be written: "in Hz or kHz"."""
    return f"in {' or '.join(UNITS[unit])}" if unit else "without a unit"

"""How loud a capture is played: by its own metadata, as the reference plugin does it.

* A capture may say at which analog level full scale lay: `input_level_dbu` before the gear, `output_level_dbu` behind
  it. *Calibrated* for an interface whose full scale is at `interface` dBu, it is driven as hard as the gear was.
* It may say how loud it is (`loudness`, dB, of a standard guitar signal). *Normalised*, it is turned up to a target.

What a file does not say cannot be done: then the gain is 0 dB, and a remark says so.

Source: NeuralAmpModelerPlugin, _SetInputGain and _SetOutputGain (MIT licence): input + interface - input_level_dbu;
output + target - loudness when normalised (target -18 dB there), + output_level_dbu - interface when calibrated.
"""

from collections.abc import Mapping
from typing import NamedTuple

from .file import METADATA_DB


class Gains(NamedTuple):
    """Decibels before and behind the network, and a line for each thing that could not be done."""

    input_db: float
    output_db: float
    remarks: tuple[str, ...]


def gains(metadata: Mapping, interface_dbu: float | None, target_db: float | None) -> Gains:
    """The gains for a capture with this metadata. None: not asked for. With both, the output is normalised."""
    remarks = []

    def said(key: str, cannot: str) -> float | None:
        if metadata.get(key) is None:
            remarks.append(f"{cannot}: the file does not say its {key}")
            return None
        return min(max(float(metadata[key]), METADATA_DB[0]), METADATA_DB[1])

    before = after = 0.0
    if interface_dbu is not None:
        level = said("input_level_dbu", "input not calibrated")
        before = 0.0 if level is None else interface_dbu - level
    if target_db is not None:
        loudness = said("loudness", "not normalised")
        after = 0.0 if loudness is None else target_db - loudness
    elif interface_dbu is not None:
        level = said("output_level_dbu", "output not calibrated")
        after = 0.0 if level is None else level - interface_dbu
    return Gains(before, after, tuple(remarks))

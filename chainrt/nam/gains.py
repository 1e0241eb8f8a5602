"""How loud a capture is played: by its own metadata, as the reference plugin does it.

* A capture may say at which analog level full scale lay: `input_level_dbu` before the gear, `output_level_dbu` behind
  it. *Calibrated* for an interface whose full scale is at `interface` dBu, it is driven as hard as the gear was.
* It may say how loud it is (`loudness`, dB, of a standard guitar signal). *Normalised*, it is turned up to a target.

What a file does not say cannot be done, and what it says absurdly is not: then the gain is 0 dB, and a remark says so.

Source: NeuralAmpModelerPlugin, _SetInputGain and _SetOutputGain (MIT licence): input + interface - input_level_dbu;
output + target - loudness when normalised (target -18 dB there), + output_level_dbu - interface when calibrated.
"""

from collections.abc import Callable, Mapping
from typing import NamedTuple

MOST_DB = 40.0  # of any of these gains; a file that asks for more is believed to be mistaken, for the ears' sake


class Gains(NamedTuple):
    """Decibels before and behind the network, and a line for each thing that could not be done."""

    input_db: float
    output_db: float
    remarks: tuple[str, ...]


def gains(metadata: Mapping, interface_dbu: float | None, target_db: float | None) -> Gains:
    """The gains for a capture with this metadata. None: not asked for. With both, the output is normalised."""
    remarks = []

    def gain(key: str, cannot: str, wanted_db: Callable[[float], float]) -> float:
        if metadata.get(key) is None:
            remarks.append(f"{cannot}: the file does not say its {key}")
            return 0.0
        db = wanted_db(float(metadata[key]))
        if abs(db) > MOST_DB:
            remarks.append(f"{cannot}: with {key} {metadata[key]:g} that would be {db:+.0f} dB, which hurts")
            return 0.0
        return db

    before = after = 0.0
    if interface_dbu is not None:
        before = gain("input_level_dbu", "input not calibrated", lambda level: interface_dbu - level)
    if target_db is not None:
        after = gain("loudness", "not normalised", lambda loudness: target_db - loudness)
    elif interface_dbu is not None:
        after = gain("output_level_dbu", "output not calibrated", lambda level: level - interface_dbu)
    return Gains(before, after, tuple(remarks))

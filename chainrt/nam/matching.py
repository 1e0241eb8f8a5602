"""What two captures of one amp differ in beside their fidelity: loudness, polarity, delay. Measured on playing.

A change of level between captures that were made on different days should be heard as little as one between the sizes
of one network. Loudness and polarity can be mended by a factor; a delay is only told.

Source of the correlation: Oppenheim and Schafer, "Discrete-Time Signal Processing", chapter 8 (circular correlation).
"""

import math
from dataclasses import dataclass

import numpy as np

LONGEST_LAG_S = 0.002  # further apart, a low string of the wrong polarity is hard to tell from a late one
ALIKE = 0.5  # correlation below which these are hardly captures of one amp
AUDIBLE_DB = 0.1


@dataclass(frozen=True)
class Difference:
    """Of a capture from another one. gain_db: to be added to be as loud. late: frames. likeness: 0 to 1."""

    gain_db: float
    is_inverted: bool
    late: int
    likeness: float


def difference(truth: np.ndarray, heard: np.ndarray, rate: float) -> Difference:
    """How `heard` differs from `truth`; (frames,) both, at `rate` Hz. What they idle at does not count."""
    truth, heard = (sound.astype(np.float64) - np.mean(sound, dtype=np.float64) for sound in (truth, heard))
    power, own = float(np.sum(truth**2)), float(np.sum(heard**2))
    if not (math.isfinite(power + own) and power > 0 and own > 0):
        return Difference(0.0, False, 0, 0.0)
    reach = math.ceil(LONGEST_LAG_S * rate)
    size = 1 << (len(truth) + reach).bit_length()
    spectrum = np.fft.rfft(heard, size) * np.conj(np.fft.rfft(truth, size))
    likeness = np.fft.irfft(spectrum, size)[np.arange(-reach, reach + 1)] / math.sqrt(power * own)
    best = int(np.argmax(np.abs(likeness)))
    return Difference(10 * math.log10(power / own), bool(likeness[best] < 0), best - reach, float(abs(likeness[best])))


def remark(name: str, truth: str, found: Difference, is_mended: bool) -> str | None:
    """One line about a difference that is worth one."""
    if found.likeness < ALIKE:
        return f"{name} hardly sounds like {truth} (correlation {found.likeness:.2f}); left as it is"
    facts = []
    if abs(found.gain_db) >= AUDIBLE_DB:
        facts.append(f"{abs(found.gain_db):.1f} dB {'softer' if found.gain_db > 0 else 'louder'} than {truth}")
    if found.is_inverted:
        facts.append("of the opposite polarity")
    mending = ", made to match" if is_mended else ", left as it is"
    text = " and ".join(facts) + mending if facts else ""
    if found.late:
        frames = "1 frame" if abs(found.late) == 1 else f"{abs(found.late)} frames"
        late = f"{frames} {'later' if found.late > 0 else 'earlier'} than {truth}"
        text += ("; " if text else "") + f"{late}, which is not mended"
    return f"{name} is {text}" if text else None

"""How loud a change of level clicks: energy above 8 kHz in the moment of the change, beside what the sound has there.

A change mixes the two levels, sample by sample, with some weights. Both have treble of their own, which is no click.
The click is what is left above 8 kHz when that is taken out:

    click = high_pass(heard) - weight x high_pass(new) - (1 - weight) x high_pass(old)

its energy over all energy, in dB, from AROUND samples before the change begins to as many after a crossfade has ended.
"""

import numpy as np

from ..engine import BEND_FRAMES, FADE_FRAMES

RATE_HZ, BORDER_HZ = 48_000, 8_000
AROUND = 256
WINDOW = 2 * FADE_FRAMES  # before and after: all that is measured, and what its filter looks at
MEASURED = slice(WINDOW - AROUND, WINDOW + FADE_FRAMES + AROUND)
QUIET = 1e-4  # of the mean energy: where there is less, nothing is heard that could be measured against


def crossfaded(old, new, at):
    share = np.clip((np.arange(len(old)) - at + 1) / FADE_FRAMES, 0, 1)
    return old + share * (new - old), 1 - share, share


def bent(old, new, at):
    """As engine/levels.py does it: the last difference goes on, and is let go."""
    offset = old[at - 1] - new[at - 1]
    done = np.clip((np.arange(len(old)) - at) / BEND_FRAMES, 0, 1)
    is_new = np.arange(len(old)) >= at
    return np.where(is_new, new + offset * (1 - done) ** 2 * (1 + 2 * done), old), ~is_new, is_new


def hard(old, new, at):
    is_new = np.arange(len(old)) >= at
    return np.where(is_new, new, old), ~is_new, is_new


def dropout(old, new, at):
    place = np.arange(len(old)) - at
    is_heard = (place < 0) | (place >= 64)
    return np.where(is_heard, old, 0.0), is_heard, 0.0


KINDS = {"planned crossfade": crossfaded, "reflex, warm": bent, "hard switch, warm": hard, "dropout of 64": dropout}


def high_pass(sound: np.ndarray) -> np.ndarray:
    """What lies above 8 kHz: a windowed sinc of 255 taps."""
    taps = np.arange(-127, 128)
    low = 2 * BORDER_HZ / RATE_HZ * np.sinc(2 * BORDER_HZ / RATE_HZ * taps) * np.blackman(255)
    return sound - np.convolve(sound, low, "same")


def click_db(make, old: np.ndarray, new: np.ndarray, at: int) -> float:
    """make: of KINDS; old, new: what the two levels play by themselves, float64; at: the first sample that differs."""
    wide = slice(at - WINDOW, at + WINDOW)
    before, after = old[wide], new[wide]
    heard, share_before, share_after = make(before, after, WINDOW)
    click = high_pass(heard) - share_before * high_pass(before) - share_after * high_pass(after)
    energy = max(float(np.sum(before[MEASURED] ** 2)), 1e-20)
    return 10 * np.log10(max(float(np.sum(click[MEASURED] ** 2)), 1e-12 * energy) / energy)


def loud_places(sound: np.ndarray) -> np.ndarray:
    """The samples of a sound at which a click can be measured."""
    loud = np.flatnonzero(np.convolve(sound**2, np.ones(WINDOW) / WINDOW, "same") > QUIET * np.mean(sound**2))
    return loud[(loud > WINDOW) & (loud < len(sound) - WINDOW)]


def is_loud(sound: np.ndarray, at: int) -> bool:
    """Whether a click can be measured at this sample."""
    if not WINDOW < at < len(sound) - WINDOW:
        return False
    near = sound[at - WINDOW // 2 : at + WINDOW // 2]
    return bool(np.mean(near**2) > QUIET * np.mean(sound**2))

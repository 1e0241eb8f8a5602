"""What training makes small: the error of a segment by its power, and a little of the difference of its spectra.

Rules kept here:
* Each loss comes with its gradient by the outputs; a test compares it with small differences.
* A quiet segment counts less than its power says: its error is divided by some of the mean power, too.
"""

import numpy as np

QUIET_SHARE = 0.1  # a segment's error is divided by its power plus this share of the mean power
SPECTRAL_WEIGHT = 3e-4
SPECTRAL_SIZES = (256, 1024, 4096)
SPECTRAL_FLOOR = 1e-4  # of the segment's mean bin power; without it quiet bins explode


def spectral_loss(y, target):
    """Mean squared difference of log power over three resolutions, and its gradient by y."""
    loss, gradient = 0.0, np.zeros(len(y))
    for size in SPECTRAL_SIZES:
        window = np.hanning(size + 1)[:-1]
        starts = np.arange(0, len(y) - size + 1, size // 2)
        index = starts[:, None] + np.arange(size)
        mine, other = np.fft.rfft(y[index] * window), np.fft.rfft(target[index] * window)
        power, other_power = np.abs(mine) ** 2, np.abs(other) ** 2
        floor = SPECTRAL_FLOOR * other_power.mean() + 1e-7
        difference = np.log((power + floor) / (other_power + floor))
        loss += np.mean(difference**2)
        by_bin = 4 * difference / (power + floor) / difference.size * mine  # d loss / d(re, im)
        by_bin[:, 1:-1] *= 0.5  # irfft counts the inner bins twice
        frames = np.fft.irfft(by_bin, size) * size * window
        np.add.at(gradient, index, frames)
    return loss / len(SPECTRAL_SIZES), gradient / len(SPECTRAL_SIZES)


def segment_loss(y, target, mean_power, with_spectrum):
    """Loss of one segment and its gradient by the outputs."""
    error = y - target
    scale = 1 / (np.mean(np.square(target, dtype=float)) + QUIET_SHARE * mean_power)
    loss = scale * np.mean(np.square(error, dtype=float))
    gradient = (2 * scale / len(y)) * error
    if with_spectrum:
        spectral, spectral_gradient = spectral_loss(y.astype(float), target.astype(float))
        loss += SPECTRAL_WEIGHT * spectral
        gradient = gradient + SPECTRAL_WEIGHT * spectral_gradient
    return loss, gradient

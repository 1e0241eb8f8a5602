"""How sure a figure is: intervals over seeds, and what a count of zero proves.

Rules kept here:
* Seeds are drawn again, not periods: periods of one run are not independent of each other (Efron & Tibshirani, An
  Introduction to the Bootstrap, 1993, chapter 13: percentile intervals). Seeded, so a page is the same when made again.
* Two policies are compared by their differences, seed by seed, since they met the same weather.
* A rate of zero in N periods is "at most 3/N" (95 %): (1 - 3/N)^N = e^-3 = 0.05.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from math import comb

import numpy as np

RESAMPLES, LEVEL = 2000, 0.95
ZERO_PROVES = 3.0


@dataclass(frozen=True)
class Estimate:
    """A mean and its interval of 95 %."""

    mean: float
    low: float
    high: float

    @property
    def differs(self) -> bool:
        """From zero, by more than chance would explain."""
        return self.low > 0 or self.high < 0


def bootstrap(values: Sequence[float], seed: int = 0) -> Estimate:
    """Of the mean of one value per seed. A single value has an interval without width: it proves nothing."""
    values = np.asarray(values, float)
    drawn = np.random.default_rng(seed).integers(0, len(values), (RESAMPLES, len(values)))
    low, high = np.quantile(values[drawn].mean(axis=1), [(1 - LEVEL) / 2, (1 + LEVEL) / 2])
    return Estimate(float(values.mean()), float(low), float(high))


def paired(ours: Sequence[float], theirs: Sequence[float]) -> Estimate:
    """Of the mean of ours - theirs, both in the order of the same seeds."""
    return bootstrap(np.subtract(ours, theirs))


def at_most(periods: int) -> float:
    """The rate per million that no event in so many periods leaves possible."""
    return 1e6 * ZERO_PROVES / periods


def write_rate(counts: Sequence[int], periods: Sequence[int]) -> str:
    """Events per million with their interval over runs of equal length; "0 (at most 3.0)" if there were none."""
    if not sum(counts):
        return f"0 (at most {at_most(sum(periods)):,.1f})"
    return write(bootstrap([1e6 * count / length for count, length in zip(counts, periods, strict=True)]), ",.0f")


def write(estimate: Estimate, form: str) -> str:
    """ "0.861 (0.853 to 0.868)"."""
    return f"{estimate.mean:{form}} ({estimate.low:{form}} to {estimate.high:{form}})"


def median_interval(values: Sequence[float]) -> tuple[float, float, float]:
    """(median, low, high): the median of paired measurements, and its interval of at least 95 %.

    Order statistics: how many values lie below the true median is binomial, whatever they are distributed like, so no
    resampling is needed (David & Nagaraja, Order Statistics, 3rd ed. 2003, section 7.1). Fewer than six values have no
    such interval: then it is from their smallest to their largest.
    """
    ordered = np.sort(np.asarray(values, float))
    count = len(ordered)
    below = np.cumsum([comb(count, k) / 2**count for k in range(count + 1)])  # P(at most k lie below the median)
    outside = int(np.searchsorted(below, (1 - LEVEL) / 2, side="right"))  # so many may be left out on each side
    return (
        float(np.median(ordered)),
        float(ordered[max(0, outside - 1)]),
        float(ordered[min(count - 1, count - outside)]),
    )

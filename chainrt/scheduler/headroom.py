"""How much room a plan leaves free, so that the reflex seldom has to help.

    headroom += STEP x (tripped - target),   tripped: 0 or 1 at each look at the engine

This is adaptive conformal inference (Gibbs & Candes, NeurIPS 2021): whatever the noise is like, and however it drifts,
in the long run the reflex trips as often as `target` says. A quiet machine earns all of the budget back.

Rules kept here:
* A trip while the machine changes its pace (a burst begins) says nothing about the noise and does not count.
* One trip is two changes that can be heard, down and back up, so the target is one in TRIP_EVERY_S.
"""

from math import exp

STEP = 0.01  # share of the capacity by which one trip raises the headroom
MOST = 0.12
TRIP_EVERY_S = 20.0


class Headroom:
    def __init__(self):
        self.share = 0.0
        """Of the capacity, kept free."""
        self._counted_s: float | None = None

    def learn(self, time_s: float, tripped: bool, is_changing: bool) -> None:
        if self._counted_s is not None:
            target = 1 - exp(-(time_s - self._counted_s) / TRIP_EVERY_S)
            self.share = min(MOST, max(0.0, self.share + STEP * ((tripped and not is_changing) - target)))
        self._counted_s = time_s

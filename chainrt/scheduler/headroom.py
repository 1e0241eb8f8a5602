"""How much room a plan leaves free, so that the reflex seldom has to help.

    headroom += STEP x (tripped - target),   tripped: 0 or 1 at each look at the engine

This is adaptive conformal inference (Gibbs & Candes, NeurIPS 2021): whatever the noise is like, and however it drifts,
in the long run the reflex trips as often as `target` says. A quiet machine earns all of the budget back.

Rules kept here:
* A trip while the machine changes its pace (a burst begins) says nothing about the noise and does not count. A burst is
  known as such only some periods after it made the reflex trip, so a trip is judged JUDGED_AFTER_S later.
* Nor does one in whose period a single block took far longer (policy.py): the machine looked away, and would need more
  room than a sound is worth.
* A plan is chosen with this room, and left when it no longer has it: where each period jitters, the reflex would
  otherwise bring blocks down and back without end.
* One trip is two changes that can be heard, down and back up, so the target is one in TRIP_EVERY_S.
"""

from math import exp

STEP = 0.01  # share of the capacity by which one trip raises the headroom
MOST = 0.12
TRIP_EVERY_S = 20.0
JUDGED_AFTER_S = 0.05


class Headroom:
    def __init__(self):
        self.share = 0.0
        """Of the capacity, kept free."""
        self._counted_s: float | None = None
        self._tripped_s: float | None = None  # when the reflex tripped, while that is not yet judged

    def learn(self, time_s: float, tripped: bool, is_changing: bool) -> None:
        if is_changing:
            self._tripped_s = None
        elif tripped and self._tripped_s is None:
            self._tripped_s = time_s
        counts = self._tripped_s is not None and time_s >= self._tripped_s + JUDGED_AFTER_S
        if counts:
            self._tripped_s = None
        if self._counted_s is not None:
            target = 1 - exp(-(time_s - self._counted_s) / TRIP_EVERY_S)
            self.share = min(MOST, max(0.0, self.share + STEP * (counts - target)))
        self._counted_s = time_s

"""How often a listener may be bothered: each change of a level is paid from a purse that fills slowly.

Why: going up again after every short trouble would be the best on average, and unbearable to listen to. A fall is
never a choice, but a climb is, and each climb sooner or later is followed by a fall. So a climb needs the price of
both in the purse; what can be heard is then at most `per_minute` changes, and a few more at the start.

Rules kept here:
* Falls are paid for, too, even from an empty purse; the debt is bounded, so that one long trouble is forgiven.
* What is scarce is dear: the emptier the purse, or the more changes have been heard of late, of those that may be, the
  more the next one has to win, so that changes go where most is heard of each. Where bursts come faster than the purse
  fills, the block that matters least stays down. Who has a full purse and has used little of what he may is not asked
  to save: nothing is kept by it.
"""

from math import exp

PURSE = 8.0  # changes: two amps up and down twice, after a quiet time
MOST_DEBT = 4.0
CHEAPEST, DEARER = 0.04, 0.45  # of the most that a change can gain: the price of one, and what full use adds to it
FREE = 0.3  # share of the changes that may be heard, up to which they are cheap
OF_LATE_S = 20.0  # time constant of what was heard of late: far above a burst, below a song
SOON_S = 3.0  # time constant of what the purse held of late: a single trouble is over before


class Patience:
    def __init__(self, per_minute: float):
        self._per_second = per_minute / 60
        self._purse = self._held = PURSE
        self._a_second = 0.0
        self._counted_s: float | None = None

    def wait(self, time_s: float, changes: int) -> None:
        """Time has passed, and so many changes were heard."""
        if self._counted_s is not None:
            passed_s = time_s - self._counted_s
            self._purse += self._per_second * passed_s
            self._a_second *= exp(-passed_s / OF_LATE_S)
            self._held += (1 - exp(-passed_s / SOON_S)) * (max(0.0, min(PURSE, self._purse)) - self._held)
        self._counted_s = time_s
        self._purse = max(-MOST_DEBT, min(PURSE, self._purse) - changes)
        self._a_second += changes / OF_LATE_S

    def forgive(self) -> None:
        """Somebody asked for a change."""
        self._purse = self._held = PURSE
        self._a_second = 0.0

    def climbs(self) -> int:
        """How many blocks may climb now."""
        return max(0, int(self._purse / 2))

    def price(self) -> float:
        """What a change has to win now, as a share of the most that a change can win in this chain."""
        used = max(0.0, self._a_second / self._per_second - FREE) / (1 - FREE)
        spent = 1 - self._held / PURSE
        return CHEAPEST + DEARER * max(used, spent)

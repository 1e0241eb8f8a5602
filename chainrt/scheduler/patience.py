"""How often a listener may be bothered: each change of a level is paid from a purse that fills slowly.

Why: going up again after every short trouble would be the best on average, and unbearable to listen to. A fall is
never a choice, but a climb is, and each climb sooner or later is followed by a fall. So a climb needs the price of
both in the purse; what can be heard is then at most `per_minute` changes, and a few more at the start.

Rules kept here:
* Falls are paid for, too, even from an empty purse; the debt is bounded, so that one long trouble is forgiven. The
  bound does not grow with the chain, or sixteen amps that a single stall brought down would stay there for four seconds
  (measured on 17 days of such a chain beside a busy program: utility 0.45 instead of 0.38, for 810 changes a minute
  instead of 670).
* What is scarce is dear: the emptier the purse, or the more changes have been heard of late, of those that may be, the
  more the next one has to win, so that changes go where most is heard of each. Where bursts come faster than the purse
  fills, the block that matters least stays down. Who has a full purse and has used little of what he may is not asked
  to save: nothing is kept by it. What would win most is never too dear.
* Purse and allowance are those of a chain of FEW blocks with levels. Where there are more, each is heard less and one
  trouble lets more of them fall: both grow with their number.
"""

from math import exp

FEW = 4  # blocks
PURSE = 8.0  # changes: two amps up and down twice, after a quiet time
MOST_DEBT = 4.0  # changes, in a chain of any size
CHEAPEST, DEARER = 0.04, 0.45  # of the most that a change can gain: the price of one, and what full use adds to it
FREE = 0.3  # share of the changes that may be heard, up to which they are cheap
OF_LATE_S = 20.0  # time constant of what was heard of late: far above a burst, below a song
SOON_S = 3.0  # time constant of what the purse held of late: a single trouble is over before


class Patience:
    def __init__(self, per_minute: float, blocks: int = FEW):
        """per_minute: changes in a chain of up to FEW blocks; blocks: how many of the chain have levels."""
        self._rate = per_minute / 60
        self._a_second = 0.0
        self._counted_s: float | None = None
        self.count(blocks)
        self.forgive()

    def count(self, blocks: int) -> None:
        """So many blocks of the chain have levels."""
        self._times = max(1.0, blocks / FEW)

    @property
    def _most(self) -> float:
        return PURSE * self._times

    @property
    def _per_second(self) -> float:
        return self._rate * self._times

    def wait(self, time_s: float, changes: int) -> None:
        """Time has passed, and so many changes were heard."""
        if self._counted_s is not None:
            passed_s = time_s - self._counted_s
            self._purse += self._per_second * passed_s
            self._a_second *= exp(-passed_s / OF_LATE_S)
            self._held += (1 - exp(-passed_s / SOON_S)) * (max(0.0, min(self._most, self._purse)) - self._held)
        self._counted_s = time_s
        self._purse = max(-MOST_DEBT, min(self._most, self._purse) - changes)
        self._a_second += changes / OF_LATE_S

    def forgive(self) -> None:
        """Somebody asked for a change."""
        self._purse = self._held = self._most
        self._a_second = 0.0

    def climbs(self) -> int:
        """How many blocks may climb now."""
        return max(0, int(self._purse / 2))

    def price(self) -> float:
        """What a change has to win now, as a share of the most that a change can win in this chain."""
        used = min(1.0, max(0.0, self._a_second / self._per_second - FREE) / (1 - FREE))
        spent = 1 - self._held / self._most
        return CHEAPEST + DEARER * max(used, spent)

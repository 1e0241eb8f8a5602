"""How often a listener may be bothered: each change of a level is paid from a purse that fills slowly.

Why: going up again after every short trouble would be the best on average, and unbearable to listen to. A fall is
never a choice, but a climb is, and each climb sooner or later is followed by a fall. So a climb needs the price of
both in the purse; what can be heard is then at most `per_minute` changes, and a few more at the start.

Rule: falls are paid for, too, even from an empty purse; the debt is bounded, so that one long trouble is forgiven.
"""

PURSE = 8.0  # changes: two amps up and down twice, after a quiet time
MOST_DEBT = 4.0


class Patience:
    def __init__(self, per_minute: float):
        self._per_second = per_minute / 60
        self._purse, self._counted_s = PURSE, None

    def wait(self, time_s: float, changes: int) -> None:
        """Time has passed, and so many changes were heard."""
        if self._counted_s is not None:
            self._purse += self._per_second * (time_s - self._counted_s)
        self._counted_s = time_s
        self._purse = max(-MOST_DEBT, min(PURSE, self._purse) - changes)

    def forgive(self) -> None:
        """Somebody asked for a change."""
        self._purse = PURSE

    def climbs(self) -> int:
        """How many blocks may climb now."""
        return max(0, int(self._purse / 2))

    def price(self) -> float:
        import os
        lo,sl,k=map(float,os.environ.get("PR",".09,.47,.5").split(","))
        return lo + sl * (1-max(0,self._purse)/PURSE)**k

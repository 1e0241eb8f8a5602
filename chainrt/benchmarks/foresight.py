"""What a scheduler that does not know the future could reach under bursts: a bound beside those of oracle.py.

Everything else is granted to it: it sees at once how slow the machine is and that a burst is over, it may fill the
deadline to its last nanosecond, levels are changed at once and for nothing; there is no jitter, no wander, no stall.
Only when the next burst will begin, how bad it will be and how long it will last it does not know, since nobody can:
gaps are exponential, and so is what a burst lasts beyond its shortest (weather.BURSTS). So it has no reason to act at
any moment but when a burst begins or ends, and what is best then depends on nothing but what is heard:

    value(heard) = most over plans p of  u(p) gap - price d(heard, p) + mean over factors f of after(f, p)
    after(f, p)  = most over plans q that fit at f of  u(q) length - price d(p, q) + value(q)

a Markov decision process whose cycles last as long whatever is decided; d is how many levels differ. Its mean reward is
found by relative value iteration (Puterman, Markov Decision Processes, 1994, chapter 8.5), and bounds the utility of
all that keep to so many changes as in `oracle.with_changes`: for any price,

    utility <= (reward of a cycle + price x changes that may be heard in a cycle) / length of a cycle.

The factor is drawn from the kindest end of each of FACTORS equal parts of its range, in favour of the bound.
"""

import numpy as np

from ..scheduler import ChainModel
from ..weather import Bursts
from .oracle import all_plans, least_of

FACTORS = 24
SPAN = 1e-6  # of a cycle's reward: known so well, iteration ends
MOST_ITERATIONS = 20_000
PRICES = 1e-3, 10.0  # of a change, in seconds at full utility: the least bound is looked for between them
LOOKS = 16


def most_utility(model: ChainModel, bursts: Bursts, changes_a_minute: float) -> float:
    """1: all at full all the time; 0: all at their smallest. model: at its smallest it fits in every burst."""
    plans, worth = all_plans(model)
    cost = np.array([model.cost_ns(plan) for plan in plans]) / model.deadline_ns
    apart = (plans[:, np.newaxis] != plans).sum(axis=2)
    low, high = bursts.factors
    fits = cost * np.linspace(low, high, FACTORS, endpoint=False)[:, np.newaxis] <= 1
    length_s = bursts.least_s + bursts.mean_s
    cycle_s = bursts.gap_s + length_s
    allowed = changes_a_minute / 60 * cycle_s

    def bound(log_price: float) -> float:
        price = float(np.exp(log_price))
        return reward(worth, fits, apart, bursts.gap_s, length_s, price) + price * allowed

    return min(bound(-np.inf), least_of(bound, *np.log(PRICES), LOOKS)) / cycle_s


def reward(
    worth: np.ndarray, fits: np.ndarray, apart: np.ndarray, gap_s: float, length_s: float, price: float
) -> float:
    """Of a cycle of one gap and one burst, in the mean over for ever, price of changes taken off; never too little.

    worth: per plan; fits: factors x plans; apart: plans x plans, how many changes lead from one to the other.
    """
    charge = price * apart
    value = np.zeros(len(worth))
    for _ in range(MOST_ITERATIONS):
        within = np.where(fits, worth * length_s + value, -np.inf)
        after = np.mean([(plans - charge).max(axis=1) for plans in within], axis=0)
        new = (worth * gap_s + after - charge).max(axis=1)
        gains = new - value
        if np.ptp(gains) < SPAN:
            break
        value = new - new[0]
    return float(gains.max())

"""What no scheduler without foresight exceeds: the same as by trying all that it could do."""

from itertools import product

import numpy as np
import pytest

from chainrt.benchmarks.foresight import most_utility, reward
from chainrt.numeric import PEDALBOARD, numeric_chain
from chainrt.weather import BURSTS, Bursts

WORTH = np.array([0.0, 0.7, 1.0])
FITS = np.array([[True, True, False], [True, False, False]])
APART = np.array([[0, 1, 2], [1, 0, 1], [2, 1, 0]])
GAP_S, LENGTH_S = 1.5, 0.4


def by_trying_everything(price):
    """The best mean reward of all rules: a plan for each plan heard when a burst ends; one for each factor and plan."""
    plans, factors, best = range(len(WORTH)), range(len(FITS)), -np.inf
    for ends in product(plans, repeat=len(WORTH)):
        for begins in product(*([q for q in plans if FITS[f, q]] for f in factors for _ in plans)):
            best = max(best, mean_reward(ends, np.reshape(begins, FITS.shape), price))
    return best


def mean_reward(ends, begins, price):
    """Of a rule: the mean over the cycles of the kindest class of states."""
    moves, rewards = np.zeros((len(WORTH), len(WORTH))), np.zeros(len(WORTH))
    for heard, p in enumerate(ends):
        rewards[heard] = WORTH[p] * GAP_S - price * APART[heard, p]
        for row in begins:
            q = row[p]
            moves[heard, q] += 1 / len(FITS)
            rewards[heard] += (WORTH[q] * LENGTH_S - price * APART[p, q]) / len(FITS)
    long_run = np.linalg.matrix_power(0.5 * (np.eye(len(WORTH)) + moves), 1 << 12)  # lazy: no period of its own
    return (long_run @ rewards).max()


@pytest.mark.parametrize("price", [0.0, 0.1, 0.3, 1.0])
def test_the_reward_is_that_of_the_best_of_all_rules(price):
    assert reward(WORTH, FITS, APART, GAP_S, LENGTH_S, price) == pytest.approx(by_trying_everything(price), abs=1e-5)


def test_who_may_change_for_ever_plays_the_best_plan_at_every_moment():
    bursts = Bursts(1.0, 0.1, 0.4, 2.0, (1.2, 1.2))
    _, model = numeric_chain(PEDALBOARD)
    plans = list(product(*(block.allowed for block in model.blocks)))
    worth = np.array([model.utility(plan) for plan in plans])
    fits = np.array([model.cost_ns(plan) * 1.2 <= model.deadline_ns for plan in plans])
    best = (worth[fits].max() - worth.min()) / (worth.max() - worth.min())
    assert most_utility(model, bursts, 1e4) == pytest.approx((1.0 + 0.5 * best) / 1.5, abs=0.005)


def test_the_fewer_changes_may_be_heard_the_less_can_be_reached_and_never_more_than_everything():
    _, model = numeric_chain(PEDALBOARD)
    reached = [most_utility(model, BURSTS["bursts"], changes) for changes in (0, 20, 60, 120, 1000)]
    assert reached == sorted(reached)
    assert reached[0] < 0.9 < reached[-1] < 1

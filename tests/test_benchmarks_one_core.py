"""Fidelity against late stalls on one core: the bound is what trying every plan gives, and nobody is beyond it."""

from itertools import product

import numpy as np
import pytest

from chainrt.benchmarks.contestants import BUDGET, CONTESTANTS
from chainrt.benchmarks.one_core import PRICES, charged, fewest_late_stalls, most_utility
from chainrt.benchmarks.scenarios import SCENARIOS
from chainrt.benchmarks.scoring import play, weather_rows
from chainrt.numeric import PEDALBOARD, NumericBlock, numeric_chain
from chainrt.weather import STALL_LEAST_NS, STALL_MOST_NS, STALL_SHAPE

PERIODS, PROBABILITY = 6000, 1e-3
JITTER = 0.998  # what is played jitters from block to block, which the bound leaves out
BLOCKS = [
    NumericBlock("first", (0.1, 0.5), (20.0, 40.0)),
    NumericBlock("effect", (0.05,)),
    NumericBlock("last", (0.05, 0.1, 0.3), (10.0, 30.0, 40.0)),
]


def longer_than(slack_ns):
    if slack_ns <= STALL_LEAST_NS:
        return 1.0
    return (STALL_LEAST_NS / slack_ns) ** STALL_SHAPE if slack_ns < STALL_MOST_NS else 0.0


def late_probability(model, plan, factor, left_ns):
    """That a stall strikes one of the blocks when the smallest levels of those after it are too much already."""
    blocks, frames = model.blocks, model.frames
    smallest = [block.cost_ns(block.smallest, frames) for block in blocks]
    probability, played_ns = 0.0, 0.0
    for b, (block, level) in enumerate(zip(blocks, plan, strict=True)):
        played_ns += block.cost_ns(level, frames)
        by_played = longer_than(left_ns - factor * (played_ns + sum(smallest[b + 1 :])))
        probability += PROBABILITY * max(0.0, by_played - longer_than(left_ns - factor * sum(smallest)))
    return probability


@pytest.mark.parametrize("price", [0.0, 100.0, 3000.0])
def test_at_each_price_the_bound_is_the_best_of_all_plans_in_every_period(price):
    _, model = numeric_chain(BLOCKS)
    rows, extra = weather_rows("bursts", 40, 1)
    rows[::4, 0] *= 1.3
    extra[::3] = 200e3
    plans = list(product(*(block.allowed for block in model.blocks)))
    low, high = (model.utility([getattr(block, end) for block in model.blocks]) for end in ("smallest", "largest"))
    best = []
    for row, extra_ns in zip(rows, extra, strict=True):
        left_ns = model.deadline_ns - row[1] - row[0] * extra_ns
        fitting = [plan for plan in plans if row[0] * model.cost_ns(plan) <= left_ns]
        values = [
            (model.utility(plan) - low) / (high - low) - price * late_probability(model, plan, row[0], left_ns)
            for plan in fitting
        ]
        best.append(max([0.0, *values]))
    assert charged(model, rows, extra, PROBABILITY, [price])[0] == pytest.approx(np.mean(best), rel=1e-12)


@pytest.mark.parametrize("policy", ["adaptive", "full", "lite", "static 55 %", "ALERT-like, free"])
@pytest.mark.parametrize("scenario", ["calm", "bursts", "presets", "hostile"])
def test_nobody_who_plays_is_beyond_the_bound(policy, scenario):
    _, model = numeric_chain(PEDALBOARD)
    score, _, _ = play(CONTESTANTS[policy], scenario, PERIODS, 0, BUDGET)
    bound = charged(model, *weather_rows(scenario, PERIODS, 0), SCENARIOS[scenario].stall_probability)
    assert JITTER * score.utility / PERIODS <= most_utility(bound, score.late_stalls / PERIODS)


def test_fewer_late_stalls_cost_utility_and_the_two_questions_have_one_answer():
    _, model = numeric_chain(PEDALBOARD)
    bound = charged(model, *weather_rows("calm", 2000, 0), SCENARIOS["calm"].stall_probability)
    most = [most_utility(bound, rate) for rate in (0.0, 2e-6, 5e-6, 8e-6, 1e-3)]
    assert most == sorted(most)
    assert most[1] < most[2] < most[3] < 1.001
    assert most[2] < 0.96
    for rate in (2e-6, 5e-6, 8e-6):
        assert fewest_late_stalls(bound, most_utility(bound, rate)) == pytest.approx(rate, rel=1e-6)
    assert fewest_late_stalls(bound, 0.0) == 0.0
    assert list(PRICES) == sorted(PRICES)

"""The clairvoyants and the rivals of the benchmarks: each keeps its rule."""

from itertools import pairwise, product

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from chainrt.benchmarks import oracle, rivals
from chainrt.numeric import FRAMES, PEDALBOARD, numeric_chain
from chainrt.scheduler import Observation

COST, UTILITY = np.array([1.0, 2.0, 3.0]), np.array([0.0, 0.6, 1.0])


@settings(max_examples=60, deadline=None)
@given(rooms=st.lists(st.sampled_from([1.0, 2.0, 3.5, np.inf]), min_size=1, max_size=9), dwell=st.integers(1, 4))
def test_the_clairvoyant_with_dwell_is_that_of_brute_force(rooms, dwell):
    best = -1.0
    for plans in product(range(3), repeat=len(rooms)):
        edges = [0, *(t for t in range(1, len(plans)) if plans[t] != plans[t - 1]), len(plans)]
        lasts = all(b - a >= dwell for a, b in pairwise(edges)) or len(edges) == 2
        if lasts and all(COST[plan] <= room for plan, room in zip(plans, rooms, strict=True)):
            counted = [UTILITY[plan] for plan, room in zip(plans, rooms, strict=True) if room != np.inf]
            best = max(best, sum(counted) / len(rooms))
    assert oracle.with_dwell(np.array(rooms), COST, UTILITY, dwell) == pytest.approx(best)


def test_the_clairvoyant_knows_what_an_overrun_leaves_to_the_next_period():
    weather = np.zeros((4, 6))
    weather[:, 0] = 1
    weather[1, 4] = 95.0  # a stall; the smallest plan takes 10 of 100
    rooms = oracle.room(weather, 100.0, 10.0, np.zeros(4))
    assert rooms.tolist() == [100.0, np.inf, 95.0, 100.0]


def seen(model, load, periods=8):
    measured = np.full((periods, len(model.blocks)), load * model.deadline_ns / len(model.blocks))
    levels = tuple(block.largest for block in model.blocks)
    return Observation(measured, measured, levels, tuple(tuple(True for _ in b.call_ns) for b in model.blocks))


def test_three_states_fall_after_three_bad_periods_and_return_after_five_quiet_ones():
    _, model = numeric_chain(PEDALBOARD)
    policy = rivals.ThreeStates(model, 0.97)
    for _ in range(2):
        policy.see(0.9)
    assert policy._state == 2
    policy.see(0.9)
    assert policy._state == 0
    for _ in range(5):
        policy.see(0.5)
    assert policy._state == 1
    for _ in range(3):
        policy.see(0.75)
    assert policy._state == 1


def test_the_load_time_rule_keeps_what_costs_under_half_of_each_instance_s_share():
    _, model = numeric_chain(PEDALBOARD)
    levels = rivals.at_load_time(model, 0.97).first_plan().target
    for block, level in zip(model.blocks, levels, strict=True):
        share = block.cost_ns(level, FRAMES) / model.deadline_ns
        assert share < 0.125 or level == block.smallest
        if level < block.largest:
            assert block.cost_ns(level + 1, FRAMES) / model.deadline_ns >= 0.125


@pytest.mark.parametrize("share", [0.55, 0.70])
def test_a_static_knob_needs_no_more_than_its_share(share):
    _, model = numeric_chain(PEDALBOARD)
    levels = rivals.static(share)(model, 0.97).first_plan().target
    assert share - 0.05 < model.cost_ns(levels) / model.deadline_ns <= share


def test_alert_follows_a_slowdown_and_plans_for_three_deviations():
    _, model = numeric_chain(PEDALBOARD)
    policy = rivals.Alert(model, 0.97)
    policy.first_plan()
    observation = seen(model, 0.5)
    slower = Observation(1.5 * observation.measured_ns, observation.expected_ns, observation.audible, observation.ready)
    for _ in range(50):
        policy.decide(0.0, slower)
    levels = policy.first_plan().target
    assert 1.5 * model.cost_ns(levels) < model.deadline_ns
    assert policy._mean == pytest.approx(1.5, abs=0.01)


def test_twice_the_period_misses_when_both_halves_together_do():
    rows = np.zeros((4, 6))
    rows[:, 0], rows[:, 3] = 1, 1
    rows[1, 4] = 130.0
    assert rivals.twice_the_period(rows, np.array([80.0]), np.zeros(4), 100.0) == 2  # 290 and 90 + 160 of 200

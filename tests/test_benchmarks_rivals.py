"""The clairvoyants and the rivals of the benchmarks: each keeps its rule."""

from itertools import pairwise, product

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from chainrt.benchmarks import oracle, rivals
from chainrt.benchmarks.scoring import play
from chainrt.numeric import FRAMES, PEDALBOARD, numeric_chain
from chainrt.scheduler import Observation

COST, UTILITY = np.array([1.0, 2.0, 3.0]), np.array([0.0, 0.6, 1.0])


@settings(max_examples=60)
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


@settings(max_examples=60)
@given(rooms=st.lists(st.sampled_from([1.0, 2.0, 2.5, 3.5, np.inf]), min_size=1, max_size=12))
def test_the_clairvoyant_of_every_period_is_that_of_brute_force(rooms):
    best = [
        0.0 if room == np.inf else max(worth for cost, worth in zip(COST, UTILITY, strict=True) if cost <= room)
        for room in rooms
    ]
    assert oracle.per_period(np.array(rooms), COST, UTILITY) == pytest.approx(sum(best) / len(best))


COSTS, UTILITIES = ((1.0, 2.0), (0.5, 1.0, 2.5)), ((0.0, 0.4), (0.0, 0.3, 0.6))
PLANS = list(product(range(2), range(3)))


def sequences(rooms, dwell):
    """(mean utility, changes) of every sequence of plans that fits and of which each lasts long enough."""
    for plans in product(range(len(PLANS)), repeat=len(rooms)):
        edges = [0, *(t for t in range(1, len(plans)) if plans[t] != plans[t - 1]), len(plans)]
        if any(b - a < dwell for a, b in pairwise(edges)) and len(edges) > 2:
            continue
        levels = [PLANS[plan] for plan in plans]
        costs = [0.25 + COSTS[0][a] + COSTS[1][b] for a, b in levels]
        if all(cost <= room for cost, room in zip(costs, rooms, strict=True)):
            counted = [
                UTILITIES[0][a] + UTILITIES[1][b] for (a, b), r in zip(levels, rooms, strict=True) if r != np.inf
            ]
            changes = sum((a != c) + (b != d) for (a, b), (c, d) in pairwise(levels))
            yield sum(counted) / len(rooms), changes


@settings(max_examples=25)
@given(
    rooms=st.lists(st.sampled_from([1.75, 2.6, 3.0, 5.0, np.inf]), min_size=1, max_size=4),
    dwell=st.integers(1, 3),
    most_changes=st.integers(0, 4),
)
def test_no_sequence_with_so_many_changes_beats_the_bound_and_at_some_price_one_reaches_it(rooms, dwell, most_changes):
    bound = oracle.with_changes(np.array(rooms), COSTS, UTILITIES, 0.25, dwell, most_changes)
    every = list(sequences(rooms, dwell))
    assert max(utility for utility, changes in every if changes <= most_changes) <= bound + 1e-9
    prices = np.exp(np.linspace(*np.log(oracle.PRICES), 2000)) / len(rooms)
    charged = np.max([utility - prices * (changes - most_changes) for utility, changes in every], axis=0)
    free = max(utility for utility, _ in every)
    assert bound == pytest.approx(min(free, charged.min()), abs=5e-3)


def test_with_changes_enough_the_bound_is_the_clairvoyant_with_dwell():
    random = np.random.default_rng(5)
    rooms = np.repeat(random.choice([1.75, 2.6, 3.0, 5.0], 60), 7)
    frontier = sorted({(0.25 + COSTS[0][a] + COSTS[1][b], UTILITIES[0][a] + UTILITIES[1][b]) for a, b in PLANS})
    best, cost, worth = -1.0, [], []
    for ns, utility in frontier:
        if utility > best:
            best = utility
            cost.append(ns)
            worth.append(utility)
    free = oracle.with_dwell(rooms, np.array(cost), np.array(worth), 5)
    assert oracle.with_changes(rooms, COSTS, UTILITIES, 0.25, 5, 1e6) == pytest.approx(free)
    assert oracle.with_changes(rooms, COSTS, UTILITIES, 0.25, 5, 10) < free - 0.05


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


def states_after(loads, reduce=0.70, minimal=0.85):
    _, model = numeric_chain(PEDALBOARD)
    policy = rivals.ThreeStates(model, 0.97, reduce, minimal)
    states = []
    for load in loads:
        policy.see(load)
        states.append(policy.state)
    return states


@pytest.mark.parametrize(("reduce", "minimal"), [(0.70, 0.85), (0.55, 0.70)])
def test_three_states_fall_after_three_blocks_over_each_threshold_and_return_after_five_under_half_of_it(
    reduce, minimal
):
    minimum, reduced, full = range(3)
    over, more, little, less = reduce + 0.01, minimal + 0.01, minimal / 2 - 0.01, reduce / 2 - 0.01
    assert states_after([over, over, reduce - 0.01, over, over, over], reduce, minimal) == [full] * 5 + [reduced]
    falls = [more] * 6
    assert states_after(falls, reduce, minimal) == [full, full, reduced, reduced, reduced, minimum]
    back = [*[little] * 5, *[less] * 5]
    assert states_after(falls + back, reduce, minimal)[6:] == [minimum] * 4 + [reduced] * 5 + [full]


def test_three_states_stay_reduced_between_half_of_the_first_threshold_and_the_second():
    reduced = 1
    assert states_after([0.72] * 3 + [0.36, 0.84, 0.60] * 10)[2:] == [reduced] * 31
    assert states_after([0.72] * 3 + [0.30] * 4 + [0.36] + [0.30] * 4)[2:] == [reduced] * 10


def test_three_states_play_the_small_one_of_two_and_three_quarters_or_half_of_the_channels():
    _, model = numeric_chain(PEDALBOARD)
    policy = rivals.ThreeStates(model, 0.97)
    channels = []
    for state in (policy.REDUCED, policy.MINIMAL):
        policy.state = state
        target = policy.first_plan().target
        assert target[3] == target[5] == 0
        channels.append(target[4] + 2)  # levels 0 to 6 are 2 to 8 channels
    assert channels == [6, 4]


def test_three_states_look_at_every_period():
    score, _, _ = play(rivals.three_states(0.70), "calm", 40)
    assert score.changes == 4  # at full in the first three periods, then reduced: each of the four models once


def test_the_load_time_rule_sees_all_instances_or_those_that_came_before():
    _, model = numeric_chain(PEDALBOARD)
    at_once = rivals.at_load_time(0.5, True)(model, 0.97).first_plan().target
    one_by_one = rivals.at_load_time(0.5, False)(model, 0.97).first_plan().target
    models = [number for number, block in enumerate(model.blocks) if len(block.allowed) > 1]
    for count, b in enumerate(models, 1):
        block = model.blocks[b]
        for levels, instances in ((at_once, len(models)), (one_by_one, count)):
            most, level = 0.5 / instances, levels[b]
            assert block.cost_ns(level, FRAMES) / model.deadline_ns < most or level == block.smallest
            if level < block.largest:
                assert block.cost_ns(level + 1, FRAMES) / model.deadline_ns >= most
    assert one_by_one != at_once


def test_the_threshold_rule_halves_its_share_at_an_overload_and_raises_it_slowly():
    _, model = numeric_chain(PEDALBOARD)
    policy = rivals.Threshold(model, 0.97, 0.9)
    before = model.cost_ns(policy.first_plan().target) / model.deadline_ns
    fallen = policy.decide(0.01, seen(model, 0.95))
    assert model.cost_ns(fallen.target) / model.deadline_ns <= 0.45 < before
    assert policy.decide(0.02, seen(model, 0.95)) is None  # is given time to take effect
    risen = policy.decide(3.02, seen(model, 0.4))
    assert 0.45 < model.cost_ns(risen.target) / model.deadline_ns <= 0.45 + 3 * policy.RISE


@pytest.mark.parametrize("share", [0.55, 0.70])
def test_a_static_knob_needs_no_more_than_its_share(share):
    _, model = numeric_chain(PEDALBOARD)
    levels = rivals.static(share)(model, 0.97).first_plan().target
    assert share - 0.05 < model.cost_ns(levels) / model.deadline_ns <= share


def test_alert_follows_a_slowdown_and_plans_for_three_deviations():
    _, model = numeric_chain(PEDALBOARD)
    policy = rivals.Alert(model, 0.97, 3.0)
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
    assert rivals.twice_the_period(rows, np.array([80.0]), np.zeros(4), 100.0).tolist() == [True, True]
    rows[1, 4] = 60.0  # 220 of 200, then 20 + 160
    assert rivals.twice_the_period(rows, np.array([80.0]), np.zeros(4), 100.0).tolist() == [True, False]

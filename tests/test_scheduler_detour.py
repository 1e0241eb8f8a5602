"""A step back to get further: each stop can be reached, and no way that pays sooner is overlooked."""

from itertools import combinations, permutations, product

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from chainrt.scheduler import BlockModel, ChainModel
from chainrt.scheduler.detour import MOST_FALLS, detour

FRAMES = 64
LEAST = FRAMES + FRAMES // 8


def block(name, costs, utility):
    count = len(costs)
    return BlockModel(
        name, (0.0,) * count, tuple(c / FRAMES for c in costs), tuple(utility), (1000,) * count, tuple(range(count))
    )


def chain_of(random, count=3):
    blocks = []
    for name in "abcd"[:count]:
        levels = random.integers(2, 4)
        costs, worths = np.sort(random.uniform(20, 300, levels)), np.sort(random.uniform(0, 10, levels))
        blocks.append(block(name, costs.tolist(), worths.tolist()))
    return ChainModel(tuple(blocks), FRAMES, 1000.0)


def plans(chain):
    return list(product(*(b.allowed for b in chain.blocks)))


def ready_of(chain, levels, random):
    return tuple(
        tuple(level == now or bool(random.random() < 0.6) for level in b.allowed)
        for b, now in zip(chain.blocks, levels, strict=True)
    )


def differences(one, other):
    return [b for b in range(len(one)) if one[b] != other[b]]


def soonest_by_brute_force(chain, levels, goals, ready, way_ns, price):
    """The least lost / gain of all falls of one or two blocks, all goals and all orders of climbing."""
    best, now = np.inf, chain.utility(levels)
    at_hand = {
        b: min((level for level in model.allowed if level < levels[b] and ready[b][level]), default=None)
        for b, model in enumerate(chain.blocks)
    }
    fallers = [b for b, level in at_hand.items() if level is not None]
    for some in (some for count in range(1, MOST_FALLS + 1) for some in combinations(fallers, count)):
        fallen = tuple(at_hand[b] if b in some else level for b, level in enumerate(levels))
        for goal in goals:
            gain, climbers = chain.utility(goal) - now, differences(fallen, goal)
            if gain <= 0 or gain < price * (len(some) + len(climbers)):
                continue
            if any(can_climb(chain, fallen, goal, order, way_ns) for order in permutations(climbers)):
                best = min(best, (now - chain.utility(fallen)) / gain)
    return best


def can_climb(chain, levels, goal, order, way_ns):
    for b in order:
        if chain.cost_ns(levels) + chain.blocks[b].cost_ns(goal[b], LEAST) > way_ns:
            return False
        levels = (*levels[:b], goal[b], *levels[b + 1 :])
    return bool(order)


@settings(max_examples=200)
@given(seed=st.integers(0, 10**6), price=st.sampled_from([0.0, 0.5, 2.0]), room=st.floats(0.3, 1.0))
def test_each_stop_can_be_reached_and_the_last_one_is_worth_its_changes(seed, price, room):
    random = np.random.default_rng(seed)
    chain = chain_of(random)
    levels = plans(chain)[random.integers(len(plans(chain)))]
    ready, way_ns = ready_of(chain, levels, random), 1000 * room
    goals = [plan for plan in plans(chain) if chain.cost_ns(plan) <= 900 * room]
    way = detour(chain, levels, goals, ready, way_ns, price)
    if way is None:
        return
    first, *climbs = way.stops
    fallers = differences(levels, first)
    assert 1 <= len(fallers) <= MOST_FALLS
    assert all(first[b] < levels[b] and ready[b][first[b]] for b in fallers)
    for before, after in zip(way.stops, climbs, strict=False):
        (b,) = differences(before, after)
        assert chain.cost_ns(before) + chain.blocks[b].cost_ns(after[b], LEAST) <= way_ns
    assert way.stops[-1] in goals
    gain = chain.utility(way.stops[-1]) - chain.utility(levels)
    assert way.gain == pytest.approx(gain)
    assert gain >= price * (len(fallers) + len(climbs))


@settings(max_examples=100)
@given(seed=st.integers(0, 10**6), price=st.sampled_from([0.0, 0.5]), room=st.floats(0.3, 1.0))
def test_no_way_that_pays_sooner_is_overlooked(seed, price, room):
    random = np.random.default_rng(seed)
    chain = chain_of(random)
    levels = plans(chain)[random.integers(len(plans(chain)))]
    ready, way_ns = ready_of(chain, levels, random), 1000 * room
    goals = [plan for plan in plans(chain) if chain.cost_ns(plan) <= 900 * room]
    way = detour(chain, levels, goals, ready, way_ns, price)
    soonest = soonest_by_brute_force(chain, levels, goals, ready, way_ns, price)
    assert (way.pays_after if way else np.inf) == pytest.approx(soonest)


def test_an_amp_falls_for_a_moment_so_that_its_own_larger_size_can_warm_up():
    amp = block("amp", [100.0, 500.0, 600.0], [0.0, 10.0, 12.0])
    chain = ChainModel((amp,), FRAMES, 1000.0)
    ready = ((True, True, False),)
    way = detour(chain, (1,), [(2,)], ready, 900.0, 0.1)
    assert way.stops == ((0,), (2,))
    assert way.pays_after == 5.0  # 10 dB are lost on the way, 2 won at its end
    assert detour(chain, (1,), [(2,)], ready, 700.0, 0.1) is None  # 100 + 675 do not fit
    assert detour(chain, (1,), [(2,)], ready, 900.0, 1.5) is None  # two changes for 2 dB


def test_where_nothing_is_at_hand_there_is_no_way():
    chain = ChainModel((block("amp", [100.0, 500.0, 600.0], [0.0, 10.0, 12.0]),), FRAMES, 1000.0)
    assert detour(chain, (1,), [(2,)], ((False, True, False),), 900.0, 0.0) is None

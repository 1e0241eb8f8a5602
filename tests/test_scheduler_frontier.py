"""All plans worth having: equal to trying every plan there is; and the small rules beside it."""

from itertools import product

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from chainrt.scheduler import BlockModel, ChainModel, Frontier
from chainrt.scheduler.headroom import MOST, TRIP_EVERY_S, Headroom
from chainrt.scheduler.patience import PURSE, Patience

FRAMES = 64


@st.composite
def chains(draw):
    blocks = []
    for number in range(draw(st.integers(1, 4))):
        levels = draw(st.integers(1, 4))
        cost = draw(st.lists(st.integers(1, 50), min_size=levels, max_size=levels))
        worth = draw(st.lists(st.integers(0, 20), min_size=levels, max_size=levels))
        allowed = sorted(draw(st.sets(st.integers(0, levels - 1), min_size=1)))
        blocks.append(
            BlockModel(str(number), tuple(map(float, cost)), (0.0,) * levels, tuple(map(float, worth)), (0,) * levels,
                       tuple(allowed))
        )  # fmt: skip
    return ChainModel(tuple(blocks), FRAMES, 1000.0, fixed_ns=float(draw(st.integers(0, 5))))


def every_plan(chain):
    return list(product(*(block.allowed for block in chain.blocks)))


@settings(max_examples=200)
@given(chain=chains(), capacity=st.integers(0, 250), slowdown=st.sampled_from([0.5, 1.0, 1.7]))
def test_the_best_plan_is_that_of_brute_force(chain, capacity, slowdown):
    choice = Frontier(chain).best(float(capacity), slowdown)
    fitting = [plan for plan in every_plan(chain) if chain.cost_ns(plan) <= capacity / slowdown + 1e-9]
    assert choice.fits == bool(fitting)
    if fitting:
        assert choice.utility == pytest.approx(max(map(chain.utility, fitting)), abs=1e-5)
        assert chain.cost_ns(choice.levels) <= capacity / slowdown + 1e-6
        assert chain.utility(choice.levels) == pytest.approx(choice.utility, abs=1e-5)
    else:
        assert chain.cost_ns(choice.levels) == pytest.approx(min(map(chain.cost_ns, every_plan(chain))), abs=1e-3)
    assert all(level in block.allowed for level, block in zip(choice.levels, chain.blocks, strict=True))


@settings(max_examples=60)
@given(chain=chains())
def test_more_budget_never_gives_less_utility(chain):
    frontier = Frontier(chain)
    found = [frontier.best(float(capacity)).utility for capacity in range(0, 250, 5)]
    assert found == sorted(found)


def test_a_chain_of_many_blocks_and_levels_is_rounded_up_and_never_over_the_cap():
    blocks = tuple(
        BlockModel(str(b), tuple(100.0 + 37.1 * n * (b + 1) ** 0.5 for n in range(16)), (0.0,) * 16,
                   tuple(10.0 * n**0.5 * (1 + b % 5) for n in range(16)), (0,) * 16, tuple(range(16)))
        for b in range(32)
    )  # fmt: skip
    chain = ChainModel(blocks, FRAMES, 1e6)
    frontier = Frontier(chain)
    for capacity in (5e3, 2e4, 5e4, 1e5):
        choice = frontier.best(capacity)
        assert choice.fits
        assert chain.cost_ns(choice.levels) <= capacity


def trips_per_second(probability_of_a_trip, seconds=2000.0, tick=0.01):
    """Trips in the long run, on a machine that trips less the more headroom there is."""
    import numpy as np

    random, headroom, trips = np.random.default_rng(0), Headroom(), 0
    for number in range(round(seconds / tick)):
        tripped = random.random() < probability_of_a_trip(headroom.share)
        trips += tripped
        headroom.learn(number * tick, tripped, is_changing=False)
    return trips / seconds, headroom.share


def test_in_the_long_run_the_reflex_trips_as_often_as_it_should():
    rate, share = trips_per_second(lambda share: 0.02 * 2 ** (-share / 0.005))
    assert rate == pytest.approx(1 / TRIP_EVERY_S, rel=0.25)
    assert 0 < share < MOST


def test_a_quiet_machine_keeps_all_of_its_budget_and_a_hopeless_one_not_less_than_the_most():
    assert trips_per_second(lambda share: 0.0, 100.0)[1] == 0
    assert trips_per_second(lambda share: 1.0, 100.0)[1] == pytest.approx(MOST, abs=0.001)


def test_a_change_of_pace_is_not_held_against_the_noise():
    headroom = Headroom()
    for number in range(1000):
        headroom.learn(number * 0.01, tripped=True, is_changing=True)
    assert headroom.share == 0


def test_a_trip_that_a_change_of_pace_explains_is_not_held_against_the_noise_either():
    headroom = Headroom()
    for number in range(1000):
        headroom.learn(number * 0.01, tripped=number % 100 == 0, is_changing=number % 100 == 2)
    assert headroom.share == 0


def test_a_lone_trip_is_noise():
    headroom = Headroom()
    for number in range(20):
        headroom.learn(number * 0.01, tripped=number == 5, is_changing=False)
    assert headroom.share > 0.009


def test_the_richer_plans_are_all_that_fit_and_are_worth_more_the_best_first():
    chain = ChainModel(
        tuple(
            BlockModel(name, (0.0, 0.0, 0.0), (1.0, 2.0, 4.0), (0.0, 3.0, 4.0), (0, 0, 0), (0, 1, 2)) for name in "ab"
        ),
        1,
        10.0,
    )
    frontier = Frontier(chain)
    richer = frontier.richer(chain.utility((0, 1)), capacity_ns=12.0, slowdown=2.0, most=8)
    assert [chain.utility(levels) for levels in richer] == [7.0, 6.0]  # 6 ns and 4; all at their largest need 8
    assert frontier.richer(chain.utility((0, 1)), 12.0, 2.0, most=1) == richer[:1]
    assert frontier.richer(7.0, 12.0, 2.0, most=8) == []


def test_a_climb_needs_the_price_of_the_fall_that_will_follow():
    patience = Patience(per_minute=60)
    patience.wait(0.0, 0)
    assert patience.climbs() == PURSE / 2
    patience.wait(0.0, 7)
    assert patience.climbs() == 0
    patience.wait(1.0, 0)
    assert patience.climbs() == 1
    patience.wait(1000.0, 0)
    assert patience.climbs() == PURSE / 2

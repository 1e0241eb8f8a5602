"""The purse: what a change has to win."""

import numpy as np
import pytest

from chainrt.scheduler.patience import CHEAPEST, PURSE, Patience


def after(pattern, seconds, tick_s=0.01, per_minute=57.0):
    """A purse after so long; pattern(tick) changes are heard in each tick."""
    patience = Patience(per_minute)
    for tick in range(round(seconds / tick_s)):
        patience.wait(tick * tick_s, pattern(tick))
    return patience


def test_in_quiet_hours_a_change_costs_next_to_nothing():
    assert after(lambda tick: 0, 60).price() == pytest.approx(CHEAPEST)


def test_after_a_single_trouble_in_a_quiet_hour_changes_are_still_cheap():
    once = after(lambda tick: 4 if tick == 3000 else 0, 30.5)
    assert once.price() < 0.15


def test_where_changes_come_faster_than_the_purse_fills_they_are_dear():
    often = after(lambda tick: 3 if tick % 210 == 0 else 0, 120)
    assert often.price() > 0.35


def test_who_uses_little_of_what_he_may_is_not_asked_to_save():
    seldom = after(lambda tick: 2 if tick % 1200 == 0 else 0, 120)  # ten a minute, of 57
    assert seldom.price() < CHEAPEST + 0.06


def test_the_price_rises_with_every_change_and_falls_while_none_is_heard():
    patience = Patience(57.0)
    prices = []
    for tick in range(4000):
        patience.wait(tick * 0.01, 1 if tick < 2000 and tick % 50 == 0 else 0)
        prices.append(patience.price())
    assert prices[0] < prices[1000] < prices[1999]
    assert (np.diff(prices[2000:]) <= 0).all()
    assert prices[-1] < prices[2000] / 2


def test_who_asks_for_a_change_gets_it_for_nothing():
    patience = after(lambda tick: 2 if tick % 210 == 0 else 0, 120)
    patience.forgive()
    assert patience.price() == pytest.approx(CHEAPEST)
    assert patience.climbs() == PURSE / 2


def test_a_chain_of_four_times_as_many_blocks_may_change_four_times_as_often():
    few, many = Patience(57.0), Patience(57.0, 16)
    assert many.climbs() == 4 * few.climbs()
    for tick in range(6000):
        few.wait(tick * 0.01, tick % 210 == 0)
        many.wait(tick * 0.01, 4 * (tick % 210 == 0))
    assert many.price() == pytest.approx(few.price())
    many.count(4)
    many.forgive()
    few.forgive()
    assert many.climbs() == few.climbs()


@pytest.mark.parametrize(("blocks", "seconds"), [(4, 6.4), (16, 1.6)])
def test_however_many_blocks_fell_the_debt_is_no_larger(blocks, seconds):
    patience, tick = Patience(57.0, blocks), 0
    patience.wait(0.0, 100 * blocks)
    while not patience.climbs():
        tick += 1
        patience.wait(tick * 0.01, 0)
    assert tick * 0.01 == pytest.approx(seconds, abs=0.1)


def test_what_would_win_most_is_never_too_dear():
    assert after(lambda tick: 10, 60).price() < 0.5

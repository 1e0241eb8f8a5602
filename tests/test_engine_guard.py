"""The guards at a period's end: small on a quiet machine, larger where what is reckoned with was not enough."""

import numpy as np
import pytest
from deck import CAB, FIRST, SECOND, Deck

from chainrt.engine.guard import GROWS, MOST, SHRINKS_NS
from chainrt.layout import COLD, PLAYED, WEATHER_BLOCK, WEATHER_PERIOD


def tight(share, periods=60):
    """A deck that plays `share` of the deadline at full, its muted work aside."""
    deck = Deck(periods=periods)
    deck.rows[:, 0] = 1
    deck.chain.engine["fixed_ns"] = (share - 0.8) * deck.chain.deadline_ns
    return deck


def slow(deck, block, factor, periods):
    """The sound of a block takes so many times as long."""
    deck.rows[periods, WEATHER_PERIOD + WEATHER_BLOCK * block] = factor


def growth(deck):
    return float(deck.chain.engine["guard_growth"])


def test_where_all_goes_as_reckoned_no_guard_grows():
    deck = tight(0.98)
    deck.rows[:, WEATHER_PERIOD::WEATHER_BLOCK] = np.random.default_rng(1).normal(1, 0.01, (60, 4))
    deck.play()
    assert growth(deck) == 1


def test_a_delay_that_uses_more_than_half_of_the_guard_makes_it_grow_before_there_is_a_miss():
    deck = tight(0.98)
    slow(deck, CAB, 1.36, 20)  # ends at 99.8 %
    _, ring = deck.play(21)
    assert not ring["missed"].any()
    assert growth(deck) == pytest.approx(GROWS, rel=1e-3)


def test_a_guard_that_grew_makes_a_block_fall_where_the_small_one_would_have_let_it_miss():
    def missed(known):
        deck = tight(0.98)
        deck.play(20)
        deck.chain.engine["guard_growth"] = known
        slow(deck, CAB, 1.5, 20)  # ends at 100.5 %
        deck.play(1)
        return int(deck.chain.ring["missed"][20]), int(deck.chain.spent["reflex"][20, SECOND])

    assert missed(1.0) == (1, PLAYED)
    assert missed(3.0) == (0, COLD)  # there was no time to keep it warm


def test_a_stall_makes_no_guard_grow():
    deck = tight(0.95)
    deck.stall(20, CAB, 0.06)
    _, ring = deck.play(21)
    assert ring["missed"][20]
    assert growth(deck) == 1


def test_a_period_without_a_commitment_teaches_nothing():
    deck = tight(0.98)
    deck.chain.set_levels([0, 0, 0, 0])
    for block in (FIRST, SECOND):
        deck.chain.block_records["wanted"][block] = 0
    deck.chain.engine["fixed_ns"] = 0.78 * deck.chain.deadline_ns
    slow(deck, CAB, 1.4, slice(20, 30))
    deck.play(30)
    assert growth(deck) == 1


def test_a_guard_grows_to_a_bound_and_shrinks_slowly():
    seconds = int(3 * SHRINKS_NS / 1e9)
    deck = tight(0.9, 10 + seconds * 750)
    deck.rows[:, 0] = 0.5
    deck.chain.engine["guard_growth"] = MOST
    deck.play(seconds * 750)
    assert growth(deck) == pytest.approx(1 + (MOST - 1) * np.exp(-3), rel=0.01)


def test_no_guard_grows_without_end():
    deck = tight(0.955)
    deck.chain.engine["guard_growth"] = MOST
    slow(deck, CAB, 1.55, 20)  # ends at 98.25 %, more than half way from 96 to 100
    deck.play(20)
    before = growth(deck)
    deck.play(1)
    assert before < growth(deck) <= MOST


def test_muted_work_that_uses_more_than_half_of_its_guard_makes_both_grow():
    deck = tight(0.869)  # 96.9 % with the muted work of both
    deck.rows[20, WEATHER_PERIOD + WEATHER_BLOCK * SECOND + 2] = 1.5
    _, ring = deck.play(21)
    assert not ring["missed"].any()
    assert growth(deck) == pytest.approx(GROWS, rel=1e-3)


def test_the_guard_of_who_may_be_late_does_not_grow():
    deck = tight(0.98)
    deck.chain.engine["guard_ns"] = -0.1 * deck.chain.deadline_ns
    slow(deck, CAB, 1.5, slice(20, 30))
    deck.play(30)
    assert growth(deck) == 1


def test_a_chain_that_is_wound_back_has_forgotten_what_its_guards_had_learned():
    deck = Deck()
    deck.chain.engine["guard_growth"] = 2
    deck.chain.rewind()
    assert growth(deck) == 1

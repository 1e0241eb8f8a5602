"""The reflex: within the very period in which time runs out, blocks fall that matter least; and come back exactly."""

import numpy as np
import pytest
from blockplay import board
from deck import CAB, FIRST, GATE, MEMORY, SECOND, Deck
from models import tiny_container

from chainrt.chain import MUTED_SHARE, Chain, CostTable
from chainrt.compiled.native import address_of
from chainrt.engine import BEND_FRAMES, FADE_FRAMES
from chainrt.layout import COLD, DROPPED, HELD, LAWS, PLAYED, WEATHER_BLOCK, WEATHER_PERIOD, weather_columns
from chainrt.numeric import FRAMES
from chainrt.performance import Performance
from chainrt.render import render


def test_while_there_is_time_nothing_falls():
    spent, ring = Deck().play()
    assert (spent["reflex"] == PLAYED).all()
    assert not ring["missed"].any()
    assert (spent["audible"][:, [FIRST, SECOND]] == 1).all()


def test_in_the_period_of_a_stall_the_block_that_matters_least_falls_and_the_deadline_is_kept():
    deck = Deck()
    deck.stall(20, GATE, 0.4)
    spent, ring = deck.play()
    assert not ring["missed"].any()
    assert spent["reflex"][20].tolist() == [PLAYED, PLAYED, DROPPED, PLAYED]
    assert (spent["reflex"][21:] == PLAYED).all()


def test_who_matters_least_is_not_who_comes_last():
    deck = Deck(give_up=(FIRST, SECOND))
    deck.stall(20, GATE, 0.4)
    spent, ring = deck.play()
    assert not ring["missed"].any()
    assert spent["reflex"][20].tolist() == [PLAYED, DROPPED, PLAYED, PLAYED]


def test_a_stall_that_takes_more_makes_both_fall():
    deck = Deck()
    deck.stall(20, GATE, 0.75)
    spent, ring = deck.play()
    assert not ring["missed"].any()
    assert spent["reflex"][20].tolist() == [PLAYED, DROPPED, DROPPED, PLAYED]


def test_a_block_that_fell_is_heard_at_its_planned_level_again_after_a_crossfade():
    """It owes one period; that is replayed in what time is left, and then a crossfade follows."""
    deck = Deck()
    deck.stall(20, GATE, 0.4)
    spent, _ = deck.play()
    heard = spent["audible"][:, SECOND]
    assert (heard[:20] == 1).all()
    fade = FADE_FRAMES // FRAMES
    assert fade < np.argmax(heard[20:] == 1) <= fade + 4
    assert (heard[24 + fade :] == 1).all()


def test_the_same_load_without_the_reflex_is_a_miss():
    deck = Deck()
    deck.chain.engine["reflex"] = 0
    deck.stall(20, GATE, 0.4)
    _, ring = deck.play()
    assert ring["missed"][20] == 1
    assert not ring["unavoidable"].any()


def test_a_regime_that_nearly_doubles_the_load_is_met_in_its_first_period():
    deck = Deck()
    for block in range(4):
        column = WEATHER_PERIOD + WEATHER_BLOCK * block
        deck.rows[30:, column] = deck.rows[30:, column + 2] = 1.9
    spent, ring = deck.play()
    assert not ring["missed"].any()
    assert DROPPED in spent["reflex"][30]


def test_a_block_whose_smallest_level_is_cold_falls_to_it_all_the_same():
    deck = Deck(warm=(0, -1))
    deck.stall(20, GATE, 0.4)
    spent, ring = deck.play()
    assert not ring["missed"].any()
    assert spent["reflex"][20].tolist() == [PLAYED, PLAYED, COLD, PLAYED]


def test_when_not_even_the_smallest_level_fits_nothing_runs_for_this_one_period():
    deck = Deck()
    deck.stall(20, FIRST, 0.53)  # after the first block 93 % are gone; 6 % remain, cab takes 5
    spent, ring = deck.play()
    assert spent["reflex"][20, SECOND] == HELD
    assert not ring["missed"].any()
    assert deck.chain.engine["holds"] == 1
    assert spent["reflex"][21, SECOND] == DROPPED  # with the period that it owes the full level does not fit
    assert (spent["reflex"][22:] == PLAYED).all()
    assert (spent["audible"][40:, SECOND] == 1).all()


def test_who_was_held_for_longer_than_it_can_make_up_for_goes_on_without_it():
    deck = Deck(periods=120)
    deck.chain.set_levels([0, 1, 0, 0])
    for period in range(20, 50):
        deck.stall(period, FIRST, 0.53)
    spent, _ = deck.play(120)
    held = np.flatnonzero(spent["reflex"][:, SECOND] == HELD)
    assert len(held) > 20  # 30 periods of it, at 5 % each, do not fit into any
    assert held[-1] < 50
    assert not spent["ready"][held[-1] + 1, SECOND] & 1
    assert spent["ready"][-1, SECOND] & 1


def test_who_plays_its_smallest_level_on_a_hopeless_machine_has_missed_nothing_and_does_not_fall():
    deck = Deck(warm=(-1, -1))  # smallest levels that do not know their past yet
    deck.chain.set_levels([0, 0, 0, 0])
    deck.chain.engine["slowdown"] = 8.0
    for levels in deck.chain.level_records[FIRST : SECOND + 1]:
        levels["fresh"][0], levels["behind"][0] = 0, 0
    deck.rows[:, [WEATHER_PERIOD + WEATHER_BLOCK * block for block in range(4)]] = 8
    spent, ring = deck.play()
    assert ring["missed"].any()
    assert (spent["reflex"] == PLAYED).all()


def test_muted_work_is_left_out_when_time_runs_out_and_is_made_up_for():
    deck = Deck()
    deck.stall(20, CAB, 0.18)
    spent, ring = deck.play()
    assert not ring["missed"].any()
    assert spent["muted_ns"][20].sum() == 0
    assert not spent["ready"][20, FIRST] & 1
    assert spent["ready"][23, FIRST] & 1


@pytest.mark.parametrize("seed", range(3))
def test_whatever_strikes_no_block_runs_below_its_least_level(seed):
    deck = Deck(periods=400)
    random = np.random.default_rng(seed)
    for period in random.integers(0, 400, 80):
        deck.stall(period, random.integers(0, 4), random.uniform(0, 2))
    deck.chain.block_records["least"][FIRST] = 1  # pinned to full
    spent, _ = deck.play(400)
    assert (spent["audible"][:, FIRST] == 1).all()
    assert (spent["reflex"][:, [GATE, CAB]] == PLAYED).all()


def test_a_fall_is_heard_as_the_smallest_level_and_a_difference_that_is_let_go(tmp_path):
    """The difference to what the warm level last played goes on from the last sample, over BEND_FRAMES."""
    preset = board(tmp_path, "- nam: {model: amp.nam}", amp=tiny_container(taps=(3, 2, 5), dilations=(1, 30, 100)))
    time = np.arange(40 * FRAMES) / 48_000
    signal = (0.2 * np.sin(2 * np.pi * 110 * time) + 0.1 * np.sin(2 * np.pi * 330 * time)).astype(np.float32)
    alone = []
    for level in (0, 1):
        chain = Chain(preset, 48_000, FRAMES)
        chain.set_levels([level])
        alone.append(render(chain, signal))
    chain = Chain(preset, 48_000, FRAMES)
    chain.set_costs(CostTable(((0.0, 0.0),), ((1e3, 1e4),), 0.0))
    rows = np.zeros((40, weather_columns(1)))
    rows[:, WEATHER_PERIOD] = rows[:, WEATHER_PERIOD + 2] = 1
    rows[20, 1] = 0.8 * chain.deadline_ns  # woken so late that only the smallest level fits
    engine = chain.engine
    engine["virtual"], engine["reflex"], engine["weather"] = LAWS, 1, address_of(rows)
    chain.block_records["warm"][0], chain.block_records["replay"][0] = 0, 64
    performance = Performance(chain, signal, 21 * FRAMES)
    performance.play(21)
    heard, (lite, full), at = performance.output, alone, 20 * FRAMES
    assert chain.spent["reflex"][20, 0] == DROPPED
    assert np.array_equal(heard[:at], full[:at])
    done = np.arange(FRAMES) / BEND_FRAMES
    difference = full[at - 1] - lite[at - 1]
    expected = lite[at : at + FRAMES] + difference * (1 - done) ** 2 * (1 + 2 * done)
    assert abs(difference) > 1e-4
    assert np.abs(heard[at:] - expected).max() < 1e-6


def test_muted_work_that_goes_more_slowly_than_the_sound_is_soon_given_no_more_than_there_is_time_for():
    deck = Deck()
    deck.rows[:, WEATHER_PERIOD + 2 :: WEATHER_BLOCK] = 5
    spent, ring = deck.play()
    assert ring["missed"][0]
    assert not ring["missed"][20:].any()
    assert (spent["muted_ns"][20:].sum(axis=1) > 0).all()
    assert (spent["reflex"] == PLAYED).all()


def test_a_block_of_which_the_table_knows_nothing_does_not_keep_the_muted_work_of_the_others_from_its_time():
    deck = Deck()
    column = WEATHER_PERIOD + WEATHER_BLOCK * FIRST
    deck.rows[:, [column, column + 2]] = 1.4
    spent, _ = deck.play()
    assert (spent["reflex"] == PLAYED).all()
    assert deck.chain.engine["muted_excess"] < 1.01


def test_a_block_on_its_way_down_falls_at_once_where_a_crossfade_would_make_another_fall():
    deck = Deck(give_up=(FIRST, SECOND))
    deck.play(10)
    deck.chain.block_records["wanted"][FIRST] = 0
    deck.rows[10:, 0] = 1
    deck.chain.engine["fixed_ns"] = 0.15 * deck.chain.deadline_ns  # 95 %, and 100 % with both levels of the first
    spent, ring = deck.play(20)
    assert spent["reflex"][10, FIRST] == DROPPED
    assert (spent["audible"][10:20, FIRST] == 0).all()
    assert (spent["audible"][:20, SECOND] == 1).all()
    assert not ring["missed"][:20].any()


def test_where_there_is_time_for_a_crossfade_a_block_on_its_way_down_does_not_fall():
    deck = Deck(give_up=(FIRST, SECOND))
    deck.play(10)
    deck.chain.block_records["wanted"][FIRST] = 0
    deck.rows[10:, 0] = 1
    deck.chain.engine["fixed_ns"] = 0.05 * deck.chain.deadline_ns
    spent, _ = deck.play(20)
    assert (spent["reflex"] == PLAYED).all()
    assert spent["audible"][19, FIRST] == 0


@pytest.mark.parametrize("a_frame", [1.0, 0.05, 0.0])
def test_muted_work_in_many_dear_calls_does_not_outlast_its_time(a_frame):
    deck = Deck(warm=(0, -1))
    blocks = deck.model.blocks
    call_ns, frame_ns = 0.02 * deck.chain.deadline_ns, blocks[FIRST].frame_ns[0]
    costs = CostTable(
        tuple((call_ns, 0.0) if b == FIRST else block.call_ns for b, block in enumerate(blocks)),
        tuple(
            (a_frame * frame_ns, block.frame_ns[1]) if b == FIRST else block.frame_ns for b, block in enumerate(blocks)
        ),
        0.0,
    )
    deck.chain.set_costs(costs)
    least = deck.chain.level_records[FIRST][0]
    least["fresh"], least["behind"] = 0, MEMORY
    deck.chain.block_records["replay"][FIRST] = MEMORY
    spent, ring = deck.play()
    ends = (ring["late_ns"] + ring["spent_ns"]) / deck.chain.deadline_ns
    assert spent["muted_ns"][:2].sum(axis=1).min() > 0.05 * deck.chain.deadline_ns
    assert ends.max() <= MUTED_SHARE

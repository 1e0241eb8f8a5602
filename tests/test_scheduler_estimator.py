"""The estimator on made-up measurements: steps, stalls, noise, wrong tables."""

from time import process_time

import numpy as np
import pytest

from chainrt.scheduler.estimator import Estimator

PERIOD_S = 64 / 48_000
TABLE = np.array([300e3, 50e3, 300e3, 20e3])


def feed(estimator, slowdowns, table=TABLE, truth=None, tick=8):
    """Periods at these slowdowns, `tick` at a time; `truth` is what the blocks really cost."""
    truth = table if truth is None else truth
    for start in range(0, len(slowdowns), tick):
        part = np.asarray(slowdowns[start : start + tick], dtype=float)[:, np.newaxis]
        estimator.observe(part * truth, np.tile(table, (len(part), 1)))
    return estimator


def fresh():
    return Estimator(len(TABLE), PERIOD_S)


@pytest.mark.parametrize("step", [1.3, 1.6, 2.5, 10.0])
def test_a_lasting_slowdown_of_any_size_is_followed_within_eight_periods(step):
    estimator = feed(fresh(), [step] * 8)
    assert estimator.latest == pytest.approx(step)
    assert estimator.fast == pytest.approx(step, rel=0.02)


@pytest.mark.parametrize("stall", [2.0, 30.0])
def test_one_stalled_period_is_no_slowdown_and_two_are(stall):
    assert feed(fresh(), [1, 1, 1, stall, 1, 1, stall, 1]).fast == pytest.approx(1)
    assert feed(fresh(), [1, 1, 1, 1, 1, 1, stall, stall]).fast > 1.4


def test_fast_rises_faster_than_it_falls_and_slow_is_the_last_to_believe():
    estimator = feed(fresh(), [1.6] * 750)
    feed(estimator, [1.0] * 8)
    assert 1.1 < estimator.fast < 1.3
    assert estimator.slow > 1.5
    feed(estimator, [1.0] * 250)
    assert estimator.cautious == pytest.approx(1.0, abs=0.035)


def test_how_the_periods_are_cut_into_ticks_does_not_change_the_slowdown():
    slowdowns = np.random.default_rng(1).lognormal(0.2, 0.1, 96)
    one, many = feed(fresh(), slowdowns, tick=1), feed(fresh(), slowdowns, tick=16)
    assert one.fast == pytest.approx(many.fast, rel=0.01)
    assert one.slow == pytest.approx(many.slow, rel=0.01)


def test_a_wrong_table_is_learned_and_not_taken_for_a_slow_machine():
    truth = TABLE * [1.5, 1, 1, 1]
    estimator = feed(fresh(), [1.2] * 15_000, truth=truth)
    assert estimator.block_ratio * estimator.fast == pytest.approx(1.2 * truth / TABLE, rel=0.01)
    assert estimator.block_ratio @ TABLE == pytest.approx(TABLE.sum(), rel=0.01)


def test_stalls_of_one_block_hardly_move_its_ratio():
    measured = np.tile(TABLE, (7_500, 1))
    measured[::75, 3] += 3e6  # ten a second, 3 ms each, in a block of 20 us
    estimator = fresh()
    for start in range(0, len(measured), 8):
        part = measured[start : start + 8]
        estimator.observe(part, np.tile(TABLE, (len(part), 1)))
    assert estimator.block_ratio == pytest.approx(1.0, abs=0.05)


def test_periods_without_work_say_nothing():
    estimator = feed(fresh(), [1.5] * 40)
    before = estimator.fast, estimator.slow, estimator.block_ratio.tolist()
    estimator.observe(np.zeros((5, 4)), np.zeros((5, 4)))
    estimator.observe(np.zeros((0, 4)), np.zeros((0, 4)))
    assert before == (estimator.fast, estimator.slow, estimator.block_ratio.tolist())


def test_a_bypassed_block_keeps_its_ratio():
    estimator = feed(fresh(), [1.0] * 3_000, truth=TABLE * [1, 2, 1, 1])
    learned = estimator.block_ratio[1]
    feed(estimator, [1.0] * 80, table=TABLE * [1, 0, 1, 1])
    assert estimator.block_ratio[1] == learned > 1.3


def test_a_tick_of_eight_periods_and_ten_blocks_takes_less_than_a_tenth_of_a_millisecond():
    estimator = Estimator(10, PERIOD_S)
    measured = np.random.default_rng(1).lognormal(11, 0.02, (8, 10))
    expected = np.full((8, 10), 60e3)
    durations = []
    for _ in range(50):
        start = process_time()
        for _ in range(10):
            estimator.observe(measured, expected)
        durations.append((process_time() - start) / 10)
    assert min(durations) < 1e-4


def test_a_pace_that_holds_for_30_ms_is_the_new_pace_and_a_flicker_of_20_is_not():
    flicker, lasting = round(0.020 / PERIOD_S), round(0.032 / PERIOD_S)
    short = feed(fresh(), [1.0] * 400 + [1.5] * flicker)
    assert short.slow < 1.15
    new = feed(fresh(), [1.0] * 400 + [1.5] * lasting)
    assert new.slow == pytest.approx(1.5, rel=0.02)
    again = feed(new, [1.0] * lasting)
    assert again.slow == pytest.approx(1.0, rel=0.02)


def test_noise_to_both_sides_is_no_new_pace():
    estimator, random = fresh(), np.random.default_rng(2)
    feed(estimator, random.choice([0.8, 1.2], 3000))
    assert estimator.slow == pytest.approx(1.0, abs=0.06)

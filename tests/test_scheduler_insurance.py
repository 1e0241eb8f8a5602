"""What the time left over is spent on, in order."""

import pytest

from chainrt.scheduler import NOT_WARM, BlockModel, ChainModel
from chainrt.scheduler.insurance import running_ns, spend_spare_time

FRAMES, MEMORY = 64, 6347


def amp(name, full_ns, lite_share=0.24):
    """Cost per frame only, so that a period of n + r frames costs (n + r) / n of one."""
    per_frame = full_ns / FRAMES
    return BlockModel(name, (0.0, 0.0), (lite_share * per_frame, per_frame), (0.0, 40.0), (MEMORY, MEMORY), (0, 1))


PEDAL = BlockModel("pedal", (100.0,), (0.0,), (0.0,), (0,), (0,))
CHAIN = ChainModel((amp("small", 200.0), amp("big", 400.0), PEDAL), FRAMES, 1000.0)
FULL, LITE = (1, 1, 0), (0, 0, 0)
ONLY_FULL = ((False, True), (False, True), (True,))
ONLY_LITE = ((True, False), (True, False), (True,))
ALL_READY = ((True, True), (True, True), (True,))


def plan_for(target, audible, ready, ceiling_ns, rescue_ns=None, chain=CHAIN):
    rescue_ns = ceiling_ns if rescue_ns is None else rescue_ns
    return spend_spare_time(chain, target, audible, ready, ceiling_ns, rescue_ns, ("", "", ""))


def period_ns(plan, audible, ready, chain=CHAIN):
    """What a period under this plan costs, added up level by level."""
    total = chain.fixed_ns
    for b, block in enumerate(chain.blocks):
        heard = plan.target[b] if ready[b][plan.target[b]] else audible[b]
        for level in {heard, plan.target[b], plan.warm[b]} - {NOT_WARM}:
            total += block.cost_ns(level, chain.frames + (0 if ready[b][level] else plan.replay[b]))
    return total


def test_insurance_is_bought_where_it_saves_most_for_each_nanosecond():
    dear_lite = ChainModel((amp("a", 300.0, 0.6), amp("b", 300.0, 0.2), PEDAL), FRAMES, 1000.0)
    plan = plan_for(FULL, FULL, ALL_READY, 700 + 200, chain=dear_lite)
    assert plan.warm == (NOT_WARM, 0, NOT_WARM)


def test_nothing_is_insured_that_has_nowhere_to_fall():
    assert plan_for(LITE, LITE, ALL_READY, 1000).warm == (NOT_WARM,) * 3


def test_a_level_that_must_catch_up_is_bought_only_with_time_to_catch_up():
    room = 700 + 48 + 96  # heard levels and both lites, no replay
    assert plan_for(FULL, FULL, ALL_READY, room).warm == (0, 0, NOT_WARM)
    assert plan_for(FULL, FULL, ONLY_FULL, room).warm.count(0) == 1


def test_all_the_spare_time_becomes_replay_and_no_more():
    plan = plan_for(FULL, FULL, ONLY_FULL, 900)
    step_ns = FRAMES / 16 * 96 / 64
    assert 900 - step_ns < period_ns(plan, FULL, ONLY_FULL) <= 900


def test_a_level_on_its_way_up_replays_before_insurance_does():
    ready = ((False, True), (True, False), (True,))  # small is full and not insured, big climbs from lite
    plan = plan_for(FULL, (1, 0, 0), ready, 960)
    assert plan.warm == (0, 0, NOT_WARM)
    left_ns = 960 - period_ns(plan, (1, 0, 0), ready) + (plan.replay[0] - FRAMES / 8) * 48 / 64
    assert 0 <= left_ns < FRAMES / 16 * 400 / 64  # after its least replay, insurance got what bought no step of big's
    assert plan.replay[1] > FRAMES / 8


def test_the_level_left_behind_on_the_way_up_stays_as_insurance_at_no_cost():
    ready, cost = ONLY_LITE, running_ns(CHAIN, (0, 1, 0), LITE, ONLY_LITE)
    assert plan_for((0, 1, 0), LITE, ready, cost).warm == (NOT_WARM, 0, NOT_WARM)


def test_a_cold_fall_fills_the_period_up_to_the_rescue_limit():
    plan = plan_for(LITE, FULL, ONLY_FULL, ceiling_ns=700, rescue_ns=1200)
    assert period_ns(plan, FULL, ONLY_FULL) == pytest.approx(1200, abs=FRAMES / 16 * 96 / 64)
    assert plan.replay[1] > plan.replay[0] >= FRAMES / 8  # the bigger amp relieves more
    assert plan.warm == (NOT_WARM,) * 3


def test_a_cold_fall_in_a_period_that_is_lost_anyway_is_over_within_eight_periods():
    plan = plan_for(LITE, FULL, ONLY_FULL, ceiling_ns=500, rescue_ns=650)
    assert plan.replay[1] * 8 >= MEMORY


def test_never_more_is_replayed_than_there_is_to_replay():
    assert max(plan_for(FULL, FULL, ONLY_FULL, 1e9).replay) == MEMORY
    assert max(plan_for(LITE, FULL, ONLY_FULL, 1e9).replay) == MEMORY


@pytest.mark.parametrize("spare_ns", [50, 100, 150, 220, 300, 400])
def test_replay_is_charged_for_every_call_that_it_takes(spare_ns):
    """Full is heard, lite catches up: 0.2 ns a frame, but 20 ns for each call of at most 64 frames."""
    block = BlockModel("amp", (20.0, 0.0), (0.2, 8.0), (0.0, 40.0), (MEMORY, MEMORY), (0, 1))
    chain = ChainModel((block,), FRAMES, 1000.0)
    ready = ((False, True),)
    plan = spend_spare_time(chain, (1,), (1,), ready, 512 + spare_ns, 512 + spare_ns, ("",))
    if plan.warm == (NOT_WARM,):
        assert spare_ns < 2 * 20 + 0.2 * (FRAMES + FRAMES // 8)
        return
    heard = FRAMES + plan.replay[0]
    assert -(-heard // FRAMES) * 20 + 0.2 * heard <= spare_ns
    more = heard + FRAMES
    assert -(-more // FRAMES) * 20 + 0.2 * more > spare_ns - 20

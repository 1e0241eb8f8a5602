"""By a real clock: the neighbour is bounded, misses are told apart, traces decide again, WAVs are as heard."""

import json
import os
import sys
import time
from pathlib import Path

import numpy as np
import psutil
import pytest
import soundfile

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "bench"))
from recording import compared

from chainrt.benchmarks import (
    chapter,
    chapters,
    clicks,
    instances,
    page,
    playing,
    preventable,
    rack,
    real_clock,
    sounding,
    trials,
    yardstick,
)
from chainrt.benchmarks.contestants import CONTESTANTS, OURS
from chainrt.benchmarks.ink import LIGHT
from chainrt.benchmarks.neighbour import KINDS, Burst, Neighbours, noise_at, schedule
from chainrt.benchmarks.statistics import median_interval
from chainrt.devices.probe import Spent
from chainrt.devices.profile import Jitter
from chainrt.engine import FADE_FRAMES
from chainrt.layout import COLD, DROPPED, PERIOD, PLAYED, SPENT
from chainrt.numeric import FRAMES, PEDALBOARD, numeric_chain
from chainrt.performance import Performance
from chainrt.simulate import simulate
from chainrt.weather import Weather

LENGTH_NS = 1_000_000.0
LEAST_NS = np.array([50_000.0, 100_000.0, 100_000.0])  # a pedal and two amps
FULL_NS = np.array([50_000.0, 400_000.0, 400_000.0])


# -- the neighbour --------------------------------------------------------------------------------------------------


def test_a_schedule_is_seeded_ordered_and_within_the_run():
    bursts = schedule(3, 20.0)
    assert bursts == schedule(3, 20.0) != schedule(4, 20.0)
    edges = [edge for burst in bursts for edge in (burst.begin_s, burst.end_s)]
    assert edges == sorted(edges)
    assert edges[-1] <= 20.0
    assert {burst.kind for burst in bursts} == set(KINDS)
    busy = sum(burst.end_s - burst.begin_s for burst in bursts) / 20.0
    assert 0.2 < busy < 0.6


def test_noise_is_known_at_every_moment():
    bursts = [Burst(0.0, 1.0, KINDS[0]), Burst(2.0, 3.0, KINDS[1])]
    assert noise_at(bursts, np.array([-0.1, 0.0, 0.99, 1.0, 2.5, 3.0])).tolist() == [0, 1, 1, 0, 2, 0]


def is_alive(pid):
    return psutil.pid_exists(pid) and psutil.Process(pid).status() != psutil.STATUS_ZOMBIE


def test_neighbours_work_when_it_is_time_and_end_with_the_run_whatever_happens():
    pids = []
    with pytest.raises(RuntimeError, match="on purpose"):
        be_noisy_until_something_goes_wrong(pids)
    assert len(pids) == 2
    assert not any(map(is_alive, pids))


def be_noisy_until_something_goes_wrong(pids):
    with Neighbours(60.0, 2) as them:
        pids += [process.pid for process in them.processes]
        them.begin([Burst(0.0, 60.0, KINDS[0])])
        end = time.monotonic() + 30
        while sum(psutil.Process(pids[0]).cpu_times()[:2]) < 0.1 and time.monotonic() < end:
            time.sleep(0.02)
        assert all(map(is_alive, pids))
        raise RuntimeError("on purpose")


def test_no_schedule_begins_before_the_last_burst_of_the_one_before_is_over():
    with Neighbours(10.0, 1) as them:
        started = time.monotonic()
        them.begin([Burst(0.0, 0.01, KINDS[1]), Burst(0.1, 0.3, KINDS[1])], 0.1)
        them.begin([])
        assert time.monotonic() >= started + 0.4


def test_a_schedule_for_which_there_is_nobody_left_is_refused():
    with Neighbours(10.0, 1) as them:
        them.processes[0].stdin.close()
        assert them.processes[0].wait(30) == 0
        with pytest.raises(RuntimeError, match="have ended"):
            them.begin([])


@pytest.mark.skipif(not hasattr(os, "sched_getscheduler"), reason="this system has no scheduling classes")
def test_a_neighbour_is_of_ordinary_priority():
    with Neighbours(6.0, 1) as them:
        assert os.sched_getscheduler(them.processes[0].pid) == os.SCHED_OTHER


# -- which misses could have been prevented -------------------------------------------------------------------------


def records(*periods):
    """Periods by hand: (sound per block in us, expected per block in us, late in us, muted (took, expected) in us)."""
    ring, spent = np.zeros(len(periods), PERIOD), np.zeros((len(periods), 3), SPENT)
    for row, (sound, expected, late, muted) in enumerate(periods):
        spent[row]["measured_ns"], spent[row]["expected_ns"] = np.array(sound) * 1e3, np.array(expected) * 1e3
        spent[row]["muted_ns"][2], spent[row]["muted_expected_ns"][2] = muted[0] * 1e3, muted[1] * 1e3
        spent[row]["measured_ns"][2] += muted[0] * 1e3
        spent[row]["expected_ns"][2] += muted[1] * 1e3
        ring[row]["late_ns"], ring[row]["spent_ns"] = late * 1e3, spent[row]["measured_ns"].sum()
        ring[row]["missed"] = ring[row]["late_ns"] + ring[row]["spent_ns"] > LENGTH_NS
    return ring, spent


def kinds(*periods):
    return dict(preventable.kinds(*records(*periods), LEAST_NS, LENGTH_NS))


FULL, LITE, NO_MUTED = (50, 400, 400), (50, 100, 100), (0, 0)


def test_periods_in_time_are_no_misses():
    assert kinds((FULL, FULL, 0, NO_MUTED)) == {}


def test_who_plays_on_at_full_although_it_was_known_to_be_too_slow_could_have_prevented_it():
    slow = tuple(1.3 * us for us in FULL)
    assert kinds((slow, FULL, 0, NO_MUTED)) == {"preventable": 1}


def test_a_single_stall_in_the_last_large_block_could_not_be_prevented():
    assert kinds(((50, 400, 700), FULL, 0, NO_MUTED)) == {"struck": 1}
    assert kinds(((50, 400, 400), FULL, 0, (300, 40))) == {"struck": 1}


def test_a_stall_before_a_block_that_could_still_have_been_smaller_could():
    assert kinds(((350, 400, 400), FULL, 0, NO_MUTED)) == {"preventable": 1}


def test_nor_could_two_of_them():
    assert kinds(((50, 400, 560), FULL, 0, (120, 40))) == {"struck": 1}
    assert kinds(((50, 400, 530), FULL, 0, (120, 100))) == {"preventable": 1}  # only one is a stall, and too short


@pytest.mark.parametrize("times", [1.9, 3.0])
def test_who_plays_on_at_full_after_a_stall_that_left_no_room_for_less_was_struck_all_the_same(times):
    assert kinds((tuple(times * us for us in FULL), FULL, 0, NO_MUTED)) == {"struck": 1}


def test_a_stall_that_leaves_no_room_even_for_the_smallest_could_not_be_prevented_behind_it():
    assert kinds(((50, 1300, 110), FULL, 0, NO_MUTED)) == {"struck": 1}
    assert kinds(((50, 1300, 110), (50, 400, 101), 0, NO_MUTED)) == {"struck": 1}


def test_small_delays_that_add_up_are_no_stall():
    assert kinds(((80, 430, 430), FULL, 80, NO_MUTED)) == {"preventable": 1}


def test_what_begins_too_late_even_for_the_smallest_is_late():
    assert kinds((FULL, FULL, 800, NO_MUTED)) == {"late": 1}


def test_a_late_miss_is_of_the_kind_of_the_one_that_made_it_late():
    slow = tuple(1.3 * us for us in FULL)
    assert kinds((slow, FULL, 0, NO_MUTED), (FULL, FULL, 800, NO_MUTED)) == {"preventable": 2}
    assert kinds(((50, 400, 1400), FULL, 0, NO_MUTED), (FULL, FULL, 850, NO_MUTED)) == {"struck": 2}


def test_unavoidable_misses_are_of_no_kind_and_swallowed_periods_of_that_of_the_one_before():
    ring, spent = records((tuple(1.3 * us for us in FULL), FULL, 0, NO_MUTED), (LITE, LITE, 0, NO_MUTED))
    ring["swallowed"][1] = 2
    assert dict(preventable.kinds(ring, spent, LEAST_NS, LENGTH_NS)) == {"preventable": 3}
    ring["unavoidable"][0] = 1
    assert dict(preventable.kinds(ring, spent, LEAST_NS, LENGTH_NS)) == {}


def test_the_slowdown_that_was_known_is_the_engine_s_own():
    run, chain, _ = simulated("hostile", 2000)
    known = preventable.known_slowdowns(run.spent, chain.deadline_ns)
    last = preventable.known_slowdowns(run.spent[[*range(len(run.spent)), -1]], chain.deadline_ns)[-1]
    assert known[0] == 1.0
    assert last == pytest.approx(float(chain.engine["slowdown"]), rel=1e-12)


def simulated(scenario, periods, policy=OURS):
    chain, model = numeric_chain(PEDALBOARD)
    listener = playing.Listener(chain, model, CONTESTANTS[policy], {})
    weather = Weather(len(PEDALBOARD), chain.deadline_ns / 1e9, (), 1, scenario, periods)
    simulate(chain, listener.control, weather, periods, Performance(chain, np.zeros(FRAMES, np.float32)))
    return listener.run(), chain, model


def test_all_avoidable_misses_of_a_run_have_a_kind():
    run, chain, model = simulated("bursts", 6000, "full")
    found = playing.figures(run, model, 0)
    assert found["avoidable"] == int(chain.engine["misses"] - chain.engine["unavoidable"]) > 0
    assert found["preventable"] > 0
    assert sum(found[kind] for kind in ("preventable", "struck", "late")) == found["avoidable"]


# -- played, recorded, decided again --------------------------------------------------------------------------------


def test_a_trace_alone_is_enough_to_decide_again(tmp_path):
    made = rack.tried(tmp_path, 2)
    chain = made.chain()
    model = made.model(chain)
    told = playing.about(chain, model, OURS, [])
    listener = playing.Listener(chain, model, CONTESTANTS[OURS], told)
    performance = Performance(chain, np.zeros(1000, np.float32))
    for _ in range(40):
        performance.play_paced(5)
        listener.control.tick()
    listener.trace().save(tmp_path / "kept.trace")
    again = playing.replayed(playing.Trace.load(tmp_path / "kept.trace"), CONTESTANTS[OURS])
    assert listener.run().is_same_as(again)
    assert not listener.run().is_same_as(playing.replayed(listener.trace(), CONTESTANTS["lite"]))
    other = playing.on_the_day_of(listener.trace(), CONTESTANTS["lite"])
    assert (other.spent["audible"] == 0).all()
    assert len(other.ring) == 200


def test_the_neighbours_schedule_is_a_simulation_s_load():
    slow = {"quiet": 0.9, "compute": 1.4, "copy": 1.2}
    steps = playing.load_of([Burst(0.5, 0.75, "copy"), Burst(1.0, 2.0, "compute")], slow)
    assert [step.slowdown for step in steps] == [0.9, 1.2, 0.9, 1.4, 0.9]
    assert [step.time_s - playing.SETTLE_SECONDS for step in steps[1:]] == [0.5, 0.75, 1.0, 2.0]


def test_a_rack_is_as_large_as_the_share_wants_and_never_below_two_amps():
    assert rack.wanted(8, 0.2, 0.86) == 34
    assert rack.wanted(8, 8.0, 0.86) == rack.LEAST_AMPS
    assert rack.wanted(8, 0.001, 0.86) == rack.MOST_AMPS


def test_a_table_of_what_was_played_says_what_each_level_took_in_the_chain(tmp_path, monkeypatch):
    def took(chain, guitar, seconds):
        levels = chain.block_records["audible"][: len(chain.blocks)]
        return Spent(np.tile(1e4 * (1 + np.arange(len(levels))) * (1 + levels), (9, 1)), np.ones(9), np.zeros(9))

    made = rack.tried(tmp_path, 2)
    monkeypatch.setattr(rack, "play_stretch", took)
    table = rack.costs_played(made)
    for block, (calls, frames) in enumerate(zip(table.call_ns, table.frame_ns, strict=True)):
        costs = [call + FRAMES * frame for call, frame in zip(calls, frames, strict=True)]
        assert costs == pytest.approx([1e4 * (block + 1) * (level + 1) for level in range(len(calls))])
    assert table.fixed_ns == made.costs.fixed_ns


# -- trials ---------------------------------------------------------------------------------------------------------

SLOW = {"quiet": 1.1, "compute": 1.5, "copy": 1.3}
JITTER = Jitter(0.1, 0.5, 0.05)


def a_trial(seed=0, jitter=JITTER):
    """A trial by the laws: what it shows is known."""
    chain, model = numeric_chain(PEDALBOARD)
    policy = trials.at_half(0, model)
    told = playing.about(chain, model, "trial", trials.BURSTS)
    listener = playing.Listener(chain, model, lambda model, budget: policy, told)
    periods = round((playing.SETTLE_SECONDS + trials.SECONDS) / trials.PERIOD_SECONDS)
    load = playing.load_of(trials.BURSTS, SLOW)
    weather = Weather(len(PEDALBOARD), chain.deadline_ns / 1e9, load, seed, "calm", periods, jitter)
    simulate(chain, listener.control, weather, periods, Performance(chain, np.zeros(FRAMES, np.float32)))
    return trials.heard(listener.run(), listener.trace()), told, listener


def test_two_trials_play_each_amp_once_at_full_and_once_at_its_smallest():
    _, model = numeric_chain(PEDALBOARD)
    plans = [trials.at_half(number, model).first_plan().target for number in (0, 1, 2)]
    assert plans[0] == plans[2]
    for block, levels in zip(model.blocks, zip(*plans[:2], strict=True), strict=True):
        assert set(levels) == {block.smallest, block.largest}


def test_trials_show_how_slow_each_kind_of_noise_is_and_how_periods_jitter():
    found = [a_trial(seed)[0] for seed in range(8)]
    for name, slow in trials.slowdowns(found).items():
        assert slow == pytest.approx(SLOW[name], rel=0.04)
    jitter = trials.jitter(found)
    assert jitter.sd == pytest.approx(JITTER.sd, rel=0.2)
    assert jitter.lasting == pytest.approx(JITTER.lasting, abs=0.2)
    calmer = trials.jitter([a_trial(seed, Jitter(0.03, 0.0))[0] for seed in range(8)])
    assert calmer.sd < 0.06
    assert calmer.lasting < 0.3


def test_a_day_of_trials_has_whole_pieces_of_the_right_noise_each_once_before_any_comes_again():
    trial, told, _ = a_trial()
    bursts = [Burst(0.5, 1.0, "compute"), Burst(1.5, 1.6, "copy")]
    made = trials.day([trial], told, bursts, 3000, seed=1)
    assert len(made.rows) == made.ticks[-1] == 3000
    noise = noise_at(bursts, trials.PERIOD_SECONDS * np.arange(3000) - playing.SETTLE_SECONDS)
    of_kind = [{row.tobytes() for piece in trial if piece.noise == kind for row in piece.rows} for kind in range(3)]
    assert all(row.tobytes() in of_kind[kind] for row, kind in zip(made.rows, noise, strict=True))
    quiet = [row.tobytes() for row in made.rows[noise == 0][: len(of_kind[0])]]
    assert set(quiet) == of_kind[0]
    again = trials.day([trial], told, bursts, 3000, seed=1)
    assert np.array_equal(made.rows, again.rows)
    assert not np.array_equal(made.rows, trials.day([trial], told, bursts, 3000, seed=2).rows)


def test_a_trial_s_own_run_is_what_its_day_predicts():
    trial, told, listener = a_trial()
    policy = trials.at_half(0, numeric_chain(PEDALBOARD)[1])
    run = listener.run()
    made = trials.day([trial], told, trials.BURSTS, len(run.ring), seed=0)
    said = playing.on_the_day_of(made, lambda model, budget: policy)
    first = round(playing.SETTLE_SECONDS / trials.PERIOD_SECONDS)
    for quantile in (0.1, 0.5, 0.9):
        was, then = (
            np.quantile(playing.response_shares(each, 1e9 * trials.PERIOD_SECONDS)[first:], quantile)
            for each in (run, said)
        )
        assert then == pytest.approx(was, rel=0.03)


def test_a_trial_without_one_kind_of_noise_is_none():
    _, _, listener = a_trial()
    run, trace = listener.run(), listener.trace()
    few = round((playing.SETTLE_SECONDS + trials.PIECE_SECONDS) / trials.PERIOD_SECONDS)
    with pytest.raises(ValueError, match="too few periods"):
        trials.heard(playing.Run(run.ring[:few], run.spent[:few], []), trace)


# -- sound ----------------------------------------------------------------------------------------------------------


def test_a_missed_period_is_heard_as_silence_and_nothing_else_is_changed():
    sound = np.ones((4 * 64, 2), np.float32)
    heard = sounding.as_heard(sound, np.array([False, True, False, False]), 64)
    assert not heard[64:128].any()
    assert (heard[:64] == 1).all()
    assert (heard[128:] == 1).all()


def test_the_error_of_half_a_sound_that_is_missing_is_known():
    truth = np.random.default_rng(0).standard_normal(9600)
    heard = truth.copy()
    heard[4800:] = 0
    assert sounding.windows_db(heard, truth, 4800).tolist() == pytest.approx([sounding.EXACT_DB, 0.0], abs=1e-6)
    assert sounding.whole_db(heard, truth) == pytest.approx(-3, abs=0.2)


def test_a_wav_has_the_length_and_the_loudness_of_what_was_heard(tmp_path):
    sound = 0.3 * np.random.default_rng(0).uniform(-1, 1, (4800, 2)).astype(np.float32)
    sounding.write_wav(tmp_path / "files" / "one.wav", sounding.as_heard(sound, np.arange(75) == 10, 64))
    read, rate = soundfile.read(tmp_path / "files" / "one.wav")
    assert read.shape == (4800, 2)
    assert rate == sounding.RATE_HZ
    assert not read[640:704].any()
    assert np.sqrt(np.mean(read[704:] ** 2)) == pytest.approx(np.sqrt(np.mean(sound[704:] ** 2)), rel=1e-3)


def test_a_planted_click_is_heard_and_a_crossfade_of_equal_levels_is_not():
    time_s = np.arange(4096) / clicks.RATE_HZ
    low, other = np.sin(2 * np.pi * 200 * time_s), np.sin(2 * np.pi * 200 * time_s + 0.5)
    joined = {kind: clicks.click_db(make, low, other, 2000) for kind, make in clicks.KINDS.items()}
    assert joined["hard switch, warm"] > -45
    assert joined["planned crossfade"] < -75
    assert joined["dropout of 64"] > -35
    assert clicks.click_db(clicks.KINDS["planned crossfade"], low, low, 2000) == pytest.approx(-120)


def test_changes_are_placed_where_the_engine_begins_them():
    assert sounding.kind_of(PLAYED, False) == sounding.CROSSFADE
    assert sounding.kind_of(PLAYED, True) == sounding.FREE
    assert sounding.kind_of(DROPPED, False) == sounding.BEND
    assert sounding.kind_of(COLD, False) == sounding.FELL_COLD
    assert sounding.place_of(10, sounding.BEND) == 640
    assert sounding.place_of(10, sounding.CROSSFADE) == 640 + 64 - FADE_FRAMES
    assert sounding.begins_of(np.array([1, 1, 0, 1, 0, 0, 1, 1], bool)) == [0, 3, 6]


def test_of_many_changes_some_are_measured_evenly():
    assert sounding.spread(range(1000), 5) == [0, 249, 499, 749, 999]
    assert sounding.spread([], 5) == []


# -- how many -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("edge", [1, 2, 3, 17, 40, 99])
def test_the_search_finds_the_last_number_that_is_kept_and_tries_few(edge):
    def try_(amps):
        bad = amps > edge
        return {"avoidable": 5 * bad, "misses": 5 * bad, "periods": 1000, "has_luck": False}

    tried = instances.search(try_, 2, 128)
    kept = [amps for amps, one in tried.items() if instances.is_kept(one)]
    assert max(kept, default=1) == edge
    assert len(tried) < 25


def test_where_not_even_the_smallest_fit_there_are_too_many():
    assert not instances.is_kept({"avoidable": 0, "misses": 900, "periods": 1000, "has_luck": False})
    assert instances.is_kept({"avoidable": 2, "misses": 2, "periods": 1000, "has_luck": True})
    assert not instances.is_kept({"avoidable": 2, "misses": 2, "periods": 1000, "has_luck": False})


# -- the measuring --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("count", [1, 5, 6, 20, 101])
def test_the_interval_of_a_median_covers_it_as_often_as_it_says(count):
    random = np.random.default_rng(count)
    covered = [
        low <= 0 <= high for _, low, high in (median_interval(random.standard_cauchy(count)) for _ in range(400))
    ]
    assert np.mean(covered) >= (0.93 if count >= 6 else 0)
    assert np.mean(covered) < 1 or count < 20


def synthetic(noise, seed=0):
    random = np.random.default_rng(seed)
    return lambda more: (1 + more / yardstick.CALLS) * float(np.exp(noise * random.standard_normal()))


def test_a_planted_slowdown_of_one_percent_is_noticed_and_none_is_not():
    verdicts = {one.planted: one for one in yardstick.rounds_until_noticed(synthetic(0.03), 300, 1500)}
    assert verdicts[0.01].is_noticed
    assert verdicts[0.01].low < 0.01 < verdicts[0.01].high
    assert not verdicts[0.0].is_noticed


def test_more_pairs_are_measured_while_it_is_not_noticed_but_not_for_ever():
    few = yardstick.rounds_until_noticed(synthetic(0.001), 50, 1000)
    many = yardstick.rounds_until_noticed(synthetic(3.0), 50, 400)
    assert few[0].pairs == 50
    assert many[0].pairs == 400
    assert not next(one for one in many if one.planted == 0.01).is_noticed


def test_the_steps_of_a_clock_are_counted():
    told = yardstick.steps_of(np.cumsum([0] + [0, 20, 20, 30] * 1000))
    assert told["resolution_ns"] == 20
    assert told["still_share"] == 0.25
    assert told["cost_ns"] == 17.5
    assert dict(zip(told["steps_ns"], told["counts"], strict=True)) == {0: 1000, 20: 2000, 30: 1000}


# -- what the chapters tell -----------------------------------------------------------------------------------------


def clock_row(clock, is_same=True):
    """A row of the real clock's chapter made of simulated runs."""
    policies = {}
    for policy in (OURS, "full", real_clock.AGAIN):
        run, _, model = simulated("bursts", 1200, OURS if policy == real_clock.AGAIN else policy)
        counted = playing.figures(run, model, 300)
        said = dict.fromkeys(("real", "laws", "day of trials", "day of adaptive"), counted)
        policies[policy] = said | {"is_same": is_same, "timeline": real_clock._timeline(run, model, schedule(0, 0.6))}
    cell = {"clock": clock, "round": 0, "seconds": 0.6, "who": f"{OURS}; full; {real_clock.AGAIN}"}
    told = {"amps": 4, "full_share": 0.9, "is_real_time": True, "lost": {"lite": "periods were not read in time"}}
    paces = [{"quiet": 1.0}, {"quiet": 1.1}, {"quiet": 1.1}]
    return cell | told | {"policies": policies, "trials": paces, "files": []}


def looks_right(module, rows):
    told = module.tell(json.loads(json.dumps(rows)))
    text = page.markdown(told)
    assert "nan" not in text
    for part in told.parts:
        if isinstance(part, chapter.Picture) and page.can_draw():
            assert page.draw(part, LIGHT)
    return text


def test_the_chapter_of_the_clock_tells_of_replays_misses_and_what_was_not_played():
    failed = {"clock": "jack", "round": 1, "seconds": 0.6, "who": OURS, "failed": "JACK: jackd does not start here"}
    text = looks_right(chapters.load("clock"), [clock_row("timer"), failed])
    assert "All 3 recorded runs were decided again" in text
    assert "jackd does not start here" in text
    assert "periods were not read in time" in text
    assert "off by 0.0 %" in text
    assert "5.0 % in the median and by 10.0 % at most" in text
    assert "How far reality is from itself" in text
    assert "REPLAYS DIFFER" in looks_right(chapters.load("clock"), [clock_row("jack", is_same=False)])


def test_the_chapter_of_what_is_heard_measures_writes_and_tells(tmp_path):
    cell = {"policy": "full", "scenario": "bursts", "seed": 1, "seconds": 1.0}
    row = cell | sounding.measure(cell, tmp_path)
    assert not set(cell) & set(sounding.measure(cell, tmp_path))
    sound, rate = soundfile.read(tmp_path / row["files"][0])
    assert len(sound) == pytest.approx(rate, abs=64)
    assert len(row["error_db"]) == 10
    assert row["files"][0] == "bursts-full.wav"
    assert "full" in looks_right(chapters.load("sound"), [row])


def test_how_many_amps_play_by_the_clock_is_told_with_all_that_a_run_has_shown(tmp_path, monkeypatch):
    monkeypatch.setattr(instances, "MOST_AMPS", 2)
    cell = {"device": instances.CLOCK, "frames": 256, "policy": OURS, "scenario": "calm", "seconds": 0.2, "seed": 0}
    found = instances.measure(cell, tmp_path)
    (tried,) = found["tried"]
    assert found["most"] in (0, 2)
    assert tried["amps"] == 2
    assert tried["periods"] >= 37
    assert 0 <= tried["utility"] <= 1
    assert tried["p99"] > 0


def test_the_chapters_of_amps_and_of_the_measuring_tell(tmp_path):
    cell = {"device": "pi4", "frames": 256, "policy": "full", "scenario": "calm", "seconds": 1, "seed": 0}
    row = cell | instances.measure(cell, tmp_path)
    assert row["most"] in (2, 3)
    assert "3 amps" in looks_right(chapters.load("instances"), [row, row | {"policy": OURS}])
    cells = [{"what": what, "rounds": 1, "most_rounds": 1} for what in ("clock", "meters", "planted")]
    text = looks_right(chapters.load("measuring"), [one | yardstick.measure(one, tmp_path) for one in cells])
    assert "ns a block" in text
    assert "1.0 %" in text


# -- pytest bench/ --------------------------------------------------------------------------------------------------

RECORDED = {
    "machine": "mine",
    "processor": "Some core",
    "date": "2026-01-01",
    "commit": "abc",
    "cases": {"cab": {"us": 2.0, "yardsticks": 0.5, "rival": ""}},
}
NOW = {"cab": {"us": 3.0, "yardsticks": 0.55, "rival": ""}, "new": {"us": 1.0, "yardsticks": 1.0, "rival": "X 2.0"}}


def test_on_the_machine_of_the_record_times_are_compared_and_elsewhere_ratios_only():
    here, there = compared(NOW, RECORDED, "mine"), compared(NOW, RECORDED, "another")
    assert "1.50" in here[2]
    assert "only ratios" in there[0]
    assert "1.10" in there[2]
    assert "1.50" not in there[2]
    assert here[3].endswith("X 2.0")


def test_without_a_record_it_is_said_how_to_make_one():
    assert "--record" in compared(NOW, None, "mine")[0]

"""On the virtual clock: the same arguments give the same answer, and a load step is answered as it should be."""

import io
import json
import os
import subprocess
import sys
from contextlib import suppress
from pathlib import Path

import numpy as np
import pytest
from blockplay import RATE_HZ, board
from hypothesis import given
from hypothesis import strategies as st
from models import tiny_container
from pedalboards import chainrt, pedalboard
from rich.console import Console

from chainrt import devices, preset, report
from chainrt.chain import Chain, CostTable
from chainrt.cli import show
from chainrt.control import Control, chain_model
from chainrt.devices.profile import Jitter
from chainrt.layout import WEATHER_BLOCK, WEATHER_PERIOD
from chainrt.performance import Performance
from chainrt.scheduler import POLICIES
from chainrt.simulate import PERIODS_AT_ONCE, simulate
from chainrt.snapshot import Change
from chainrt.weather import LoadStep, Weather, parse_load

ROOT = Path(__file__).resolve().parents[1]
DUAL_AMP = ROOT / "presets" / "dual_amp.yaml"
FRAMES = 64
PERIOD_S = FRAMES / RATE_HZ
DEADLINE_NS = 1e9 * PERIOD_S
TWO_AMPS = """
    - gate:
    - drive:
    - split:
        lanes: {left: [nam: {model: amp.nam, priority: 2}], right: [nam: {model: amp.nam}]}
        mix: {left: {pan: -45 %}, right: {pan: 45 %}}
    - cab: {ir: cab.wav}
"""
AMP = {"amp": tiny_container(taps=(3, 2, 5), dilations=(1, 500, 1400))}  # 6,106 frames of memory, as an A2 has
SHARES = ((0.02,), (0.02,), (0.07, 0.28), (0.07, 0.28), (0.04,))  # of the deadline
STEP = parse_load("0:1.0,2:1.6,4:1.0")


def costs():
    shares = [tuple(share * DEADLINE_NS / FRAMES for share in levels) for levels in SHARES]
    return CostTable(tuple((0.0,) * len(levels) for levels in shares), tuple(shares), 0.0)


class Recording:
    """A policy that remembers what it saw and what it said."""

    def __init__(self, policy):
        self.policy, self.log, self.reflex = policy, [], policy.reflex

    def first_plan(self):
        return self.policy.first_plan()

    def decide(self, time_s, seen):
        plan = self.policy.decide(time_s, seen)
        self.log.append((time_s, seen, plan))
        return plan


class Run:
    def __init__(self, board_, table=None, load=(), seed=0, periods=1500, is_silent=True, budget=0.7, name="adaptive"):
        self.chain = Chain(board_, RATE_HZ, FRAMES)
        table = table(self.chain) if callable(table) else table or costs()
        self.chain.set_costs(table)
        fidelity = [
            [60.0 * (n + 1) / len(block.levels) for n in range(len(block.levels))] for block in self.chain.blocks
        ]
        self.model = chain_model(self.chain, table, fidelity)
        self.policy = Recording(POLICIES[name](self.model, budget))
        self.control = Control(self.chain, self.policy)
        self.told = []
        signal = (0.3 * np.random.default_rng(1).uniform(-1, 1, 5000)).astype(np.float32)
        self.performance = Performance(self.chain, signal, 0 if is_silent else periods * FRAMES)
        self.chain.engine["silent"] = int(is_silent)
        weather = Weather(len(self.chain.blocks), PERIOD_S, load, seed)
        simulate(self.chain, self.control, weather, periods, self.performance, lambda *news: self.told.append(news))
        self.ring = self.chain.ring[:periods]
        self.spent = self.chain.spent[:periods, : len(self.chain.blocks)]
        self.report = report.summary(
            self.chain, self.control, self.model, clock="virtual", device="test", budget=budget, seed=seed
        )

    def ledger(self):
        """All that was decided and counted, as bytes and text."""
        plans = [(time_s, plan) for time_s, _, plan in self.policy.log]
        return self.ring.tobytes(), self.spent.tobytes(), repr(plans), json.dumps(self.report)


@pytest.fixture(scope="module")
def two_amps(tmp_path_factory):
    return board(tmp_path_factory.mktemp("board"), TWO_AMPS, **AMP)


# -- always the same --------------------------------------------------------------------------------------------


def test_the_same_arguments_give_the_same_answer_bit_for_bit(two_amps):
    load = parse_load("0:1,0.5:1.6,1:1")
    first, second = (Run(two_amps, load=load, seed=5) for _ in range(2))
    assert first.report == second.report
    assert first.ledger() == second.ledger()
    assert first.report["level_changes"] > 0


def test_with_or_without_sound_all_is_decided_and_counted_the_same(two_amps):
    load = parse_load("0:1,0.3:1.6,0.8:1")
    silent, sounding = (Run(two_amps, load=load, seed=2, is_silent=is_silent) for is_silent in (True, False))
    assert silent.ledger() == sounding.ledger()
    assert silent.report["level_changes"] > 0
    assert np.ptp(sounding.performance.output) > 0.01


def test_another_seed_is_another_day(two_amps):
    first, second = (Run(two_amps, seed=seed, periods=300) for seed in (0, 1))
    assert first.report["load"] != second.report["load"]
    assert first.ring.tobytes() != second.ring.tobytes()


def test_a_longer_run_begins_as_the_shorter_one(two_amps):
    short, long = (
        Run(two_amps, load=parse_load("0.2:1.6"), periods=periods) for periods in (400, PERIODS_AT_ONCE + 400)
    )
    assert long.ring[:400].tobytes() == short.ring.tobytes()
    assert long.spent[:400].tobytes() == short.spent.tobytes()
    assert long.chain.engine["periods"] == PERIODS_AT_ONCE + 400


def test_two_processes_give_the_same_answer(two_amps, tmp_path):
    """By the command line, with other hash seeds, and with and without keeping the sound."""
    command = [sys.executable, "-m", "chainrt", "run", str(two_amps.path), "--simulate", "--json", "-"]
    command += ["--load", "0:1,0.4:14,1:1", "--periods", "1200", "--seed", "3"]
    answers = []
    for hash_seed, more in (("1", []), ("2", ["--output", str(tmp_path / "out.wav")])):
        environment = {**os.environ, "PYTHONHASHSEED": hash_seed, "PYTHONPATH": str(ROOT)}
        done = subprocess.run(command + more, env=environment, capture_output=True, text=True, check=True)
        answers.append(done.stdout)
    assert answers[0] == answers[1]
    answer = json.loads(answers[0])
    assert (answer["periods"], answer["seed"], answer["clock"]) == (1200, 3, "virtual")
    assert answer["level_changes"] > 0


def test_what_was_seen_once_is_decided_again_in_the_same_way(two_amps):
    run = Run(two_amps, load=STEP, periods=4500)
    fresh = POLICIES["adaptive"](run.model, 0.7)
    fresh.first_plan()
    plans = [plan for _, _, plan in run.policy.log if plan]
    again = [fresh.decide(time_s, seen) for time_s, seen, _ in run.policy.log]
    assert again == [plan for _, _, plan in run.policy.log]
    assert [plan.reason for plan in again if plan] == [plan.reason for plan in plans]
    assert len(plans) > 4


# -- a load step ------------------------------------------------------------------------------------------------


def check_step(run):
    """Much slower from 2 s to 4 s: down within 30 ms, back within 1.5 s, and misses only just behind the step."""
    audible = run.spent["audible"]
    begin, end = round(2 / PERIOD_S), round(4 / PERIOD_S)
    full = audible[0].tolist()
    assert full == [len(block.levels) - 1 for block in run.chain.blocks]
    assert (audible[:begin] == full).all()
    changes = run.report["blocks"]
    times = [change["t"] for block in changes for change in block["changes"]]
    assert 2 < min(times) <= 2.030
    down = begin + round(0.030 / PERIOD_S)
    assert (audible[down:end] != full).any(axis=1).all()
    assert (audible[round(5.7 / PERIOD_S) :] == full).all()
    missed = np.flatnonzero(run.ring["missed"])
    assert all(begin <= period < begin + 20 for period in missed), missed
    assert run.report["misses"] == len(missed)
    assert run.report["unavoidable_misses"] == 0
    falls = [change for block in changes for change in block["changes"] if change["t"] <= 2.020]
    reasons = "% of budget", "no time left in this period", "no room to warm up", "back as planned"
    assert all(any(reason in change["reason"] for reason in reasons) for change in falls), falls


@pytest.mark.parametrize("seed", range(4))
def test_a_load_step_is_answered_within_30_ms_and_forgotten_within_a_second_and_a_half(two_amps, seed):
    check_step(Run(two_amps, load=STEP, seed=seed, periods=4500))


@pytest.mark.parametrize("seed", [0, 1, 11, 12])
def test_the_preset_in_the_box_bears_the_step_too(seed):
    if not DUAL_AMP.is_file():
        pytest.skip("presets/dual_amp.yaml is not there")
    run = Run(
        preset.load(DUAL_AMP),
        table=devices.load("pi4").costs,
        load=parse_load("0:1,2:1.7,4:1"),
        seed=seed,
        periods=4500,
    )
    check_step(run)


def test_the_same_step_without_a_scheduler_is_missed_from_beginning_to_end(two_amps):
    """So it is the scheduler, and not a soft simulation, that bears the step."""
    full = Run(two_amps, load=STEP, periods=4500, name="full")
    lite = Run(two_amps, load=STEP, periods=4500, name="lite")
    assert full.report["misses"] > 1400
    assert lite.report["misses"] == 0
    assert full.report["utility"] == 1
    assert lite.report["utility"] == 0
    assert 0.5 < Run(two_amps, load=STEP, periods=4500).report["utility"] < 1


def test_a_load_that_nothing_survives_is_counted_as_unavoidable(two_amps):
    run = Run(two_amps, load=parse_load("0.5:6"), periods=1500)
    missed, unavoidable = run.ring["missed"] == 1, run.ring["unavoidable"] == 1
    begin = round(0.5 / PERIOD_S)
    assert not missed[:begin].any()
    assert unavoidable[begin + 20 :].all()
    assert run.report["unavoidable_misses"] == unavoidable.sum()
    assert run.report["longest_miss_run"] >= missed[begin + 20 :].sum() > 1000
    reasons = [reason for _, _, plan in run.policy.log if plan for reason in plan.reason]
    assert any("even all-lite needs" in reason for reason in reasons)


# -- what is told -----------------------------------------------------------------------------------------------


def test_every_tick_is_told_with_the_changes_since_the_last(two_amps):
    run = Run(two_amps, load=parse_load("0.3:1.6"), periods=1003)
    done, totals, changes = zip(*run.told, strict=True)
    assert done[-1] == 1003
    assert set(totals) == {1003}
    steps = np.diff([0, *done])
    assert set(steps[:-1]) <= {7, 8}  # 10 ms are 7.5 periods
    assert [change for some in changes for change in some] == run.control.meters.changes
    for count, some in zip(done, changes, strict=True):
        assert all((count - 8) * PERIOD_S < change.time_s <= count * PERIOD_S + 1e-9 for change in some)


def test_the_report_has_exactly_the_keys_that_scripts_rely_on(two_amps):
    answer = Run(two_amps, load=parse_load("0.3:1.6"), periods=900, seed=7).report
    assert json.loads(json.dumps(answer)) == answer
    assert list(answer) == [
        "preset",
        "clock",
        "device",
        "rate",
        "period",
        "deadline_us",
        "budget",
        "periods",
        "misses",
        "unavoidable_misses",
        "longest_miss_run",
        "lost_periods",
        "latency_frames",
        "latency_ms",
        "load",
        "utility",
        "level_changes",
        "seed",
        "blocks",
    ]
    assert list(answer["load"]) == ["mean", "p50", "p99", "max"]
    for block in answer["blocks"]:
        assert list(block) == [
            "id",
            "kind",
            "latency_frames",
            "latency_ms",
            "levels",
            "level",
            "level_share",
            "cost_us",
            "changes",
        ]
        assert list(block["cost_us"]) == ["mean", "p99"]
        assert list(block["level_share"]) == block["levels"]
        assert block["level"] in block["levels"]
        assert sum(block["level_share"].values()) == pytest.approx(1, abs=1e-5)
        for change in block["changes"]:
            assert list(change) == ["t", "from", "to", "reason"]
            assert {change["from"], change["to"]} <= set(block["levels"])


def test_the_figures_of_the_report_are_those_of_the_records(two_amps):
    run = Run(two_amps, load=parse_load("0.3:1.6,0.8:1"), periods=3000, seed=7)
    answer, loads = run.report, run.ring["spent_ns"] / DEADLINE_NS
    assert (answer["rate"], answer["period"], answer["deadline_us"]) == (48000, 64, 1333.333)
    assert (answer["budget"], answer["periods"], answer["seed"]) == (0.7, 3000, 7)
    assert answer["load"]["mean"] == pytest.approx(loads.mean(), abs=1e-6)
    assert answer["load"]["max"] == pytest.approx(loads.max(), abs=1e-6)
    for key, share in (("p50", 0.5), ("p99", 0.99)):
        assert answer["load"][key] == pytest.approx(np.quantile(loads, share), rel=0.011)
    assert answer["level_changes"] == sum(len(block["changes"]) for block in answer["blocks"])
    audible = run.spent["audible"]
    gains = []
    for index, block in enumerate(answer["blocks"]):
        shares = np.bincount(audible[:, index], minlength=len(block["levels"])) / 3000
        assert list(block["level_share"].values()) == pytest.approx(shares, abs=1e-6)
        assert block["cost_us"]["mean"] == pytest.approx(run.spent["measured_ns"][:, index].mean() / 1e3, abs=1e-3)
        assert block["level"] == block["levels"][audible[-1, index]]
        heard = [
            before for before, after in zip(audible[:, index], audible[1:, index], strict=False) if before != after
        ]
        assert [block["levels"].index(change["from"]) for change in block["changes"]] == heard
        gains.append(shares[-1])
    assert answer["utility"] == pytest.approx((2 * gains[2] + gains[3]) / 3, abs=1e-5)  # the left amp counts twice


def test_a_chain_of_which_everything_is_switched_off_is_simulated_too(tmp_path):
    run = Run(board(tmp_path, "- drive: {enabled: false}"), CostTable((), (), 1e5), periods=100)
    assert (run.report["periods"], run.report["misses"], run.report["blocks"]) == (100, 0, [])
    assert run.report["load"]["mean"] == pytest.approx(1e5 / DEADLINE_NS, rel=0.05)


# -- the weather ------------------------------------------------------------------------------------------------


def weather_of(periods, blocks=2, load=(), seed=0):
    return Weather(blocks, PERIOD_S, load, seed).rows(periods)


def test_the_machine_wanders_slowly_as_the_law_says():
    """An AR(1) process with 0.97 and innovations of 0.004 has sd 0.004 / sqrt(1 - 0.97 ** 2) = 0.01645."""
    wander = np.log(weather_of(400_000)[1000:, 0])
    assert wander.mean() == pytest.approx(0, abs=0.0015)
    assert wander.std() == pytest.approx(0.01645, rel=0.03)
    for lag, expected in ((1, 0.97), (10, 0.97**10), (100, 0.97**100)):
        assert np.corrcoef(wander[:-lag], wander[lag:])[0, 1] == pytest.approx(expected, abs=0.015), lag
    innovations = wander[1:] - 0.97 * wander[:-1]
    assert innovations.std() == pytest.approx(0.004, rel=0.01)
    assert abs(np.corrcoef(innovations[:-1], innovations[1:])[0, 1]) < 0.01


def test_the_wander_goes_on_where_the_last_rows_ended():
    weather = Weather(2, PERIOD_S, (), 3)
    wander = np.log(np.concatenate([weather.rows(count)[:, 0] for count in [1, 2, 700, *[50] * 400]]))
    innovations = wander[1:] - 0.97 * wander[:-1]
    edges = np.arange(702, len(innovations), 50)
    assert np.abs(innovations).max() < 0.004 * 5
    assert innovations[edges].std() == pytest.approx(0.004, rel=0.15)
    assert innovations.std() == pytest.approx(0.004, rel=0.02)


def test_waking_up_takes_4_us_and_6_more_on_average_but_never_more_than_64():
    wake = weather_of(400_000)[:, 1]
    assert wake.min() >= 4e3
    assert wake.max() <= 64e3
    assert wake.mean() == pytest.approx(10e3, rel=0.01)
    assert np.median(wake) == pytest.approx(4e3 + 6e3 * np.log(2), rel=0.01)
    assert np.mean(wake > 22e3) == pytest.approx(np.exp(-3), rel=0.05)


def test_every_block_jitters_on_its_own_by_two_percent():
    rows = weather_of(200_000, blocks=3)
    jitter = np.log(rows[:, WEATHER_PERIOD::WEATHER_BLOCK] / rows[:, :1])
    assert jitter.mean(axis=0) == pytest.approx([0] * 3, abs=2e-4)
    assert jitter.std(axis=0) == pytest.approx([0.02] * 3, rel=0.01)
    assert np.abs(np.corrcoef(jitter.T) - np.eye(3)).max() < 0.01
    assert abs(np.corrcoef(jitter[1:, 0], jitter[:-1, 0])[0, 1]) < 0.01


@pytest.mark.parametrize("sd", [0.0619, 0.15])
def test_a_device_brings_its_own_jitter_one_factor_a_period_and_all_else_stays_as_it_is(sd):
    own = weather_of(100_000, blocks=3)
    rows = Weather(3, PERIOD_S, (), 0, jitter=Jitter(sd)).rows(100_000)
    factor = rows[:, WEATHER_PERIOD::WEATHER_BLOCK]
    assert (factor == factor[:, :1]).all()
    assert np.log(factor[:, 0]).std() == pytest.approx(sd, rel=0.02)
    assert factor[:, 0].mean() == pytest.approx(1, abs=0.005)
    assert np.quantile(factor[:, 0], 0.99) == pytest.approx(np.exp(2.326 * sd - sd**2 / 2), rel=0.01)
    stays = [0, 1, 2, *range(WEATHER_PERIOD + 1, rows.shape[1], WEATHER_BLOCK)]
    assert (rows[:, stays] == own[:, stays]).all()


@pytest.mark.parametrize("lasting", [0.3, 0.7, 1.0])
def test_what_lasts_of_a_jitter_is_as_large_and_as_long_as_was_asked_and_both_cores_share_it(lasting):
    sd, lasts_s, periods = 0.3, 0.02, 200_000
    rows, other = Weather(2, PERIOD_S, (), 0, jitter=Jitter(sd, lasting, lasts_s)).on_two_cores(periods)
    assert np.array_equal(rows[:, 0], other[:, 0])
    for one in (rows, other):
        logs = np.log(one[:, WEATHER_PERIOD])
        assert logs.std() == pytest.approx(sd, rel=0.02)
        assert np.exp(logs).mean() == pytest.approx(1, abs=0.01)
        logs -= logs.mean()
        for apart in (1, 10):
            common = (logs[apart:] * logs[:-apart]).mean() / sd**2
            assert common == pytest.approx(lasting * np.exp(-apart * PERIOD_S / lasts_s), abs=0.03)


def test_what_lasts_of_a_jitter_goes_on_from_one_stretch_of_rows_to_the_next():
    weather = Weather(2, PERIOD_S, (), 0, jitter=Jitter(0.3, 1.0, 1.0))
    steps = np.diff(np.log([weather.rows(1)[0, 0] for _ in range(500)]))
    assert np.abs(steps).max() < 0.1


def test_a_device_that_jitters_less_than_the_wander_has_the_wander_alone():
    rows = Weather(2, PERIOD_S, (), 0, jitter=Jitter(0.01)).rows(1000)
    assert (rows[:, WEATHER_PERIOD] == rows[:, 0]).all()


def test_a_stall_strikes_a_block_in_one_of_50000_periods():
    weather = Weather(64, PERIOD_S, (), 4)
    struck = [np.mean(weather.rows(PERIODS_AT_ONCE)[:, WEATHER_PERIOD + 1 :: WEATHER_BLOCK] > 0) for _ in range(60)]
    assert np.mean(struck) == pytest.approx(2e-5, rel=0.2)


def test_stalls_are_long_tailed(monkeypatch):
    """Pareto of shape 1.3 from 40 us: half of them above 68 us, one in twenty above 400 us, cut at 3 ms."""
    monkeypatch.setattr("chainrt.weather.STALL_PROBABILITY", 0.5)
    drawn = Weather(64, PERIOD_S, (), 4).rows(PERIODS_AT_ONCE)[:, WEATHER_PERIOD + 1 :: WEATHER_BLOCK]
    stalls = drawn[drawn > 0]
    assert len(stalls) / drawn.size == pytest.approx(0.5, rel=0.01)
    assert stalls.min() >= 40e3
    assert stalls.max() == 3e6
    for factor in (2, 5, 10, 50):
        assert np.mean(stalls > factor * 40e3) == pytest.approx(factor**-1.3, rel=0.05)


def test_a_load_is_a_factor_from_its_period_on():
    load = (LoadStep(0.0, 1.0), LoadStep(2.0, 1.6), LoadStep(4.0, 0.5))
    ratio = weather_of(4500, load=load)[:, 0] / weather_of(4500)[:, 0]
    assert ratio[:1500] == pytest.approx(1.0)
    assert ratio[1500:3000] == pytest.approx(1.6)
    assert ratio[3000:] == pytest.approx(0.5)
    later = weather_of(4500, load=(LoadStep(1.0, 3.0),))[:, 0] / weather_of(4500)[:, 0]
    assert later[:750] == pytest.approx(1.0)
    assert later[750:] == pytest.approx(3.0)


def test_a_load_goes_on_from_one_stretch_of_rows_to_the_next():
    with_load, without = Weather(2, PERIOD_S, (LoadStep(2.0, 1.6),), 0), Weather(2, PERIOD_S, (), 0)
    ratio = np.concatenate([with_load.rows(400)[:, 0] / without.rows(400)[:, 0] for _ in range(5)])
    assert ratio[:1500] == pytest.approx(1.0)
    assert ratio[1500:] == pytest.approx(1.6)


# -- the load on the command line -------------------------------------------------------------------------------


def test_a_load_is_read_as_it_is_written():
    assert parse_load("0:1.0, 2:1.6,4.5:1") == (LoadStep(0, 1), LoadStep(2, 1.6), LoadStep(4.5, 1))
    assert parse_load(" 3 : 2e0 ") == (LoadStep(3, 2),)


steps = st.lists(st.tuples(st.floats(0, 1e6), st.floats(0.01, 100)), min_size=1, max_size=5, unique_by=lambda s: s[0])


@given(steps)
def test_whatever_load_makes_sense_can_be_written(pairs):
    pairs = sorted(pairs)
    assert parse_load(",".join(f"{t!r}:{f!r}" for t, f in pairs)) == tuple(LoadStep(t, f) for t, f in pairs)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "'' is not seconds:slowdown, as in 0:1.0,2:1.6,4:1.0"),
        ("1.6", "'1.6' is not seconds:slowdown"),
        ("0:1.0,", "'' is not seconds:slowdown"),
        ("0:1:2", "'0:1:2' is not seconds:slowdown"),
        ("0:fast", "'0:fast' is not seconds:slowdown"),
        ("-1:1", "'-1:1': seconds must be 0 or more"),
        ("nan:1", "'nan:1': seconds must be 0 or more"),
        ("inf:1", "'inf:1': seconds must be 0 or more"),
        ("0:0", "'0:0': the slowdown must be between 0.01 and 100"),
        ("0:nan", "'0:nan': the slowdown must be between 0.01 and 100"),
        ("0:-1", "'0:-1': the slowdown must be between 0.01 and 100"),
        ("0:1000", "'0:1000': the slowdown must be between 0.01 and 100"),
        ("0:1,0:2", "'0:2': seconds must rise from step to step"),
        ("2:1, 1:2", "'1:2': seconds must rise from step to step"),
    ],
)
def test_a_load_that_makes_no_sense_is_told_with_what_is_wrong(text, message):
    with pytest.raises(ValueError) as caught:  # noqa: PT011 - the text is what is tested
        parse_load(text)
    assert message in str(caught.value)


@given(st.text(alphabet="0123456789.:,-+e naif", max_size=20))
def test_any_text_is_a_load_or_a_fault(text):
    with suppress(ValueError):
        assert parse_load(text)


# -- what a long one prints -----------------------------------------------------------------------------------------


def told(changes) -> list[str]:
    """What is printed of changes that come three at a tick."""
    out = Console(file=io.StringIO(), width=200)
    in_short = show.ChangesInShort(out)
    for start in range(0, len(changes), 3):
        in_short.add(changes[start : start + 3])
    in_short.end()
    return out.file.getvalue().splitlines()


def up_and_down(number):
    levels = ("full", "lite")
    return [Change(i, "amp", levels[i % 2], levels[1 - i % 2], "because") for i in range(number)]


@pytest.mark.parametrize("number", [0, 1, 10, 12, 15])
def test_a_few_changes_are_told_one_by_one(number):
    assert [line.split("@")[1] for line in told(up_and_down(number))] == [f"{i}.00 s, because" for i in range(number)]


def test_of_many_changes_the_first_and_the_last_are_told_and_the_others_are_counted():
    lines = told(up_and_down(3010))
    assert lines[9].endswith("@9.00 s, because")
    assert lines[10:13] == [
        "  ... 2,995 more changes:",
        "      amp: full -> lite 1,498 times, lite -> full 1,497 times",
        "  ... and the last:",
    ]
    assert [line.split("@")[1] for line in lines[13:]] == [f"{i}.00 s, because" for i in range(3005, 3010)]


def test_a_device_is_used_as_far_as_its_profile_says_unless_a_budget_is_given(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(pedalboard(tmp_path))
    for options, budget in (((), 0.85), (("--budget", "50%"), 0.5)):
        chainrt(capsys, "run", "preset.yaml", "--device", "pi4", "--periods", "10", "--json", "run.json", *options)
        assert json.loads((tmp_path / "run.json").read_text())["budget"] == budget

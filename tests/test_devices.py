"""Profiles: every figure with its source, laws that do what they say, published counts, and all faults of a file."""

import math
import shutil
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import yaml
from blockplay import RATE_HZ, board
from hypothesis import given
from hypothesis import strategies as st
from models import saved, tiny_container, tiny_convnet, tiny_linear, tiny_lstm, tiny_sliced
from pedalboards import chainrt
from wavenets import layer_array, wavenet_of

from chainrt import devices, typical
from chainrt.block import BLOCKS, Level, Settings
from chainrt.chain import Chain
from chainrt.compiled.native import SOURCES
from chainrt.devices import here, measuring, probe, reading
from chainrt.devices.profile import BASES, NORMAL_P99, OWN_CORES, Device, Figure, Point, first_of
from chainrt.errors import DeviceError
from chainrt.fit import Bench, FitBlock, FitLevel
from chainrt.nam import architectures, levels
from chainrt.places import PACKAGE
from chainrt.preset import load as load_preset
from chainrt.vocabulary import FAMILIES, NETWORKS, kinds

A2_LITE, A2_FULL = (Level(name, work, 6347, tuple, family="a2") for name, work in (("lite", 1731), ("full", 11776)))
EFFECT = Level("full", 20, 0, tuple)
PROFILES = devices.names()
WANTED = ["daisy-seed", "teensy41", "rp2350", "esp32s3", "rk3588", "pi5", "pi4", "m1", "m2", "two-rows", "zen3"]


def made_up(prices, base=None, reference=None, **changes) -> Device:
    values = {name: allowed.low for name, allowed in reading.FIGURES.items()} | {"p99_deviations": NORMAL_P99}
    values |= {"period_frames": 64, "extra_frames_per_call": 0.0, "p99_over_mean": 1.0} | changes
    figures = {name: Figure(value, "published", "a book") for name, value in values.items()}
    figure = reference and Figure(reference, "published", "a book")
    return Device("made-up", "Made up", "no core", "share one core", figures, prices, "", base, figure)


def network(*points, basis="published"):
    return {"a2": tuple(Point(value, basis, "a book", work=work) for work, value in points)}


# -- the box --------------------------------------------------------------------------------------------------------


def test_all_promised_devices_are_in_the_box():
    assert sorted(WANTED) == PROFILES


@pytest.mark.parametrize("name", PROFILES)
def test_every_figure_of_every_profile_has_a_basis_and_a_source(name):
    device = devices.load(name)
    assert device.name == name
    figures = list(device._all_figures())
    assert len(figures) > len(reading.FIGURES) - 1
    assert all(figure.basis in BASES and len(figure.source) > 5 for figure in figures)
    assert set(device.figures) == set(reading.FIGURES)


@pytest.mark.parametrize("name", PROFILES)
def test_every_kind_of_block_has_a_cost_on_every_device_and_what_is_scaled_is_never_surer_than_derived(name):
    device = devices.load(name)
    for kind in BLOCKS:
        for family in FAMILIES:
            cost = device.cost(kind, Level("full", 500, 0, tuple, family=family))
            assert cost.frame_ns > 0
            assert cost.call_ns >= 0
            if device.scaled_from and family not in device.prices:
                assert BASES.index(cost.basis) >= BASES.index("derived")


@pytest.mark.parametrize(
    ("name", "lite_percent", "full_percent", "frames"),
    [
        ("daisy-seed", 41, 190, 48),
        ("teensy41", 50, 152, 48),
        ("rp2350", 73, None, 48),
        ("rk3588", 2.7, 13.2, 48),
        ("pi5", 2.56, 10.7, 64),
        ("pi4", None, 28, 64),
        ("m2", 0.515, 3.69, 64),
    ],
)
def test_published_shares_of_a_core_come_out_of_the_profiles(name, lite_percent, full_percent, frames):
    device = devices.load(name)
    for level, percent in ((A2_LITE, lite_percent), (A2_FULL, full_percent)):
        if percent is not None:
            share = device.cost("nam", level).of(frames) / (frames * 1e9 / 48_000)
            assert 100 * share == pytest.approx(percent, rel=0.015)


@pytest.mark.parametrize(("name", "penalty", "level"), [("daisy-seed", 1.08, A2_LITE), ("rk3588", 1.09, A2_FULL)])
def test_a_small_period_costs_as_much_more_a_frame_as_published(name, penalty, level):
    cost = devices.load(name).cost("nam", level)
    assert (cost.of(16) / 16) / (cost.of(48) / 48) == pytest.approx(penalty, abs=0.005)


@pytest.mark.parametrize(("name", "instances"), [("pi4", 3), ("pi5", 7), ("daisy-seed", 0)])
def test_the_published_number_of_full_a2_amps_fits(name, instances):
    device = devices.load(name)
    room = device["usable_share"] * 64e9 / 48_000 - device["ns_per_period"]
    assert int(room / device.cost("nam", A2_FULL).of(64)) == instances


def test_the_published_sum_of_a_whole_chain_comes_out_though_its_effects_are_scaled():
    """dashersw/coyopedal: A2 Full, gate, compressor, modulation, drive, delay, reverb: 91 and 94 % of two cores."""
    device = devices.load("esp32s3")
    effects = dict.fromkeys(("gate", "compressor", "chorus", "drive", "delay"), EFFECT)
    reverb = Level("full", 296, 0, tuple)
    costs = [device.cost(kind, level) for kind, level in (effects | {"reverb": reverb, "nam": A2_FULL}).items()]
    assert sum(cost.of(64) for cost in costs) * 48_000 / 64e9 == pytest.approx(0.925, abs=0.04)


def test_the_two_row_unit_gives_each_lane_a_core_and_charges_bypassed_blocks():
    unit = devices.load("two-rows")
    assert (unit.lanes, unit.cores_for_lanes, unit["bypassed_share"]) == (OWN_CORES, 2, 1)
    assert devices.load("pi4").cores_for_lanes == 1


# -- the laws -------------------------------------------------------------------------------------------------------


def test_between_two_points_costs_lie_on_a_line_and_beyond_them_too_but_never_below_nothing():
    device = made_up(network((1000, 100), (3000, 500), (4000, 550)))
    for work, expected in ((1000, 100), (2000, 300), (3000, 500), (3500, 525), (6000, 650), (100, 0)):
        assert device.cost("nam", Level("full", work, 0, tuple, family="a2")).frame_ns == pytest.approx(expected)


def test_one_point_alone_is_a_cost_in_proportion():
    assert made_up(network((1000, 100))).cost("nam", A2_FULL).frame_ns == pytest.approx(1177.6)


def test_what_lies_between_published_points_is_derived_and_what_lies_on_one_is_as_sure_as_that():
    device = made_up(network((1731, 100), (11776, 500)))
    assert device.cost("nam", A2_FULL).basis == "published"
    assert device.cost("nam", Level("ch6", 6000, 0, tuple, family="a2")).basis == "derived"


def amp(family, work=1731) -> Level:
    return Level("full", work, 6347, tuple, family=family)


def test_amps_of_other_families_stand_to_an_a2_as_on_the_profile_they_are_scaled_from():
    """Whatever the engine: here an A2 Full takes 20 times as long as there, and everything else 3 times."""
    there = {name: (Point(7, "measured", "here", work=20),) for name in ("effect", "convolution")}
    lines = {family: (Point(100 + number, "measured", "here", work=1731),) for number, family in enumerate(NETWORKS)}
    base = made_up(there | lines, reference=1000)
    full = base.cost("nam", A2_FULL).of(1)
    device = made_up(network((11776, 20 * full)), base, reference=3000)
    for family in NETWORKS[1:]:
        cost = device.cost("nam", amp(family))
        assert cost.of(1) == pytest.approx(20 * base.cost("nam", amp(family)).of(1))
        assert cost.basis == "derived"
    assert device.cost("gate", EFFECT).of(1) == pytest.approx(21)
    bare = made_up({}, base, reference=3000)
    assert bare.cost("nam", amp("lstm")).of(1) == pytest.approx(3 * base.cost("nam", amp("lstm")).of(1))


def test_a_profile_from_before_amps_had_families_prices_all_as_an_a2_and_says_that_this_is_an_estimate(tmp_path):
    prices = {name: (Point(7, "measured", "here", work=20),) for name in ("effect", "convolution")}
    device = made_up(prices | network((1731, 300), (11776, 900), basis="measured"), first_a2_ns=5_000)
    text = devices.write(device).replace("\n  a2:", "\n  network:").replace("first_a2_ns", "first_network_ns")
    lines = [line for line in text.splitlines() if not line.startswith("  first_") or "network" in line]
    (tmp_path / "old.yaml").write_text("\n".join(lines), "utf-8")
    old = devices.read_file(tmp_path / "old.yaml")
    assert old.cost("nam", A2_LITE) == device.cost("nam", A2_LITE)
    for family in NETWORKS[1:]:
        assert old.cost("nam", amp(family)) == device.cost("nam", A2_LITE)._replace(basis="estimated")
        assert old.fixed_ns({family}) == device.fixed_ns({"a2"}) == device["ns_per_period"] + 5_000
        assert f"cost of {family}" in old.figures_by_basis()["estimated"]


@pytest.mark.parametrize("name", PROFILES)
def test_every_profile_prices_every_family_of_amps_and_a_dearer_network_dearer(name):
    device = devices.load(name)
    for family in NETWORKS:
        costs = [device.cost("nam", amp(family, work)).of(64) for work in (300, 1200, 12_000)]
        assert 0 < costs[0] < costs[1] < costs[2], family


@given(st.floats(0, 200), st.floats(1, 1e5), st.integers(1, 4096))
def test_the_cost_of_a_period_is_that_of_so_many_frames_and_the_extra_ones(extra, value, frames):
    device = made_up({"drive": (Point(value, "measured", "here", extra_frames=extra),)})
    cost = device.cost("drive", EFFECT)
    assert cost.of(64) == pytest.approx(64 * value)
    assert cost.of(frames) == pytest.approx(64 * value * (frames + extra) / (64 + extra))


def test_a_kind_goes_before_its_family_and_both_before_the_other_profile():
    base = made_up({name: (Point(7, "measured", "here", work=20),) for name in FAMILIES}, reference=100)
    own = made_up({"drive": (Point(1, "published", "a book"),)}, base, 1000)
    family = made_up({"effect": (Point(2, "published", "a book", work=20),)}, base, 1000)
    assert own.cost("drive", EFFECT)[1:] == (1, "published")
    assert family.cost("drive", EFFECT)[1:] == (2, "published")
    assert own.cost("gate", EFFECT)[1:] == (70, "derived")


def test_the_jitter_of_a_profile_has_its_p99_over_mean():
    for ratio in (1.0, 1.024, 1.15):
        sd = made_up({}, p99_over_mean=ratio).jitter_sd(1000.0)
        assert math.exp(2.326 * sd - sd**2 / 2) == pytest.approx(ratio, rel=1e-6)


@pytest.mark.parametrize("out", [2.0, 3.0])
def test_a_jitter_whose_tail_is_no_normal_one_is_as_wide_as_its_body(out):
    device = made_up({}, p99_over_mean=1.5, p99_deviations=out)
    sd = device.jitter_sd(1000.0)
    assert math.exp(out * sd - sd**2 / 2) == pytest.approx(1.5, rel=1e-6)
    assert (sd < made_up({}, p99_over_mean=1.5).jitter_sd(1000.0)) == (out > NORMAL_P99)


def test_what_a_tail_has_beside_the_load_weighs_more_on_small_loads():
    device = made_up({}, p99_over_mean=1.1, p99_beside_ns=20_000)
    assert device.p99_ns(100_000) == pytest.approx(130_000)
    assert device.jitter_sd(50_000) > device.jitter_sd(500_000)


@given(st.floats(1, 4), st.just(0.0) | st.floats(1, 1e5), st.floats(1, 1e6))
def test_the_mean_of_a_percentile_is_the_one_that_it_is_the_percentile_of(slope, beside_ns, mean_ns):
    device = made_up({}, p99_over_mean=slope, p99_beside_ns=beside_ns)
    assert device.mean_ns(device.p99_ns(mean_ns)) == pytest.approx(mean_ns, rel=1e-6, abs=1)
    assert device.mean_ns(beside_ns / 2 or 1e-9) < 1e-6


def test_what_is_scaled_does_not_depend_on_how_busy_the_machine_was_that_it_is_scaled_from():
    """All of it took 1.7 times as long there: the same costs here."""
    costs = []
    for slowdown in (1.0, 1.7):
        prices = {name: (Point(7 * slowdown, "measured", "there", work=20),) for name in FAMILIES}
        base = made_up(prices, reference=1300 * slowdown)
        costs.append(made_up({}, base, 5833).cost("gate", EFFECT).of(64))
    assert costs[0] == pytest.approx(costs[1])
    assert costs[0] == pytest.approx(64 * 7 * 5833 / 1300)


def test_a_chain_costs_what_its_levels_cost_and_both_channels_count(tmp_path):
    text = """
    - nam: {model: a.nam}
    - split: {lanes: {a: , b: }, mix: {a: {pan: -50 %}, b: {pan: 50 %}}}
    - drive:
    """
    chain = Chain(board(tmp_path, text, a=tiny_container()), RATE_HZ, 64)
    device = devices.load("pi4")
    table = device.costs(chain)
    amp, drive = chain.blocks
    assert table.frame_ns[0] == tuple(device.cost("nam", level).frame_ns for level in amp.levels)
    assert table.call_ns[1] == (2 * device.cost("drive", drive.levels[0]).call_ns,)
    assert table.fixed_ns == device["ns_per_period"]


# -- files ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", PROFILES)
def test_a_profile_that_is_written_is_read_back_the_same(name, tmp_path):
    device = devices.load(name)
    (tmp_path / "again.yaml").write_text(devices.write(device), "utf-8")
    again = devices.read_file(tmp_path / "again.yaml")
    for kind in BLOCKS:
        for level in (A2_LITE, A2_FULL, EFFECT):
            assert again.cost(kind, level).of(64) == pytest.approx(device.cost(kind, level).of(64), rel=1e-3)
            assert again.cost(kind, level).basis == device.cost(kind, level).basis
    assert {k: f.basis for k, f in again.figures.items()} == {k: f.basis for k, f in device.figures.items()}


@pytest.fixture
def profile(tmp_path):
    """write(old text, new text, ...) -> the path of the pi4's profile with these changes."""
    text = (devices.FOLDER / "pi4.yaml").read_text("utf-8")

    def write(*changes) -> Path:
        changed = text
        for old, new in zip(changes[::2], changes[1::2], strict=True):
            assert old in changed
            changed = changed.replace(old, new, 1)
        (tmp_path / "mine.yaml").write_text(changed, "utf-8")
        return tmp_path / "mine.yaml"

    return write


FAULTS = {
    "an unknown key": ("cores:", "cpus:", "figures: unknown key 'cpus'"),
    "an unknown basis": ("basis: published", "basis: certain", "basis: needs measured, published, derived or estim"),
    "a value out of range": (
        "value: 0.85",
        "value: 8.5",
        "figures.usable_share.value: 8.5 is outside 0.01 to 1",
    ),
    "a word for a number": ("value: 1800", "value: fast", "figures.clock_mhz.value: needs a number (clock of a core"),
    "no source": (", source: data sheet", "", "figures.clock_mhz.source: missing; a figure has a value, a basis"),
    "points out of order": ("work: 11776", "work: 1000", "costs.a2[1].work: 1000 is not above 1731"),
    "a base that is not there": ("scaled_from: zen3", "scaled_from: zen9", "scaled_from: no profile 'zen9'; there are"),
    "lanes of no kind": ("share one core", "share two", "lanes: needs share one core or own cores, not 'share two'"),
    "another version": ("version: 1", "version: 2", "version: must be 1, not '2'"),
    "a cost of nothing known": ("  lstm:", "  lstms:", "costs: unknown key 'lstms', did you mean lstm?"),
}


@pytest.mark.parametrize("what", FAULTS)
def test_a_fault_in_a_profile_is_told_by_line_and_path(what, profile, capsys):
    old, new, told = FAULTS[what]
    path = profile(old, new)
    answer = chainrt(capsys, "device", "check", path)
    assert answer.status == 2
    assert answer.out == ""
    found = [line for line in answer.faults if told in line]
    assert len(found) == 1, answer.err
    name, line = found[0].split(": ")[0].rsplit(":", 1)
    assert name == str(path)
    there = path.read_text("utf-8").splitlines()[int(line) - 1]
    assert (new.strip() or "clock_mhz") in there


def test_what_is_scaled_needs_a_reference_here_and_there(profile, tmp_path, capsys):
    told = chainrt(capsys, "device", "check", profile("reference:", "refer:")).faults
    assert any("reference: missing; scaled_from needs it: nanoseconds a frame of an A2 Full" in line for line in told)
    bare = made_up({name: (Point(7, "measured", "here", work=20),) for name in FAMILIES})
    with pytest.raises(DeviceError, match="scaled_from: zen3 has no reference: nothing can be scaled from it"):
        reading.read(profile(), lambda name: bare)


def test_all_faults_of_a_profile_are_told_at_once(profile, capsys):
    changes = [text for old, new, _ in list(FAULTS.values())[:5] for text in (old, new)]
    assert len(chainrt(capsys, "device", "check", profile(*changes)).faults) >= 5


def test_an_empty_or_broken_file_is_one_clear_line(tmp_path, capsys):
    for text in ("", "[", "just words", "- a list"):
        (tmp_path / "mine.yaml").write_text(text)
        answer = chainrt(capsys, "device", "check", tmp_path / "mine.yaml")
        assert answer.status == 2
        assert "Traceback" not in answer.err
    assert chainrt(capsys, "device", "check", tmp_path / "none.yaml").err.endswith("this file does not exist\n")


@given(
    st.recursive(
        st.none() | st.booleans() | st.floats() | st.text(),
        lambda x: (
            st.lists(x) | st.dictionaries(st.sampled_from([*reading.KEYS, *reading.FIGURES, "value", "basis"]), x)
        ),
    )
)
def test_any_yaml_is_a_profile_or_a_list_of_faults(tmp_path_factory, document):
    path = tmp_path_factory.mktemp("any") / "any.yaml"
    path.write_text(yaml.safe_dump(document), "utf-8")
    with pytest.raises(DeviceError) as refused:
        devices.read_file(path)
    assert refused.value.faults


def test_device_check_says_what_a_good_profile_is(profile, capsys):
    answer = chainrt(capsys, "device", "check", profile())
    assert (answer.status, answer.err) == (0, "")
    assert "pi4: Raspberry Pi 4, no faults" in answer.out
    assert "estimated: ns_per_period" in answer.out


# -- this machine ---------------------------------------------------------------------------------------------------


def test_a_machine_is_measured_with_errors_written_and_read_back(tmp_path, capsys, monkeypatch):
    """Short stretches: the figures are rough, their shape is not."""
    monkeypatch.setattr(probe, "STRETCH_SECONDS", 0.02)
    answer = chainrt(capsys, "device", "new", "--from-this-machine", tmp_path / "mine.yaml", "--rounds", "2")
    assert answer.status == 0, answer.err
    device = devices.read_file(tmp_path / "mine.yaml")
    assert device.name == "mine"
    assert device["period_frames"] == 64
    lite, full = (device.cost("nam", level) for level in (A2_LITE, A2_FULL))
    assert 0 < lite.of(64) < full.of(64)
    assert full.basis == "measured"
    for kind in BLOCKS:
        measured = device.prices.get(kind, ())
        assert all(point.basis == "measured" and point.error is not None for point in measured)
    assert {"gate", "drive", "convolution", "effect", *NETWORKS} <= set(device.prices)
    works = [point.work for point in device.prices["cab"]]
    assert len(works) > 1
    assert works == sorted(works)
    assert "±" in answer.out
    assert chainrt(capsys, "device", "check", tmp_path / "mine.yaml").status == 0


def test_a_law_that_is_planted_is_found_again(tmp_path, monkeypatch):
    """Waking up, the first amp of a family, what each block takes, and moments at which everything is slow.

    A round at a time when all took three times as long was forgotten.
    """
    rng, waking_ns, beside_ns = np.random.default_rng(3), 2_000, 700
    first_ns = {"a2": 6_000, "a1": 8_000, "lstm": 2_000, "convnet": 5_000, "linear": 1_000}
    times = {"a2": 5, "a1": 7, "lstm": 15, "convnet": 6, "linear": 4}

    def costs_ns(chain) -> np.ndarray:
        levels = [block.levels[level] for block, level in zip(chain.blocks, chain.levels, strict=True)]
        families = [level.family for level in levels]
        took = np.array([300 + level.work * times.get(level.family, 20) for level in levels], float)
        took *= chain.frames / 64
        took[0] += waking_ns
        for family in set(families) & set(NETWORKS):
            took[families.index(family)] += first_ns[family]
        return took

    def played(chain, guitar, seconds, paced=True):
        slow = times_as_long[-1] * np.exp(rng.normal(0, 0.12) + rng.normal(0, 0.02, (60, 1)))
        blocks = slow * costs_ns(chain)
        return probe.Spent(blocks, blocks.sum(axis=1) + slow[:, 0] * beside_ns, np.zeros(60))

    class OnPaper:
        """A chain in another order; the planted law does not look at memory."""

        def __init__(self, chain, order):
            ids = [spec.id for spec in order.chain]
            self.blocks, self.frames = sorted(chain.blocks, key=lambda block: ids.index(block.id)), chain.frames

        def set_levels(self, indices):
            self.levels = indices

    monkeypatch.setattr(probe, "play_stretch", played)
    monkeypatch.setattr(probe, "laid_out_anew", OnPaper)
    times_as_long = [3]
    measurement = measuring.Measurement(tmp_path)
    for _ in measurement.play_round():
        pass
    measurement.forget()
    times_as_long.append(1)
    for _ in range(24):
        for _ in measurement.play_round():
            pass
    device = measurement.device("planted")
    for family in NETWORKS:
        for work in (point.work for point in device.prices[family]):
            told = device.cost("nam", amp(family, work)).of(64)
            assert told == pytest.approx(300 + times[family] * work, rel=0.1)
        assert device[first_of(family)] == pytest.approx(first_ns[family], rel=0.5, abs=1000)
    assert device["ns_per_period"] == pytest.approx(beside_ns + waking_ns, rel=0.3)
    assert device.p99_ns(100_000) == pytest.approx(100_000 * np.exp(2.326 * 0.12), rel=0.1)


@pytest.mark.parametrize(("share", "seconds"), [(0.0, 1.0), (0.5, 0.3), (0.9, 2.0)])
def test_how_much_of_the_jitter_lasts_and_how_long_is_found_again(share, seconds):
    """Stretches of 0.05 s, 0.1 s apart, of a slowness that wanders and of periods that jitter."""
    rng, apart_s, log, moments = np.random.default_rng(1), 0.1, 0.0, []
    for number in range(4000):
        kept = np.exp(-apart_s / seconds)
        log = kept * log + np.sqrt(share * (1 - kept**2)) * rng.normal()
        moments.append((1e9 * apart_s * number, 0.2 * (log + np.sqrt(1 - share) * rng.normal(size=37))))
    found_share, found_seconds = measuring.lasting(moments)
    assert found_share == pytest.approx(share, abs=0.05)
    if share:
        assert found_seconds == pytest.approx(seconds, rel=0.3)


def test_the_first_amp_is_charged_once_and_only_where_one_plays():
    prices = {name: (Point(100, "measured", "here", work=11776),) for name in FAMILIES}
    device = made_up(prices, first_a2_ns=5_000, ns_per_period=1_000, ram_bytes=1e12, usable_share=1)
    level = FitLevel("full", 11776, "a2", 60.0)
    amp = FitBlock("amp", "nam", (level,), (0,))

    def load_ns(*blocks):
        bench = Bench(blocks, tuple(range(len(blocks))), device)
        return bench.fit().load * bench.deadline_ns

    one = load_ns(amp)
    assert one == pytest.approx(64 * 100 + 6_000)
    assert load_ns(amp, replace(amp, id="other")) == pytest.approx(2 * 64 * 100 + 6_000)
    pedal = replace(amp, kind="gain", levels=(replace(level, family="effect"),))
    assert load_ns(pedal) == load_ns(pedal, replace(amp, enabled=False)) == pytest.approx(64 * 100 + 1_000)


def test_device_new_needs_to_be_told_from_what(tmp_path, capsys):
    answer = chainrt(capsys, "device", "new", tmp_path / "mine.yaml")
    assert (answer.status, answer.out) == (2, "")
    assert "--from-this-machine" in answer.err


def busy(rng, took, periods=400, slowdown=1.0, disturbed=0.0):
    """(times, wholes) of periods of blocks that take so long: noise, a slower clock, and others that get in between."""
    times = slowdown * np.asarray(took) * np.exp(rng.normal(0, 0.02, (periods, len(took))))
    struck = rng.random(times.shape) < disturbed
    times += np.where(struck, rng.exponential(15_000, times.shape), 0)
    return times, times.sum(axis=1) + 500


@pytest.mark.parametrize("seed", range(5))
def test_shares_of_the_reference_come_out_the_same_on_a_busy_machine_and_on_a_quiet_one(seed):
    """Synthetic timings: the clock at 60 % and three periods in five disturbed change no share by more than 3 %."""
    rng, took = np.random.default_rng(seed), [600, 2_400, 21_000, 9_000]
    quiet, quiet_ns = probe.steady(*busy(rng, took), reference=2)
    loaded, loaded_ns = probe.steady(*busy(rng, took, slowdown=1.66, disturbed=0.2), reference=2)
    assert quiet == pytest.approx(np.divide(took, 21_000), rel=0.03)
    assert loaded == pytest.approx(quiet, rel=0.03)
    assert loaded_ns == pytest.approx(1.66 * quiet_ns, rel=0.03)


@pytest.mark.parametrize("outliers", [0.0, 0.01])
def test_how_far_out_the_99th_percentile_lies_is_found_again(outliers):
    """A lognormal body, and one period in a hundred that takes twice as long: the tail is farther out than its body."""
    rng, tails = np.random.default_rng(2), []
    for mean in np.geomspace(20_000, 900_000, 30):
        whole = mean * np.exp(rng.normal(-0.02, 0.2, 20_000)) * np.where(rng.random(20_000) < outliers, 2, 1)
        tails.append((whole.mean(), *np.quantile(whole, (0.5, 0.95, 0.99))))
    found = measuring.deviations(np.array(tails))
    assert (found > 2.45) if outliers else (found == pytest.approx(NORMAL_P99, abs=0.03))


@given(st.floats(0.5, 2), st.floats(0, 5_000))
def test_means_are_a_line_over_what_figures_say_and_it_begins_nowhere_below_nothing(slope, beginning):
    said = np.geomspace(10_000, 1_000_000, 30)
    assert measuring.line(np.stack([said, slope * said + beginning], axis=1)) == pytest.approx(
        (slope, beginning), rel=1e-6, abs=1e-3
    )
    assert measuring.line(np.stack([said, slope * said - 2_000], axis=1))[1] == 0


@given(st.floats(1, 3), st.floats(0, 50_000))
def test_the_law_of_the_tail_is_found_again(slope, beside_ns):
    mean = np.linspace(10_000, 400_000, 30)
    found = measuring.tail_law(np.stack([mean, slope * mean + beside_ns], axis=1))
    assert found == pytest.approx((slope, beside_ns), rel=1e-6, abs=1e-3)


@pytest.mark.parametrize("chains", [57, 60])
def test_rare_moments_are_found_that_most_chains_are_too_short_to_meet(chains):
    """One stretch in eighty takes twice as long: that is the 99th percentile, and half of the chains never met one."""
    rng, played = np.random.default_rng(5), probe.Probe.__new__(probe.Probe)
    means = np.geomspace(20_000, 900_000, chains)
    slow = rng.random((chains, 24)) < 1 / 80
    played.boards, played.stacks, played.little = [], [], []
    for mean, moments in zip(means, slow, strict=True):
        wholes = [mean * np.exp(rng.normal(0, 0.02, 40)) * (2 if is_slow else 1) for is_slow in moments]
        played.boards.append(SimpleNamespace(spent=[SimpleNamespace(whole=whole) for whole in wholes]))
    alone = [np.quantile(np.concatenate([one.whole for one in board.spent]), 0.99) for board in played.boards]
    assert np.median(alone / means) < 1.2
    tails = played.tails()
    assert tails.shape == (probe.GROUPS, 4)
    assert (tails[:, 3] / tails[:, 0] > 1.8).all()
    assert tails[:, 1] / tails[:, 0] == pytest.approx(1, abs=0.05)
    assert (np.diff(tails[:, 0]) > 0).all()


def test_a_tail_never_lies_before_its_mean_nor_anything_below_nothing_beside_it():
    mean = np.linspace(10_000, 400_000, 30)
    slope, beside_ns = measuring.tail_law(np.stack([mean, 1.5 * mean - 4_000], axis=1))
    assert 1.4 < slope < 1.5
    assert beside_ns == 0
    slope, beside_ns = measuring.tail_law(np.stack([mean, mean + np.linspace(30_000, 20_000, 30)], axis=1))
    assert slope == 1
    assert 20_000 < beside_ns < 30_000


def test_periods_in_which_the_machine_looked_away_are_told_from_those_that_were_slow():
    whole = np.full(40, 30_000.0)
    whole[[3, 5, 7]] = 110_000, 600_000, 5_000_000  # slow; slow, and not for half a deadline; the machine looked away
    assert np.flatnonzero(probe.struck(whole, 1_333_333)).tolist() == [7]
    full = np.full(40, 900_000.0)
    full[3] = 2_000_000  # a neighbour that made a full house twice as slow
    assert not probe.struck(full, 1_333_333).any()


def test_all_kinds_of_blocks_are_on_boards_none_twice_on_one_and_a_reference_on_each_that_hears_one_channel(tmp_path):
    boards = [load_preset(path) for path in probe._write_boards(tmp_path)]
    kinds = {spec.kind for one in boards for spec in one.chain}
    assert {"gate", "drive", "cab", "reverb", "nam"} <= kinds
    for one in boards:
        ids = [spec.id for spec in one.chain]
        assert ids.count(probe.REFERENCE) == 1
        before = one.chain[: ids.index(probe.REFERENCE)]
        assert all(BLOCKS[spec.kind].channels == 1 or BLOCKS[spec.kind].linked for spec in before)
        assert len(ids) <= probe.BLOCKS_BESIDE + 1
        effects = [spec.kind for spec in one.chain if spec.kind != "nam"]
        assert len(effects) == len(set(effects)), "the second of a kind finds its code warm"


def test_each_block_of_one_channel_opens_its_board_once_and_those_of_two_stay_last(tmp_path):
    for preset in map(load_preset, probe._write_boards(tmp_path)):
        orders = [[spec.id for spec in order.chain] for order in probe._orders(preset)]
        one = [spec.id for spec in preset.chain if BLOCKS[spec.kind].channels == 1 or BLOCKS[spec.kind].linked]
        assert sorted(order[0] for order in orders) == sorted(one)
        for order in orders:
            assert sorted(order) == sorted(orders[0])
            assert order[len(one) :] == orders[0][len(one) :]


def test_every_family_of_amps_is_on_one_board_beside_the_reference(tmp_path):
    boards = [[spec.id for spec in load_preset(path).chain] for path in probe._write_boards(tmp_path)]
    for family in NETWORKS[1:]:
        assert sum(family in ids for ids in boards) == 1
        for one in levels.load(saved(typical.amp_like(family), tmp_path)).levels:
            assert architectures.family(one.network) == family


@pytest.mark.parametrize(
    ("document", "family"),
    [
        (tiny_container(), "a2"),
        (tiny_sliced(), "a2"),
        (wavenet_of(layer_array(activation="ReLU")), "a2"),
        (wavenet_of(layer_array(activation="Tanh")), "a1"),
        (wavenet_of(layer_array(activation="ReLU", gating_mode="gated", secondary_activation="Sigmoid")), "a1"),
        (wavenet_of(layer_array(activation="ReLU", conv_post_film={"active": True, "shift": True, "groups": 1})), "a1"),
        (tiny_lstm(), "lstm"),
        (tiny_convnet(activation="ReLU"), "convnet"),
        (tiny_linear(), "linear"),
    ],
)
@pytest.mark.parametrize("rate", [48_000, 44_100])
def test_an_amp_is_of_the_family_of_its_network_at_any_rate(document, family, rate, tmp_path):
    _, made = BLOCKS["nam"].build(Settings({}, {"model": saved(document, tmp_path)}, rate))
    assert {level.family for level in made} == {family}


def test_what_a_call_costs_is_told_from_two_periods():
    for extra in (0.0, 2.0, 30.0):
        assert measuring._extra_frames(64 + extra, 16 + extra) == pytest.approx(extra)
    assert measuring._extra_frames(100, 10) == 0
    assert measuring._extra_frames(100, 200) == 64


def test_the_amp_that_is_played_has_the_shape_of_an_official_a2(tmp_path):
    lite, full = levels.load(saved(typical.a2_like((3, 8)), tmp_path)).levels
    assert [size.network.multiply_adds for size in (lite, full)] == [1731, 11776]
    assert full.network.receptive_field == 6347


def test_this_machine_is_measured_once_and_again_when_a_law_changes(tmp_path, monkeypatch):
    """What an older chainrt measured goes; another machine's profile, in a shared folder, stays."""
    monkeypatch.setenv("CHAINRT_CACHE", str(tmp_path / "cache"))
    asked = []

    def measured(name, tell):
        asked.append(name)
        return made_up({name: (Point(7, "measured", "here", work=20),) for name in FAMILIES})

    monkeypatch.setattr(measuring, "measure", measured)
    first, second = devices.load("this-machine"), devices.load("this-machine")
    assert asked == ["this-machine"]
    assert first == second
    (place,) = (tmp_path / "cache" / "devices").iterdir()
    (place.parent / "another-machine-0.yaml").write_text("its own")
    package = tmp_path / "chainrt"
    shutil.copytree(PACKAGE, package, ignore=shutil.ignore_patterns("__pycache__"))
    monkeypatch.setattr(here, "PACKAGE", package)
    devices.load("this-machine")
    assert len(asked) == 1
    (package / "report.py").write_text("# decides nothing")
    devices.load("this-machine")
    assert len(asked) == 1
    (package / "devices" / "measuring.py").write_text("# another law")
    devices.load("this-machine")
    assert len(asked) == 2
    assert not place.exists()
    assert len(list(place.parent.iterdir())) == 2


def test_whatever_is_compiled_for_a_chain_decides_a_measured_profile():
    deciding = {path for pattern in here.DECIDING for path in PACKAGE.glob(pattern)}
    compiled = {path for pattern in SOURCES for path in PACKAGE.glob(pattern)}
    assert {path for path in compiled - deciding if path.parent.name != "benchmarks"} == set()


def test_the_vocabulary_knows_every_kind_by_its_file():
    in_the_box = {kind for kind, block in BLOCKS.items() if block.kernel.__module__.startswith("chainrt.blocks.")}
    assert in_the_box == set(kinds())

"""What fits: the exact choice over lanes and cores and in memory, what-ifs, and what the command says."""

import itertools
import json
import os
import re
import struct
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from models import tiny_sliced
from naive import best_plan_by_trying_all
from pedalboards import chainrt, pedalboard, write_wav

from chainrt import devices, facts, kept, known, preset
from chainrt.chain import Chain, plan_blocks
from chainrt.cli import fit as command
from chainrt.fit import NO, SLIMMED, YES, Bench, FitBlock, FitChain, FitLevel, truest
from chainrt.scheduler import BlockModel, ChainModel, choose
from chainrt.scheduler.paths import Lanes, frontier, time_ns
from chainrt.scheduler.resident import Sizes, Solved, residents

ROOT = Path(__file__).resolve().parents[1]
DUAL_AMP = ROOT / "presets" / "dual_amp.yaml"
A2 = (
    FitLevel("lite", 1731, "a2", 22.0, 300_000, 8_000),
    FitLevel("full", 11776, "a2", 60.0, 550_000, 50_000),
)


def amp(name="amp", **changes) -> FitBlock:
    return FitBlock(name, "nam", A2, (0, 1), **changes)


def pedal(kind="drive", **changes) -> FitBlock:
    return FitBlock(kind, kind, (FitLevel("full", 20, "effect", 60.0, 48),), (0,), **changes)


def bench(blocks, path=None, device="pi4", **changes) -> Bench:
    return Bench(blocks, tuple(range(len(blocks))) if path is None else path, devices.load(device), **changes)


# -- paths ----------------------------------------------------------------------------------------------------------

TABLES = st.lists(
    st.lists(st.tuples(st.integers(1, 50), st.integers(0, 30)), min_size=1, max_size=3), min_size=1, max_size=5
)


def split_up(count, draw) -> tuple:
    """Some path of so many blocks: a few in series, the rest in lanes of a split, a lane perhaps empty."""
    numbers = list(range(count))
    before = draw(st.integers(0, count))
    lanes = draw(st.integers(2, 3))
    dealt = [tuple(numbers[before:][lane::lanes]) for lane in range(lanes)]
    return (*numbers[:before], Lanes(tuple(dealt)))


@given(TABLES, st.data(), st.integers(1, 3), st.integers(5, 200))
@settings(max_examples=150)
def test_the_best_plan_of_the_frontier_is_the_best_of_all_plans(tables, data, cores, room):
    path = split_up(len(tables), data.draw)
    cost = [[c for c, _ in one] for one in tables]
    utility = [[u for _, u in one] for one in tables]
    plans = frontier(path, cost, utility, [range(len(one)) for one in tables], cores, handover_ns=3)
    best = plans.best(room)

    def time_of(levels):
        return time_ns(path, [cost[b][level] for b, level in enumerate(levels)], cores, 3)

    possible = [
        (sum(utility[b][level] for b, level in enumerate(levels)), levels)
        for levels in itertools.product(*[range(len(one)) for one in tables])
        if time_of(levels) <= room
    ]
    assert (best is None) == (not possible)
    if possible:
        assert plans.utility[best] == max(worth for worth, _ in possible)
        assert time_of(plans.levels[best].tolist()) == pytest.approx(plans.cost_ns[best])


@given(TABLES, st.integers(5, 200))
def test_on_one_core_it_is_the_planners_own_choice(tables, room):
    blocks = tuple(
        BlockModel(
            str(i), tuple(float(c) for c, _ in one), (0.0,) * len(one), tuple(float(u) for _, u in one),
            (0,) * len(one), tuple(range(len(one))),
        )
        for i, one in enumerate(tables)
    )  # fmt: skip
    chosen = choose(ChainModel(blocks, 64, 1e6), room)
    path = (0, Lanes((tuple(range(1, len(tables))), ()))) if len(tables) > 1 else (0,)
    plans = frontier(path, [b.call_ns for b in blocks], [b.utility for b in blocks], [b.allowed for b in blocks])
    best = plans.best(room)
    assert (best is not None) == chosen.fits
    if chosen.fits:
        assert plans.utility[best] == pytest.approx(chosen.utility)
        assert plans.cost_ns[best] == pytest.approx(chosen.cost_ns)


def test_lanes_are_dealt_out_to_cores_in_turn_and_a_handover_is_paid_once():
    path = (0, Lanes(((1,), (2,), (3,))), 4)
    costs = [1.0, 10.0, 20.0, 30.0, 2.0]
    assert time_ns(path, costs, cores=1, handover_ns=5) == 63
    assert time_ns(path, costs, cores=2, handover_ns=5) == 1 + 40 + 5 + 2
    assert time_ns(path, costs, cores=8, handover_ns=5) == 1 + 30 + 5 + 2


# -- memory ---------------------------------------------------------------------------------------------------------

MEMORIES = st.lists(
    st.tuples(st.lists(st.tuples(st.integers(1, 9), st.integers(0, 9)), min_size=1, max_size=4), st.integers(0, 3)),
    min_size=1,
    max_size=4,
)


@given(MEMORIES, st.integers(0, 60))
def test_residents_never_exceed_the_limit_and_keep_the_best_plan_that_can_be_kept(tables, limit):
    sizes = [Sizes(tuple(size for size, _ in levels), ring) for levels, ring in tables]
    utility = [[worth for _, worth in levels] for levels, _ in tables]
    allowed = [tuple(range(len(levels))) for levels, _ in tables]

    def worth(levels):
        return sum(utility[b][level] for b, level in enumerate(levels))

    def solve(options):
        best = tuple(max(levels, key=lambda level, b=b: utility[b][level]) for b, levels in enumerate(options))
        return Solved(best, worth(best))

    found = residents(sizes, allowed, limit, solve)
    floor = [min(range(len(one.levels)), key=one.levels.__getitem__) for one in sizes]

    def bytes_of(levels):
        return sum(
            sum(one.levels[k] for k in {low, level}) + (one.ring if level != low else 0)
            for one, low, level in zip(sizes, floor, levels, strict=True)
        )

    assert found.fits == (bytes_of(floor) <= limit)
    if found.fits:
        assert found.used <= limit
        assert all(low in kept for low, kept in zip(floor, found.kept, strict=True))
        best = best_plan_by_trying_all([len(one.levels) for one in sizes], worth, lambda p: bytes_of(p) <= limit)
        assert worth(solve(found.kept).levels) >= worth(best)
    for one, staying, gone in zip(allowed, found.kept, found.left_out, strict=True):
        assert sorted((*staying, *gone)) == list(one)


def test_what_does_not_fit_in_memory_is_left_out_and_told():
    chain = bench([amp("one", priority=2), amp("two")], device="pi5", memory=1_500_000)
    memory = chain.fit().memory
    assert memory.fits
    assert memory.used <= 1_500_000
    assert memory.kept == ((0, 1), (0,))
    assert memory.left_out == ((), (1,))
    assert bench([amp()], device="pi5", memory=100_000).fit().fits == NO


# -- fits -----------------------------------------------------------------------------------------------------------


def test_a_chain_fits_fits_slimmed_or_does_not_fit():
    assert [bench([amp(str(i)) for i in range(n)]).fit().fits for n in (3, 4, 40)] == [YES, SLIMMED, NO]


@pytest.mark.parametrize(("device", "full"), [("pi4", 3), ("pi5", 7), ("daisy-seed", 0)])
def test_the_published_number_of_instances_is_what_max_says(device, full):
    assert bench([], device=device).most(amp(), 1) == full


def test_the_tail_must_fit_the_deadline_too():
    chain = bench([amp(str(i)) for i in range(3)], budget=1.0)
    fit = chain.fit()
    assert fit.p99 <= 1
    assert fit.load == pytest.approx(fit.p99 / 1.15)


def test_a_bypassed_block_costs_what_the_profile_says():
    off = [amp(enabled=False)]
    assert bench(off, device="pi4").fit().loads == (0,)
    assert bench(off, device="two-rows").fit().loads[0] > 0
    assert bench(off).fit().fits == YES


def test_two_lanes_on_two_cores_cost_the_dearer_one():
    blocks = [amp("left"), amp("right")]
    path = (Lanes(((0,), (1,))),)
    both = bench(blocks, path, "two-rows").fit()
    assert both.load < 1.2 * max(both.loads)
    assert bench(blocks, path, "pi4").fit().load > 1.9 * max(both.loads)


def test_more_room_is_never_worth_less_and_priority_decides_who_keeps_its_size():
    last = -1.0
    for percent in range(5, 100, 5):
        chain = bench([amp("a"), amp("b", priority=2)], budget=percent / 100)
        fit = chain.fit()
        if fit.fits != NO:
            worth = sum(b.priority * b.levels[k].fidelity_db for b, k in zip(chain.blocks, fit.levels, strict=True))
            assert worth >= last
            last = worth
            assert fit.levels[1] >= fit.levels[0]


def test_what_ifs_leave_the_chain_itself_alone():
    chain = bench([pedal("gate"), amp(), pedal("cab")])
    before = chain.fit()
    assert [block.id for block in chain.without(["cab"]).blocks] == ["gate", "amp"]
    assert [block.id for block in chain.plus(pedal("gate")).blocks] == ["gate", "amp", "cab", "gate2"]
    assert chain.fit() == before
    with pytest.raises(KeyError):
        chain.without(["reverb"])


def test_an_added_pedal_hears_as_many_channels_as_the_chain_has_and_an_added_amp_one():
    stereo = bench([amp(channels=2, calls=2)])
    assert stereo.plus(pedal()).blocks[-1].calls == 2
    assert stereo.plus(amp("other")).blocks[-1].calls == 1


# -- facts ----------------------------------------------------------------------------------------------------------


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "sliced.nam").write_text(json.dumps(tiny_sliced()))
    return pedalboard(tmp_path)


SPLIT = """\
version: 1
name: Wide
chain:
  - drive:
  - split:
      lanes: {a: [nam: {model: model.nam}], b: [drive: , nam: {model: sliced.nam}], dry: }
      mix: {a: {pan: -50 %}}
  - cab: {ir: ir.wav}
  - drive: {enabled: false, id: spare}
"""


def test_the_shape_of_a_chain_is_that_which_the_engine_plays(folder):
    (folder / "wide.yaml").write_text(SPLIT)
    board = preset.load("wide.yaml")
    blocks, path = facts.fit_blocks(board, 48_000, 64)
    chain = Chain(board, 48_000, 64)
    assert [block.id for block in blocks] == [block.id for block in chain.blocks]
    assert [block.channels for block in blocks] == chain.block_records["channels"][: len(blocks)].tolist()
    assert path[:2] == (0, Lanes(((1,), (2, 3), ())))
    assert [block.id for block in blocks if not block.enabled] in ([], ["spare"])


def test_costs_are_those_of_the_simulation(folder):
    (folder / "wide.yaml").write_text(SPLIT)
    board, device = preset.load("wide.yaml"), devices.load("pi5")
    blocks, path = facts.fit_blocks(board, 48_000, 64)
    table = device.costs(Chain(board, 48_000, 64))
    for mine, calls, frames, block in zip(
        Bench(blocks, path, device).cost_ns, table.call_ns, table.frame_ns, blocks, strict=True
    ):
        if block.enabled:
            assert mine == pytest.approx([call + 64 * frame for call, frame in zip(calls, frames, strict=True)])


def test_facts_are_found_out_once_and_change_with_the_files(folder, monkeypatch):
    monkeypatch.setenv("CHAINRT_CACHE", str(folder / "cache"))
    asked = []
    measured = facts.fidelity_table
    monkeypatch.setattr(facts, "fidelity_table", lambda *a: asked.append(1) or measured(*a))
    for _ in range(2):
        first, _ = facts.fit_blocks(preset.load("preset.yaml"), 48_000, 64)
    assert len(asked) == 1
    (folder / "model.nam").write_text(json.dumps(tiny_sliced()))
    other, _ = facts.fit_blocks(preset.load("preset.yaml"), 48_000, 64)
    assert len(asked) == 2
    assert len(other[1].levels) == 3 != len(first[1].levels)


def test_state_and_weights_are_told_apart(folder):
    (_, model, _), _ = facts.fit_blocks(preset.load("preset.yaml"), 48_000, 64)
    lite, full = model.levels
    assert 0 < lite.state_bytes < full.state_bytes
    assert 0 < lite.weights_bytes < full.weights_bytes


def test_every_kind_of_block_that_needs_no_strange_file_is_on_the_shelf():
    shelf = facts.shelf(48_000, 64)
    assert {"gate", "drive", "cab", "echo", "nam"} <= set(shelf)
    assert [level.work for level in shelf["nam"].levels] == [1731, 11776]


# -- the command ----------------------------------------------------------------------------------------------------

KEYS = [
    *("preset", "device", "figures", "period", "deadline_us", "budget", "fits", "load", "p99", "least_load"),
    *("blocks", "left", "memory", "could_add"),
]


def test_a_block_that_is_off_is_on_the_screen_and_costs_what_the_profile_says(folder, capsys):
    text = (folder / "preset.yaml").read_text()
    (folder / "off.yaml").write_text(text.replace("drive: 6 dB", "enabled: false"))
    for device, costs in (("pi4", False), ("two-rows", True)):
        on, off = (
            json.loads(chainrt(capsys, "fit", name, "--device", device, "--json").out)["blocks"][0]
            for name in ("preset.yaml", "off.yaml")
        )
        assert (off["id"], off["enabled"]) == ("drive", False)
        assert off["load"] == (on["load"] if costs else 0)
    assert re.search(r"^drive +off +0\.0", chainrt(capsys, "fit", "off.yaml", "--device", "pi4").out, re.MULTILINE)


def test_the_json_has_the_keys_that_scripts_rely_on(folder, capsys):
    answer = chainrt(capsys, "fit", "preset.yaml", "--device", "pi4", "--json")
    assert answer.status == 0
    found = json.loads(answer.out)
    assert list(found) == KEYS
    assert (found["preset"], found["device"], found["fits"]) == ("preset.yaml", "pi4", "yes")
    keys = {"id", "kind", "enabled", "level", "load", "fidelity_db", "basis"}
    assert all(block.keys() == keys for block in found["blocks"])
    assert found["left"] == pytest.approx(found["budget"] - found["load"], abs=2e-6)
    assert found["memory"].keys() == {"used", "limit", "left_out"}
    assert {one["kind"] for one in found["could_add"]} >= {"gate", "drive", "echo", "nam"}
    fixed = devices.load("pi4")["ns_per_period"] / 1000 / found["deadline_us"]
    assert found["load"] == pytest.approx(sum(block["load"] for block in found["blocks"]) + fixed, abs=1e-5)


def test_the_exit_status_tells_fits_slimmed_or_not(folder, capsys):
    def ask(budget):
        share = f"{100 * budget:.4f}%"
        answer = chainrt(capsys, "fit", "preset.yaml", "--device", "pi4", "--budget", share, "--json")
        return answer.status, json.loads(answer.out)

    status, full = ask(0.5)
    assert (status, full["fits"]) == (0, "yes")
    status, lite = ask((full["load"] + full["least_load"]) / 2)
    assert (status, lite["fits"], lite["blocks"][1]["level"]) == (3, "slimmed", "lite")
    assert lite["blocks"][1]["fidelity_db"] < 60
    status, none = ask(full["least_load"] / 2)
    assert (status, none["fits"]) == (1, "no")


def test_the_screen_shows_each_block_what_is_left_and_what_is_only_estimated(folder, capsys):
    out = chainrt(capsys, "fit", "preset.yaml", "--device", "pi4").out
    for word in ("drive", "nam", "cab", "would still fit, % each:", "estimated (ns_per_period", "left ", "memory "):
        assert word in out
    assert "┤" in out


def test_a_block_that_would_push_an_amp_down_is_told_with_the_level_it_falls_to(capsys):
    found = json.loads(chainrt(capsys, "fit", DUAL_AMP, "--device", "pi4", "--budget", "63%", "--json").out)
    assert found["fits"] == "yes"
    pushed = [one for one in found["could_add"] if one["changes"]]
    assert pushed
    added = json.loads(
        chainrt(capsys, "fit", DUAL_AMP, "--device", "pi4", "--budget", "63%", "--add", pushed[0]["kind"], "--json").out
    )
    levels = {block["id"]: block["level"] for block in added["blocks"]}
    for change in pushed[0]["changes"]:
        assert levels[change["id"]] == change["to"] != change["from"]
    assert added["left"] == pushed[0]["left"]


def test_without_and_add_are_answered_and_told_when_they_name_nothing(folder, capsys):
    def load(*more):
        return json.loads(chainrt(capsys, "fit", "preset.yaml", "--device", "pi4", "--json", *more).out)["load"]

    assert load("--without", "cab") <= load() < load("--add", "echo") < load("--add", "echo,echo")
    assert load("--add", "model.nam") > load()
    wrong = chainrt(capsys, "fit", "preset.yaml", "--device", "pi4", "--without", "reverb")
    assert (wrong.status, wrong.err) == (2, "--without: no block 'reverb' in the chain; there are drive, nam, cab\n")
    wrong = chainrt(capsys, "fit", "preset.yaml", "--device", "pi4", "--add", "rever")
    assert wrong.status == 2
    assert wrong.err.startswith("--add: no block 'rever'; there are ")


def test_a_chain_that_is_wider_than_the_terminal_goes_on_in_a_second_row(folder, capsys):
    answer = chainrt(capsys, "fit", "preset.yaml", "--device", "pi4", "--add", "gate,eq,echo,chorus,phaser,limiter")
    lines = answer.out.splitlines()
    rows = [line for line in lines if "┤" in line and "├" in line]
    assert len(rows) > 1
    assert max(map(len, rows)) <= 80
    for kind in ("gate", "eq", "echo", "chorus", "phaser", "limiter"):
        assert any(f" {kind} " in row for row in rows), kind


def test_what_would_still_fit_is_told_with_its_price_the_dearest_first(folder, capsys):
    answer = chainrt(capsys, "fit", "preset.yaml", "--device", "pi4", "--json")
    could = [one for one in json.loads(answer.out)["could_add"] if not one["changes"]]
    told = chainrt(capsys, "fit", "preset.yaml", "--device", "pi4").out
    line = " ".join(told[told.index("would still fit, % each: ") :].replace("\N{NO-BREAK SPACE}", " ").split())
    prices = [float(price) for price in re.findall(r" (\d+\.\d)(?:,|$| with)", line)]
    assert prices == sorted(prices, reverse=True)
    assert len(prices) == len(could)


def test_devices_are_compared_side_by_side(folder, capsys):
    answer = chainrt(capsys, "fit", "preset.yaml", "--compare", "pi4,pi5,daisy-seed", "--json")
    found = json.loads(answer.out)["compare"]
    assert [one["device"] for one in found] == ["pi4", "pi5", "daisy-seed"]
    assert found[1]["load"] < found[0]["load"]
    told = chainrt(capsys, "fit", DUAL_AMP, "--compare", "pi5,daisy-seed")
    assert told.status == 1
    assert "daisy-seed: it would fit without glass.nam" in told.out


def test_max_needs_no_preset(capsys):
    answer = chainrt(capsys, "fit", "--device", "pi4", "--max", "nam", "--json")
    assert answer.status == 0
    assert json.loads(answer.out)["max"]["alone"]["full"] == 3
    assert chainrt(capsys, "fit", "--device", "pi4").err == "PRESET: missing; only --max answers without one\n"


def test_memory_is_a_second_budget(folder, capsys):
    answer = chainrt(capsys, "fit", DUAL_AMP, "--device", "pi4", "--memory", "3MiB", "--json")
    found = json.loads(answer.out)
    assert (answer.status, found["fits"]) == (3, "slimmed")
    assert found["memory"]["used"] <= found["memory"]["limit"] == 3 * 2**20
    assert found["memory"]["left_out"]
    assert "--memory: '2 apples' is not an amount" in chainrt(capsys, "fit", DUAL_AMP, "--memory", "2 apples").err


@pytest.mark.parametrize("clock", [["--device", "pi4", "--periods", "300"], ["--seconds", "0.2", "--host", "clock"]])
def test_a_run_keeps_only_what_fits_in_memory_and_says_what_it_leaves_out(clock, folder, capsys):
    known, _ = facts.fit_blocks(preset.load("preset.yaml"), 48_000, 64)
    enough = sum(block.sizes.levels[0] for block in known) + 100
    asked = ("run", "preset.yaml", *clock, "--budget", "90%", "--json", "run.json")
    answer = chainrt(capsys, *asked, "--memory", enough)
    assert answer.status == 0, answer.err
    assert "left out: nam full" in answer.out
    amp = json.loads((folder / "run.json").read_text())["blocks"][1]
    assert (amp["level"], amp["level_share"]["full"]) == ("lite", 0)
    none = chainrt(capsys, *asked, "--memory", "1024")
    assert none.status == 1
    assert "even the smallest levels do not fit" in none.out


@pytest.mark.parametrize("device", [None, "pi4"])
def test_an_understudy_has_its_part_of_the_memory(device, folder):
    loaded = preset.load("preset.yaml")
    blocks = plan_blocks(loaded, 48_000)
    known, _ = facts.fit_blocks(loaded, 48_000, 64, blocks=blocks)
    place = device and devices.load(device)

    def stays(limit, second_core):
        _, found = facts.keep_in_memory(loaded, blocks, 48_000, 64, limit, place, 0.9, None, second_core)
        return found

    alone, together = stays(1e9, False), stays(1e9, True)
    states = sum(block.calls * block.levels[0].state_bytes for block in known)
    assert together.kept == alone.kept
    assert together.used == alone.used + states
    assert stays(together.used, True) == together
    tight = stays(together.used - 1, True)
    assert any(tight.left_out)
    assert tight.fits
    assert tight.used < together.used
    assert stays(alone.used, False) == alone
    least = sum(block.sizes.levels[0] for block in known)
    assert stays(least, False).fits
    assert not stays(least + states - 1, True).fits
    assert stays(least + states, True).fits


def test_an_understudy_is_given_enough_for_whichever_level_is_the_smallest_that_stays():
    """A level 0 whose second state makes it dearer than level 1 without one."""
    levels = FitLevel("low", 1, "network", 10.0, 80, 20), FitLevel("high", 2, "network", 60.0, 90, 30)
    block = FitBlock("amp", "nam", levels, (0, 1))

    def within(limit):
        return residents([block.sizes], [block.allowed], limit, truest([block]))

    for limit in range(100, 400):
        found = facts._beside_understudy([block], limit, within)
        needed = sum(block.sizes.levels[level] for level in found.kept[0]) + levels[found.kept[0][0]].state_bytes
        assert found.used == needed
        assert found.fits == (needed <= limit)


WAYS_TO_ASK = (
    ("preset.yaml", "--device", "pi4"),
    ("preset.yaml", "--device", "pi4", "--json", "-", "--add", "reverb", "--without", "cab"),
    ("preset.yaml", "--compare", "pi4,pi5,daisy-seed", "--add", "model.nam"),
    ("--max", "nam", "--device", "pi4"),
)


def test_a_fit_that_was_answered_before_needs_no_compiler(folder):
    """What takes long is not even imported the second time: LLVM, all effects, libraries for sound."""
    code = (
        "import sys; from chainrt.cli import main\n"
        f"statuses = [main(['fit', *way]) for way in {WAYS_TO_ASK}]\n"
        "print(statuses, [name for name in ('numba', 'llvmlite', 'scipy', 'soundfile') if name in sys.modules])"
    )
    env = {**os.environ, "PYTHONPATH": str(ROOT)}
    first, second = (
        subprocess.run([sys.executable, "-c", code], env=env, capture_output=True, text=True, check=True)
        for _ in range(2)
    )
    assert re.search(r"\[0, 0, 0, 0\] \[.*'llvmlite'", first.stdout.splitlines()[-1])
    assert second.stdout.splitlines()[-1] == "[0, 0, 0, 0] []"
    assert second.stdout.splitlines()[:-1] == first.stdout.splitlines()[:-1]


@pytest.mark.parametrize("change", ["preset.yaml", "model.nam", "ir.wav", "sources", "rate", "damage", "nothing"])
def test_an_answer_holds_until_a_file_changes_from_which_it_followed(change, folder, monkeypatch):
    asked = []
    found_out = facts.fit_blocks
    monkeypatch.setattr(facts, "fit_blocks", lambda *given: asked.append(given) or found_out(*given))
    first = known.chain("preset.yaml", 48_000, 64)(None)
    rate = 44_100 if change == "rate" else 48_000
    if change == "sources":
        monkeypatch.setattr(kept, "_sources", lambda: "others")
    elif change == "damage":
        for file in (kept.cache_root() / "tables").glob("answer-*.json"):
            file.write_text('{"origins": 1}')
    elif change == "model.nam":
        (folder / "model.nam").write_text(json.dumps(tiny_sliced()))
    elif change == "preset.yaml":
        (folder / "preset.yaml").write_text((folder / "preset.yaml").read_text().replace("Tiny", "Small"))
    elif change == "ir.wav":
        write_wav(folder / "ir.wav", [1.0, 0.5])
    second = known.chain("preset.yaml", rate, 64)(None)
    assert len(asked) == (1 if change == "nothing" else 2)
    assert (second == first) == (change in ("nothing", "sources", "damage"))
    assert second.name == ("Small" if change == "preset.yaml" else "Tiny")


def test_a_file_that_is_gone_is_told_though_the_answer_is_known(folder, capsys):
    assert chainrt(capsys, "fit", "preset.yaml", "--device", "pi4").status == 0
    (folder / "ir.wav").unlink()
    answer = chainrt(capsys, "fit", "preset.yaml", "--device", "pi4")
    assert answer.status == 2
    assert "'ir.wav' does not exist" in answer.err


def test_a_chain_is_the_same_when_it_was_kept():
    """Splits within splits, empty lanes, blocks that are off and levels that the preset forbids."""
    blocks = (amp(), pedal(enabled=False, channels=2), replace(amp("low"), allowed=(0,)), pedal("cab"))
    chain = FitChain("Deep", blocks, (0, Lanes(((), (1, Lanes(((2,), ()))), (3,)))))
    assert known._chain(json.loads(json.dumps(known.plain_chain(chain)))) == chain


def test_the_picture_is_a_png_and_without_matplotlib_one_line_says_so(folder, capsys, monkeypatch):
    from chainrt import fit_plot

    monkeypatch.setattr(fit_plot, "find_spec", lambda name: None)
    answer = chainrt(capsys, "fit", "preset.yaml", "--device", "pi4", "--plot", "fit.png")
    assert (answer.status, answer.out) == (2, "")
    assert answer.err == "--plot: pictures need matplotlib: pip install 'chainrt[plots]'\n"
    monkeypatch.undo()
    pytest.importorskip("matplotlib")
    monkeypatch.chdir(folder)
    assert chainrt(capsys, "fit", "preset.yaml", "--compare", "pi4,pi5", "--plot", "fit.png").status == 0
    data = (folder / "fit.png").read_bytes()
    assert data[:8] == b"\x89PNG\r\n\x1a\n"
    assert struct.unpack(">II", data[16:24]) > (800, 400)


def test_every_status_is_explained_in_the_help(capsys):
    said = chainrt(capsys, "fit", "--help").out
    for status in command.STATUS.values():
        assert f"{status} " in said.partition("Exit status")[2]

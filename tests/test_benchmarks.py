"""`chainrt bench`: rows are kept, seeds are compared as they should be, days are as they say, the page is whole."""

import json
import re
import sys
from itertools import product

import numpy as np
import pytest
from pedalboards import chainrt

from chainrt.benchmarks import chapters, comparing, page, running, statistics
from chainrt.benchmarks.ablations import ABLATIONS
from chainrt.benchmarks.chapter import FULL, QUICK, Effort, Picture, Sound, Table, Told
from chainrt.benchmarks.contestants import (
    CONTESTANTS,
    FAMILIES,
    FEW_CHANGES,
    OURS,
    PATIENCE,
    PATIENT,
    SECOND_CORE,
    TWICE,
    player,
)
from chainrt.benchmarks.reacting import first_mean, first_stretch
from chainrt.benchmarks.scenarios import ADVERSARIES, BLOCKS, DAYS, DOUBLED, NEW_BLOCK, SCENARIOS, STALL_NS
from chainrt.benchmarks.scoring import best_possible, few_changes, longest_run, play, twice_the_period, weather_rows
from chainrt.benchmarks.simulated import cell, measure
from chainrt.benchmarks.store import Job, Store
from chainrt.numeric import PEDALBOARD, numeric_chain

# -- rows are kept ------------------------------------------------------------------------------------------------


CHAPTER = """
import sys
TITLE, IS_TIMED = "A chapter", {timed}

def cells(effort):
    return [{{"n": n}} for n in range(effort.seeds)]

def measure(cell, folder):
    with open(folder / "calls", "a") as calls:
        calls.write(f"{{cell['n']}}\\n")
    if cell["n"] == 3 and (folder / "trap").exists():
        raise KeyboardInterrupt
    return {{"square": cell["n"] ** 2}}

def tell(rows):
    raise AssertionError
"""


@pytest.fixture
def chapter(tmp_path, monkeypatch):
    """A module of five cells; where a file `trap` lies, the fourth of them is interrupted."""
    monkeypatch.syspath_prepend(tmp_path)

    def made(timed):
        (tmp_path / "planted_chapter.py").write_text(CHAPTER.format(timed=timed))
        sys.modules.pop("planted_chapter", None)
        return __import__("planted_chapter")

    yield made
    sys.modules.pop("planted_chapter", None)


EFFORT = Effort("quick", 5)


def run(module, tmp_path):
    store = Store(tmp_path / "cells.jsonl", tmp_path)
    try:
        running.measure_all([module], EFFORT, store, tmp_path, workers=1)
        return running.rows_of(module, EFFORT, store, tmp_path)
    finally:
        store.close()


@pytest.mark.parametrize("timed", [True, False])
def test_a_stopped_run_goes_on_where_it_was_nothing_twice_and_nothing_lost(chapter, tmp_path, timed):
    module = chapter(timed)
    (tmp_path / "trap").touch()
    with pytest.raises(KeyboardInterrupt):
        run(module, tmp_path)
    (tmp_path / "trap").unlink()
    before = (tmp_path / "calls").read_text().split()
    assert [row["square"] for row in run(module, tmp_path)] == [0, 1, 4, 9, 16]
    after = (tmp_path / "calls").read_text().split()
    assert sorted({*after}) == ["0", "1", "2", "3", "4"]
    assert all(after.count(n) == 1 for n in "012"), "what was measured before the interruption is not measured again"
    assert before[:4] == ["0", "1", "2", "3"]
    assert run(module, tmp_path)
    assert (tmp_path / "calls").read_text().split() == after
    assert len((tmp_path / "cells.jsonl").read_text().splitlines()) == 5


def test_a_torn_line_is_measured_again_and_a_whole_one_is_not(chapter, tmp_path):
    run(module := chapter(True), tmp_path)
    text = (tmp_path / "cells.jsonl").read_text()
    (tmp_path / "cells.jsonl").write_text(text[:-9])
    assert len(run(module, tmp_path)) == 5
    assert (tmp_path / "calls").read_text().split() == [*"01234", "4"]


def test_other_code_and_other_machines_measure_anew(tmp_path, monkeypatch):
    module = chapters.load("policies")
    here = Job.of(module, {"n": 1}, tmp_path)
    assert here == Job.of(module, {"n": 1}, tmp_path)
    from chainrt.benchmarks import store

    store.code_version.cache_clear()
    monkeypatch.setattr(store, "sources", lambda module: [])
    assert Job.of(module, {"n": 1}, tmp_path).version != here.version
    store.code_version.cache_clear()
    monkeypatch.setattr(store, "machine", lambda: "another")
    assert store.code_version("m", True) != store.code_version("m", False)
    store.code_version.cache_clear()


def test_a_row_whose_file_is_gone_is_measured_again(tmp_path):
    job = Job("m", '{"n": 1}', "v", str(tmp_path))
    store = Store(tmp_path / "cells.jsonl", tmp_path)
    store.add(job, {"files": ["sound.wav"]})
    assert job not in store
    (tmp_path / "sound.wav").touch()
    assert job in store
    assert store.add(job, {"files": []}) is False
    store.close()


# -- seeds ----------------------------------------------------------------------------------------------------------


def test_the_bootstrap_of_a_mean_is_about_two_standard_errors_wide():
    values = np.random.default_rng(1).normal(5.0, 2.0, 400)
    estimate = statistics.bootstrap(values)
    error = values.std() / np.sqrt(len(values))
    assert estimate.mean == pytest.approx(values.mean())
    assert estimate.low == pytest.approx(values.mean() - 1.96 * error, abs=0.15 * error)
    assert estimate.high == pytest.approx(values.mean() + 1.96 * error, abs=0.15 * error)


def test_nineteen_of_twenty_intervals_hold_the_truth():
    random = np.random.default_rng(2)
    estimates = [statistics.bootstrap(random.normal(0, 1, 40)) for _ in range(200)]
    share = np.mean([estimate.low <= 0 <= estimate.high for estimate in estimates])
    assert 0.88 <= share <= 0.99


def test_paired_differences_see_what_the_weather_hides():
    weather = np.random.default_rng(3).normal(0, 10, 30)
    ours, theirs = weather + 0.5, weather
    assert statistics.paired(ours, theirs).differs
    alone = statistics.bootstrap(ours), statistics.bootstrap(theirs)
    assert alone[0].low < alone[1].high


def test_zero_in_n_periods_is_written_as_at_most_three_in_n():
    assert statistics.write_rate([0, 0], [500_000, 500_000]) == "0 (at most 3.0)"
    assert pytest.approx(0.05, abs=0.001) == (1 - 3 / 1000) ** 1000
    assert statistics.write_rate([2, 2], [1000, 1000]) == "2,000 (2,000 to 2,000)"


def row(policy, seed, avoidable, utility):
    score = {"periods": 1000, "misses": avoidable, "unavoidable": 0, "late_stalls": 0.0, "held": 0, "cold": 0}
    score |= {"longest": 1, "utility": 1000 * utility, "changes": 0}
    possible = {"each period": 1.0, "99 periods": 1.0}
    return cell(policy, "calm", seed, 1000) | {"score": score, "possible": possible}


@pytest.mark.parametrize(
    ("misses", "utility", "word"),
    [(0, 0.0, "tie"), (5, 0.0, "win"), (-5, 0.0, "loss"), (5, 0.1, "trade"), (0, 0.1, "loss"), (0, -0.1, "win")],
)
def test_wins_ties_losses_and_trades_are_called_so(misses, utility, word):
    """misses, utility: the rival's over ours."""
    noise = np.random.default_rng(4).integers(0, 5, 12)
    rows = [row(OURS, seed, 10 + n, 0.5 + n / 100) for seed, n in enumerate(noise)]
    rows += [row("full", seed, 10 + n + misses, 0.5 + n / 100 + utility) for seed, n in enumerate(noise)]
    found = comparing.verdicts(rows)
    assert [one.word for one in found] == [word]
    assert ("full (calm)" in " ".join(comparing.summary(found))) == (word in ("loss", "tie"))


def test_one_seed_proves_nothing():
    found = comparing.verdicts([row(OURS, 0, 0, 1.0), row("full", 0, 9, 0.1)])
    assert found[0].word == "one seed proves nothing"


# -- days -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", SCENARIOS)
def test_a_day_is_the_same_when_it_is_made_again_and_another_with_another_seed(name):
    (one, _), (same, _), (other, _) = (weather_rows(name, 5000, seed) for seed in (1, 1, 2))
    assert (one == same).all()
    assert not (one == other).all()


def calm_and(name, seed=1, periods=6000):
    """(the adversary's rows, extra) and the calm day of the same seed, from which it is made."""
    law = SCENARIOS[name].law
    return weather_rows(name, periods, seed), weather_rows(law, periods, seed)


def test_the_swinging_load_changes_every_tenth_of_a_second():
    (rows, _), (calm, _) = calm_and("swinging")
    ratio = (rows[:, 0] / calm[:, 0]).round(6)
    assert {*ratio} == {1.0, 1.5}
    assert np.diff(np.flatnonzero(np.diff(ratio))).tolist() == [75] * 78
    assert np.allclose(rows[:, 3::3] / calm[:, 3::3], ratio[:, None])


def test_one_seed_has_no_interval():
    alone = comparing.score_table("t", "", [row(OURS, 0, 9, 0.5)]).rows[0]
    assert (alone[2], alone[8]) == ("9,000", "0.500")
    assert comparing.score_table("t", "", [row(OURS, 0, 0, 0.5)]).rows[0][2] == "0 (at most 3,000.0)"
    assert comparing.score_table("t", "", [row(OURS, seed, 9, 0.5) for seed in (0, 1)]).rows[0][2].startswith("9,000 (")
    assert "One seed has no interval" in comparing.evidence([row(OURS, 0, 9, 0.5)])
    assert "In brackets" in comparing.evidence([row(OURS, seed, 9, 0.5) for seed in (0, 1)])


def test_wrong_tables_are_wrong_by_up_to_twelve_and_seven_percent():
    (rows, _), (bursts, _) = calm_and("wrong tables")
    ratios = rows[:, 3::3] / bursts[:, 3::3]
    assert np.allclose(ratios, ratios[0])
    assert 0.88 <= ratios.min() < 0.95 < 1.05 < ratios.max() <= 1.12
    _, model = numeric_chain(PEDALBOARD)
    told = SCENARIOS["wrong tables"].told(model, 1)
    pairs = zip(model.blocks, told.blocks, strict=True)
    errors = np.concatenate([np.divide(new.frame_ns, old.frame_ns) for old, new in pairs])
    assert 0.93 <= errors.min() < 0.97 < 1.03 < errors.max() <= 1.07
    assert len({*errors.round(6)}) == len(errors)


def test_the_unknown_block_comes_after_a_third_of_the_run():
    (rows, _), (calm, _) = calm_and("unknown block")
    ratios = (rows[:, 3::3] / calm[:, 3::3]).round(6)
    assert (ratios[:2000] == 1).all()
    assert {*ratios[2000:, NEW_BLOCK]} == {2.0}
    assert (np.delete(ratios, NEW_BLOCK, axis=1) == 1).all()


def test_the_late_stall_strikes_the_last_block_once_a_second():
    (rows, _), (calm, _) = calm_and("late stall")
    beside = (rows - calm).round(3)
    last = 3 + 3 * (BLOCKS - 1) + 1
    assert {*beside[:, last]} == {0.0, STALL_NS}
    assert np.diff(np.flatnonzero(beside[:, last])).tolist() == [750] * 7
    assert not np.delete(beside, last, axis=1).any()


def test_presets_change_every_second():
    _, extra = weather_rows("presets all the time", 7500, 1)
    changes = np.flatnonzero(np.diff(extra)) + 1
    assert len(changes) >= 4
    assert (changes % 750 == 0).all()
    assert {*extra} <= {0.0, 120e3, 240e3, 400e3}


def test_thermal_steps_last_two_seconds_each():
    (rows, _), (calm, _) = calm_and("thermal steps", periods=9000)
    assert (rows[::1500, 0] / calm[::1500, 0]).round(6).tolist() == [1, 1.15, 1.35, 1.6, 1.25, 1]


def test_a_shaky_machine_shakes_every_period_for_itself_and_in_any_pieces():
    (rows, _), (calm, _) = calm_and("shaky", periods=9000)
    ratio = np.log(rows[:, 0] / calm[:, 0])
    assert np.allclose(ratio, np.log(rows[:, 6] / calm[:, 6]))  # of all blocks alike
    assert ratio.std() == pytest.approx(0.05, rel=0.05)
    assert abs(np.corrcoef(ratio[1:], ratio[:-1])[0, 1]) < 0.05
    shakes, numbers = SCENARIOS["shaky"].factors, np.arange(9000)
    pieces = [shakes(some, 0) for some in np.split(numbers, [700, 2600])]
    assert np.array_equal(np.concatenate(pieces), shakes(numbers, 0))


def test_on_the_uncalibrated_machine_everything_is_dearer_from_the_start():
    (rows, _), (bursts, _) = calm_and("uncalibrated")
    assert np.allclose(rows[:, 3::3] / bursts[:, 3::3], 1.7)
    assert np.allclose(rows[:, 5::3] / bursts[:, 5::3], 1.7)


def test_the_doubled_load_doubles_at_another_place_for_each_seed():
    starts = []
    for seed in range(3):
        (rows, _), (calm, _) = calm_and("doubled", seed, 2000)
        ratio = (rows[:, 0] / calm[:, 0]).round(6)
        starts.append(int(np.argmax(ratio > 1)))
        assert (ratio[starts[-1] :] == DOUBLED).all()
    assert starts == [1125, 1126, 1127]


def played(policy, knob, scenario, periods, seed=0):
    make, budget = player(policy, knob)
    return play(make, scenario, periods, seed, budget)


@pytest.mark.parametrize("name", ["calm", "unknown block", "wrong tables"])
def test_nobody_is_better_than_the_clairvoyant_of_every_period(name):
    for policy in (OURS, "full"):
        score, _, _ = played(policy, None, name, 3000, 1)
        assert score.utility / 3000 <= best_possible(name, 3000, 1)[0] + 0.002  # it leaves out the jitter of blocks


# -- players ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ABLATIONS)
def test_every_ablation_decides_otherwise(name):
    days = product(("shaky", "bursts", "presets all the time"), range(2))
    both = ((played(one, None, day, 12_000, seed)[0] for one in (OURS, name)) for day, seed in days)
    assert any(whole != without for whole, without in both)


def test_on_a_shaky_machine_headroom_spares_the_listener_and_costs_no_miss():
    whole, _, _ = played(OURS, None, "shaky", 20_000)
    tight, _, _ = played("without headroom", None, "shaky", 20_000)
    assert whole.changes < tight.changes / 5
    assert whole.avoidable <= tight.avoidable
    assert whole.utility > 0.8 * 20_000


def test_on_two_cores_the_smallest_levels_step_in_and_no_miss_is_excused():
    alone, _, _ = played(OURS, None, "hostile", 12_000, 1)
    both, tally, _ = played(SECOND_CORE, None, "hostile", 12_000, 1)
    assert both.unavoidable == 0
    assert both.misses <= alone.misses
    assert tally.in_time is not tally.chain
    assert both != alone


def test_without_reflex_there_are_misses_and_without_insurance_cold_falls():
    whole, _, _ = played(OURS, None, "bursts", 6000)
    blind, _, _ = played("without reflex", None, "bursts", 6000)
    uninsured, _, _ = played("without insurance", None, "bursts", 6000)
    assert blind.avoidable > 100 + whole.avoidable
    assert uninsured.cold > whole.cold


@pytest.mark.parametrize("name", FAMILIES)
def test_every_knob_does_something(name):
    sweep = FAMILIES[name].sweep
    assert list(sweep) == sorted(sweep)
    assert FAMILIES[name].usual in sweep
    low, high = (played(name, knob, "bursts", 3000)[0] for knob in (sweep[0], sweep[-1]))
    assert low != high


def test_the_budget_that_is_turned_stays_so_when_the_chain_changes():
    _, tally, control = played(OURS, 0.45, "presets all the time", 3000)
    assert control._policy._capacity_ns == pytest.approx(0.45 * tally.model.deadline_ns)


def test_twice_the_period_counts_two_short_ones_for_each_miss():
    score = twice_the_period("thermal", 6000, 0)
    assert score.misses % 2 == 0
    assert score.misses > 1000
    assert score.utility == pytest.approx(6000 - score.misses)


def test_who_may_change_less_reaches_less_than_the_free_clairvoyant_and_no_more_than_its_changes():
    score = few_changes("bursts", 3000, 1)
    each, dwell = best_possible("bursts", 3000, 1)
    assert 0.5 < score.utility / 3000 <= dwell + 1e-9 <= each + 2e-9
    assert score.changes == 4  # 60 a minute for four seconds


def test_the_longest_run_is_that_of_counting():
    for missed in product([False, True], repeat=7):
        longest = max(map(len, "".join("x" if one else " " for one in missed).split()), default=0)
        assert longest_run(np.array(missed)) == longest


def test_a_reaction_is_where_a_calm_stretch_begins():
    holds = np.array([1, 0, 1, 1, 0, 1, 1, 1, 1], bool)
    assert first_stretch(holds, 2) == 2
    assert first_stretch(holds, 3) == 5
    assert first_stretch(holds, 5) is None
    assert first_mean(np.array([0.0, 1.0, 0.0, 1.0, 1.0]), 2, 0.9) == 3
    assert first_mean(np.zeros(5), 2, 0.1) is None


# -- chapters and page ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", chapters.NAMES)
@pytest.mark.parametrize("effort", [QUICK, FULL])
def test_cells_are_flat_different_and_kept_as_they_are(name, effort):
    cells = chapters.load(name).cells(effort)
    assert cells
    texts = [json.dumps(one, sort_keys=True) for one in cells]
    assert len({*texts}) == len(texts)
    assert all(isinstance(value, str | int | float | bool | None) for one in cells for value in one.values())


def test_with_its_usual_patience_the_scheduler_is_itself(tmp_path):
    usual = measure(cell(PATIENT, "bursts", 0, 4000, PATIENCE.usual), tmp_path)
    assert usual == measure(cell(OURS, "bursts", 0, 4000), tmp_path)
    calm = measure(cell(PATIENT, "bursts", 0, 4000, PATIENCE.sweep[0]), tmp_path)
    assert calm["score"]["changes"] < usual["score"]["changes"]
    assert calm["score"]["utility"] < usual["score"]["utility"]


def test_in_full_everybody_plays_every_day_with_twenty_seeds():
    for name, days, more in (("policies", DAYS, [FEW_CHANGES]), ("adversaries", ADVERSARIES, [])):
        played = {(c["policy"], c["scenario"], c["seed"]) for c in chapters.load(name).cells(FULL)}
        assert played == {*product([*CONTESTANTS, TWICE, *more], days, range(20))}
    swept = {(c["policy"], c["knob"], c["scenario"]) for c in chapters.load("frontier").cells(FULL)}
    assert swept == {(f, knob, day) for f in FAMILIES for knob in FAMILIES[f].sweep for day in DAYS}


@pytest.mark.parametrize(
    "name",
    ["policies", "one_core", "patience", "long_runs", "frontier", "timelines", "responses", "adversaries", "ablations"],
)
def test_a_simulated_chapter_tells_of_whatever_rows_there_are(name, tmp_path, monkeypatch):
    pytest.importorskip("matplotlib")
    module = chapters.load(name)
    shown = OURS, PATIENT, "static", "static 55 %", "without reflex"
    cells = [one | {"periods": 400} for one in module.cells(Effort("quick", 2)) if one["policy"] in shown]
    rows = [one | module.measure(one, tmp_path) for one in cells[-16:]]
    for some, draws in ((rows, True), (rows[:1], False)):
        monkeypatch.setattr(page, "can_draw", lambda draws=draws: draws)
        told = module.tell(json.loads(json.dumps(some)))
        assert told.about
        assert told.parts
        entry = page.Entry(name, module.TITLE, len(some), len(rows), some, told)
        html = page.write(tmp_path, [entry], []).read_text()
        assert all(page.escape(part.caption) in html for part in told.parts if draws or isinstance(part, Table))
        assert page.markdown(told)
        assert "nan" not in re.sub(r"base64,[^\"]*", "", html)


def planted(text):
    table = Table("numbers", f"Caption {text}", ("who", "how much>"), [(text, "1")])
    picture = Picture(
        "line", f"Picture {text}", lambda figure, ink: figure.subplots().plot([1, 2], **ink.line(0)), (4, 3)
    )
    return Told([f"About {text}"], [f"Finding {text}"], [table, picture, Sound(f"Sound {text}", "one.wav")])


def test_the_page_has_every_chapter_and_needs_nothing_from_outside(tmp_path):
    pytest.importorskip("matplotlib")
    entries = [page.Entry(f"c{n}", f"Title {n}", n + 1, 2, [{"n": n}], planted(f"<{n}>")) for n in range(2)]
    entries.append(page.Entry("c2", "Title 2", 0, 2, [], None))
    html = page.write(tmp_path, entries, ["Head"]).read_text()
    for n in range(2):
        for what in ("About", "Finding", "Caption", "Picture", "Sound"):
            assert f"{what} &lt;{n}&gt;" in html
        assert (tmp_path / f"c{n}-line.png").read_bytes().startswith(b"\x89PNG")
    assert all(f"Title {n}" in html and f'href="#c{n}"' in html for n in range(3))
    assert "1 of 2 cells" in html
    assert "0 of 2 cells" in html
    links = re.findall(r'(?:src|href|srcset)="([^"]*)"', html)
    assert {link[:10] for link in links} == {"data:image", "files/one.", *(f"#c{n}" for n in range(3))}
    assert not re.search(r"https?:|//[a-z]|@import|url\(|<script|<link", re.sub(r"base64,[^\"]*", "", html))
    assert html.count('media="(prefers-color-scheme: dark)"') == 2


def test_a_long_table_is_folded(tmp_path):
    def written(lines):
        told = Told([], [], [Table("numbers", "Caption", ("who",), [("x",)] * lines)])
        return page.html([page.Entry("c", "Title", 1, 1, [{}], told)], [], {})

    assert "<summary>Caption: 151 lines</summary>" in written(page.LONG_TABLE + 1)
    assert "<figcaption>Caption</figcaption>" in written(page.LONG_TABLE)


def test_without_matplotlib_the_page_says_in_one_line_how_to_get_pictures(tmp_path, monkeypatch):
    monkeypatch.setattr(page, "can_draw", lambda: False)
    html = page.write(tmp_path, [page.Entry("c", "Title", 1, 1, [{}], planted("x"))], []).read_text()
    assert "pip install &#x27;chainrt[plots]&#x27;" in html
    assert "<img" not in html
    assert "Caption x" in html
    assert not [*tmp_path.glob("*.png")]


def test_markdown_has_findings_and_tables():
    text = page.markdown(planted("x"))
    assert text.startswith("About x")
    assert "* Finding x" in text
    assert "| who | how much |\n| --- | ---: |\n| x | 1 |" in text


# -- the command ------------------------------------------------------------------------------------------------------


def test_bench_measures_tells_and_does_nothing_the_second_time(tmp_path, capsys, monkeypatch):
    module = chapters.load("reaction")
    monkeypatch.setattr(module, "CONTESTANTS", [OURS, "full"])
    results, out = tmp_path / "RESULTS.md", tmp_path / "out"
    results.write_text("# Results\n\nMine.\n")
    arguments = ["bench", "--only", "reaction", "--seeds", "1", "--workers", "1", "--out", str(out), "--json"]
    answer = chainrt(capsys, *arguments, "--write-results", str(results))
    assert answer.status == 0
    first = json.loads(answer.out)
    table = first["chapters"]["reaction"]["tables"]["reaction"]
    assert [line["policy"] for line in table] == [OURS, "full"]
    assert table[0]["misses in the worst run"] == "0"
    assert table[1]["periods to fit, median"] == "never"
    assert first["effort"] == "quick"
    assert first["commit"]
    assert "Reaction to a doubled load" in (out / "index.html").read_text()
    assert "Mine." in results.read_text()
    assert "<!-- bench-reaction: begin -->" in results.read_text()
    measured = (out / "cells.jsonl").read_text()
    assert len(measured.splitlines()) == 2
    second = json.loads(chainrt(capsys, *arguments).out)
    assert second["chapters"] == first["chapters"]
    assert (out / "cells.jsonl").read_text() == measured


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["--only", "nonsense"], "no chapter 'nonsense'"),
        (["--seeds", "0"], "--seeds: '0' is not a whole number"),
        (["--workers", "x"], "--workers: 'x' is not a whole number"),
        (["--quick", "--full"], "not allowed with"),
        (["--write-results", "no/such/folder/x.md"], "cannot be written"),
        (["--json", "no/such/folder/x.json"], "cannot be written"),
    ],
)
def test_wrong_input_is_told_in_one_line(arguments, told, tmp_path, capsys):
    answer = chainrt(capsys, "bench", "--out", str(tmp_path / "out"), *arguments)
    assert answer.status == 2
    assert told in answer.err
    assert len(answer.err.splitlines()) == 1
    assert not (tmp_path / "out").exists()

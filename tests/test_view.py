"""The full-screen view: drawn from one snapshot, turned by keys, and gone when the sound is."""

import asyncio
import os
import signal
import sys
from dataclasses import replace
from pathlib import Path

import pytest
from pedalboards import pedalboard
from rich.console import Console

import chainrt
from chainrt.cli import screen
from chainrt.cli.view import HELP, View
from chainrt.errors import Fault, PresetError
from chainrt.snapshot import BlockView, Change, Knob, Moment, SecondCore, Snapshot

TONE = Knob("tone", "Hz", 500, 8000, 3500, 4000, (), "corner of the low-pass")
DRIVE = Knob("drive", "dB", 0, 60, 24, 12, (), "gain into the clipper")
BODY = Knob("body", "", 0, 2, 0, 2, ("small", "large", "resonator"), "whose body")
PEDAL = BlockView("drive", "drive", True, False, ("full",), 0, 0, 0.002, 0.002, 0.004, (DRIVE, TONE), {})
AMP = BlockView("amp B", "nam", True, False, ("ch2", "ch4", "full"), 0, 1, 0.2, 0.3, 0.4, (), {})
SNAPSHOT = Snapshot(
    preset="Dual amp",
    path="dual_amp.yaml",
    device="the clock",
    clock="wall",
    rate=48000,
    frames=64,
    deadline_us=4000 / 3,
    time_s=12.5,
    is_playing=True,
    budget=0.7,
    load=0.42,
    load_mean=0.4,
    load_p99=0.6,
    load_max=1.1,
    history=tuple(Moment(i / 100, 0.4, 0.4 + 0.001 * i) for i in range(300)),
    periods=9375,
    misses=0,
    unavoidable=0,
    longest_miss_run=0,
    lost_periods=0,
    xruns=None,
    blocks=(PEDAL, AMP),
    changes=(Change(12.4, "amp B", "full", "ch2", "reverb +9 %"),),
    scenes=("verse", "solo"),
    scene=None,
    is_changing=False,
)


def text_of(drawn, width=80) -> str:
    console = Console(width=width, color_system=None)
    with console.capture() as captured:
        console.print(drawn)
    return captured.get()


# -- drawing --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("load", "cells"),
    [(0.0, "       ┊  "), (0.5, "█████  ┊  "), (0.55, "█████▌ ┊  "), (1.0, "█" * 10), (9.0, "█" * 10)],
)
def test_a_bar_fills_with_the_load_and_marks_the_budget(load, cells):
    assert screen.bar(load, 0.7, 10).plain == cells


@pytest.mark.parametrize(("load", "colour"), [(0.7, "green"), (0.71, "yellow"), (1.01, "bold red")])
def test_green_is_within_the_budget_yellow_within_the_deadline_and_red_beyond(load, colour):
    assert screen.colour(load, 0.7) == colour


def test_the_chart_shows_the_worst_of_each_stretch_with_the_newest_at_the_right():
    history = [Moment(i, 0.1, 0.1) for i in range(20)]
    history[3] = Moment(3, 0.1, 1.0)
    lines = screen.chart(history, 0.7, 10, rows=2).plain.split("\n")
    assert lines == [" █        ", "▂█▂▂▂▂▂▂▂▂"]


def test_a_short_history_leaves_the_left_of_the_chart_empty():
    assert screen.chart([Moment(0, 0.5, 0.5)], 0.7, 4, rows=1).plain == "   ▄"
    assert screen.chart([], 0.7, 4, rows=1).plain == "    "


@pytest.mark.parametrize(
    ("value", "unit", "text"),
    [(4000, "Hz", "4 kHz"), (440, "Hz", "440 Hz"), (1500, "ms", "1.5 s"), (-62, "dB", "-62 dB"), (0.5, "", "0.5")],
)
def test_amounts_are_short(value, unit, text):
    assert screen.amount(value, unit) == text


def test_a_block_shows_its_level_as_lamps_and_where_it_is_going():
    assert screen.level(AMP).plain == "▮▯▯ ch2 → ch4"
    assert screen.level(PEDAL).plain == ""


def test_misses_stand_out_and_xruns_are_shown_where_the_system_counts_them():
    quiet = text_of(screen.loads(SNAPSHOT, 80))
    assert "misses 0 of 9,375 periods" in quiet
    assert "xruns" not in quiet
    loud = text_of(screen.loads(replace(SNAPSHOT, misses=3, unavoidable=1, longest_miss_run=2, xruns=4), 80))
    assert "misses 3 of 9,375 periods, 1 unavoidable, at most 2 in a row  xruns 4" in loud


def test_a_second_core_says_how_often_the_smallest_levels_stood_in_and_whether_they_do_now():
    core = SecondCore(late_ms=1.333, stands_in=False, stood_in=1234, changes=8)
    calm = text_of(screen.loads(replace(SNAPSHOT, second_core=core), 80))
    assert "2 cores, 1.3 ms later  smallest levels in 1,234 periods\n" in calm
    late = text_of(screen.loads(replace(SNAPSHOT, second_core=replace(core, stands_in=True)), 80))
    assert "smallest levels in 1,234 periods  now\n" in late
    assert "2 cores" not in text_of(screen.loads(SNAPSHOT, 80))


def test_a_bypassed_block_says_whether_its_tail_still_rings():
    blocks = (replace(PEDAL, enabled=False), replace(AMP, enabled=False, idle=True))
    drawn = text_of(screen.blocks(replace(SNAPSHOT, blocks=blocks), (0, 0), 80, 0, 9))
    assert "ringing out" in drawn
    assert "bypassed" in drawn


def test_a_change_of_level_is_told_with_its_reason():
    assert screen.changes(SNAPSHOT, 5).plain == "   12.40 s  amp B: full -> ch2, reverb +9 %"


@pytest.mark.parametrize("width", [80, 110, 200])
def test_no_line_is_longer_than_the_terminal(width):
    knobs = tuple(replace(TONE, name=f"tone{i}") for i in range(20))
    snapshot = replace(SNAPSHOT, preset="x" * 300, blocks=(replace(PEDAL, id="y" * 40, knobs=knobs), AMP), misses=9)
    for drawn in (screen.heading(snapshot, width), screen.blocks(snapshot, (0, 15), width, 0, 9)):
        lines = text_of(drawn, 400).splitlines()
        assert max(len(line.rstrip()) for line in lines) <= width
    assert "tone15" in text_of(screen.blocks(snapshot, (0, 15), width, 0, 9), 400)


def test_a_knob_of_ratios_turns_in_ratios_and_stays_in_its_range():
    assert screen.turned(TONE, 1) == pytest.approx(4000 * 16 ** (1 / 40))
    assert screen.turned(DRIVE, -1) == pytest.approx(10.5)
    assert screen.turned(DRIVE, 1000) == 60
    assert screen.turned(TONE, -1000) == 500


def test_a_switch_shows_its_positions_by_name_and_goes_round():
    assert screen.setting(BODY, 1) == "large"
    assert screen.explained(BODY) == "body: small, large, resonator; whose body"
    assert (screen.turned(BODY, 1), screen.turned(BODY, -0.1)) == (0, 1)


def test_what_a_block_finds_out_stands_beside_its_knobs():
    tuner = replace(PEDAL, knobs=(), readings={"pitch": (110.04, "Hz"), "cents": (0.6, "")})
    assert screen.knobs(tuner, None).plain == "pitch 110 Hz  cents 0.6  "


# -- keys -----------------------------------------------------------------------------------------------------------


class Playing:
    """Instead of a session: notes what was asked of it."""

    def __init__(self, snapshot=SNAPSHOT):
        self.now, self.asked, self.budget = snapshot, [], snapshot.budget

    def snapshot(self):
        return self.now

    def turn(self, *arguments):
        self.asked.append(("turn", *arguments))

    def bypass(self, *arguments):
        self.asked.append(("bypass", *arguments))

    def scene(self, name):
        self.asked.append(("scene", name))

    def set_tempo(self, bpm):
        self.asked.append(("tempo", round(bpm)))
        return len(self.now.scenes)  # knobs that follow it

    def load(self, path):
        self.asked.append(("load", Path(path).name))

    def set_budget(self, share):
        if share > 0.9:
            raise ValueError("not so much")
        self.asked.append(("budget", round(share, 6)))
        self.budget = share


def pressed(session, *keys) -> View:
    async def play():
        view = View(session)
        view.exit = lambda *result: setattr(view, "ended", result)
        view.ended = None
        async with view.run_test(size=(100, 30)) as pilot:
            await pilot.press(*keys)
            await pilot.pause()
            await pilot.pause(0.05)  # a preset is loaded in a thread of its own
            view.look()
            await pilot.pause()
            view.message = str(view.query_one("#message").render())
            view.blocks = text_of(view._parts["blocks"].content)
        return view

    return asyncio.run(play())


@pytest.mark.parametrize(
    ("keys", "asked"),
    [
        (["plus"], ("turn", "drive", "drive", 13.5)),
        (["minus"], ("turn", "drive", "drive", 10.5)),
        (["full_stop"], ("turn", "drive", "drive", 12.15)),
        (["right", "0"], ("turn", "drive", "tone", 3500)),
        (["left", "0"], ("turn", "drive", "tone", 3500)),
        (["b"], ("bypass", "drive", True)),
        (["down", "b"], ("bypass", "amp B", True)),
        (["left_square_bracket"], ("budget", 0.65)),
        (["right_square_bracket"], ("budget", 0.75)),
        (["2"], ("scene", "solo")),
    ],
)
def test_a_key_does_what_the_last_line_says(keys, asked):
    session = Playing()
    pressed(session, *keys)
    assert session.asked == [asked]


@pytest.mark.parametrize(
    ("taps", "bpm"),
    [
        ([1.0], None),
        ([1.0, 1.5], 120),
        ([0.0, 1.0, 2.0, 2.5, 3.0, 3.5, 4.0], 120),  # an older tempo is forgotten
        ([0.0, 0.6, 9.0, 9.5], 120),  # and so is what was before a pause
        ([0.0, 9.0], None),
        ([3.0, 3.0], None),
    ],
)
def test_the_tempo_is_the_mean_of_the_last_taps(taps, bpm):
    assert screen.tempo(taps) == bpm


class Ticking(Playing):
    """Time passes between two looks at it."""

    def snapshot(self):
        self.now = replace(self.now, time_s=self.now.time_s + 0.02)
        return self.now


def test_tapping_sets_the_tempo_and_tells_it():
    session = Ticking()
    message = pressed(session, "t", "t", "t").message
    assert [what for what, *_ in session.asked] == ["tempo", "tempo"]
    assert message == f"{session.asked[-1][1]} BPM"
    assert pressed(Playing(), "t").message == "Tap on."
    assert "no knob of this preset" in pressed(Ticking(replace(SNAPSHOT, scenes=())), "t", "t").message


@pytest.mark.parametrize(("key", "loaded"), [("n", "c.yaml"), ("p", "a.yaml")])
def test_the_next_and_the_previous_preset_of_the_folder_are_loaded(tmp_path, key, loaded):
    for name in "cab":
        (tmp_path / f"{name}.yaml").touch()
    session = Playing(replace(SNAPSHOT, path=str(tmp_path / "b.yaml")))
    pressed(session, key)
    assert session.asked == [("load", loaded)]


def test_a_preset_that_cannot_be_loaded_is_told_and_one_alone_has_no_next(tmp_path):
    (tmp_path / "a.yaml").touch()
    session = Playing(replace(SNAPSHOT, path=str(tmp_path / "a.yaml")))
    assert pressed(session, "n").message == "There is no other preset in this folder."
    (tmp_path / "b.yaml").touch()
    told = PresetError([Fault("b.yaml", "this file is empty", 1), Fault("b.yaml", "another", 2)])

    def refuse(path):
        raise told

    session.load = refuse
    assert pressed(session, "n").message == "b.yaml:1: this file is empty"


def test_all_keys_are_told_at_a_question_mark_and_what_people_should_know_in_the_last_lines():
    view = pressed(Playing(replace(SNAPSHOT, notes=("The card is back.",))), "question_mark")
    assert view.message == "The card is back."
    session = Playing(replace(SNAPSHOT, notes=("The card is back.",)))
    assert pressed(session, "1", "9").message == "There are 2 scenes."
    assert "tap the tempo" in view.blocks
    assert "tap the tempo" not in pressed(Playing(), "question_mark", "question_mark").blocks


def test_blocks_that_do_not_fit_are_counted():
    drawn = text_of(screen.blocks(replace(SNAPSHOT, blocks=(PEDAL, AMP, PEDAL)), (0, 0), 80, 1, 2))
    assert "block 2-3 of 3" in drawn
    assert "block 2-3 of" not in text_of(screen.blocks(SNAPSHOT, (0, 0), 80, 0, 2))


def test_the_name_of_the_preset_and_its_scenes_stand_before_all_else():
    seen = replace(SNAPSHOT, device="a very long name of a sound card, and of another one, too", scene="solo")
    first, second = text_of(screen.heading(seen, 78)).splitlines()
    assert first.startswith("Dual amp  1 verse  2 solo ")
    assert first.rstrip().endswith("12.5 s")
    assert second.startswith("64 frames at 48,000 Hz, 1.33 ms · a very long name")


def test_a_bypassed_block_plays_again_at_the_same_key():
    session = Playing(replace(SNAPSHOT, blocks=(replace(PEDAL, enabled=False),)))
    pressed(session, "b")
    assert session.asked == [("bypass", "drive", False)]


def test_what_the_session_refuses_is_told_and_the_view_goes_on():
    session = Playing(replace(SNAPSHOT, budget=0.9))
    assert pressed(session, "right_square_bracket").message == "not so much"


@pytest.mark.parametrize(("scenes", "told"), [((), "This preset has no scenes."), (("a",), "There is only one scene.")])
def test_a_scene_that_is_not_there_is_told(scenes, told):
    assert pressed(Playing(replace(SNAPSHOT, scenes=scenes)), "7").message == told


def test_the_keys_fit_into_the_narrowest_terminal():
    assert len(HELP) <= 78


def test_a_chain_without_blocks_can_be_looked_at():
    pressed(Playing(replace(SNAPSHOT, blocks=())), "plus", "b", "down", "right", "0")


@pytest.mark.parametrize("key", ["q", "escape"])
def test_the_player_may_quit(key):
    assert pressed(Playing()).ended is None
    assert pressed(Playing(), key).ended == ()


def test_control_c_ends_the_view_and_is_passed_on():
    view = pressed(Playing(), "ctrl+c")
    assert view.ended == ()
    assert view.is_interrupted
    assert not pressed(Playing(), "q").is_interrupted


def test_the_view_ends_with_the_sound():
    assert pressed(Playing(replace(SNAPSHOT, is_playing=False))).ended == ()


@pytest.mark.skipif(not hasattr(os, "openpty"), reason="needs a pseudo-terminal")
@pytest.mark.parametrize(("key", "status"), [(b"q", 0), (b"\x03", 130), (signal.SIGINT, 130)])
def test_in_a_terminal_a_run_is_watched_and_quitting_prints_the_report(key, status, tmp_path):
    import pty
    import select

    pedalboard(tmp_path)
    child, terminal = pty.fork()
    if child == 0:
        os.chdir(tmp_path)
        os.environ |= {"TERM": "xterm-256color", "PYTHONPATH": str(Path(chainrt.__file__).parents[1])}
        os.execv(sys.executable, [sys.executable, "-m", "chainrt", "run", "preset.yaml", "--seconds", "120"])
    seen, is_asked = b"", False
    while select.select([terminal], [], [], 120)[0]:
        try:
            seen += os.read(terminal, 65536)
        except OSError:  # the other end is closed
            break
        if not is_asked and b"quit" in seen:  # the last line stands
            os.kill(child, key) if isinstance(key, signal.Signals) else os.write(terminal, key)
            is_asked = True
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == status
    report = seen.rpartition(b"\x1b[?1049l")[2]  # after the terminal was given back
    assert b"misses" in report
    assert b"budget 70.0 %" in report

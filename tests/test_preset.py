"""What musicians may write, and what they are told when it is wrong."""

import math
from types import SimpleNamespace

import pytest
import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from chainrt import yamlfile
from chainrt.block import BLOCKS, File, Param, choice
from chainrt.errors import PresetError
from chainrt.preset import (
    BlockSpec,
    Preset,
    SceneChange,
    Slim,
    Split,
    load,
    parse_note,
    parse_quantity,
    values_at_tempo,
)


def answer(function, *arguments):
    """What the function returns, or the exception by which it refuses its arguments."""
    try:
        return function(*arguments)
    except (ValueError, PresetError) as refusal:
        return refusal


def pedal(*params, files=(), options=(), slimmable=False):
    """As much of a Block as a preset is checked against."""
    return SimpleNamespace(params=params, files=files, options=options, slimmable=slimmable)


PEDALS = {
    "gate": pedal(
        Param("threshold", "dB", -100, 0, default=-60, help="where it opens"),
        Param("release", "ms", 5, 2000, default=120, help="how fast it closes"),
    ),
    "drive": pedal(
        Param("drive", "dB", 0, 60, default=24, help="gain"),
        Param("tone", "Hz", 500, 8000, default=3500, help="treble"),
    ),
    "cab": pedal(files=(File("ir", "an impulse response"),)),
    "echo": pedal(
        Param("time", "ms", 1, 2000, default=380, help="delay", follows_tempo=True),
        Param("feedback", "%", 0, 95, default=35, help="repeats"),
        Param("mix", "%", 0, 100, default=25, help="wet"),
        Param("taps", "", 1, 8, default=2, help="how many"),
    ),
    "nam": pedal(files=(File("model", "a .nam file"),), slimmable=True),
    "lfo": pedal(Param("speed", "Hz", 0.1, 20, default=5, help="how often", follows_tempo=True)),
}

DUAL = """\
version: 1
name: Dual amp
author: chainrt
tags: [demo, crunch]
chain:
  - gate: {threshold: -58 dB, release: 120 ms}
  - drive
  - drive: {drive: 14 dB, tone: 4.2 kHz, enabled: false, id: boost}
  - split:
      lanes:
        glass: [ {nam: {model: models/glass.nam, slim: auto, priority: 2}} ]
        brick:
          - nam: {model: models/glass.nam, slim: {min: lite, max: full}}
          - nam: {model: models/glass.nam}
        dry: []
      mix:
        glass: {level: -1 dB, pan: -40 %}
        brick: {pan: 40%}
  - cab: {ir: irs/open.wav}
  - echo: {time: 0.38 s, feedback: 35 %, mix: 22}
"""
HEAD = "version: 1\nname: Test\nchain:\n"


@pytest.fixture(scope="session")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("presets")
    for asset in ("models/glass.nam", "irs/open.wav"):
        (folder / asset).parent.mkdir()
        (folder / asset).touch()
    return folder


@pytest.fixture
def read(folder):
    """Loads a preset from its text or bytes."""

    def read(text: str | bytes) -> Preset:
        path = folder / "test.yaml"
        path.write_bytes(text if isinstance(text, bytes) else text.encode())
        return load(path, PEDALS)

    return read


@pytest.fixture
def faults(read, folder):
    """The faults of a preset's text, one line each, less the folder's name."""

    def faults(text: str | bytes) -> list[str]:
        with pytest.raises(PresetError) as caught:
            read(text)
        return str(caught.value).replace(f"{folder}/", "").split("\n")

    return faults


@pytest.fixture
def fault(faults):
    """The only fault of a chain's one item, less its place."""

    def fault(item: str) -> str:
        (told,) = faults(f"{HEAD}  - {item}\n")
        place, _, message = told.partition(": ")
        assert place == "test.yaml:4"
        return message

    return fault


def test_a_whole_pedalboard_is_read(read, folder):
    preset = read(DUAL)
    assert (preset.name, preset.author, preset.tags) == ("Dual amp", "chainrt", ("demo", "crunch"))
    assert preset.path == folder / "test.yaml"
    gate, drive, boost, split, cab, echo = preset.chain
    assert gate == BlockSpec(
        id="gate",
        kind="gate",
        values={"threshold": -58.0, "release": 120.0},
        files={},
        slim=Slim(),
        priority=1,
        enabled=True,
        line=6,
        path="chain[0].gate",
    )
    assert (drive.values, drive.enabled, drive.line) == ({}, True, 7)
    assert (boost.id, boost.values, boost.enabled) == ("boost", {"drive": 14.0, "tone": 4200.0}, False)
    assert cab.files == {"ir": folder / "irs/open.wav"}
    assert echo.values == {"time": 380.0, "feedback": 35.0, "mix": 22.0}

    assert isinstance(split, Split)
    assert (split.line, split.path) == (9, "chain[3].split")
    glass, brick, dry = split.lanes
    assert (glass.name, glass.level_db, glass.pan_percent) == ("glass", -1.0, -40.0)
    assert (brick.name, brick.level_db, brick.pan_percent) == ("brick", 0.0, 40.0)
    assert (dry.name, dry.level_db, dry.pan_percent, dry.chain) == ("dry", 0.0, 0.0, ())
    amp = glass.chain[0]
    assert (amp.id, amp.slim, amp.priority, amp.path) == ("glass.nam", Slim(), 2.0, "chain[3].split.lanes.glass[0].nam")
    assert amp.files == {"model": folder / "models/glass.nam"}
    assert [block.slim for block in brick.chain] == [Slim("lite", "full"), Slim()]


def test_a_block_may_say_what_becomes_of_its_tail(read, fault):
    chain = read(f"{HEAD}  - echo: {{tails: ring}}\n  - gate: {{tails: cut}}\n  - drive\n").chain
    assert [block.tails for block in chain] == ["ring", "cut", None]
    assert fault("echo: {tails: rnig}") == (
        "chain[0].echo.tails: unknown choice 'rnig', did you mean ring? allowed: ring, cut"
    )
    assert fault("echo: {tails: [ring]}") == "chain[0].echo.tails: needs one of ring, cut, not a list"


def test_a_preset_cannot_be_changed(read):
    with pytest.raises(AttributeError):
        read(DUAL).name = "another"


def test_the_declared_effects_are_used_when_no_others_are_given(folder):
    path = folder / "declared.yaml"
    path.write_text(f"{HEAD}  - {next(kind for kind in BLOCKS if not BLOCKS[kind].files)}\n")
    assert len(load(path).chain) == 1


def test_files_are_found_from_any_working_directory(folder, monkeypatch):
    (folder / "here.yaml").write_text(f"{HEAD}  - cab: {{ir: irs/open.wav}}\n")
    monkeypatch.chdir(folder)
    assert load("here.yaml", PEDALS).chain[0].files["ir"] == folder / "irs/open.wav"


def test_names_may_look_like_numbers_or_switches(read):
    preset = read("version: 1\nname: 5150\ntags: [80s, on]\nchain:\n  - split: {lanes: {on: , off: [gate]}}\n")
    assert (preset.name, preset.tags) == ("5150", ("80s", "on"))
    assert [lane.name for lane in preset.chain[0].lanes] == ["on", "off"]


def test_a_byte_order_mark_and_windows_line_ends_are_fine(read):
    assert read(b"\xef\xbb\xbf" + DUAL.replace("\n", "\r\n").encode()).name == "Dual amp"


class TestIds:
    def test_a_second_block_of_a_kind_gets_a_number(self, read):
        chain = "  - drive\n  - drive\n  - drive: {id: drive3}\n  - drive\n"
        assert [block.id for block in read(HEAD + chain).chain] == ["drive", "drive2", "drive3", "drive4"]

    def test_an_id_in_a_lane_begins_with_the_lanes_names(self, read):
        inner = "split: {lanes: {left: [gate, gate], right: []}}"
        (outer,) = read(f"{HEAD}  - split: {{lanes: {{wet: [{{{inner}}}], dry: []}}}}\n").chain
        assert [gate.id for gate in outer.lanes[0].chain[0].lanes[0].chain] == ["wet.left.gate", "wet.left.gate2"]

    def test_two_blocks_cannot_have_one_id(self, faults):
        assert faults(HEAD + "  - gate\n  - drive: {id: gate}\n") == [
            "test.yaml:5: chain[1].drive.id: 'gate' is the id of chain[0].gate already; ids must differ"
        ]

    @pytest.mark.parametrize("written", ["a b", "a.b", "a/b", "x" * 41])
    def test_an_id_is_one_plain_word(self, fault, written):
        assert "cannot be an id; letters, digits, '_' and '-' are allowed" in fault(f"drive: {{id: {written}}}")


class TestNumbers:
    @pytest.mark.parametrize(
        ("text", "unit", "value"),
        [
            ("-58 dB", "dB", -58.0),
            ("-58dB", "dB", -58.0),
            ("4.2 kHz", "Hz", 4200.0),
            ("4.1 kHz", "Hz", 4100.0),
            ("0.38 s", "ms", 380.0),
            (" 12% ", "%", 12.0),
            ("12 %", "%", 12.0),
            (".5", "dB", 0.5),
            ("+1e3", "Hz", 1000.0),
            ("010", "", 10.0),
        ],
    )
    def test_a_quantity_is_read_in_the_units_of_its_kind(self, text, unit, value):
        assert parse_quantity(text, unit) == value

    @pytest.mark.parametrize(
        ("text", "unit", "told"),
        [
            ("loud", "dB", "'loud' is not a number; write one in dB"),
            ("", "%", "'' is not a number; write one in %"),
            ("1:30", "ms", "'1:30' is not a number; write one in ms or s"),
            ("1_000", "Hz", "'1_000' is not a number; write one in Hz or kHz"),
            ("380 Hz", "ms", "'380 Hz': the unit 'Hz' is not allowed; write a number in ms or s"),
            ("4 khz", "Hz", "'4 khz': the unit 'khz' is not allowed; write a number in Hz or kHz"),
            ("3 dB", "", "'3 dB': the unit 'dB' is not allowed; write a number without a unit"),
            ("nan", "dB", "'nan' is not a number; write one in dB"),
            (".inf", "dB", "'.inf' is not a number; write one in dB"),
            ("1e999", "dB", "'1e999' is too large"),
            ("1e308 kHz", "Hz", "'1e308 kHz' is too large"),
        ],
    )
    def test_what_is_not_a_quantity_is_refused_with_what_is_allowed(self, text, unit, told):
        refusal = answer(parse_quantity, text, unit)
        assert isinstance(refusal, ValueError)
        assert str(refusal) == told

    @given(st.text(), st.sampled_from(["dB", "Hz", "ms", "%", ""]))
    def test_any_text_is_a_finite_number_or_refused(self, text, unit):
        value = answer(parse_quantity, text, unit)
        assert len(str(value).splitlines()) == 1
        assert isinstance(value, ValueError) or math.isfinite(value)

    def test_a_value_out_of_range_is_told_with_the_range(self, fault):
        told = fault("drive: {tone: 12 kHz}")
        assert told == "chain[0].drive.tone: 12000 Hz is above 8000 Hz; 500 to 8000 Hz is allowed"
        told = fault("gate: {threshold: -200}")
        assert told == "chain[0].gate.threshold: -200 dB is below -100 dB; -100 to 0 dB is allowed"
        assert fault("echo: {taps: 9}") == "chain[0].echo.taps: 9 is above 8; 1 to 8 is allowed"

    @pytest.mark.parametrize(
        ("written", "told"),
        [
            ("true", "'true' is not a number; write one in Hz or kHz"),
            ("[1]", "needs a number in Hz or kHz, not a list"),
            ("{a: 1}", "needs a number in Hz or kHz, not a mapping"),
            ("", "needs a number in Hz or kHz, not nothing"),
            ("~", "needs a number in Hz or kHz, not nothing"),
            (".nan", "'.nan' is not a number; write one in Hz or kHz"),
        ],
    )
    def test_a_knob_takes_nothing_but_a_number(self, fault, written, told):
        assert fault(f"drive: {{tone: {written}}}") == f"chain[0].drive.tone: {told}"


class TestTempo:
    @pytest.mark.parametrize(
        ("text", "quarters"),
        [("1/4", 1), ("1/8.", 0.75), ("1/8t", 1 / 3), ("3/16", 0.75), (" 2/1 ", 8), ("1/64", 1 / 16)],
    )
    def test_note_values_are_in_quarter_notes(self, text, quarters):
        assert parse_note(text) == pytest.approx(quarters)

    @pytest.mark.parametrize(
        "text", ["1/3", "0/4", "1/4..", "1/8T", "1 / 4", "-1/4", "1/", "/4", "4", "1/4 ms", "100/4"]
    )
    def test_nothing_else_is_one(self, text):
        assert parse_note(text) is None

    def test_they_set_times_and_speeds_by_the_tempo(self, read):
        board = read("version: 1\nname: t\ntempo: 90 BPM\nchain:\n- echo: {time: 1/8., mix: 5}\n- lfo: {speed: 1/8t}")
        echo, lfo = board.chain
        assert board.tempo_bpm == 90
        assert echo.values == {"time": 500.0, "mix": 5.0}
        assert lfo.values == {"speed": 4.5}
        assert (echo.notes, lfo.notes) == ({"time": 0.75}, {"speed": pytest.approx(1 / 3)})

    def test_the_tempo_is_120_unless_it_is_said(self, read):
        board = read(f"{HEAD}- echo: {{time: 1/4}}\n- echo: {{time: 300 ms}}")
        assert board.tempo_bpm == 120
        assert [block.values["time"] for block in board.chain] == [500.0, 300.0]
        assert board.chain[1].notes == {}

    def test_another_tempo_turns_only_the_knobs_that_follow_it_and_not_beyond_their_range(self, read):
        (echo,) = read(f"{HEAD}- echo: {{time: 2/4, mix: 5}}").chain
        params = PEDALS["echo"].params
        assert values_at_tempo(echo, params, 100) == {"time": 1200.0}
        assert values_at_tempo(echo, params, 40) == {"time": 2000.0}

    def test_a_note_too_long_for_the_knob_is_told_with_the_tempo(self, fault):
        told = fault("echo: {time: 5/4}")
        assert told == "chain[0].echo.time: 5/4 at 120 BPM: 2500 ms is above 2000 ms; 1 to 2000 ms is allowed"

    def test_a_knob_that_follows_the_tempo_tells_how_notes_are_written_and_another_knob_takes_none(self, fault):
        told = (
            "'1/3' is not a number; write one in ms or s, or a note value such as 1/4, 1/8. (dotted) or 1/8t (triplet)"
        )
        assert fault("echo: {time: 1/3}") == f"chain[0].echo.time: {told}"
        assert fault("echo: {mix: 1/4}") == "chain[0].echo.mix: '1/4' is not a number; write one in %"

    def test_the_tempo_has_a_range(self, faults):
        (told,) = faults("version: 1\nname: t\ntempo: 20\nchain: [echo]")
        assert told == "test.yaml:3: tempo: 20 BPM is below 30 BPM; 30 to 300 BPM is allowed"


class TestScenes:
    def test_a_scene_changes_knobs_and_switches_of_blocks_by_their_ids(self, read):
        scenes = read(
            DUAL + "scenes:\n"
            "  clean: {boost: {enabled: false}, glass.nam: {enabled: true}}\n"
            "  solo: {boost: {drive: 30 dB, enabled: true}, echo: {time: 1/8., mix: 40}}\n  as-written:\n"
        ).scenes
        assert list(scenes) == ["clean", "solo", "as-written"]
        assert scenes["clean"] == {"boost": SceneChange({}, False), "glass.nam": SceneChange({}, True)}
        assert scenes["solo"] == {
            "boost": SceneChange({"drive": 30.0}, True),
            "echo": SceneChange({"time": 375.0, "mix": 40.0}, None),
        }
        assert scenes["as-written"] == {}
        assert read(DUAL).scenes == {}

    def test_scenes_may_stand_before_the_chain(self, read):
        text = "version: 1\nname: T\nscenes: {a: {drive: {tone: 1 kHz}}}\nchain: [drive]\n"
        assert read(text).scenes == {"a": {"drive": SceneChange({"tone": 1000.0}, None)}}

    def test_all_faults_of_scenes_are_told_with_line_and_path(self, faults):
        text = HEAD + "- drive\n- nam: {model: models/glass.nam}\nscenes:\n"
        assert faults(
            text + "  solo: {drvie: {tone: 1}}\n"
            "  lead: {drive: {tone: 9 kHz, enabled: perhaps, gain: 3}}\n"
            "  loud: {nam: {model: models/glass.nam, slim: lite}}\n"
            "  a b: {}\n"
        ) == [
            "test.yaml:7: scenes.solo: unknown key 'drvie', did you mean drive? allowed: drive, nam",
            "test.yaml:8: scenes.lead.drive: unknown key 'gain'; allowed: drive, tone, enabled",
            "test.yaml:8: scenes.lead.drive.tone: 9000 Hz is above 8000 Hz; 500 to 8000 Hz is allowed",
            "test.yaml:8: scenes.lead.drive.enabled: needs true or false, not 'perhaps'",
            "test.yaml:9: scenes.loud.nam: unknown key 'model'; allowed: enabled",
            "test.yaml:9: scenes.loud.nam: unknown key 'slim'; allowed: enabled",
            "test.yaml:10: scenes: 'a b' cannot be a name; letters, digits, '_' and '-' are allowed, at most 40",
        ]


class TestLanes:
    def board(self, mix):
        return f"{HEAD}  - split:\n      lanes: {{a: [drive], b: []}}\n      mix: {{{mix}}}\n"

    def test_may_be_inverted_and_late(self, read):
        (split,) = read(self.board("a: {invert: true, delay: 3 ms}")).chain
        assert [(lane.invert, lane.delay_ms) for lane in split.lanes] == [(True, 3.0), (False, 0.0)]

    def test_are_told_what_is_wrong_with_that(self, faults):
        told = faults(self.board("a: {invert: 3, delay: 1 s}"))
        assert [line.partition("mix.a.")[2] for line in told] == [
            "delay: 1000 ms is above 100 ms; 0 to 100 ms is allowed",
            "invert: needs true or false, not '3'",
        ]


class TestSlim:
    @pytest.mark.parametrize(
        ("written", "slim"),
        [
            ("auto", Slim()),
            ("lite", Slim("lite", "lite")),
            ("0", Slim(0, 0)),
            ("'0'", Slim("0", "0")),
            ("{min: lite}", Slim("lite", None)),
            ("{min: 1, max: full}", Slim(1, "full")),
        ],
    )
    def test_it_is_auto_or_one_level_or_bounds(self, read, written, slim):
        (amp,) = read(f"{HEAD}  - nam: {{model: models/glass.nam, slim: {written}}}\n").chain
        assert amp.slim == slim

    @pytest.mark.parametrize("written", ["0.5", "-1", "true", "", "[lite]", "{min: auto}", "{}", "a b", "{low: 1}"])
    def test_anything_else_is_one_fault(self, fault, written):
        assert fault(f"nam: {{model: models/glass.nam, slim: {written}}}").startswith("chain[0].nam.slim")

    def test_a_plain_pedal_has_none(self, fault):
        assert fault("gate: {slim: auto}") == (
            "chain[0].gate: unknown key 'slim'; allowed: threshold, release, tails, enabled, id"
        )

    def test_priority_has_a_range(self, fault):
        assert fault("nam: {model: models/glass.nam, priority: 0}") == (
            "chain[0].nam.priority: 0 is below 0.1; 0.1 to 100 is allowed"
        )


class TestFaults:
    def test_all_are_told_at_once_in_the_order_of_their_lines(self, faults):
        text = """\
            nmae: Broken
            version: 2
            tags: [[a], b]
            chain:
              - drive: {tone: 12000, drive: loud}
              - split:
                  lanes:
                    left: [ {nam: {model: no.nam, slim: 0.5}}, wah ]
                    right: [cab]
                  mix:
                    lfet: {level: 3}
                    right: {level: 13 dB}
              - echo:
                  mix: 1
                  mix: 2
            """.replace("            ", "", 1).replace("\n            ", "\n")
        assert faults(text) == [
            "test.yaml:1: unknown key 'nmae', did you mean name? allowed: version, name, author, tags, tempo, chain, "
            "scenes",
            "test.yaml:1: name: missing",
            "test.yaml:2: version: 2 is newer than this chainrt, which reads version 1",
            "test.yaml:3: tags[0]: needs text, not a list",
            "test.yaml:5: chain[0].drive.drive: 'loud' is not a number; write one in dB",
            "test.yaml:5: chain[0].drive.tone: 12000 Hz is above 8000 Hz; 500 to 8000 Hz is allowed",
            "test.yaml:8: chain[1].split.lanes.left[0].nam.model: 'no.nam' does not exist; paths begin at the preset's "
            "folder",
            "test.yaml:8: chain[1].split.lanes.left[0].nam.slim: needs auto, {min: ..., max: ...} or a level: its name "
            "such as full or lite, or its index, 0 for the smallest, not '0.5'",
            "test.yaml:8: chain[1].split.lanes.left[1]: unknown block 'wah'; allowed: gate, drive, cab, echo, nam, "
            "lfo, split",
            "test.yaml:9: chain[1].split.lanes.right[0].cab.ir: missing; cab needs this file: an impulse response",
            "test.yaml:11: chain[1].split.mix: unknown key 'lfet', did you mean left? allowed: left, right",
            "test.yaml:12: chain[1].split.mix.right.level: 13 dB is above 12 dB; -60 to 12 dB is allowed",
            "test.yaml:15: chain[2].echo: 'mix' is here twice, first in line 14",
        ]

    @pytest.mark.parametrize("key", ["budget", "period", "rate", "device"])
    def test_what_a_machine_can_bear_belongs_on_the_command_line(self, faults, fault, key):
        told = f"this belongs to the machine, not to the preset; say --{key} on the command line"
        assert faults(f"{key}: 64\n{HEAD}  - gate\n") == [f"test.yaml:1: {key}: {told}"]
        assert fault(f"gate: {{{key}: 64}}") == f"chain[0].gate.{key}: {told}"

    @pytest.mark.parametrize(
        ("version", "told"),
        [
            ("7", "7 is newer than this chainrt, which reads version 1"),
            ("0", "must be 1, not '0'"),
            ("one", "must be 1, not 'one'"),
            ("", "needs 1, not nothing"),
            ("9" * 50, f"must be 1, not '{'9' * 39}…'"),
        ],
    )
    def test_the_version_must_be_one_that_is_known(self, faults, version, told):
        assert faults(f"version: {version}\nname: x\nchain: [gate]\n") == [f"test.yaml:1: version: {told}"]

    @pytest.mark.parametrize(
        ("item", "told"),
        [
            (
                "drvie",
                "chain[0]: unknown block 'drvie', did you mean drive? allowed: gate, drive, cab, echo, nam, lfo, split",
            ),
            ("[gate]", "chain[0]: needs the name of a block, not a list"),
            ("", "chain[0]: needs the name of a block, not nothing"),
            ("{}", "chain[0]: needs the name of a block, not a mapping"),
            ("[gate]: 1", "chain[0]: needs the name of a block, not a list"),
            ("gate: 5", "chain[0].gate: needs lines of 'key: value' such as 'threshold: ...', not '5'"),
            ("gate: {[a]: 5}", "chain[0].gate: a key must be a word, not a list"),
            ("gate: {enabled: 2}", "chain[0].gate.enabled: needs true or false, not '2'"),
            ("gate: {enabled: 'true'}", "chain[0].gate.enabled: needs true or false, not 'true'"),
            ("cab: {ir: irs}", "chain[0].cab.ir: 'irs' is not a file"),
            (f"cab: {{ir: {'a/' * 9999}}}", "chain[0].cab.ir: needs text, not 19998 characters"),
            ("cab: {ir: }", "chain[0].cab.ir: needs text, not nothing"),
            ('cab: {ir: "a\\nb"}', r"chain[0].cab.ir: needs one line of text, not 'a\nb'"),
            ("split", "chain[0].split.lanes: a split has 2 to 8 lanes, not 0"),
            ("split: {lanes: {a: [], b}}", "chain[0].split.lanes.b: needs a list, not 'gate'"),
            ("split: {lanes: {a: []}}", "chain[0].split.lanes: a split has 2 to 8 lanes, not 1"),
            ("split: {lanes: [gate, gate]}", "chain[0].split.lanes: needs lines of 'key: value', not a list"),
            ("split: {lanes: {a b: [], c: []}}", "chain[0].split.lanes: 'a b' cannot be a name; letters, digits, '_' "),
        ],
    )
    def test_an_item_that_is_not_one_sound_block(self, fault, item, told):
        assert fault(item.replace(", b}", ", b: gate}")).startswith(told)

    def test_settings_that_are_not_indented_below_their_block(self, faults):
        assert faults(HEAD + "  - drive:\n    tone: 4 kHz\n") == [
            "test.yaml:4: chain[0]: one block an item, not 'drive', 'tone'; "
            "indent a block's settings further than its name"
        ]

    @pytest.mark.parametrize("chain", ["", "[]", "{}"])
    def test_a_chain_without_blocks(self, faults, chain):
        told = faults(f"version: 1\nname: x\nchain: {chain}\n")
        assert told == ["test.yaml:3: chain: this chain is empty; it needs at least one block"]

    def test_many_faults_are_told_up_to_a_hundred(self, faults):
        told = faults(HEAD + "  - wah\n" * 500)
        assert len(told) == 101
        assert told[-1] == "test.yaml: reading stopped after 100 faults; there may be more"


class TestFiles:
    def test_that_are_not_there(self, folder):
        with pytest.raises(PresetError, match=r"none\.yaml: this file does not exist"):
            load(folder / "none.yaml", PEDALS)
        with pytest.raises(PresetError, match="this file does not exist"):
            load(folder / ("x" * 5000), PEDALS)

    def test_that_are_folders(self, folder):
        with pytest.raises(PresetError, match="this is not a file"):
            load(folder, PEDALS)

    def test_that_are_huge(self, faults):
        assert faults(b"#" * 1_000_001) == ["test.yaml: this file is larger than 1 MB, too large for a preset"]

    def test_that_are_not_text(self, faults):
        assert faults(b"version: 1\nname: caf\xe9\n") == ["test.yaml:2: this is not UTF-8 text; save the file as UTF-8"]
        assert faults(b"version: 1\nname: \0\n") == [
            "test.yaml:2: the control character U+0000 is not allowed; save the file as UTF-8 text"
        ]

    def test_that_say_nothing(self, faults):
        assert faults("# soon\n") == ["test.yaml: this file is empty; a preset needs version, name and chain"]

    def test_that_are_no_mapping(self, faults):
        assert faults("- gate\n") == ["test.yaml:1: needs lines of 'key: value' such as 'version: ...', not a list"]


@pytest.fixture(params=["CSafeLoader", "SafeLoader"])
def either_loader(request, monkeypatch):
    """Both of PyYAML's readers; they word their errors differently."""
    if not hasattr(yaml, request.param):
        pytest.skip("PyYAML was built without libyaml")
    monkeypatch.setattr(yamlfile, "LOADER", getattr(yaml, request.param))


@pytest.mark.usefixtures("either_loader")
class TestYaml:
    @pytest.mark.parametrize(
        ("text", "told"),
        [
            ("chain:\n\t- gate\n", "test.yaml:2: this line is indented with a tab; use spaces"),
            ("chain:\n  - gate:\n  \t  release: 5\n", "test.yaml:3: this line is indented with a tab; use spaces"),
            ("name: a: b\n", "test.yaml:1: this is not YAML: unexpected ':'; check the indentation, and put text that"),
            (
                "x: 1\nchain: [gate\ny: 1\n",
                "test.yaml:2: this is not YAML: this bracket is not closed, ",
            ),
            ("x: 1\nname: 'abc\ny: 1\n", "test.yaml:2: this is not YAML: this quote is not closed"),
            ("x: 1\nname\ny: 1\n", "test.yaml:2: this is not YAML: a ':' is missing in this line"),
            ('name: "\\q"\n', "test.yaml:1: this is not YAML: '\\' has a meaning of its own in double quotes"),
            ("name: @home\n", "test.yaml:1: this is not YAML: a tab or a sign such as @"),
            ("chain: *none\n", "test.yaml:1: this is not YAML: an alias (*name) needs an anchor (&name) above it"),
            (
                "chain:\n  - gate\n - drive\n",
                "test.yaml:3: this is not YAML: this line does not fit the lines above it",
            ),
            ("a: 1\n---\nb: 1\n", "test.yaml:2: this is not YAML: a second '---' begins here"),
            ("%YAML 9.0\n---\na: 1\n", "test.yaml:1: this is not YAML: "),
            (f"%YAML {'9' * 5000}.0\n---\na: 1\n", "test.yaml"),
            ('name: "\\UFFFFFFFF"\n', "test.yaml"),
            ("[" * 100_000, "test.yaml:1: more than 64 lists and mappings inside one another"),
            ("- " * 50_000, "test.yaml:1: more than 64 lists and mappings inside one another"),
        ],
    )
    def test_a_syntax_error_is_one_line_of_advice(self, faults, text, told):
        (found,) = faults(text)
        assert found.startswith(told)

    def test_anchors_and_aliases_save_typing(self, read):
        chain = "  - gate: &soft {release: 300 ms}\n  - gate: *soft\n"
        assert [block.values for block in read(HEAD + chain).chain] == [{"release": 300.0}] * 2

    @pytest.mark.parametrize(
        "text",
        [
            "version: 1\nname: x\nchain: &c\n  - split: {lanes: {a: *c, b: *c}}\n",
            "version: 1\nname: x\nchain: &c [*c, *c]\n",
            "&top\nversion: 1\nname: x\nchain: [*top]\n",
            "version: 1\nname: x\nchain:\n  - gate: &g {release: *g, ? *g : 1}\n",
        ],
    )
    def test_an_alias_of_itself_ends(self, faults, text):
        assert faults(text)

    def test_aliases_cannot_multiply_without_end(self, faults):
        thrice = "{{split: {{lanes: {{a: *c{0}, b: *c{0}, c: *c{0}}}}}}}"
        tripled = [f"  - split: {{lanes: {{a: &c{i} [{thrice.format(i - 1)}], b: }}}}\n" for i in range(1, 8)]
        told = faults(f"{HEAD}  - split: {{lanes: {{a: &c0 [gate, gate], b: }}}}\n{''.join(tripled)}")
        assert told == ["test.yaml: more than 5000 entries, aliases included; reading stopped there"]

    @given(data=st.data())
    @settings(max_examples=150, suppress_health_check=[HealthCheck.function_scoped_fixture])
    def test_any_file_is_a_preset_or_a_list_of_faults(self, read, data):
        preset = answer(read, data.draw(mutations()))
        assert isinstance(preset, Preset | PresetError)
        for fault in getattr(preset, "faults", ()):
            assert len(str(fault).splitlines()) == 1
            assert fault.line is None or fault.line >= 1


PIECES = [
    *"[]{}:,-&*!|>'\"%@`#?~\t\n\\ ",
    "- ",
    "  ",
    "\r",
    "<<: ",
    "&a ",
    "*a",
    "!!int ",
    "null",
    "true",
    "1e999",
    "---\n",
]


@st.composite
def mutations(draw) -> bytes:
    """A valid preset, cut, tripled and sprinkled with what means something in YAML, or with anything at all."""
    text = DUAL.encode()
    for _ in range(draw(st.integers(1, 4))):
        start = draw(st.integers(0, len(text)))
        end = draw(st.integers(start, min(start + 30, len(text))))
        new = draw(
            st.one_of(
                st.sampled_from(PIECES).map(str.encode),
                st.text(max_size=5).map(lambda text: text.encode(errors="replace")),
                st.binary(max_size=3),
                st.just(text[end : end + 40]),
            )
        )
        text = text[:start] + new + text[end:]
    return text


class TestSwitches:
    STACK = pedal(choice("circuit", "tweed", "british", "on", default="british", help="whose parts"))

    @pytest.fixture
    def circuit(self, tmp_path):
        """A function: what is written behind `circuit:` -> the value that the kernel gets, or the fault."""

        def read(text):
            path = tmp_path / "switch.yaml"
            path.write_text(f"version: 1\nname: a\nchain:\n - stack: {{circuit: {text}}}\n", "utf-8")
            try:
                return load(path, {"stack": self.STACK}).chain[0].values["circuit"]
            except PresetError as refusal:
                return str(refusal).removeprefix(f"{path}:4: chain[0].stack.circuit: ")

        return read

    def test_a_switch_is_set_by_the_name_of_its_position(self, circuit):
        assert [circuit(name) for name in ("tweed", "british", "on")] == [0, 1, 2]

    def test_its_default_is_the_number_of_a_position(self):
        assert self.STACK.params[0].default == 1

    def test_another_name_or_a_number_is_refused_with_what_is_allowed(self, circuit):
        told = "unknown choice 'brittish', did you mean british? allowed: tweed, british, on"
        assert circuit("brittish") == told
        assert circuit("1") == "unknown choice '1'; allowed: tweed, british, on"
        assert circuit("[tweed]") == "needs one of tweed, british, on, not a list"

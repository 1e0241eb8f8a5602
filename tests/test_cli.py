"""The commands as a musician and a script meet them: what they print, write and return."""

import json
import os
import re
import signal
import subprocess
import sys
from importlib import import_module

import numpy as np
import pytest
import soundfile
from models import RATE_HZ, tiny_sliced
from pedalboards import GUITAR_FRAMES, PRESET, chainrt, pedalboard

from chainrt import __version__
from chainrt.block import BLOCKS
from chainrt.cli import show
from chainrt.cli.arguments import parser

FRAMES = 64
OVERLOAD = ("run", "preset.yaml", "--simulate", "--seconds", "0.2", "--policy", "full", "--load", "0.1:100")
NUMBER = (int, float)


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """A good pedalboard, and the working directory; nothing says that the output be coloured."""
    monkeypatch.chdir(tmp_path)
    for name in ("FORCE_COLOR", "TTY_COMPATIBLE", "TTY_INTERACTIVE", "COLUMNS"):
        monkeypatch.delenv(name, raising=False)
    return pedalboard(tmp_path)


def sound(path):
    samples, rate = soundfile.read(path, dtype="float32", always_2d=True)
    assert rate == RATE_HZ
    assert soundfile.info(path).subtype == "FLOAT"
    return samples


def report(capsys, *arguments):
    answer = chainrt(capsys, "run", "preset.yaml", "--json", "-", *arguments)
    assert answer.status == 0
    return json.loads(answer.out)


# -- run ------------------------------------------------------------------------------------------------------------


def test_a_run_ends_with_a_line_for_each_block_its_load_misses_and_levels(folder, capsys):
    answer = chainrt(capsys, "run", "preset.yaml", "--seconds", "0.2")
    assert answer.status == 0
    lines = answer.out.splitlines()
    assert lines[0] == "Tiny: 3 blocks, 64 frames at 48,000 Hz, a period every 1.33 ms"
    assert "the built-in riff by the clock" in lines[1]
    starts = [line.split()[0] for line in lines if line]
    assert [word for word in starts if word in ("drive", "nam", "cab")] == ["drive", "nam", "cab"]
    assert starts[-3:] == ["load", "misses", "levels"]
    assert re.search(r"^misses +[0-9]+ of 150 periods", answer.out, re.MULTILINE)


def test_by_the_clock_a_run_takes_as_long_as_it_says(folder, capsys):
    answer = report(capsys, "--seconds", "0.5")
    assert answer["clock"] == "wall"
    assert answer["periods"] == 375
    assert 0 < answer["load"]["p50"] < 1


def test_a_preset_without_models_says_nothing_of_levels(folder, capsys):
    (folder / "preset.yaml").write_text(PRESET.replace("  - nam: {model: model.nam}\n", ""))
    answer = chainrt(capsys, "run", "preset.yaml", "--simulate", "--seconds", "0.1")
    assert answer.status == 0
    assert "level" not in answer.out


def test_json_on_standard_output_is_one_object_and_people_read_the_rest_elsewhere(folder, capsys):
    for arguments in (["--json"], ["--json", "-"]):
        answer = chainrt(capsys, "run", "preset.yaml", "--simulate", "--seconds", "0.2", *arguments)
        assert answer.status == 0
        assert json.loads(answer.out)["periods"] == 150
        assert answer.out.startswith("{")
        assert "misses" in answer.err


def test_json_in_a_file_leaves_the_table_on_standard_output(folder, capsys):
    answer = chainrt(capsys, "run", "preset.yaml", "--simulate", "--seconds", "0.2", "--json", "report.json")
    assert json.loads((folder / "report.json").read_text())["periods"] == 150
    assert "misses" in answer.out


def test_with_a_second_core_all_is_heard_a_period_later_and_the_report_says_who_was_heard(folder, capsys):
    arguments = ("--simulate", "--seconds", "0.4", "--load", "0.1:14", "--seed", "7", "--second-core")
    answer = report(capsys, *arguments)
    alone = report(capsys, *arguments[:-1])
    assert answer.keys() - alone.keys() == {"second_core"}
    core = answer["second_core"]
    assert core.keys() == {"late_frames", "periods_of_understudy", "changes", "unheard_periods"}
    assert core["late_frames"] == answer["latency_frames"] - alone["latency_frames"] == 64
    assert (core["periods_of_understudy"] > 0) == (core["changes"] > 0)
    assert answer["misses"] <= alone["misses"]
    told = chainrt(capsys, "run", "preset.yaml", *arguments).out
    expected = (
        f"2 cores smallest levels in {core['periods_of_understudy']:,} of 300 periods, "
        f"{core['changes']} changes to them and back; all 1.3 ms later"
    )
    assert expected in told.splitlines()


def test_the_report_has_the_keys_and_kinds_that_scripts_rely_on(folder, capsys):
    (folder / "model.nam").write_text(json.dumps(tiny_sliced()))
    answer = report(capsys, "--simulate", "--seconds", "0.4", "--load", "0.1:60", "--seed", "7", "--budget", "50%")
    kinds = {
        "preset": str,
        "clock": str,
        "device": str,
        "rate": int,
        "period": int,
        "deadline_us": NUMBER,
        "budget": NUMBER,
        "periods": int,
        "misses": int,
        "unavoidable_misses": int,
        "longest_miss_run": int,
        "lost_periods": int,
        "latency_frames": int,
        "latency_ms": float,
        "load": dict,
        "utility": NUMBER,
        "level_changes": int,
        "seed": int,
        "blocks": list,
    }
    assert {key: isinstance(answer[key], kind) for key, kind in kinds.items()} == dict.fromkeys(kinds, True)
    assert (answer["preset"], answer["clock"], answer["device"]) == ("preset.yaml", "virtual", "pi4")
    assert (answer["rate"], answer["period"], answer["budget"], answer["seed"]) == (48000, 64, 0.5, 7)
    assert answer["deadline_us"] == pytest.approx(64e6 / 48000, abs=0.001)
    assert answer["load"].keys() == {"mean", "p50", "p99", "max"}
    assert answer["load"]["p50"] <= answer["load"]["p99"] <= answer["load"]["max"]

    drive, amp, _ = answer["blocks"]
    keys = {"id", "kind", "latency_frames", "latency_ms", "levels", "level", "level_share", "cost_us", "changes"}
    assert all(block.keys() == keys for block in answer["blocks"])
    assert (drive["id"], drive["kind"], drive["levels"], drive["level_share"]) == (
        "drive",
        "drive",
        ["full"],
        {"full": 1},
    )
    assert amp["levels"] == ["ch1", "ch2", "full"]
    assert list(amp["level_share"]) == amp["levels"]
    assert sum(amp["level_share"].values()) == pytest.approx(1, abs=1e-5)
    assert amp["cost_us"].keys() == {"mean", "p99"}
    assert answer["level_changes"] == sum(len(block["changes"]) for block in answer["blocks"]) >= 1
    first = amp["changes"][0]
    assert first.keys() == {"t", "from", "to", "reason"}
    assert 0.1 < first["t"] < 0.4
    assert amp["levels"].index(first["to"]) < amp["levels"].index(first["from"])
    assert "budget" in first["reason"] or "no time left" in first["reason"]


def test_a_report_tells_how_late_each_block_and_the_chain_are(folder, capsys):
    text = "chain:\n  - limiter:\n  - split: {lanes: {a: [stereo: ], b: }}\n"
    (folder / "late.yaml").write_text(f"version: 1\nname: Late\n{text}")
    arguments = "run", "late.yaml", "--simulate", "--periods", "10"
    told = chainrt(capsys, *arguments).out
    assert "a period every 1.33 ms, 1.5 ms late\n" in told
    assert "\nlatency 1.5 ms: limiter 1.5, a.stereo 0.02\n" in told
    answer = json.loads(chainrt(capsys, *arguments, "--json").out)
    assert (answer["latency_frames"], answer["latency_ms"]) == (73, 1.521)
    assert [block["latency_ms"] for block in answer["blocks"]] == [1.5, 0.021]


def test_a_simulation_gives_the_same_bytes_twice_and_others_for_another_seed(folder, capsys):
    arguments = ("run", "preset.yaml", "--simulate", "--json", "--periods", "3000", "--load", "0:1.0, 2:60, 3:1.0")
    once, again, other = (chainrt(capsys, *arguments, "--seed", seed).out for seed in (3, 3, 4))
    assert once == again
    assert once != other


def test_a_level_change_is_told_when_it_happens_with_its_reason(folder, capsys):
    answer = chainrt(capsys, "run", "preset.yaml", "--simulate", "--seconds", "0.4", "--load", "0.1:60")
    told = [line for line in answer.out.splitlines() if "->" in line]
    assert re.fullmatch(r"  nam: full -> lite @0\.1[0-9] s, .+ (of budget|in this period)", told[0])


def test_a_device_profile_alone_means_a_simulation(folder, capsys):
    assert report(capsys, "--device", "pi4", "--periods", "10")["clock"] == "virtual"


def test_missed_periods_fail_a_run_only_when_asked(folder, capsys):
    assert chainrt(capsys, *OVERLOAD).status == 0
    failed = chainrt(capsys, *OVERLOAD, "--fail-on-miss", "--json", "report.json")
    assert failed.status == 1
    assert json.loads((folder / "report.json").read_text())["misses"] > 0
    calm = [argument for argument in OVERLOAD if argument not in ("--load", "0.1:100")]
    assert chainrt(capsys, *calm, "--fail-on-miss").status == 0


TOO_MUCH = ("run", "preset.yaml", "--simulate", "--seconds", "0.1", "--budget", "0.1%")


def test_what_cannot_fit_is_told_before_the_sound_with_what_would_help_and_is_not_played(folder, capsys):
    answer = chainrt(capsys, *TOO_MUCH)
    assert answer.status == 1
    needs, helps, ending = answer.out.splitlines()[2:]
    assert re.fullmatch(
        r"Does not fit: even at the smallest levels this needs [0-9.]+ % of the deadline; 0\.1 % are allowed\.", needs
    )
    assert re.match(r"It would fit with --budget [0-9]+%", helps)
    assert ending == "It is not played; --force plays it all the same, with as few misses as can be."
    share = re.search("--budget ([0-9]+%)", helps)[1]
    assert chainrt(capsys, *TOO_MUCH[:-1], share).status == 0


def test_what_cannot_fit_is_played_by_force(folder, capsys):
    answer = chainrt(capsys, *TOO_MUCH, "--force")
    assert answer.status == 0
    assert "Does not fit" in answer.out
    assert "of 75 periods" in answer.out


# -- sound ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("clock", [[], ["--simulate"]], ids=["wall", "virtual"])
def test_what_a_run_keeps_is_bit_for_bit_what_render_makes(clock, folder, capsys):
    arguments = ["--input", "guitar.wav", "--output", "run.wav", "--policy", "full", "--budget", "100%"]
    assert report(capsys, *arguments, *clock)["level_changes"] == 0
    assert chainrt(capsys, "render", "preset.yaml", "guitar.wav", "render.wav").status == 0
    assert sound("run.wav").shape == (GUITAR_FRAMES, 1)
    assert np.abs(sound("run.wav")).max() > 0
    assert np.array_equal(sound("run.wav"), sound("render.wav"))


def test_keeping_the_sound_changes_nothing_in_a_simulation(folder, capsys):
    arguments = ("--simulate", "--seconds", "0.4", "--load", "0.1:60")
    assert report(capsys, *arguments) == report(capsys, *arguments, "--output", "out.wav")


def test_a_run_may_be_shorter_or_longer_than_its_input_and_no_whole_number_of_periods(folder, capsys):
    for seconds in (0.0333, 0.25):
        report(capsys, "--simulate", "--input", "guitar.wav", "--output", "out.wav", "--seconds", str(seconds))
        assert len(sound("out.wav")) == round(seconds * RATE_HZ)


def test_panned_lanes_are_kept_in_stereo(folder, capsys):
    lanes = "  - split: {lanes: {a: [], b: []}, mix: {a: {pan: -100 %}, b: {pan: 50 %}}}\n"
    (folder / "preset.yaml").write_text(PRESET + lanes)
    answer = chainrt(capsys, "run", "preset.yaml", "--simulate", "--seconds", "0.1", "--output", "out.wav")
    assert answer.out.endswith("out.wav: 0.10 s, stereo, float32\n")
    samples = sound("out.wav")
    assert samples.shape == (4800, 2)
    assert not np.array_equal(samples[:, 0], samples[:, 1])


def test_render_gives_the_same_bytes_twice_at_any_period(folder, capsys):
    for name, period in (("a", 64), ("b", 64), ("c", 17)):
        answer = chainrt(capsys, "render", "preset.yaml", "guitar.wav", f"{name}.wav", "--period", period)
        assert (answer.status, answer.out) == (0, f"{name}.wav: 0.10 s, mono, float32 (nam full)\n")
    assert len(sound("a.wav")) == GUITAR_FRAMES
    assert (folder / "a.wav").read_bytes() == (folder / "b.wav").read_bytes()
    np.testing.assert_allclose(sound("a.wav"), sound("c.wav"), atol=1e-6)


def test_render_plays_the_level_it_is_told_by_name_index_or_block(folder, capsys):
    said = {}
    for slim in ("full", "1", "lite", "0", "nam=lite"):
        answer = chainrt(capsys, "render", "preset.yaml", "guitar.wav", f"{slim}.wav", "--slim", slim)
        said[slim] = answer.out.partition("(")[2].strip(")\n")
    assert said == {"full": "nam full", "1": "nam full", "lite": "nam lite", "0": "nam lite", "nam=lite": "nam lite"}
    full, one, lite, zero, single = (sound(f"{slim}.wav") for slim in said)
    assert np.array_equal(full, one)
    assert np.array_equal(lite, zero)
    assert np.array_equal(lite, single)
    assert not np.array_equal(full, lite)


def test_a_preset_can_be_tied_to_one_level_and_then_has_no_choice(folder, capsys):
    (folder / "preset.yaml").write_text(PRESET.replace("model.nam}", "model.nam, slim: lite}"))
    answer = chainrt(capsys, "render", "preset.yaml", "guitar.wav", "out.wav")
    assert "nam lite" in answer.out
    amp = report(capsys, "--simulate", "--periods", "100")["blocks"][1]
    assert amp["level_share"]["lite"] == 1


# -- Ctrl-C ---------------------------------------------------------------------------------------------------------


@pytest.mark.skipif(os.name != "posix", reason="SIGINT to another process is POSIX")
@pytest.mark.parametrize("clock", [[], ["--simulate"]], ids=["wall", "virtual"])
def test_after_control_c_the_report_the_sound_and_the_json_are_there(clock, folder):
    arguments = [*clock, "--seconds", "3000", "--output", "out.wav", "--json", "report.json"]
    playing = subprocess.Popen(
        [sys.executable, "-m", "chainrt", "run", "preset.yaml", *arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),  # a shell's `&` may have it ignored
    )
    try:
        first = playing.stdout.readline()
        try:
            playing.wait(0.5)
        except subprocess.TimeoutExpired:
            playing.send_signal(signal.SIGINT)
        out, err = playing.communicate(timeout=20)
    finally:
        playing.kill()
    assert playing.returncode == 130, err
    assert first.startswith("Tiny: 3 blocks")
    assert "Stopped after " in out
    assert "\nmisses " in out
    assert "Traceback" not in err
    answer = json.loads((folder / "report.json").read_text())
    assert 0 < answer["periods"] < 3000 * RATE_HZ / FRAMES
    assert len(sound("out.wav")) == answer["periods"] * FRAMES


# -- check, blocks, profiles ----------------------------------------------------------------------------------------


def test_check_answers_for_each_preset_and_tells_all_faults_of_all(folder, capsys):
    (folder / "one.yaml").write_text(PRESET.replace("6 dB", "99 dB"))
    (folder / "two.yaml").write_text(PRESET.replace("ir.wav", "none.wav").replace("6 dB", "6 Hz"))
    answer = chainrt(capsys, "check", "one.yaml", "preset.yaml", "two.yaml")
    assert answer.status == 2
    assert answer.out == "preset.yaml: Tiny, 3 blocks, no faults\n"
    assert [line.split(": ")[0] for line in answer.faults] == ["one.yaml:4", "two.yaml:4", "two.yaml:6"]
    assert chainrt(capsys, "check", "preset.yaml", "preset.yaml").status == 0


def test_blocks_lists_every_effect_with_its_cost_and_all_its_knobs(capsys):
    answer = chainrt(capsys, "blocks")
    assert answer.status == 0
    listed = {page.split()[0]: page.splitlines() for page in answer.out.split("\n\n") if page.strip()}
    assert listed.keys() == BLOCKS.keys()
    for kind, (first, cost, *knobs) in listed.items():
        block = BLOCKS[kind]
        assert first.split(maxsplit=1) == [kind, block.summary]
        assert ("µs" in cost) != ("depend on its file" in cost)
        named = [knob.split()[0] for line in knobs for knob in line.strip().split(", ")]
        assert named == [knob.name for knob in (*block.params, *block.files, *block.options)]


def test_blocks_as_json_holds_what_is_declared_and_what_was_measured(capsys):
    answer = json.loads(chainrt(capsys, "blocks", "--json").out)
    assert [block["kind"] for block in answer["blocks"]] == sorted(BLOCKS)
    told = {block["kind"]: block for block in answer["blocks"]}
    assert told["limiter"]["latency"] == 72
    assert told["nam"]["cost_us"] is None
    assert [told[kind]["rings"] for kind in ("delay", "drive", "nam")] == [True, False, None]
    gate = BLOCKS["gate"].params[0]
    assert told["gate"]["params"][0] == {
        **{"name": gate.name, "unit": gate.unit, "min": gate.low, "max": gate.high, "default": gate.default},
        "help": gate.help,
    }
    (circuit,) = (param for param in told["tonestack"]["params"] if param["name"] == "circuit")
    assert (circuit["default"], circuit["choices"][1]) == ("tweed", "american")
    measured = [block["cost_us"] for block in answer["blocks"] if block["cost_us"] is not None]
    assert len(measured) > 10
    assert all(0 < cost < 1e4 for cost in measured)


@pytest.mark.parametrize(
    ("kind", "told"),
    [
        ("echo", "tails: ring (by itself for 4.5 s) or cut, when it is switched off\n"),
        ("drive", "tails: ring or cut (by itself), when it is switched off\n"),
        ("cab", "tails: ring or cut, when it is switched off\n"),
    ],
)
def test_a_block_in_full_tells_what_becomes_of_its_tail(kind, told, capsys):
    assert told in chainrt(capsys, "blocks", kind).out


def test_a_block_in_full_tells_how_it_works_what_was_measured_of_it_and_its_sources(capsys):
    told = " ".join(chainrt(capsys, "blocks", "drive").out.split())
    assert all(" ".join(paragraph.split()) in told for paragraph in BLOCKS["drive"].page)
    assert "-33 dB of the whole at 1,249 Hz" in told
    assert "Sources: Parker, Zavalishin and Le Bivic" in told


@pytest.mark.parametrize("kind", sorted(BLOCKS))
def test_a_block_in_full_has_a_line_for_each_knob_with_range_and_unit(kind, capsys):
    answer = chainrt(capsys, "blocks", kind)
    assert answer.status == 0
    lines = [" ".join(line.split()) for line in answer.out.splitlines()]
    for param in BLOCKS[kind].params:
        shown = [f"{value:g}" for value in (param.low, param.high, param.default)] + [param.unit] * bool(param.unit)
        if param.choices:
            shown = [param.choices[int(param.default)], "/".join(param.choices)]
        assert any(line.startswith(" ".join([param.name, *shown])) for line in lines)
    assert all(any(line.startswith(f"{file.name} file") for line in lines) for file in BLOCKS[kind].files)
    for option in BLOCKS[kind].options:
        bounds = [] if option.choices else [f"{option.low:g}", f"{option.high:g}"]
        told = [option.name, *bounds, option.unset, "/".join(option.choices) or option.unit]
        assert any(line.startswith(" ".join(told)) for line in lines)
    assert ("priority" in answer.out) == BLOCKS[kind].slimmable


def test_profiles_are_those_that_device_takes(folder, capsys):
    listed, _, also = chainrt(capsys, "profiles").out.partition("\n\n")
    names = [line.split(":")[0] for line in listed.splitlines()]
    assert "this-machine" in also
    assert "pi4" in names
    for name in names:
        assert report(capsys, "--device", name, "--periods", "1")["device"] == name


# -- help, version, looks -------------------------------------------------------------------------------------------

OPTIONS = {
    "run": "PRESET --input --riff --output --seconds --period --rate --budget --policy --force --fail-on-miss --json "
    "--no-view --memory --in --out --host --simulate --device --load --periods --seed",
    "render": "PRESET IN.wav OUT.wav --period --rate --slim",
    "check": "PRESET --rate",
    "calibrate": "PRESET --rate --rounds --json",
    "model": "FILE.nam --json",
    "blocks": "KIND --json",
    "fit": "PRESET --device --compare --add --without --max --budget --memory --period --rate --plot --json",
    "study": "--presets --devices --scenarios --seeds --periods --out --workers --dask --budget --policy --rate",
    "bench": "--quick --full --only --seeds --out --workers --json --write-results",
    "device new": "FILE --from-this-machine --rounds --without-pauses",
    "device check": "FILE",
    "devices": "--json",
    "profiles": "",
}


@pytest.mark.parametrize("command", OPTIONS)
def test_help_explains_every_option(command, capsys, monkeypatch):
    monkeypatch.setenv("COLUMNS", "80")
    answer = chainrt(capsys, *command.split(), "--help")
    assert (answer.status, answer.err) == (0, "")
    explained = answer.out.partition("\n\n")[2]
    for option in OPTIONS[command].split():
        assert re.search(rf"^  {re.escape(option)}( .*)? \w", explained, re.MULTILINE), option


def test_help_names_every_command_with_what_it_does(capsys):
    answer = chainrt(capsys, "--help")
    assert answer.status == 0
    for command in {command.split()[0] for command in OPTIONS}:
        assert re.search(rf"^ +{command} +\w+ \w+", answer.out, re.MULTILINE), command


def test_every_command_stands_in_the_list_of_this_test():
    commands = next(action for action in parser()._actions if action.choices)
    assert set(commands.choices) == {command.split()[0] for command in OPTIONS}


def test_version_is_the_packages(capsys):
    answer = chainrt(capsys, "--version")
    assert (answer.status, answer.out) == (0, f"chainrt {__version__}\n")


def test_output_into_a_pipe_or_file_is_plain_text_with_whole_lines(folder, capsys, monkeypatch):
    monkeypatch.setenv("COLUMNS", "60")
    commands = [OVERLOAD, ("blocks",), ("blocks", "nam"), ("profiles",), ("check", "preset.yaml")]
    for arguments in commands:
        answer = chainrt(capsys, *arguments)
        assert answer.status == 0
        assert "\x1b" not in answer.out
        assert "\r" not in answer.out
        assert not re.search(r" $", answer.out, re.MULTILINE)
    assert "\nmisses " in chainrt(capsys, *OVERLOAD).out
    first = chainrt(capsys, *OVERLOAD).out.splitlines()[0]
    assert first == "Tiny: 3 blocks, 64 frames at 48,000 Hz, a period every 1.33 ms"


def test_sixty_columns_keep_names_and_numbers_in_one_piece(folder, capsys, monkeypatch):
    monkeypatch.setenv("COLUMNS", "60")
    (folder / "preset.yaml").write_text(PRESET.replace("model.nam}", "model.nam, id: glass-amp}"))
    out = chainrt(capsys, *OVERLOAD).out
    table = out.split("\n\n")[1].splitlines()
    assert max(map(len, table)) <= 60
    assert "…" not in out
    amp = next(line for line in table if line.startswith("glass-amp "))
    assert re.fullmatch(r"glass-amp +full( +[0-9]+\.[0-9]){3} +0  full.*", amp)


def test_names_are_printed_as_they_were_written(folder, capsys):
    name = "[/bold] :guitar: [red]Überlärm"
    (folder / "preset.yaml").write_text(PRESET.replace("Tiny", f'"{name}"'), encoding="utf-8")
    for arguments in (("check", "preset.yaml"), ("run", "preset.yaml", "--simulate", "--seconds", "0.1")):
        answer = chainrt(capsys, *arguments)
        assert answer.status == 0
        assert name in answer.out


def test_a_character_set_without_the_letters_of_a_name_is_no_reason_to_stop(folder):
    (folder / "preset.yaml").write_text(PRESET.replace("Tiny", "Überlärm"), encoding="utf-8")
    answer = subprocess.run(
        [sys.executable, "-m", "chainrt", "check", "preset.yaml"],
        env={**os.environ, "PYTHONIOENCODING": "ascii"},
        capture_output=True,
        check=False,
    )
    assert (answer.returncode, answer.stderr) == (0, b"")
    assert answer.stdout.splitlines() == [rb"preset.yaml: \xdcberl\xe4rm, 3 blocks, no faults"]


def test_compiling_is_one_line_on_standard_error_and_nothing_when_all_is_at_hand(folder, capsys):
    with show.compiling() as tell:
        for done in range(4):
            tell(done, 3, "kernel")
    captured = capsys.readouterr()
    assert (captured.out, captured.err) == ("", "Compiling 3 kernels for this machine, once ...\n")
    with show.compiling():
        pass
    assert capsys.readouterr() == ("", "")


@pytest.mark.parametrize("moment", ["cost_table", "make_board"])
def test_control_c_before_the_first_sound_ends_quietly(moment, folder, capsys, monkeypatch):
    def interrupt(*_, **__):
        raise KeyboardInterrupt

    monkeypatch.setattr(import_module("chainrt.cli.run"), moment, interrupt)
    (folder / "out.wav").write_text("what was there before")
    answer = chainrt(capsys, "run", "preset.yaml", "--output", "out.wav")
    assert (answer.status, answer.out, answer.err) == (130, "", "")
    assert (folder / "out.wav").read_text() == "what was there before"

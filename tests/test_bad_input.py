"""Whatever is wrong with what a musician gives: one clear line per fault, status 2, nothing lost, nothing played."""

import json
import math
import os
import subprocess
import sys
from importlib import import_module

import numpy as np
import pytest
from models import tiny_container
from pedalboards import PRESET, Answer, chainrt, pedalboard, write_wav

from chainrt.errors import DeviceError, Fault

PLAYS = {"run": import_module("chainrt.cli.run"), "render": import_module("chainrt.cli.render")}


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """A good pedalboard, and the working directory."""
    monkeypatch.chdir(tmp_path)
    return pedalboard(tmp_path)


@pytest.fixture
def unplayed(monkeypatch):
    """Nothing may be compiled or played: faults that can be known before are told before."""

    def refuse(*_):
        raise AssertionError("a chain was built")

    for module in PLAYS.values():
        monkeypatch.setattr(module, "Chain", refuse)


def assert_refused(answer, *faults):
    """One line for each of the `faults`, each of which gives what its line must hold, words in order."""
    assert answer.status == 2
    assert answer.out == ""
    assert "Traceback" not in answer.err
    assert len(answer.faults) == len(faults), answer.err
    for line, words in zip(answer.faults, faults, strict=True):
        at = 0
        for word in [words] if isinstance(words, str) else words:
            at = line.find(word, at)
            assert at >= 0, f"{word!r} is not in its place in {line!r}"
            at += len(word)


def changed(**changes):
    """A tiny model's first network, changed."""
    document = tiny_container()
    network = document["config"]["submodels"][0]["model"]
    network.update(changes)
    return json.dumps(document)


NETWORK = tiny_container()["config"]["submodels"][0]["model"]
MODELS = {
    "missing": (None, "does not exist"),
    "empty": ("", "ends too early"),
    "truncated": (json.dumps(tiny_container())[:500], "ends too early"),
    "not JSON": ("RIFF", "not JSON"),
    "one weight too many": (changed(weights=[*NETWORK["weights"], 0.5]), "weights"),
    "one weight too few": (changed(weights=NETWORK["weights"][:-1]), "weights"),
    "weights that are not numbers": (changed(weights=[math.nan, *NETWORK["weights"][1:]]), "weights[0]: NaN"),
    "an unknown architecture": (json.dumps({**NETWORK, "architecture": "GRU"}), '"GRU" is not played'),
    "another sample rate": (changed(sample_rate=44100), "44100 Hz"),
}


@pytest.mark.parametrize("command", ["run", "render", "check"])
@pytest.mark.parametrize("what", MODELS)
def test_a_damaged_model_is_told_with_the_block_that_wants_it(what, command, folder, capsys):
    text, told = MODELS[what]
    (folder / "model.nam").unlink()
    if text is not None:
        (folder / "model.nam").write_text(text)
    more = {"render": ["guitar.wav", "out.wav"]}.get(command, [])
    assert_refused(chainrt(capsys, command, "preset.yaml", *more), ["preset.yaml:5: chain[1].nam", "model.nam", told])
    assert not (folder / "out.wav").exists()


PRESETS = {
    "an unknown key": ("drive: 6 dB", "gain: 6 dB", ["preset.yaml:4: chain[0].drive: unknown key 'gain'", "tone"]),
    "a wrong unit": ("6 dB", "6 Hz", ["preset.yaml:4: chain[0].drive.drive", "'Hz' is not allowed", "in dB"]),
    "a value out of range": ("6 dB", "99 dB", ["preset.yaml:4:", "99 dB is above 60 dB", "0 to 60 dB is allowed"]),
    "a tab": ("  - nam", "\t- nam", ["preset.yaml:5: ", "tab", "spaces"]),
    "a key twice": ("name: Tiny", "name: Tiny\nname: Tinier", ["preset.yaml:3: ", "'name' is here twice", "line 2"]),
    "an unknown block": ("- cab", "- cabinet", ["preset.yaml:6: ", "unknown block 'cabinet'", "did you mean cab?"]),
    "an open bracket": ("model.nam}", "model.nam", ["preset.yaml:5: this is not YAML", "bracket"]),
    "no chain": (PRESET[PRESET.index("chain") :], "", ["preset.yaml:1: chain: missing"]),
    "an unknown level": ("model.nam}", "model.nam, slim: ch9}", ["preset.yaml:5: ", "slim", "'ch9'", "lite", "full"]),
    "a budget, which is the machine's": (
        "version: 1",
        "version: 1\nbudget: 50 %",
        ["preset.yaml:2: budget", "--budget"],
    ),
}


@pytest.mark.parametrize("command", ["run", "render", "check"])
@pytest.mark.parametrize("what", PRESETS)
def test_a_mistake_in_a_preset_is_told_by_file_line_and_path(what, command, folder, capsys):
    before, after, told = PRESETS[what]
    (folder / "preset.yaml").write_text(PRESET.replace(before, after))
    more = {"render": ["guitar.wav", "out.wav"]}.get(command, [])
    assert_refused(chainrt(capsys, command, "preset.yaml", *more), told)


def test_every_mistake_of_a_preset_is_told_at_once(folder, capsys):
    text = PRESET.replace("6 dB", "99 dB").replace("cab: {", "cab: {level: 1 Hz, ").replace("version: 1", "version: 7")
    (folder / "preset.yaml").write_text(text)
    assert_refused(chainrt(capsys, "run", "preset.yaml"), "preset.yaml:1: ", "preset.yaml:4: ", "preset.yaml:6: ")


@pytest.mark.parametrize("command", ["run", "render", "check"])
@pytest.mark.parametrize(("path", "told"), [("none.yaml", "does not exist"), (".", "is not a file")])
def test_a_preset_that_is_no_file_is_told(path, told, command, folder, capsys):
    more = {"render": ["guitar.wav", "out.wav"]}.get(command, [])
    assert_refused(chainrt(capsys, command, path, *more), [path, told])


SOUNDS = {
    "of another rate": (lambda path: write_wav(path, np.zeros(100), 44100), ["44100 Hz", "48000 Hz is needed"]),
    "of two channels": (lambda path: write_wav(path, np.zeros((100, 2))), ["2 channels", "one is needed"]),
    "that is a text": (lambda path: path.write_text("la la la"), ["cannot be read as audio"]),
    "of no bytes": (lambda path: path.write_bytes(b""), ["cannot be read as audio"]),
    "of no samples": (lambda path: write_wav(path, []), ["holds no samples"]),
    "with a sample that is not a number": (lambda path: write_wav(path, [0, math.nan]), ["not a number", "frame 1"]),
    "that is a folder": (lambda path: path.mkdir(), ["is not a file"]),
    "that is missing": (lambda path: None, ["no such file"]),
}


@pytest.mark.parametrize("command", ["run", "render"])
@pytest.mark.parametrize("what", SOUNDS)
def test_a_guitar_that_cannot_be_played_is_told(what, command, folder, unplayed, capsys):
    make, told = SOUNDS[what]
    make(folder / "bad.wav")
    arguments = {"run": ["--input", "bad.wav", "--output", "out.wav"], "render": ["bad.wav", "out.wav"]}[command]
    assert_refused(chainrt(capsys, command, "preset.yaml", *arguments), ["bad.wav: ", *told])
    assert not (folder / "out.wav").exists()


@pytest.mark.parametrize("what", sorted(set(SOUNDS) - {"of another rate"}))  # a response is resampled
def test_an_impulse_response_that_cannot_be_used_is_told_with_its_cabinet(what, folder, capsys):
    make, told = SOUNDS[what]
    (folder / "ir.wav").unlink()
    make(folder / "ir.wav")
    told = told if "no such file" not in told else ["does not exist"]
    assert_refused(chainrt(capsys, "run", "preset.yaml"), ["preset.yaml:6: chain[2].cab", "ir.wav", *told])


OPTIONS = {
    "--budget 0%": ["--budget: 0%", "above 0 %", "at most 100 %"],
    "--budget 101%": ["--budget: 101%", "at most 100 %"],
    "--budget abc": ["--budget: 'abc' is not a number", "in %"],
    "--budget -3%": ["--budget: -3%", "above 0 %"],
    "--budget=12_dB": ["--budget: '12_dB'"],
    "--budget 12dB": ["--budget: '12dB'", "'dB' is not allowed", "in %"],
    "--budget nan": ["--budget: 'nan' is not a number"],
    "--period 0": ["--period: '0'", "from 1 to 8,192"],
    "--period 8193": ["--period: '8193'", "from 1 to 8,192"],
    "--period 6.4": ["--period: '6.4' is not a whole number"],
    "--period -5": ["--period: '-5'", "from 1 to 8,192"],
    "--period=--5": ["--period: '--5'", "from 1 to 8,192"],
    f"--period {'9' * 5000}": ["is not a whole number"],
    "--rate 7999": ["--rate: '7999'", "from 8,000 to 192,000"],
    "--rate 48kHz": ["--rate: '48kHz'", "from 8,000 to 192,000"],
    "--seconds 0": ["--seconds: 0 is outside 0.001 to 86400"],
    "--seconds -1": ["--seconds: -1 is outside"],
    "--seconds abc": ["--seconds: 'abc' is not a number"],
    "--seconds 1e9": ["--seconds: 1e9 is outside"],
    "--seconds 3601 --output out.wav": ["--seconds: 3601 is outside 0.001 to 3600"],
    "--policy best": ["--policy: no policy 'best'", "adaptive, full, lite"],
    "--policy full:5": ["--policy: no policy 'full:5'", "adaptive:N"],
    "--policy adaptive:0": ["--policy: no policy 'adaptive:0'", "from 1 to 10000"],
    "--policy adaptive:nan": ["--policy: no policy 'adaptive:nan'", "from 1 to 10000"],
    "--device c64": ["--device: no profile 'c64'", "pi4"],
    "--simulate --seed x": ["--seed: 'x' is not a whole number"],
    "--simulate --seed -1": ["--seed: '-1' is not a whole number"],
    "--simulate --periods 0": ["--periods: '0'", "from 1 to"],
    "--simulate --periods 1e3": ["--periods: '1e3' is not a whole number"],
    "--simulate --periods 1000000000 --output out.wav": ["--periods: '1000000000'", "from 1 to 2,700,000"],
    "--simulate --periods 9 --seconds 9": ["--periods: not together with --seconds"],
    "--simulate --load 1.6": ["--load: '1.6' is not seconds:slowdown"],
    "--simulate --load=": ["--load: '' is not seconds:slowdown"],
    "--simulate --load 0:0": ["--load: '0:0'", "between 0.01 and 100"],
    "--simulate --load 2:1,1:2": ["--load: '1:2'", "must rise"],
    "--load 0:1.6": ["--load: only with --simulate"],
    "--seed 1": ["--seed: only with --simulate"],
    "--periods 9": ["--periods: only with --simulate"],
    "--output nowhere/out.wav": ["nowhere/out.wav: cannot be written", "no folder 'nowhere'"],
    "--output .": [".: cannot be written: it is a folder"],
    "--output=": ["cannot be written: it has no name"],
    "--output /dev/null": ["/dev/null: cannot be written: it is not a regular file"],
    "--input guitar.wav --output ./guitar.wav": ["./guitar.wav: cannot be written", "names the same file"],
    "--output preset.yaml": ["preset.yaml: cannot be written", "names the same file"],
    "--json nowhere/out.json": ["nowhere/out.json: cannot be written", "no folder 'nowhere'"],
    "--json preset.yaml": ["preset.yaml: cannot be written", "names the same file"],
    "--json out --output out": ["out: cannot be written", "names the same file"],
    "--second-core --record-trace day.npz": ["--second-core: not together with --trace or --record-trace"],
    "--volume 11": ["chainrt: unrecognized arguments: --volume 11"],
    "--period": ["chainrt run: argument --period: expected one argument (see chainrt run --help)"],
}


@pytest.mark.parametrize("options", OPTIONS, ids=lambda text: text[:50])
def test_an_option_that_cannot_be_is_told_before_anything_plays(options, folder, unplayed, capsys):
    before = {path: path.read_bytes() for path in folder.iterdir()}
    assert_refused(chainrt(capsys, "run", "preset.yaml", *options.split()), OPTIONS[options])
    assert {path: path.read_bytes() for path in folder.iterdir()} == before


def test_all_bad_options_and_a_bad_preset_are_told_at_once(folder, unplayed, capsys):
    (folder / "preset.yaml").write_text(PRESET.replace("6 dB", "99 dB"))
    options = "--budget 0 --period 0 --policy best --seed 1 --input none.wav --output no/out.wav --json no/out.json"
    assert_refused(
        chainrt(capsys, "run", "preset.yaml", *options.split()),
        *("--budget", "--period", "--policy", "--seed", "preset.yaml:4: ", "none.wav", "no/out.wav", "no/out.json"),
    )


RENDER_OPTIONS = {
    "preset.yaml guitar.wav out.wav --slim huge": ["--slim: no level 'huge'", "lite (0), full (1)"],
    "preset.yaml guitar.wav out.wav --slim 2": ["--slim: no level '2'", "lite (0), full (1)"],
    "preset.yaml guitar.wav out.wav --slim fuzz=lite": ["--slim: no block 'fuzz'", "drive, nam, cab"],
    "preset.yaml guitar.wav out.wav --slim drive=lite=0": ["--slim: no block 'drive=lite'"],
    "preset.yaml guitar.wav out.wav --period 0": ["--period"],
    "preset.yaml guitar.wav out.wav --rate x": ["--rate"],
    "preset.yaml guitar.wav nowhere/out.wav": ["nowhere/out.wav: cannot be written", "no folder"],
    "preset.yaml guitar.wav guitar.wav": ["guitar.wav: cannot be written", "names the same file"],
    "preset.yaml guitar.wav preset.yaml": ["preset.yaml: cannot be written", "names the same file"],
    "preset.yaml guitar.wav": ["chainrt render: the following arguments are required: OUT.wav"],
}


@pytest.mark.parametrize("arguments", RENDER_OPTIONS)
def test_a_rendering_that_cannot_be_done_harms_no_file(arguments, folder, unplayed, capsys):
    (folder / "out.wav").write_text("what was there before")
    before = {path: path.read_bytes() for path in folder.iterdir()}
    assert_refused(chainrt(capsys, "render", *arguments.split()), RENDER_OPTIONS[arguments])
    assert {path: path.read_bytes() for path in folder.iterdir()} == before


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        ("", ["chainrt: the following arguments are required: COMMAND"]),
        ("play", ["chainrt: argument COMMAND: invalid choice: 'play'", "run", "render", "check"]),
        ("run", ["chainrt run: the following arguments are required: PRESET"]),
        ("check", ["chainrt check: the following arguments are required: PRESET"]),
        ("check preset.yaml --rate 1", ["--rate: '1'", "from 8,000 to 192,000"]),
        ("blocks nofuzz", ["KIND: no kind 'nofuzz'", "cab, "]),
        ("blocks gate drive", ["chainrt: unrecognized arguments: drive"]),
        ("profiles pi4", ["chainrt: unrecognized arguments: pi4"]),
    ],
)
def test_a_command_that_does_not_exist_or_lacks_something_is_told(arguments, told, folder, capsys):
    assert_refused(chainrt(capsys, *arguments.split()), told)


def test_a_file_name_with_a_line_end_still_makes_one_line(folder, capsys):
    assert_refused(chainrt(capsys, "run", "two\nlines.yaml"), "two\\nlines.yaml: this file does not exist")


def test_a_file_name_that_is_too_long_for_the_system_is_told(folder, capsys):
    assert_refused(chainrt(capsys, "run", "preset.yaml", "--input", "a" * 300), ["aaa", "too long"])


def test_a_cache_folder_that_is_a_file_is_told(folder):
    answer = subprocess.run(
        [sys.executable, "-m", "chainrt", "run", "preset.yaml"],
        env={**os.environ, "CHAINRT_CACHE": str(folder / "ir.wav")},
        capture_output=True,
        text=True,
        check=False,
    )
    assert_refused(Answer(answer.returncode, answer.stdout, answer.stderr), ["ir.wav", "Not a directory"])


def test_a_disk_that_refuses_the_sound_costs_only_the_sound(folder, capsys, monkeypatch):
    run = PLAYS["run"]

    def refuse(path, *_):
        raise DeviceError(Fault(str(path), "cannot be written (No space left on device)"))

    monkeypatch.setattr(run.audiofile, "write", refuse)
    options = "--simulate --seconds 0.1 --output out.wav --json out.json"
    answer = chainrt(capsys, "run", "preset.yaml", *options.split())
    assert answer.status == 2
    assert answer.faults[-1] == "out.wav: cannot be written (No space left on device)"
    assert "misses" in answer.out
    assert json.loads((folder / "out.json").read_text())["periods"] == 75

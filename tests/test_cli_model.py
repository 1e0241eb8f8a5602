"""`chainrt model`: one table for people, one JSON for programs, one line for what is wrong."""

import json

import pytest
from models import container_of, saved, tiny_convnet, tiny_linear, tiny_lstm, tiny_wavenet

from chainrt.cli import main

KEYS = {"file", "architecture", "version", "rate", "receptive_field", "metadata", "levels"}
LEVEL_KEYS = {"name", "width", "parameters", "macs_per_sample", "state_bytes", "cost_ns_per_sample", "esr_db"}


@pytest.fixture
def mixed(tmp_path):
    document = container_of(tiny_linear(), tiny_lstm(3), tiny_wavenet(5))
    document["metadata"] = {"name": "Glass", "gear_type": "amp", "loudness": -20.5, "input_level_dbu": 12.5}
    return saved(document, tmp_path)


def test_the_json_has_the_keys_that_scripts_rely_on(mixed, capsys):
    assert main(["model", str(mixed), "--json"]) == 0
    answer = json.loads(capsys.readouterr().out)
    assert set(answer) >= KEYS
    assert (answer["architecture"], answer["version"], answer["rate"]) == ("SlimmableContainer", "0.7.0", 48000)
    assert answer["metadata"]["input_level_dbu"] == 12.5
    assert [level["name"] for level in answer["levels"]] == ["ch1", "ch3", "full"]
    for level in answer["levels"]:
        assert set(level) >= LEVEL_KEYS
        assert level["cost_ns_per_sample"] > 0
        assert level["state_bytes"] > 0
    work = [level["macs_per_sample"] for level in answer["levels"]]
    assert work == sorted(work)
    assert answer["levels"][-1]["esr_db"] is None
    assert all(isinstance(level["esr_db"], float) for level in answer["levels"][:-1])


def test_people_see_gear_calibration_and_every_level(mixed, capsys):
    assert main(["model", str(mixed)]) == 0
    seen = capsys.readouterr().out
    for text in ("name: Glass", "gear: amp", "loudness: -20.5 dB", "input level: 12.5 dBu", "output level: not given"):
        assert text in seen
    for name in ("ch1", "ch3", "full"):
        assert name in seen


@pytest.mark.parametrize("make", [tiny_lstm, tiny_convnet, tiny_linear, tiny_wavenet])
def test_every_architecture_has_a_table_and_json_in_a_file(make, tmp_path, capsys):
    path, target = saved(make(), tmp_path), tmp_path / "answer.json"
    assert main(["model", str(path), "--json", str(target)]) == 0
    answer = json.loads(target.read_text())
    assert answer["architecture"] in capsys.readouterr().out
    assert answer["levels"][0]["parameters"] <= len(make()["weights"])


def test_several_files_are_the_levels_of_one_amp_and_their_differences_are_told(tmp_path, capsys):
    paths = []
    for name, channels in (("amp nano", 2), ("amp big", 4)):
        path = saved(tiny_wavenet(channels), tmp_path)
        paths.append(str(path.rename(tmp_path / f"{name}.nam")))
    assert main(["model", *reversed(paths), "--json", str(tmp_path / "answer.json")]) == 0
    seen = capsys.readouterr().out
    answer = json.loads((tmp_path / "answer.json").read_text())
    assert set(answer) >= KEYS
    assert answer["file"] == paths[1]
    assert [one["file"] for one in answer["files"]] == paths
    assert [level["name"] for level in answer["levels"]] == ["nano", "big"]
    assert "put into the order of their size: amp nano.nam, amp big.nam" in answer["remarks"]
    for remark in answer["remarks"]:
        assert remark in seen


@pytest.mark.parametrize(("make", "rate", "told"), [(tiny_wavenet, 96_000, "stretched"), (tiny_lstm, 96_000, "0.8 ms")])
def test_a_model_at_another_rate_tells_how_it_is_played_and_how_late(make, rate, told, tmp_path, capsys):
    path = saved(make(), tmp_path)
    assert main(["model", str(path), "--rate", str(rate), "--json", str(tmp_path / "answer.json")]) == 0
    assert f"played at 96,000 Hz: {'resampled, ' * (told == '0.8 ms')}" in (seen := capsys.readouterr().out)
    assert told in seen
    answer = json.loads((tmp_path / "answer.json").read_text())
    assert (answer["rate"], answer["played_at"]) == (48_000, 96_000)
    assert (answer["latency"] > 0) == (make is tiny_lstm)
    assert main(["model", str(path), "--rate", "loud"]) == 2


def test_a_file_without_calibration_says_what_is_not_available(tmp_path, capsys):
    document = tiny_linear()
    document["metadata"] = {}
    assert main(["model", str(saved(document, tmp_path))]) == 0
    seen = capsys.readouterr().out
    assert "loudness: not given, so normalize is not available" in seen
    assert "input level: not given, so calibrate (of the input) is not available" in seen


def test_a_newer_minor_version_is_one_line_and_still_plays(tmp_path, capsys):
    document = tiny_linear()
    document["version"] = "0.8.0"
    assert main(["model", str(saved(document, tmp_path))]) == 0
    assert capsys.readouterr().out.count("newer than 0.5 to 0.7") == 1


def test_a_newer_major_version_is_one_line_and_status_2(tmp_path, capsys):
    document = tiny_linear()
    document["version"] = "1.0.0"
    assert main(["model", str(saved(document, tmp_path))]) == 2
    seen = capsys.readouterr()
    assert seen.out == ""
    assert seen.err.count("\n") == 1
    assert "1.0.0 is newer than what this release plays" in seen.err


def test_metadata_of_a_stranger_cannot_steer_the_terminal_nor_break_the_json(tmp_path, capsys):
    document = tiny_linear()
    document["metadata"] = {"name": "\x1b[2J[red]x\ud800", "modeled_by": "y" * 10_000, "gain": float("nan")}
    path = saved(document, tmp_path)
    assert main(["model", str(path)]) == 0
    seen = capsys.readouterr().out
    assert "\x1b[2J" not in seen
    assert "[red]x" in seen
    assert len(seen) < 5000
    assert main(["model", str(path), "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["metadata"]["gain"] is None


def test_a_file_that_is_not_there_is_one_line(tmp_path, capsys):
    assert main(["model", str(tmp_path / "none.nam")]) == 2
    assert "there is no such file" in capsys.readouterr().err

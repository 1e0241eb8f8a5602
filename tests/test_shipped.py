"""What comes with chainrt is true: every answer is found out anew, and every preset in the box has one."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from chainrt import calibrate, facts, known, shipped

ROOT = Path(__file__).resolve().parents[1]
PRESETS = sorted(shipped.PRESETS.glob("*.yaml"))
TOLERANCE_DB = 0.1  # vectors of another width add up in another order
TOLERANCE_BYTES = 0.3  # of a state: memory is rounded up to vectors, which are wider elsewhere
ASKED = shipped.RATE_HZ, shipped.FRAMES


@pytest.fixture
def nothing_kept(monkeypatch):
    """No table that an earlier run kept is found."""
    for module in (facts, calibrate):
        monkeypatch.setattr(module, "recall", lambda *question: None)


def same(shipped_block, block):
    """Asserts that two blocks are the same, but for what depends on the width of vectors."""
    given, found = shipped_block.__dict__.copy(), block.__dict__.copy()
    for one, other in zip(given.pop("levels"), found.pop("levels"), strict=True):
        assert (one.name, one.work, one.family) == (other.name, other.work, other.family)
        assert one.fidelity_db == pytest.approx(other.fidelity_db, abs=TOLERANCE_DB)
        for size in ("state_bytes", "weights_bytes"):
            assert getattr(one, size) == pytest.approx(getattr(other, size), rel=TOLERANCE_BYTES)
    assert given == found


@pytest.mark.parametrize("path", PRESETS, ids=lambda path: path.stem)
def test_the_answer_that_comes_with_a_preset_is_what_is_found_out_now(path, nothing_kept):
    answer = shipped.chain(str(path), *ASKED)
    assert answer is not None, "python -m chainrt.shipped"
    given, found = known._chain(answer), known.ChainToFind(str(path), *ASKED).find()
    assert (given.name, given.path) == (found.name, found.path)
    for one, other in zip(given.blocks, found.blocks, strict=True):
        same(one, other)


def test_the_shelf_that_comes_with_chainrt_is_what_is_found_out_now():
    given, found = shipped.shelf(*ASKED), facts.shelf(*ASKED)
    assert given is not None, "python -m chainrt.shipped"
    assert given.keys() == found.keys()
    for kind, fields in given.items():
        same(known._block(fields), found[kind])


def test_nothing_is_shipped_that_no_preset_asks_for():
    assert len(shipped._answers()) == len(PRESETS) + 1


@pytest.fixture
def box(tmp_path):
    """A copy of a preset and of all its files, at another place and of another time."""
    shutil.copy(ROOT / "presets" / "dual_amp.yaml", tmp_path)
    for folder in ("models", "irs"):
        shutil.copytree(ROOT / "presets" / folder, tmp_path / folder)
    return tmp_path


@pytest.mark.parametrize("change", ["nothing", "preset", "model", "cabinet", "no model", "rate", "frames", "no preset"])
def test_a_shipped_answer_is_for_these_very_contents_wherever_they_lie(change, box):
    rate, frames = ASKED
    path = box / "dual_amp.yaml"
    named = shipped._answers()[shipped._chain_key(str(path), *ASKED)]["files"]
    model, cabinet = (next(box / name for name in named if name.endswith(ending)) for ending in (".nam", ".wav"))
    if change == "preset":
        path.write_text(path.read_text("utf-8") + "\n", "utf-8")
    elif change == "model":
        model.write_text(model.read_text("utf-8") + "\n", "utf-8")
    elif change == "cabinet":
        cabinet.write_bytes(cabinet.read_bytes() + b"\0")
    elif change == "no model":
        model.unlink()
    elif change == "no preset":
        path.unlink()
    elif change == "rate":
        rate = 44_100
    elif change == "frames":
        frames = 32
    assert (shipped.chain(str(path), rate, frames) is not None) == (change == "nothing")


def test_a_kind_of_block_more_makes_the_shelf_another_one(monkeypatch):
    assert shipped.shelf(*ASKED)
    monkeypatch.setattr(shipped, "kinds", lambda: ["another", "gate"])
    assert shipped.shelf(*ASKED) is None


@pytest.mark.parametrize("text", ["", "{", '{"shelf": 1}'])
def test_a_damaged_file_is_as_good_as_none(text, tmp_path, monkeypatch):
    (tmp_path / "shipped.json").write_text(text)
    monkeypatch.setattr(shipped, "FILE", tmp_path / "shipped.json")
    shipped._answers.cache_clear()
    assert shipped.shelf(*ASKED) is shipped.chain(str(PRESETS[0]), *ASKED) is None
    shipped._answers.cache_clear()


def test_the_first_fit_of_a_preset_in_the_box_needs_no_compiler(tmp_path):
    """On a machine on which nothing was found out yet."""
    ways = [
        ("presets/dual_amp.yaml", "--device", "pi4", *more)
        for more in ((), ("--add", "reverb"), ("--without", "cab"), ("--compare", "pi4,pi5,daisy-seed"))
    ]
    ways.append(("--max", "nam", "--device", "pi4"))
    code = (
        "import sys; from chainrt.cli import main\n"
        f"statuses = [main(['fit', *way]) for way in {ways}]\n"
        "print(statuses, [name for name in ('numba', 'llvmlite', 'scipy', 'soundfile') if name in sys.modules])"
    )
    env = {**os.environ, "PYTHONPATH": str(ROOT), "CHAINRT_CACHE": str(tmp_path / "cache")}
    answer = subprocess.run([sys.executable, "-c", code], env=env, cwd=ROOT, capture_output=True, text=True, check=True)
    assert answer.stdout.splitlines()[-1] == "[0, 0, 0, 1, 0] []"


def test_what_is_written_is_read_back(tmp_path, monkeypatch):
    monkeypatch.setattr(shipped, "FILE", tmp_path / "shipped.json")
    shipped.write({"shelf": {"answer": {"gate": 1}}, "a b": {"files": {}, "answer": 2}})
    assert json.loads(shipped.FILE.read_text("utf-8")) == {
        "shelf": {"answer": {"gate": 1}},
        "a b": {"files": {}, "answer": 2},
    }

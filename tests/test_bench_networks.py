"""The bench of networks: rivals are asked as its first lines say, and a page keeps what other benches wrote."""

import sys
from pathlib import Path

import pytest
from models import saved, tiny_container

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "bench"))
import networks

from chainrt.benchmarks.results import write_section

RIVAL = """
import sys
cells = []
for line in sys.stdin:
    verb, *rest = line.split(maxsplit=3)
    if verb == "load":
        frames, value, path = int(rest[0]), float(rest[1]), rest[2].strip()
        open(path).close()
        if value > 0.5:
            print("cannot play the large one", flush=True)
        else:
            cells.append(frames)
            print("ready", flush=True)
    else:
        print(1000 * cells[int(rest[0])] + int(rest[1]), flush=True)
"""


@pytest.fixture
def figures(tmp_path):
    """One round of a container with two levels, of which the rival plays the small one."""
    program = tmp_path / "rival.py"
    program.write_text(RIVAL)
    paths = {"tiny": saved(tiny_container(), tmp_path)}
    return networks.measure(paths, {"Other": f"{sys.executable} {program}"}, rounds=2)


def test_a_rival_is_asked_for_the_size_and_period_of_each_of_our_cells(figures):
    lite, full = figures["networks"]
    assert (lite["name"], full["name"]) == ("tiny Lite", "tiny Full")
    for frames in networks.FRAMES:
        assert lite["times"]["Other"][str(frames)] == [1000 * frames + networks.CALLS] * 2
        assert all(0 < time < 1e5 for time in lite["times"]["chainrt"][str(frames)])
    assert set(full["times"]) == {"chainrt"}


def test_the_page_shows_ours_the_rival_and_the_ratio_of_each_round(figures):
    lite = figures["networks"][0]
    lite["times"]["chainrt"]["64"], lite["times"]["Other"]["64"] = [30.0, 60.0], [100.0, 300.0]
    page = networks.section(figures)
    assert "| 45 (30) |" in page  # median (fastest)
    assert "| 200 (100) |" in page
    assert "| 0.25 (0.23-0.28) |" in page
    assert page.splitlines()[-1] == "| tiny Full | - | - | - | - | - | - |"


def test_networks_made_here_are_files_that_anybody_can_play(tmp_path):
    paths = networks.save_shapes(tmp_path)
    work = {one["name"]: one["packed"].network.multiply_adds for one in networks.networks(paths)}
    assert work["A1 standard"] == 13_320
    assert work["LSTM 2x8"] == 808
    assert len(work) == 7


def test_a_bench_rewrites_its_own_section_only(tmp_path):
    page = tmp_path / "RESULTS.md"
    for name, text in (("misses", "none"), ("networks", "old"), ("networks", r"new \1"), ("misses", "few")):
        write_section(page, name, name.title(), text)
    text = page.read_text()
    assert text.startswith("# Results\n\n<!-- misses: begin -->\n## Misses\n\nfew\n<!-- misses: end -->\n")
    assert text.endswith("<!-- networks: begin -->\n## Networks\n\nnew \\1\n<!-- networks: end -->\n")
    assert "old" not in text

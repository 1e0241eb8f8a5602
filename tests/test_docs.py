"""What README, changelog and the presets in the box promise: it parses, it exists, it is valid."""

import re
import shlex
from pathlib import Path

import pytest
from pedalboards import chainrt

from chainrt import __version__
from chainrt.cli.arguments import parser

ROOT = Path(__file__).resolve().parents[1]
PRESETS = sorted((ROOT / "presets").glob("*.yaml"))
GLOSSARY = (
    *("preset", "block", "chain", "level", "plan", "period", "deadline", "cost", "load", "budget", "miss"),
    "device profile",
)


@pytest.fixture
def readme() -> str:
    return (ROOT / "README.md").read_text("utf-8")


def code_blocks(text: str, *languages: str) -> list[str]:
    return re.findall(rf"^```(?:{'|'.join(languages)})\n(.*?)^```", text, re.MULTILINE | re.DOTALL)


def command_lines(text: str) -> list[list[str]]:
    """The arguments of every `chainrt ...` in the shell blocks, continued lines joined, comments left out."""
    lines = []
    for block in code_blocks(text, "sh", "bash", "console"):
        for line in block.replace("\\\n", " ").splitlines():
            for command in re.split(r"&&|\|", line.removeprefix("$ ")):
                words = shlex.split(command, comments=True)
                if words and Path(words[0]).name == "chainrt":
                    lines.append(words[1:])
                elif words[1:3] == ["-m", "chainrt"]:
                    lines.append(words[3:])
    return lines


def test_every_command_in_the_readme_can_be_typed(readme, capsys):
    lines = command_lines(readme)
    assert {"run", "render", "check", "blocks"} <= {line[0] for line in lines}
    for line in lines:
        try:
            parser().parse_args(line)
        except SystemExit:
            pytest.fail(f"chainrt {shlex.join(line)}: {capsys.readouterr().err}")


def test_every_preset_that_the_readme_plays_is_in_the_box(readme):
    named = {word for line in command_lines(readme) for word in line if word.endswith(".yaml")}
    assert named
    assert [name for name in named if not (ROOT / name).is_file()] == []


def test_every_pedalboard_in_the_readme_is_valid(readme, tmp_path, capsys):
    boards = [block for block in code_blocks(readme, "yaml") if "chain:" in block]
    assert boards
    for folder in ("models", "irs"):
        (tmp_path / folder).symlink_to(ROOT / "presets" / folder)
    for board in boards:
        (tmp_path / "board.yaml").write_text(board, "utf-8")
        answer = chainrt(capsys, "check", tmp_path / "board.yaml")
        assert (answer.status, answer.err) == (0, "")


def test_the_fault_that_the_readme_shows_is_what_check_says(readme, tmp_path, capsys):
    shown = re.search(r"^\S+\.yaml:[0-9]+: (chain\[1\]\.(\w+)\.(\w+): (\S+ \S+) is .*)$", readme, re.MULTILINE)
    assert shown, "the README shows no fault"
    fault, kind, knob, value = shown.groups()
    board = f"version: 1\nname: Wrong\nchain:\n  - gate\n  - {kind}: {{{knob}: {value}}}\n"
    (tmp_path / "mine.yaml").write_text(board, "utf-8")
    assert chainrt(capsys, "check", tmp_path / "mine.yaml").faults == [f"{tmp_path}/mine.yaml:5: {fault}"]


def test_every_local_link_of_the_readme_leads_somewhere(readme):
    links = [link.split("#")[0] for link in re.findall(r"\]\(([^)\s]+)\)", readme) if "://" not in link]
    assert [link for link in links if link and not (ROOT / link).exists()] == []


def test_every_file_that_the_readme_names_is_there(readme):
    named = set(re.findall(r"\b(?:chainrt|tests|bench|presets)/[\w./-]+\.(?:py|yaml|nam|wav|md)\b", readme))
    named -= set(re.findall(r"presets/mine\.yaml", readme))  # the reader's own
    assert [name for name in sorted(named) if not (ROOT / name).is_file()] == []


def test_the_readme_has_no_placeholder_left(readme):
    assert re.findall(r"@@\w+@@|TODO|FIXME", readme) == []


def test_the_glossary_defines_every_word(readme):
    glossary = re.search(r"^## Glossary\n(.*?)(?=^## |\Z)", readme, re.MULTILINE | re.DOTALL)[1].lower()
    defined = re.findall(r"^[*-] \*\*(.+?)\*\*: \w", glossary, re.MULTILINE)
    assert sorted(defined) == sorted(GLOSSARY)


def test_the_changelog_has_an_entry_for_this_version():
    changelog = (ROOT / "CHANGELOG.md").read_text("utf-8")
    newest = re.search(rf"^## {re.escape(__version__)}\b[^\n]*\n(.*?)(?=^## |\Z)", changelog, re.MULTILINE | re.DOTALL)
    assert newest, f"CHANGELOG.md says nothing of {__version__}"
    assert re.search(r"^[-*] \w", newest[1].replace("`", ""), re.MULTILINE)


@pytest.mark.parametrize("path", PRESETS, ids=lambda path: path.stem)
def test_every_preset_in_the_box_passes_its_own_check(path, capsys):
    answer = chainrt(capsys, "check", path)
    assert (answer.status, answer.err) == (0, "")
    assert answer.out.endswith("no faults\n")


def test_there_is_a_preset_in_the_box():
    assert PRESETS

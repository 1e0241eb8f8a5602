"""The page of measurements: each bench owns one section of it, between two markers, and rewrites nothing else."""

import platform
import re
import subprocess
from pathlib import Path

from ..compiled.native import PACKAGE


def write_section(page: Path, name: str, title: str, text: str) -> None:
    """Put `text` under `title` into the section `name` of the page; a new section goes to the end."""
    begin, end = f"<!-- {name}: begin -->", f"<!-- {name}: end -->"
    section = f"{begin}\n## {title}\n\n{text}\n{end}"
    before = page.read_text("utf-8") if page.exists() else "# Results\n"
    pattern = re.compile(re.escape(begin) + ".*?" + re.escape(end), re.DOTALL)
    after, count = pattern.subn(lambda _: section, before)
    page.write_text(after if count else f"{before.rstrip()}\n\n{section}\n", encoding="utf-8")


def processor() -> str:
    """The name of this machine's processor."""
    try:
        lines = Path("/proc/cpuinfo").read_text("utf-8").splitlines()
    except OSError:
        return platform.processor() or platform.machine()
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.machine()


def commit() -> str:
    """The commit that was measured; "-dirty" if there were changes on top of it."""
    asked = subprocess.run(
        ["git", "describe", "--always", "--dirty"], cwd=PACKAGE.parent, capture_output=True, text=True
    )
    return asked.stdout.strip() or "unknown"

"""The page of measurements: each bench owns one section of it, between two markers, and rewrites nothing else."""

import re
from pathlib import Path


def write_section(page: Path, name: str, title: str, text: str) -> None:
    """Put `text` under `title` into the section `name` of the page; a new section goes to the end."""
    begin, end = f"<!-- {name}: begin -->", f"<!-- {name}: end -->"
    section = f"{begin}\n## {title}\n\n{text}\n{end}"
    before = page.read_text("utf-8") if page.exists() else "# Results\n"
    pattern = re.compile(re.escape(begin) + ".*?" + re.escape(end), re.DOTALL)
    after, count = pattern.subn(lambda _: section, before)
    page.write_text(after if count else f"{before.rstrip()}\n\n{section}\n", encoding="utf-8")

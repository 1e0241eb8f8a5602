"""This run of `pytest bench/` beside a recorded one, as lines of a table."""


def compared(found: dict, before: dict | None, machine: str) -> list[str]:
    """A table, and before it what it is compared with. found: as in the fixture; before: a record, or None."""
    lines = []
    if before is None:
        lines.append("No run has been recorded yet: --record does it.")
    else:
        is_same = before["machine"] == machine
        what = "times" if is_same else "another machine: only ratios to the yardstick"
        lines.append(f"{before['processor']}, {before['date']}, commit {before['commit']} ({what})")
    lines.append(f"{'case':<32}{'us':>10}{'yardsticks':>12}{'recorded':>10}{'now/then':>10}   rival/ours")
    for case, now in found.items():
        then = before["cases"].get(case) if before else None
        key = "us" if before and before["machine"] == machine else "yardsticks"
        recorded, change = (f"{then[key]:.2f}", f"{now[key] / then[key]:.2f}") if then else ("-", "-")
        lines.append(
            f"{case:<32}{now['us']:>10.2f}{now['yardsticks']:>12.2f}{recorded:>10}{change:>10}   {now['rival'] or ''}"
        )
    return lines

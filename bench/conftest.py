"""`pytest bench/`: the cases of test_speed.py beside the last recorded run, told at the end. Timing fails nothing.

    python -m pytest bench/                     # compares with bench/recorded.json
    python -m pytest bench/ --record            # and makes this run the recorded one
    CHAINRT_BENCH_RIVAL='NAME=COMMAND' python -m pytest bench/      # another engine beside the networks (networks.py)

Each case is timed in turn with a yardstick: multiplications and additions that need no memory. On the machine of the
record, times are compared; on another one only the ratios to the yardstick, which say less.
"""

import json
from datetime import date
from pathlib import Path

import pytest
from recording import compared

from chainrt import tables
from chainrt.benchmarks.results import commit, processor

RECORD = Path(__file__).resolve().parent / "recorded.json"
FOUND = pytest.StashKey[dict]()


def pytest_addoption(parser):
    parser.addoption("--record", action="store_true", help="make this run the one that later ones are compared with")


def pytest_configure(config):
    config.stash[FOUND] = {}


@pytest.fixture(name="found")
def found_so_far(request) -> dict:
    """Case -> {"us", "yardsticks", "rival"}: filled by the cases, told at the end."""
    return request.config.stash[FOUND]


def pytest_terminal_summary(terminalreporter, config):
    found = config.stash[FOUND]
    if not found:
        return
    before = json.loads(RECORD.read_text("utf-8")) if RECORD.exists() else None
    terminalreporter.section("beside the last recorded run")
    for line in compared(found, before, tables.machine()):
        terminalreporter.write_line(line)
    if config.getoption("--record"):
        about = {"machine": tables.machine(), "processor": processor(), "date": date.today().isoformat()}
        told = about | {"commit": commit(), "cases": found}
        RECORD.write_text(json.dumps(told, indent=1) + "\n", encoding="utf-8")
        terminalreporter.write_line(f"{RECORD.name} is now this run.")

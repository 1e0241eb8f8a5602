"""`chainrt study`: presets x devices x scenarios x seeds, simulated on all cores or on a Dask cluster."""

import os
from collections.abc import Callable
from concurrent.futures import Executor, ProcessPoolExecutor
from importlib.util import find_spec
from multiprocessing import get_context
from pathlib import Path

from .. import devices
from .. import study as studies
from ..board import make_board
from ..errors import DeviceError, Fault, PresetError
from ..preset import load as load_preset
from ..riff import riff
from ..weather import SCENARIOS
from . import show, values

ALL = "all"
RESULTS, PAGE = "results.csv", "summary.md"
MOST_SEEDS, MOST_PERIODS, MOST_WORKERS = 100_000, 10**9, 4096


def study(options) -> int:
    """Play what is not there yet, write the table and the page; exit status."""
    read = values.Reader()
    frames, rate = read(values.period, options.period), read(values.rate, options.rate)
    seeds = read(values.integer, "--seeds", options.seeds, 1, MOST_SEEDS)
    periods = read(values.integer, "--periods", options.periods, 1, MOST_PERIODS)
    workers = read(values.integer, "--workers", options.workers or str(os.cpu_count() or 1), 1, MOST_WORKERS)
    budget = read(values.budget, options.budget) if options.budget else 0.0
    policy = read(values.policy, options.policy)
    names = read(_several, "--devices", options.devices, devices.names())
    scenarios = read(_several, "--scenarios", options.scenarios, SCENARIOS)
    boards = {path: read(load_preset, path) for path in options.presets}
    start = read(_starter, options.dask, workers)
    read.raise_faults()

    out = show.console(to_stderr=False)
    with show.compiling() as tell:  # here and once, not in every worker at the same time
        for board in boards.values():
            make_board(board, rate, frames, riff(rate), tell=tell)
    jobs = studies.grid(list(boards), names, scenarios, seeds, periods, frames, rate, policy, budget)
    folder = Path(options.out)
    table = studies.Table(folder / RESULTS)
    there = sum(job in table for job in jobs)
    already = f"; {there:,} are there already" if there else ""
    out.print(f"{len(jobs):,} runs of {show.count(periods, 'period')}{already}")
    status = 0
    try:
        with show.working("Simulating") as tell:
            studies.run(jobs, start, table, tell)
    except KeyboardInterrupt:
        status = 130
        out.print("Stopped; the same command goes on from here.")
    finally:
        table.close()
        rows = [table.rows[job] for job in jobs if job in table]
        (folder / PAGE).write_text(studies.summary(rows), "utf-8")
    out.print(f"{folder / RESULTS}: {len(rows):,} of {len(jobs):,} runs\n{folder / PAGE}: what came out")
    return status


def _several(option: str, text: str, allowed) -> list[str]:
    """ "all", or some of the words that are allowed, with commas between them."""
    if text == ALL:
        return list(allowed)
    found = [word.strip() for word in text.split(",") if word.strip()]
    wrong = [word for word in found if word not in allowed and not (option == "--devices" and _is_profile(word))]
    if wrong or not found:
        told = f"no {option.strip('-')} {', '.join(map(repr, wrong)) or 'at all'}; there are all, {', '.join(allowed)}"
        raise PresetError(Fault(option, told))
    return list(dict.fromkeys(found))


def _is_profile(word: str) -> bool:
    """True for this machine and for a file that holds a profile. DeviceError if it holds a faulty one."""
    if word.endswith((".yaml", ".yml")):
        devices.read_file(word)
        return True
    return word == devices.THIS_MACHINE


def _starter(address: str | None, workers: int) -> Callable[[], Executor]:
    """What starts an executor: processes of this machine, or a Dask cluster."""
    if address is None:
        return lambda: ProcessPoolExecutor(workers, mp_context=get_context("spawn"))
    if find_spec("distributed") is None:
        raise DeviceError(Fault("--dask", "a Dask cluster needs distributed: pip install 'chainrt[dask]'"))
    from distributed import Client

    try:
        client = Client(address, timeout="10s")
    except (OSError, ValueError) as error:
        told = str(error).splitlines()[0] if str(error) else "no answer within 10 s"
        raise DeviceError(Fault("--dask", f"{address}: {told}")) from None
    return client.get_executor

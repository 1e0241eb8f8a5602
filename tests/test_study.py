"""Studies: nothing lost, nothing twice, whatever stops or breaks on the way."""

import csv
import json
import os
import signal
import subprocess
import sys
import time
from concurrent.futures import BrokenExecutor, Future, ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import pytest
from pedalboards import PRESET, chainrt, pedalboard

from chainrt import study
from chainrt.study import COLUMNS, RESULTS, Job, Table

ROOT = Path(__file__).resolve().parents[1]
JOB = Job("preset.yaml", "f", "pi4", "calm", 0, 200, 64, 48_000, "adaptive", 0.0)
JOBS = [replace(JOB, seed=seed) for seed in range(20)]


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return pedalboard(tmp_path)


def pretend(job):
    """A row without playing anything."""
    return {**vars(job), **{name: kind(job.seed) for name, kind in RESULTS.items()}}


def threads():
    return ThreadPoolExecutor(3)


class Player:
    """Pretends, and remembers whom it was asked for."""

    def __init__(self, fails_at=None):
        self.asked = []
        self.fails_at = fails_at

    def __call__(self, job):
        self.asked.append(job)
        if len(self.asked) == self.fails_at:
            raise KeyboardInterrupt
        return pretend(job)


class Breaking(ThreadPoolExecutor):
    """Answers `left` jobs, then breaks."""

    def __init__(self, left):
        super().__init__(1)
        self.left = left

    def submit(self, *call):
        self.left -= 1
        if self.left >= 0:
            return super().submit(*call)
        broken = Future()
        broken.set_exception(BrokenExecutor("a worker died"))
        return broken


def lines(path):
    with path.open(newline="") as file:
        return list(csv.DictReader(file))


# -- the table ------------------------------------------------------------------------------------------------------


def test_every_job_has_one_row_and_rows_come_back_as_they_were_written(tmp_path):
    table = Table(tmp_path / "deep" / "results.csv")
    study.run(JOBS, threads, table, play=pretend)
    table.close()
    again = Table(tmp_path / "deep" / "results.csv")
    assert again.rows == table.rows
    assert set(again.rows) == set(JOBS)
    assert again.rows[JOBS[3]] == pretend(JOBS[3])
    assert len(lines(again.path)) == len(JOBS)


def test_a_study_that_was_stopped_goes_on_where_it_was(tmp_path):
    first, table = Player(fails_at=8), Table(tmp_path / "results.csv")
    with pytest.raises(KeyboardInterrupt):
        study.run(JOBS, lambda: ThreadPoolExecutor(1), table, play=first)
    table.close()
    table = Table(tmp_path / "results.csv")
    there = set(table.rows)
    assert 0 < len(there) < len(JOBS)
    second = Player()
    study.run(JOBS, threads, table, play=second)
    assert set(second.asked) == set(JOBS) - there
    assert sorted(int(row["seed"]) for row in lines(table.path)) == list(range(20))


def test_a_finished_study_asks_nobody(tmp_path):
    table = Table(tmp_path / "results.csv")
    study.run(JOBS, threads, table, play=pretend)
    told = []
    study.run(JOBS, None, table, lambda *news: told.append(news), play=None)
    assert told == [(20, 20)]


def test_a_line_that_a_crash_has_torn_is_played_again(tmp_path):
    table = Table(tmp_path / "results.csv")
    study.run(JOBS, threads, table, play=pretend)
    table.close()
    text = table.path.read_text()
    table.path.write_text(text[:-9])
    torn = Table(table.path)
    assert len(torn.rows) == len(JOBS) - 1
    study.run(JOBS, threads, torn, play=pretend)
    assert sorted(table.path.read_text().splitlines()) == sorted(text.splitlines())


def test_whoever_answers_twice_is_heard_once(tmp_path):
    table = Table(tmp_path / "results.csv")
    assert table.add(JOB, pretend(JOB))
    assert not table.add(JOB, pretend(JOB))
    assert len(lines(table.path)) == 1


def test_an_executor_that_breaks_is_started_again_and_loses_nothing(tmp_path):
    table, started, player = Table(tmp_path / "results.csv"), [], Player()

    def start():
        started.append(Breaking(7))
        return started[-1]

    study.run(JOBS, start, table, play=player)
    assert len(started) > 1
    assert sorted(int(row["seed"]) for row in lines(table.path)) == list(range(20))


def test_an_executor_that_always_breaks_is_not_started_for_ever(tmp_path):
    started = []
    with pytest.raises(BrokenExecutor):
        study.run(JOBS, lambda: started.append(1) or Breaking(0), Table(tmp_path / "results.csv"), play=pretend)
    assert len(started) == study.MOST_STARTS


# -- what is played -------------------------------------------------------------------------------------------------


def test_a_job_has_the_same_row_wherever_and_whenever_it_is_played(folder):
    (job,) = study.grid(["preset.yaml"], ["pi4"], ["hostile"], 1, 300)
    once, again = study.play(job), study.play(job)
    assert once == again
    assert list(once) == list(COLUMNS)
    assert study.play(replace(job, seed=1)) != once
    table = Table(folder / "results.csv")
    table.add(job, once)
    table.close()
    assert Table(table.path).rows[job] == once


def test_a_study_and_a_run_of_the_same_thing_agree(folder, capsys):
    (job,) = study.grid(["preset.yaml"], ["pi4"], ["bursts"], 1, 500, budget=0.5)
    row = study.play(job)
    asked = ("--device", "pi4", "--scenario", "bursts", "--periods", "500", "--budget", "50%")
    said = chainrt(capsys, "run", "preset.yaml", *asked, "--json")
    report = json.loads(said.out)
    assert row["load_mean"] == report["load"]["mean"]
    assert (row["misses"], row["level_changes"]) == (report["misses"], report["level_changes"])


def test_the_grid_is_complete_and_an_edited_preset_is_another_job(folder):
    jobs = study.grid(["preset.yaml"], ["pi4", "pi5"], ["calm", "hostile"], 3, 100)
    assert len(set(jobs)) == len(jobs) == 12
    assert [job.seed for job in jobs] == sorted(job.seed for job in jobs)
    (folder / "preset.yaml").write_text(PRESET.replace("6 dB", "7 dB"))
    assert not set(study.grid(["preset.yaml"], ["pi4"], ["calm"], 3, 100)) & set(jobs)


def test_the_page_adds_up_all_seeds_and_says_what_zero_misses_prove():
    rows = [
        pretend(replace(JOB, seed=seed)) | {"misses": 0, "unavoidable_misses": 0, "load_mean": 0.1 * seed}
        for seed in (1, 3)
    ]
    rows += [pretend(replace(JOB, device="pi5", seed=9)) | {"misses": 9, "unavoidable_misses": 5}]
    page = study.summary(rows)
    assert "| pi4 | estimated | calm | 2 | 20.0 % |" in page
    assert "< 7,500.0 |" in page  # three over 400 periods
    assert "| 20,000.0 |" in page  # four avoidable misses in 200 periods
    assert "| 4.500 % |" in page


# -- the command ----------------------------------------------------------------------------------------------------


def test_the_command_plays_the_grid_in_processes_and_then_has_nothing_to_do(folder, capsys):
    arguments = ["study", "--presets", "preset.yaml", "--devices", "pi4,daisy-seed", "--scenarios", "calm"]
    arguments += ["--seeds", "2", "--periods", "100", "--workers", "2", "--out", "there"]
    first = chainrt(capsys, *arguments)
    assert first.status == 0, first.err
    rows = lines(folder / "there" / "results.csv")
    assert len({(row["device"], row["seed"]) for row in rows}) == len(rows) == 4
    assert "| daisy-seed | estimated | calm | 2 |" in (folder / "there" / "summary.md").read_text()
    again = chainrt(capsys, *arguments)
    assert "4 are there already" in again.out
    assert lines(folder / "there" / "results.csv") == rows


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["--devices", "c64"], "--devices: no devices 'c64'; there are all, daisy-seed"),
        (["--scenarios", "rain"], "--scenarios: no scenarios 'rain'; there are all, calm"),
        (["--seeds", "0"], "--seeds: '0' is not a whole number from 1"),
        (["--policy", "best"], "--policy: no policy 'best'"),
    ],
)
def test_what_is_wrong_is_told_before_anything_is_played(arguments, told, folder, capsys):
    answer = chainrt(capsys, "study", "--presets", "preset.yaml", *arguments)
    assert (answer.status, answer.out) == (2, "")
    assert answer.err.startswith(told)
    assert not (folder / "study").exists()


def test_without_dask_one_line_says_how_to_get_it(folder, capsys, monkeypatch):
    from chainrt.cli import study as command

    monkeypatch.setattr(command, "find_spec", lambda name: None)
    answer = chainrt(capsys, "study", "--presets", "preset.yaml", "--dask", "tcp://127.0.0.1:1")
    assert answer.err == "--dask: a Dask cluster needs distributed: pip install 'chainrt[dask]'\n"


# -- Dask -----------------------------------------------------------------------------------------------------------


@pytest.fixture
def cluster(tmp_path):
    """(address, worker processes) of a real scheduler and two real workers, each a process of its own."""
    pytest.importorskip("distributed")
    file = tmp_path / "scheduler.json"
    env = os.environ | {"PYTHONPATH": str(ROOT), "DASK_DISTRIBUTED__SCHEDULER__WORKER_TTL": "20s"}

    def start(*words):
        command = [sys.executable, "-m", *words, "--scheduler-file", str(file)]
        return subprocess.Popen(command, env=env, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)

    scheduler = start("distributed.cli.dask_scheduler", "--host", "127.0.0.1", "--port", "0", "--no-dashboard")
    words = ("distributed.cli.dask_worker", "--no-nanny", "--nthreads", "1", "--no-dashboard")
    workers = [start(*words) for _ in range(2)]
    try:
        yield file, workers
    finally:
        for process in (*workers, scheduler):
            process.kill()
            process.wait()


def test_a_worker_of_a_real_cluster_that_is_killed_on_the_way_loses_nothing(cluster, folder):
    """A scheduler and two workers as processes; one is killed with jobs in its hands: nothing lost, nothing twice."""
    from distributed import Client

    file, workers = cluster
    jobs = study.grid(["preset.yaml"], ["pi4"], ["bursts"], 24, 1000)
    expected = study.play(jobs[-1])
    table = Table(folder / "results.csv")
    killed = []

    def tell(done, total):
        if done >= 4 and not killed:
            workers[0].send_signal(signal.SIGKILL)
            killed.append(done)

    with Client(scheduler_file=str(file), timeout="30s", set_as_default=False) as client:
        client.wait_for_workers(2, timeout=30)
        before = time.monotonic()
        study.run(jobs, client.get_executor, table, tell)
        took_s = time.monotonic() - before
        assert len(client.scheduler_info()["workers"]) == 1, f"after {took_s:.0f} s the dead worker was not missed"
    assert killed[0] < len(jobs)
    rows = lines(table.path)
    assert sorted(int(row["seed"]) for row in rows) == list(range(24))
    assert table.rows[jobs[-1]] == expected

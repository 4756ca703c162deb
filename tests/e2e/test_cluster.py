"""The same bytes from a Dask cluster, whatever dies."""

import contextlib
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from concurrent.futures.process import BrokenProcessPool
from pathlib import Path

import pytest
from distributed import LocalCluster

from reinschrift.flows.config import load_settings
from reinschrift.flows.run import run_plan
from reinschrift.flows.workers import cluster as clusters
from reinschrift.flows.workers.apart import call_apart, call_in
from reinschrift.flows.workers.cluster import ClusterError, ClusterMapper
from tests.conftest import LawsGate, Quiet, clean, file_hashes

ROOT = Path(__file__).parents[2]
DASK = Path(sys.executable).parent / "dask"
PAGES = 24
SHARD_BYTES = 3000
SMALL = {"shard_bytes": SHARD_BYTES, "part_pages": 7, "replay_pages": 0}
PATIENCE_SECONDS = 120


@pytest.fixture(scope="module")
def pages(tmp_path_factory):
    """Pages that repeat each other's sentences, of several shards."""
    folder = tmp_path_factory.mktemp("pages")
    words = [
        "harbour",
        "lighthouse",
        "keeper",
        "storm",
        "bridge",
        "timetable",
        "gull",
        "anchor",
        "mayor",
        "garden",
    ]
    for number in range(PAGES):
        lines = [
            f"The {words[(number + k) % 10]} of street {k} was seen by {words[(k * 3 + number) % 10]}s "
            f"and by nobody else in the year {1900 + (number * k) % 17}."
            for k in range(20)
        ]
        (folder / f"{number:02d}.txt").write_text("\n".join(lines) + "\nSkip to content\n")
    return folder


@pytest.fixture(scope="module")
def expected(pages, tmp_path_factory):
    """The corpus of a run on this machine alone."""
    out = tmp_path_factory.mktemp("alone")
    assert clean([pages], out, **SMALL).version
    return file_hashes(out / "corpus")


def run_on(address, pages, out):
    mapper = ClusterMapper(address)
    try:
        settings = load_settings(out=out, **SMALL)
        return run_plan([str(pages)], settings, mapper, Quiet(), LawsGate)
    finally:
        mapper.close()


@pytest.mark.slow
def test_a_local_cluster_gives_the_same_bytes(pages, expected, tmp_path):
    with LocalCluster(
        n_workers=2,
        threads_per_worker=1,
        processes=True,
        dashboard_address=":0",
        host="127.0.0.1",
    ) as cluster:
        report = run_on(cluster.scheduler_address, pages, tmp_path)
    assert report.version
    assert file_hashes(tmp_path / "corpus") == expected


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


@contextlib.contextmanager
def shell_cluster(workers=2):
    """Scheduler and workers as a user starts them: each a command of its own."""
    address = f"tcp://127.0.0.1:{free_port()}"
    quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL, "start_new_session": True}
    commands = [
        [
            DASK,
            "scheduler",
            "--host",
            "127.0.0.1",
            "--port",
            address.rpartition(":")[2],
            "--no-dashboard",
        ]
    ]
    commands += [[DASK, "worker", address, "--nthreads", "1", "--no-nanny", "--no-dashboard"]] * workers
    started = [subprocess.Popen(command, cwd="/", **quiet) for command in commands]
    try:
        yield address, started[0], started[1:]
    finally:
        for process in started:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()


def start(address, pages, out):
    command = [sys.executable, "-m", "reinschrift", "run", str(pages), "--out", str(out)]
    command += ["--cluster", address, "--shard-bytes", str(SHARD_BYTES), "--part-pages", "7"]
    command += ["--replay-pages", "0"]
    return subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def wait_for_stages(out, count):
    until = time.monotonic() + PATIENCE_SECONDS
    while time.monotonic() < until:
        done = [
            p for p in (out / ".reinschrift" / "stages").glob("*") if p.is_dir() and "." not in p.name
        ]
        if len(done) >= count:
            return
        time.sleep(0.02)
    pytest.fail("nothing was read")


@pytest.mark.slow
def test_a_worker_that_is_killed_costs_its_shards_and_no_more(pages, expected, tmp_path):
    with shell_cluster() as (address, _, workers):
        running = start(address, pages, tmp_path)
        wait_for_stages(tmp_path, 2)
        os.killpg(workers[0].pid, signal.SIGKILL)
        _, error = running.communicate(timeout=PATIENCE_SECONDS)
    assert running.returncode == 0, error
    assert file_hashes(tmp_path / "corpus") == expected


@pytest.mark.slow
def test_after_a_killed_scheduler_the_next_run_goes_on(pages, expected, tmp_path):
    with shell_cluster() as (address, scheduler, _):
        running = start(address, pages, tmp_path)
        wait_for_stages(tmp_path, 2)
        os.killpg(scheduler.pid, signal.SIGKILL)
        _, error = running.communicate(timeout=PATIENCE_SECONDS)
    assert running.returncode == 1, error
    assert "the scheduler is gone" in error
    assert "Traceback" not in error, error
    assert not (tmp_path / "corpus").exists()
    kept = {
        path.name: path.stat().st_mtime_ns for path in (tmp_path / ".reinschrift" / "stages").iterdir()
    }
    assert clean([pages], tmp_path, **SMALL).version
    assert file_hashes(tmp_path / "corpus") == expected
    again = {
        path.name: path.stat().st_mtime_ns for path in (tmp_path / ".reinschrift" / "stages").iterdir()
    }
    whole = {name for name in kept if "." not in name}
    assert whole
    assert all(again[name] == kept[name] for name in whole)


def test_a_worker_with_another_program_is_refused(monkeypatch, tmp_path):
    with LocalCluster(
        n_workers=1,
        threads_per_worker=1,
        processes=False,
        dashboard_address=":0",
        protocol="tcp",
    ) as cluster:
        versions = iter(["ours", "theirs"])
        monkeypatch.setattr(clusters, "corpus_code_version", lambda: next(versions))
        with pytest.raises(ClusterError, match="its program is another"):
            ClusterMapper(cluster.scheduler_address)


def test_no_scheduler_is_a_clear_error(monkeypatch):
    monkeypatch.setattr(clusters, "CONNECT_SECONDS", 1)
    with pytest.raises(ClusterError, match="no Dask scheduler with a worker"):
        ClusterMapper(f"tcp://127.0.0.1:{free_port()}")


def name_of_thread():
    return threading.current_thread().name


def test_a_call_in_a_thread_gets_a_main_thread(tmp_path):
    results = []

    def work():
        results.append(call_apart(name_of_thread))
        results.append(call_in(str(tmp_path), os.getcwd))
        with pytest.raises(BrokenProcessPool):
            call_apart(os._exit, 3)
        results.append(call_apart(name_of_thread))

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert results == ["MainThread", str(tmp_path), "MainThread"]

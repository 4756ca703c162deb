"""The same plan under Prefect: a real server on loopback, a schedule that fires, the same bytes."""

import base64
import json
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from pathlib import Path

import boto3
import psutil
import pytest

from tests.conftest import clean, file_hashes

REPOSITORY = Path(__file__).parents[2]
PATIENCE_SECONDS = 300


def ask(url, path, body):
    request = urllib.request.Request(
        f"{url}{path}", json.dumps(body).encode(), {"Content-Type": "application/json"}
    )
    with urllib.request.urlopen(request, timeout=60) as answer:
        return json.load(answer)


def wait_for(what, condition):
    until = time.monotonic() + PATIENCE_SECONDS
    while time.monotonic() < until:
        found = condition()
        if found:
            return found
        time.sleep(1)
    pytest.fail(f"no {what} within {PATIENCE_SECONDS} s")


def runs_in(url, *states):
    """Flow runs in any of the states."""
    wanted = {"state": {"type": {"any_": list(states)}}}
    return ask(url, "/flow_runs/filter", {"limit": 50, "flow_runs": wanted})


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    """Prefect's own server, with its own home."""
    home = tmp_path_factory.mktemp("prefect")
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    environment = {
        **os.environ, "PREFECT_HOME": str(home), "DO_NOT_TRACK": "1", "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
        "PREFECT_SERVER_SERVICES_SCHEDULER_LOOP_SECONDS": "2", "PREFECT_RUNNER_POLL_FREQUENCY": "1",
        "PREFECT_SERVER_LOGGING_LEVEL": "ERROR",
    }  # fmt: skip
    process = subprocess.Popen(
        [sys.executable, "-m", "prefect", "server", "start", "--no-ui", "--host", "127.0.0.1", "--port", str(port)],
        env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True,
    )  # fmt: skip
    url = f"http://127.0.0.1:{port}/api"

    def is_up():
        try:
            with urllib.request.urlopen(f"{url}/health", timeout=5):
                return True
        except OSError:
            return False

    try:
        wait_for("server", is_up)
        yield url, {**environment, "PREFECT_API_URL": url}
    finally:
        os.killpg(process.pid, signal.SIGINT)
        try:
            process.wait(20)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()


def test_a_schedule_fires_and_gives_the_bytes_of_a_direct_run(server, tmp_path):
    url, environment = server
    command = [sys.executable, "-m", "reinschrift", "serve", "seeds", "--every", "3", "--out"]
    command += [str(tmp_path / "served"), "--report", str(tmp_path / "report.html")]
    said = (tmp_path / "said.txt").open("w")
    serving = subprocess.Popen(
        command, env=environment, cwd=REPOSITORY, stdout=said, stderr=said, start_new_session=True
    )
    try:

        def completed():
            assert not runs_in(url, "FAILED", "CRASHED")
            runs = [run for run in runs_in(url, "COMPLETED") if run["auto_scheduled"]]
            return runs if len(runs) > 1 else None

        wait_for("two scheduled runs that completed", completed)
    finally:
        os.killpg(serving.pid, signal.SIGINT)
        try:
            serving.wait(60)
        except subprocess.TimeoutExpired:
            os.killpg(serving.pid, signal.SIGKILL)
            serving.wait()
        said.close()
    verdicts = ask(url, "/artifacts/filter", {"artifacts": {"key": {"any_": ["verdict"]}}})
    assert "## Corpus published" in verdicts[0]["data"]
    runs = sorted(runs_in(url, "COMPLETED"), key=lambda run: run["start_time"])
    assert [run["state_name"] for run in runs[:2]] == ["Completed", "Unchanged"]
    assert runs[0]["state"]["message"] == "8 documents"
    assert runs[0]["name"].startswith("served 20")
    version = (tmp_path / "served" / "corpus").resolve().name
    assert runs[0]["tags"] == ["auto-scheduled", "corpus:served", f"version:{version}"]
    # A run takes longer than the schedule gives it: the slots that came in the meantime are no runs.
    skipped = [run["state"]["message"] for run in runs_in(url, "CANCELLED")]
    assert skipped
    assert all(message.startswith("covered by served 20") for message in skipped)
    told = (tmp_path / "said.txt").read_text()
    assert "serving; the next run begins 20" in told
    assert "UTC  published: 8 documents" in told
    assert "UTC  unchanged: 8 documents" in told
    assert (tmp_path / "report.html").exists()
    os.chdir(REPOSITORY)
    clean(["seeds"], tmp_path / "direct")
    assert file_hashes(tmp_path / "served" / "corpus") == file_hashes(tmp_path / "direct" / "corpus")


@pytest.mark.parametrize("schedule", ["every day", "61 * * * *", ""])
def test_a_schedule_that_is_none_starts_nothing(tmp_path, schedule):
    command = [sys.executable, "-m", "reinschrift", "serve", "x.txt", "--cron", schedule]
    done = subprocess.run(
        [*command, "--out", str(tmp_path / "out")], env=own_environment(), cwd=tmp_path,
        capture_output=True, text=True, timeout=120, check=False,
    )  # fmt: skip
    assert done.returncode == 2, done.stderr
    assert "not a schedule" in done.stderr
    assert "Traceback" not in done.stderr
    assert not (tmp_path / "out" / ".reinschrift" / "prefect" / "server.log").exists()


PROJECT = """
import cloudpickle
from prefect import flow
from prefect.client.orchestration import get_client
from reinschrift import clean_corpus
from reinschrift.flows.orchestrate import NotPublishedError
from reinschrift.flows.tasks import read_pages, resolve_repeats, write_part

@flow
def nightly():
    report = clean_corpus(["pages"], {"out": "data", "columns": {"text": "body"}}, report="report.html")
    try:
        clean_corpus(["pages"], {"out": "data", "severity": {"own.long": "error"},
                                 "expectations": ["own.toml"]})
    except NotPublishedError as error:
        return report.version, error.report.state

if __name__ == "__main__":
    for one in (read_pages, resolve_repeats, write_part):
        assert cloudpickle.loads(cloudpickle.dumps(one)).name == one.name
    print(nightly())
    try:
        clean_corpus(["pages"], {"out": "data", "masks": ["email"]})
    except Exception as error:
        print(type(error).__name__, "masks" in str(error))
"""


def test_as_a_subflow_of_a_project(server, tmp_path):
    url, environment = server
    (tmp_path / "pages").mkdir()
    (tmp_path / "pages" / "a.txt").write_text("Ein Satz über die Brücke, die am Fluss steht.")
    (tmp_path / "pages" / "b.txt").touch()
    (tmp_path / "project.py").write_text(PROJECT)
    (tmp_path / "own.toml").write_text(
        '[[expectation]]\nname = "long"\ntable = "documents"\nholds = "n_words > 99"\nwhy = "no stubs"\n'
    )
    done = subprocess.run(
        [sys.executable, "project.py"], env=environment, cwd=tmp_path, capture_output=True, text=True,
        timeout=300, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-3000:]
    assert "'refused by the gate')" in done.stdout
    assert "ParameterTypeError True" in done.stdout
    assert "<h1>published" in (tmp_path / "report.html").read_text()
    runs = {run["state_name"]: run["state"]["message"] for run in runs_in(url, "COMPLETED", "FAILED")}
    assert runs["Quarantined"] == "1 document, 1 quarantined"
    assert "refused by the gate: own.long" in [run["state"]["message"] for run in runs_in(url, "FAILED")]
    tasks = {one["name"] for one in ask(url, "/task_runs/filter", {"limit": 200})}
    assert {"plan", "read a.txt", "resolve", "publish part 0", "gate", "switch", "assets"} <= tasks
    artifacts = {one["key"] for one in ask(url, "/artifacts/filter", {"limit": 200})}
    assert {"verdict", "funnel", "report"} <= artifacts

    def events():
        wanted = {"event": {"prefix": ["reinschrift.", "prefect.asset.materialization.succeeded"]}}
        found = ask(url, "/events/filter", {"filter": wanted, "limit": 50})["events"]
        kinds = {
            one["event"] for one in found if str(tmp_path) in one["resource"]["prefect.resource.id"]
        }
        return kinds if len(kinds) > 2 else None

    assert wait_for("events", events) == {
        "reinschrift.published", "reinschrift.refused", "prefect.asset.materialization.succeeded",
    }  # fmt: skip


def test_the_automations_of_the_docs_are_taken(server, tmp_path):
    done = subprocess.run(
        [sys.executable, "-m", "prefect", "automation", "create", "--from-file",
         str(REPOSITORY / "docs" / "examples" / "refused.yaml")],
        env=server[1], capture_output=True, text=True, timeout=120, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    names = {one["name"] for one in ask(server[0], "/automations/filter", {})}
    assert names >= {"corpus refused", "corpus stale"}


def test_the_flow_runs_once_and_a_refusal_is_exit_1(server, tmp_path):
    url, environment = server
    (tmp_path / "empty.txt").touch()
    (tmp_path / "a.txt").write_text("Ein Satz über die Brücke, die am Fluss steht.")
    command = [
        sys.executable,
        "-m",
        "reinschrift",
        "flow",
        str(tmp_path),
        "--out",
        str(tmp_path / "out"),
        "--strict",
        "--report",
        str(tmp_path / "report.html"),
    ]
    done = subprocess.run(
        command, env=environment, capture_output=True, text=True, timeout=300, check=False
    )
    assert done.returncode == 1, done.stderr[-2000:]
    assert "refused by strict" in done.stdout
    assert "<h1>refused by strict" in (tmp_path / "report.html").read_text()
    failed = [run["state"]["message"] for run in runs_in(url, "FAILED")]
    assert "refused by strict: run.strict" in failed
    command.remove("--strict")
    done = subprocess.run(
        command, env=environment, capture_output=True, text=True, timeout=300, check=False
    )
    assert done.returncode == 3, done.stderr[-2000:]


def test_the_flow_publishes_to_a_store_too(server, moto, tmp_path):
    endpoint = "http://{}:{}".format(*moto)
    keys = {"AWS_ACCESS_KEY_ID": "nobody", "AWS_SECRET_ACCESS_KEY": "nothing"}
    environment = {**server[1], **keys, "AWS_REGION": "us-east-1", "AWS_ENDPOINT_URL": endpoint}
    client = boto3.client(
        "s3", endpoint_url=endpoint, region_name="us-east-1",
        aws_access_key_id="nobody", aws_secret_access_key="nothing",
    )  # fmt: skip
    client.create_bucket(Bucket="flows")
    (tmp_path / "a.txt").write_text("Ein Satz über die Brücke, die am Fluss steht.")
    command = [sys.executable, "-m", "reinschrift", "flow", str(tmp_path / "a.txt")]
    command += ["--out", str(tmp_path / "out"), "--publish", "s3://flows"]
    done = subprocess.run(
        command, env=environment, capture_output=True, text=True, timeout=300, check=False
    )
    assert done.returncode == 0, done.stderr[-2000:]
    manifest = json.load(client.get_object(Bucket="flows", Key="corpus.json")["Body"])
    files = [file for table in manifest["tables"].values() for file in table["files"]]
    told = {
        file["path"].removeprefix(f"versions/{manifest['version']}/"): file["sha256"]
        for file in [*files, *manifest["beside"]]
    }
    assert told.pop("manifest.json")
    assert told == file_hashes(tmp_path / "out" / "corpus")


def test_the_deployment_file_is_sound(server):
    url, environment = server
    lines = (REPOSITORY / "prefect.yaml").read_text().splitlines()
    commands = [line[1:].split() for line in lines if line.startswith("#   prefect ")]
    assert [command[1] for command in commands] == ["work-pool", "deploy", "worker"]
    for _, *words in commands[:2]:
        done = subprocess.run(
            [sys.executable, "-m", "prefect", "--no-prompt", *words],
            env=environment, cwd=REPOSITORY, capture_output=True, text=True, timeout=300, check=False,
        )  # fmt: skip
        assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-2000:]
    names = [d["name"] for d in ask(url, "/deployments/filter", {})]
    assert "nightly" in names


# ---------------------------------------------------------------- our own server


def own_environment():
    """Without a server of the test's: `flow` and `serve` start their own."""
    return {name: value for name, value in os.environ.items() if not name.startswith("PREFECT_")}


def start(tmp_path, *arguments, **more):
    (tmp_path / "a.txt").write_text("Ein Satz über die Brücke, die am Fluss steht.")
    command = [sys.executable, "-P", "-m", "reinschrift", *arguments]
    command += [str(tmp_path / "a.txt"), "--out", str(tmp_path / "out")]
    return subprocess.Popen(
        command, env=own_environment(), cwd=tmp_path, stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, **more,
    )  # fmt: skip


def server_below(process):
    """The address of the server that a process started, once it answers."""
    for child in psutil.Process(process.pid).children(recursive=True):
        line = " ".join(child.cmdline())
        if "prefect_server" in line:
            url = f"http://127.0.0.1:{line.split('--port ')[1].split()[0]}/api"
            try:
                with urllib.request.urlopen(f"{url}/health", timeout=5):
                    return url
            except OSError:
                return None
    return None


def families(process):
    """The processes below one, with itself."""
    parent = psutil.Process(process.pid)
    return [parent, *parent.children(recursive=True)]


def test_our_server_asks_for_a_secret_and_ends_with_us(tmp_path):
    serving = start(tmp_path, "serve", "--every", "3600")
    try:
        url = wait_for("server", lambda: server_below(serving))
        request = urllib.request.Request(
            f"{url}/flow_runs/filter", b"{}", {"Content-Type": "application/json"}
        )
        with pytest.raises(urllib.error.HTTPError) as refusal:
            urllib.request.urlopen(request, timeout=30)
        assert refusal.value.code == 401
        secret = tmp_path / "out" / ".reinschrift" / "prefect" / "secret"
        assert secret.stat().st_mode & 0o777 == 0o600
        token = base64.b64encode(secret.read_bytes().strip()).decode()
        request.add_header("Authorization", f"Basic {token}")
        with urllib.request.urlopen(request, timeout=30) as answer:
            assert answer.status == 200

        second = start(tmp_path, "serve", "--every", "3600")
        _, error = second.communicate(timeout=120)
        assert second.returncode == 2
        assert "is in use by process" in error
    finally:
        family = families(serving)
        serving.kill()
        serving.communicate()
    _, alive = psutil.wait_procs(family, timeout=3)
    assert not alive


def test_serve_started_by_a_script_is_stopped_by_sigterm(tmp_path):
    """A shell starts what runs in the background with SIGINT ignored."""
    serving = start(
        tmp_path,
        "serve",
        "--every",
        "3600",
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_IGN),
    )
    wait_for("server", lambda: server_below(serving))
    time.sleep(5)  # the flow is served a moment after the server answers
    family = families(serving)
    serving.terminate()
    serving.communicate(timeout=60)
    _, alive = psutil.wait_procs(family, timeout=3)
    assert not alive


@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGTERM, signal.SIGINT])
def test_a_flow_that_is_stopped_leaves_no_process(tmp_path, how):
    running = start(tmp_path, "flow")
    wait_for("server", lambda: server_below(running))
    family = families(running)
    running.send_signal(how)
    _, error = running.communicate(timeout=60)
    assert running.returncode == (130 if how == signal.SIGINT else -how), error
    assert "Traceback" not in error
    _, alive = psutil.wait_procs(family, timeout=3)
    assert not alive


def test_no_pickle_lies_in_the_output(tmp_path):
    done = start(tmp_path, "flow")
    _, error = done.communicate(timeout=300)
    assert done.returncode == 0, error
    for path in (tmp_path / "out").rglob("*"):
        if path.is_file() and path.suffix not in (".parquet", ".db"):
            assert not path.read_bytes().startswith(b"\x80"), path
            assert b"cloudpickle" not in path.read_bytes(), path

"""The real job, as a process."""

import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
from pathlib import Path

import pytest
from dashboard_tables import WINE_CONF, WrittenTables

from penstock.interfaces.dashboard.launching import PAGE, Dashboard
from penstock.jobs import dashboard
from penstock.tcp_ports import LOOPBACK, is_free

JOB = Path(dashboard.__file__)
PATIENCE_SECONDS = 300


@pytest.fixture
def conf(tmp_path):
    return str(WrittenTables(tmp_path, WINE_CONF).conf)


def answer(port, path):
    try:
        with urllib.request.urlopen(f"http://{LOOPBACK}:{port}{path}", timeout=60) as response:
            return response.read().decode()
    except urllib.error.URLError:
        return ""


def free_port():
    return next(port for port in range(18501, 18600) if is_free(port))


def wait_until(condition):
    deadline = time.monotonic() + PATIENCE_SECONDS
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.2)


@pytest.fixture
def port():
    return free_port()


@pytest.fixture
def dashboard_job(conf, port):
    process = subprocess.Popen([sys.executable, str(JOB), "--conf", conf, "--port", str(port)])
    yield process
    process.kill()
    process.wait()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_the_dashboard_is_served_until_a_signal_and_leaves_nothing_behind(dashboard_job, port, number):
    wait_until(lambda: answer(port, "/_stcore/health") == "ok")
    assert "<html" in answer(port, "/").lower()
    dashboard_job.send_signal(number)
    assert dashboard_job.wait(PATIENCE_SECONDS) == 0
    wait_until(lambda: is_free(port))


def test_config_files_and_overrides_are_handed_over_in_their_order():
    conf = (Path("conf/wine.yaml"), Path("conf/s3.yaml"))
    command = Dashboard(conf=conf, overrides=("a.b=c d",), host="::1", port=8600).command
    ours = command.index("--")
    assert command[: command.index(str(PAGE))] == [sys.executable, "-m", "streamlit", "run"]
    assert command[ours + 1 :] == ["--conf", "conf/wine.yaml", "--conf", "conf/s3.yaml", "--set", "a.b=c d"]
    flags = dict(zip(command[5:ours:2], command[6:ours:2], strict=True))
    assert flags["--server.port"] == "8600"
    assert flags["--server.address"] == "::1"
    assert flags["--browser.gatherUsageStats"] == "false"


def test_a_config_that_cannot_be_used_is_said_before_anything_starts(conf, capsys):
    assert dashboard.main(["--conf", conf, "--set", "tabels.root=/nowhere"]) == 2
    assert "did you mean 'tables'" in capsys.readouterr().err


def test_a_taken_port_is_said_with_who_has_it(conf, capsys):
    taken = subprocess.Popen(
        [sys.executable, "-c", "import socket as s; a = s.create_server(('127.0.0.1', 0)); print(a.getsockname()[1]); "
         "import sys; sys.stdout.flush(); sys.stdin.read()"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )  # fmt: skip
    try:
        port = taken.stdout.readline().strip()
        assert dashboard.main(["--conf", conf, "--port", port]) == 1
        error = capsys.readouterr().err
        assert f"port {port} of 127.0.0.1 is in use by" in error
        assert f"(pid {taken.pid})" in error
    finally:
        taken.communicate()

import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from dataclasses import replace

import pytest

from penstock.errors import ServerError
from penstock.interfaces.local_servers.process import (
    Program,
    Record,
    ServerProcess,
    belongs,
    clean_environment,
    get,
    locked,
)

SERVE = (
    "import http.server as web, sys; "
    "web.HTTPServer(('127.0.0.1', int(sys.argv[1])), web.SimpleHTTPRequestHandler).serve_forever()"
)
#: Starts a second server as its child, and ends where that ends.
WITH_CHILD = "import subprocess, sys; subprocess.run([sys.executable, '-c', sys.argv[2], sys.argv[1]])"
STUBBORN = "import signal; signal.signal(signal.SIGTERM, signal.SIG_IGN); " + SERVE


@pytest.fixture
def port():
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return free.getsockname()[1]


@pytest.fixture
def server(tmp_path):
    process = ServerProcess(folder=tmp_path / "web")
    yield process
    process.stop()


@pytest.fixture
def bystander():
    with subprocess.Popen(["sleep", "60"]) as process:
        yield process
        process.kill()


def program(code, *arguments, **ports):
    command = [sys.executable, "-c", code, *map(str, arguments)]
    return Program(command=command, environment=clean_environment(), ports=ports, port_variables={"web": "WEB_PORT"})


def up(server, port, code=SERVE, *arguments):
    started = server.start(program(code, port, *arguments, web=port))
    server.wait_until(lambda: get(f"http://127.0.0.1:{port}/").problem, seconds=20, started=started)
    return started


def test_a_second_start_finds_the_first(server, port):
    assert up(server, port)
    pids = server.pids()
    assert not up(server, port)
    assert server.pids() == pids
    assert len(pids) == 1


def test_a_start_with_other_settings_is_refused(server, port):
    def start(place):
        return server.start(replace(program(SERVE, port, web=port), settings={"place": place}))

    assert start("here:pass-word")
    assert not start("here:pass-word")
    with pytest.raises(ServerError, match="with another place than asked for now; stop it first"):
        start("there")
    assert "pass-word" not in server.record_path.read_text()


def test_stop_ends_it_and_says_whether_there_was_anything(server, port):
    up(server, port)
    assert server.stop()
    assert get(f"http://127.0.0.1:{port}/").problem
    assert not server.stop()


def test_what_ignores_sigterm_is_killed(server, port, monkeypatch):
    monkeypatch.setattr("penstock.interfaces.local_servers.process.WAIT_SECONDS", 0.5)
    up(server, port, STUBBORN)
    assert server.stop()
    assert server.pids() == []


def test_a_child_that_outlived_its_parent_is_found_and_stopped(server, port):
    up(server, port, WITH_CHILD, SERVE)
    parent = server.record().pid
    os.kill(parent, signal.SIGKILL)
    deadline = time.monotonic() + 60
    while parent in server.pids():
        assert time.monotonic() < deadline
    assert not server.is_running
    assert len(server.pids()) == 1
    assert server.stop()
    assert get(f"http://127.0.0.1:{port}/").problem


def test_and_a_new_start_replaces_it(server, port):
    up(server, port, WITH_CHILD, SERVE)
    os.kill(server.record().pid, signal.SIGKILL)
    left = [pid for pid in server.pids() if pid != server.record().pid]
    time.sleep(0.1)
    assert up(server, port)
    assert not set(left) & set(server.pids())


@pytest.mark.parametrize("is_gone", [True, False], ids=["gone", "another program's"])
def test_a_stale_pid_is_not_taken_for_the_server(server, port, bystander, is_gone):
    server.folder.mkdir()
    if is_gone:
        bystander.kill()
        bystander.wait()
    server._write(Record(token="0" * 32, pid=bystander.pid, ports={"web": port}))
    assert not server.is_running
    assert up(server, port)
    assert server.stop()
    assert is_gone or bystander.poll() is None


def test_a_process_of_a_person_with_the_servers_environment_is_left_alone(server, port):
    """A shell whose environment was copied from the server's, to look for a fault."""
    up(server, port)
    environment = {**os.environ, "PENSTOCK_SERVER": server.record().token}
    with subprocess.Popen(["sleep", "60"], env=environment) as shell:
        assert shell.pid not in server.pids()
        assert server.stop()
        assert shell.poll() is None
        shell.kill()


def test_a_start_cut_off_before_the_pid_was_known_is_found(server, port):
    up(server, port)
    record = server.record()
    server._write(Record(token=record.token, pid=0, ports=record.ports))
    assert not server.is_running
    assert server.pids() == [record.pid]
    assert server.stop()
    assert not belongs(record.pid, record)


def test_a_port_in_use_is_named_with_its_holder_before_anything_starts(server):
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        taken = other.getsockname()[1]
        with pytest.raises(ServerError) as error:
            up(server, taken)
    assert f"web: port {taken} of 127.0.0.1 is in use by " in str(error.value)
    assert f"(pid {os.getpid()})" in str(error.value)
    assert "end that process or choose another port (WEB_PORT)" in str(error.value)
    assert not server.log.exists()


def test_another_port_than_the_running_ones_is_refused(server, port):
    up(server, port)
    with pytest.raises(ServerError, match=f"runs already .* on port {port}, and 1 was asked for; stop it first"):
        server.start(program(SERVE, 1, web=1))
    assert server.is_running


def test_one_that_ends_is_told_with_the_end_of_its_log(server, port):
    last = "no disk at postgresql://me:secret@host/db"
    code = f"print(*range(100), sep=chr(10)); print({last!r}); raise SystemExit(3)"
    with pytest.raises(ServerError) as error:
        up(server, port, code)
    lines = str(error.value).splitlines()
    assert "web: ended while starting; the end of" in lines[0]
    assert lines[-1] == "no disk at postgresql://***@host/db"
    assert "99" in lines
    assert "80" not in lines
    assert server.record() is None


def test_one_that_does_not_answer_in_time_is_stopped(server, port):
    server.start(program("import time; print('waiting', flush=True); time.sleep(60)", web=port))
    with pytest.raises(ServerError, match=f"is not ready after 0.5 s: it does not listen on {port} yet.*\n.*waiting"):
        server.wait_until(lambda: "", seconds=0.5, started=True)
    assert server.pids() == []


def test_but_one_that_ran_before_is_left_alone(server, port):
    up(server, port)
    with pytest.raises(ServerError, match=r"is not ready after 0\.2 s: it is busy"):
        server.wait_until(lambda: "it is busy", seconds=0.2, started=False)
    assert server.is_running


def test_the_answer_of_another_process_on_the_port_does_not_count(server, port, tmp_path):
    """It took the port between the look and the start."""
    server.start(program("import time; time.sleep(60)", web=port))
    other = ServerProcess(folder=tmp_path / "other")
    up(other, port)
    try:
        with pytest.raises(ServerError, match="it does not listen on"):
            server.wait_until(lambda: get(f"http://127.0.0.1:{port}/").problem, seconds=0.5, started=True)
    finally:
        other.stop()


def test_what_can_t_be_run_says_so(server, port):
    nothing = Program(command=["/nonexistent/server"], environment={}, ports={"web": port})
    with pytest.raises(ServerError, match="web: can't be started: /nonexistent/server: No such file"):
        server.start(nothing)
    assert server.record() is None


def test_a_damaged_record_is_an_error_with_what_to_do(server):
    server.folder.mkdir()
    server.record_path.write_text(json.dumps({"pid": 1}))
    with pytest.raises(ServerError, match="is not a record of this version"):
        server.pids()
    server.record_path.unlink()


def test_records_and_locks_are_private(server, port, tmp_path):
    state = tmp_path / "state"
    with locked(state):
        assert state.stat().st_mode & 0o777 == 0o700
    up(server, port)
    assert server.record_path.stat().st_mode & 0o777 == 0o600


def test_two_that_start_at_once_wait_for_each_other(tmp_path):
    inside, most = [], []

    def enter():
        with locked(tmp_path):
            inside.append(1)
            most.append(len(inside))
            time.sleep(0.05)
            inside.pop()

    threads = [threading.Thread(target=enter) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert most == [1, 1, 1, 1]


def test_the_shell_does_not_turn_a_server_elsewhere(monkeypatch):
    for name in ("AWS_PROFILE", "MLFLOW_TRACKING_URI", "SPARK_HOME", "ROOT_ACCESS_KEY", "VGW_PORT", "PENSTOCK_SERVER"):
        monkeypatch.setenv(name, "elsewhere")
    monkeypatch.setenv("LANG", "C.UTF-8")
    made = clean_environment(AWS_REGION="here")
    assert "elsewhere" not in made.values()
    assert (made["AWS_REGION"], made["LANG"]) == ("here", "C.UTF-8")

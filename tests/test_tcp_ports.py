import os
import socket
import subprocess
import sys

import pytest

from penstock.tcp_ports import holder_of, is_free, listeners_of, program_of


@pytest.fixture
def listening():
    with socket.socket() as server:
        server.bind(("127.0.0.1", 0))
        server.listen()
        yield server.getsockname()[1]


def test_a_port_that_someone_listens_on_is_not_free(listening):
    assert not is_free(listening)


@pytest.mark.parametrize(("family", "address"), [(socket.AF_INET, "0.0.0.0"), (socket.AF_INET6, "::")])
def test_so_is_one_that_is_taken_on_all_addresses(family, address):
    with socket.socket(family) as server:
        server.bind((address, 0))
        server.listen()
        port = server.getsockname()[1]
        assert not is_free(port)
        assert f"(pid {os.getpid()})" in holder_of(port)


def test_a_port_whose_server_is_gone_is_free_at_once():
    """Its closed connections stay for a minute (TIME_WAIT); they are no reason to wait."""
    with socket.socket() as server:
        server.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        server.bind(("127.0.0.1", 0))
        server.listen()
        port = server.getsockname()[1]
        with socket.create_connection(("127.0.0.1", port)):
            server.accept()[0].close()
    assert is_free(port)


def test_the_holder_is_named_by_program_and_pid(listening):
    with open("/proc/self/comm") as file:  # noqa: PTH123
        assert holder_of(listening) == f"{file.read().strip()} (pid {os.getpid()})"


def test_a_process_has_its_own_listeners(listening):
    found = [one for one in listeners_of([os.getpid()]) if one.port == listening]
    assert [str(one.address) for one in found] == ["127.0.0.1"]
    assert listeners_of([]) == []


@pytest.mark.parametrize(("bound", "given"), [("::1", "::1"), ("::", "::"), ("::ffff:127.0.0.1", "127.0.0.1")])
def test_an_ipv4_address_of_an_ipv6_socket_is_given_as_ipv4(bound, given):
    with socket.socket(socket.AF_INET6) as server:
        server.bind((bound, 0))
        server.listen()
        port = server.getsockname()[1]
        assert [str(one.address) for one in listeners_of([os.getpid()]) if one.port == port] == [given]
        assert (f"(pid {os.getpid()})" in holder_of(port)) is (given != "::1")


def test_a_process_that_is_gone_listens_on_nothing():
    with subprocess.Popen([sys.executable, "-c", ""]) as process:
        process.wait()
    assert listeners_of([process.pid]) == []
    assert program_of(process.pid) == "a process"

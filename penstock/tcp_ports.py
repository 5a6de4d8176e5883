"""Who listens on the TCP ports of this machine."""

import contextlib
import socket
from collections.abc import Iterable
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv6Address, ip_address

import psutil

LOOPBACK = "127.0.0.1"
#: As long as the kernel keeps a program's name; psutil completes a longer one from the command line.
MAX_NAME = 15


@dataclass(frozen=True, kw_only=True)
class Listener:
    address: IPv4Address | IPv6Address
    port: int

    @property
    def is_reached_from_loopback(self) -> bool:
        return self.address.is_unspecified or self.address == ip_address(LOOPBACK)


def listeners_of(pids: Iterable[int]) -> list[Listener]:
    """The sockets on which these processes listen; none of a process that is gone or another user's."""
    found = []
    for pid in pids:
        with contextlib.suppress(psutil.Error):
            for one in psutil.Process(pid).net_connections("tcp"):
                if one.status == psutil.CONN_LISTEN:
                    found.append(Listener(address=address_of(one.laddr.ip), port=one.laddr.port))
    return found


def address_of(text: str) -> IPv4Address | IPv6Address:
    """An IPv4 address that a socket of IPv6 holds is given as IPv4."""
    address = ip_address(text)
    return (address.ipv4_mapped if isinstance(address, IPv6Address) else None) or address


def is_free(port: int) -> bool:
    """Whether a server could listen on this port of 127.0.0.1 now."""
    with socket.socket() as probe:
        # As servers do: what is left of closed connections (TIME_WAIT) does not keep a port.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((LOOPBACK, port))
        except OSError:
            return False
    return True


def holder_of(port: int) -> str:
    """Who listens there, for a message: its program and pid where this user may know them."""
    for pid in psutil.pids():
        if any(one.port == port and one.is_reached_from_loopback for one in listeners_of([pid])):
            return f"{program_of(pid)} (pid {pid})"
    return "a process that this user can't see"


def program_of(pid: int) -> str:
    """Its name only: a command line may hold secrets."""
    try:
        return psutil.Process(pid).name()[:MAX_NAME]
    except psutil.Error:
        return "a process"

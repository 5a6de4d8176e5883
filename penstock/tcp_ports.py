"""Who listens on the TCP ports of this machine, as Linux tells in /proc."""

import contextlib
import socket
from collections.abc import Iterable
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv6Address, ip_address
from pathlib import Path

LOOPBACK = "127.0.0.1"
PROC = Path("/proc")
LISTENING = "0A"


@dataclass(frozen=True, kw_only=True)
class Listener:
    address: IPv4Address | IPv6Address
    port: int
    inode: str

    @property
    def is_reached_from_loopback(self) -> bool:
        return self.address.is_unspecified or self.address == ip_address(LOOPBACK)


def listeners() -> list[Listener]:
    """All sockets that listen; an IPv4 address that a table of IPv6 holds is given as IPv4."""
    found = []
    for table in ("tcp", "tcp6"):
        path = PROC / "net" / table
        for line in path.read_text().splitlines()[1:] if path.exists() else ():
            local, state, inode = (line.split()[column] for column in (1, 3, 9))
            if state == LISTENING:
                address, port = local.split(":")
                found.append(Listener(address=address_of(address), port=int(port, 16), inode=inode))
    return found


def address_of(text: str) -> IPv4Address | IPv6Address:
    """The kernel writes an address as words of 32 bits, each in the machine's byte order."""
    words = [int(text[at : at + 8], 16) for at in range(0, len(text), 8)]
    packed = b"".join(socket.htonl(word).to_bytes(4, "big") for word in words)
    if len(packed) == 4:
        return IPv4Address(packed)
    address = IPv6Address(packed)
    return address.ipv4_mapped or address


def listeners_of(pids: Iterable[int]) -> list[Listener]:
    inodes = {inode for pid in pids for inode in socket_inodes(pid)}
    return [listener for listener in listeners() if listener.inode in inodes]


def socket_inodes(pid: int) -> set[str]:
    """Empty for a process that is gone or another user's."""
    found = set()
    with contextlib.suppress(FileNotFoundError, PermissionError, ProcessLookupError):
        for descriptor in (PROC / str(pid) / "fd").iterdir():
            # It may be closed at any time, which says nothing about the others.
            with contextlib.suppress(FileNotFoundError, ProcessLookupError):
                target = str(descriptor.readlink())
                if target.startswith("socket:["):
                    found.add(target.removeprefix("socket:[").removesuffix("]"))
    return found


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
    inodes = {one.inode for one in listeners() if one.port == port and one.is_reached_from_loopback}
    for pid in running_pids():
        if inodes & socket_inodes(pid):
            return f"{program_of(pid)} (pid {pid})"
    return "a process that this user can't see"


def running_pids() -> list[int]:
    return sorted(int(entry.name) for entry in PROC.iterdir() if entry.name.isdecimal())


def program_of(pid: int) -> str:
    """Its name only: a command line may hold secrets."""
    try:
        return (PROC / str(pid) / "comm").read_text().strip()
    except (FileNotFoundError, ProcessLookupError):
        return "a process"

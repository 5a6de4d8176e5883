"""SIGKILL and SIGSTOP for all the processes of a job: driver, JVM and Python workers, which leave its process group."""

import os
import signal
import time
from pathlib import Path


def members(session: int) -> list[int]:
    """The living processes of a session. A job that is started here has one of its own, named by its pid."""
    found = []
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            state, _, _, its_session = stat.read_text().rpartition(")")[2].split()[:4]
        except (FileNotFoundError, ProcessLookupError):
            continue
        if int(its_session) == session and state != "Z":
            found.append(int(stat.parent.name))
    return found


def signal_all(session: int, number: signal.Signals) -> None:
    """To every member; to this very process last."""
    for pid in sorted(members(session), key=lambda pid: pid == os.getpid()):
        try:
            os.kill(pid, number)
        except ProcessLookupError:
            continue


def kill_session(session: int) -> None:
    while members(session):
        signal_all(session, signal.SIGKILL)
        time.sleep(0.01)

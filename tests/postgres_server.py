"""A PostgreSQL server on 127.0.0.1, from the machine's own programs."""

import os
import secrets
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psycopg
from faults.bench import wait_until

from penstock.tcp_ports import LOOPBACK

#: It refuses to run as root; Debian's package makes this user.
ACCOUNT = "postgres" if os.getuid() == 0 else None
NAME = "mlflow"


@contextmanager
def postgres_server(port: int) -> Iterator[str]:
    """The URL of an empty database, password and all, as long as it lasts."""
    folder, password = Path(tempfile.mkdtemp(prefix="postgres-")), secrets.token_hex(16)
    try:
        (folder / "password").write_text(password)
        if ACCOUNT:
            for path in (folder, folder / "password"):
                shutil.chown(path, ACCOUNT)
        run("initdb", "--pgdata", "data", "--username", NAME, "--pwfile", "password", "--auth", "md5", folder=folder)
        options = ["-c", f"listen_addresses={LOOPBACK}", "-c", f"unix_socket_directories={folder}", "-p", str(port)]
        with (folder / "log").open("wb") as log:
            server = subprocess.Popen(
                [program("postgres"), "-D", "data", *options], cwd=folder, user=ACCOUNT, stdout=log, stderr=log
            )
        try:
            login = f"postgresql://{NAME}:{password}@{LOOPBACK}:{port}"
            wait_until(lambda: answers(f"{login}/postgres"), "PostgreSQL answers")
            with psycopg.connect(f"{login}/postgres", autocommit=True) as connection:
                connection.execute(f"CREATE DATABASE {NAME}")
            yield f"{login}/{NAME}"
        finally:
            server.terminate()
            server.wait(60)
    finally:
        shutil.rmtree(folder)


def run(name: str, *options: str, folder: Path) -> None:
    subprocess.run([program(name), *options], cwd=folder, user=ACCOUNT, check=True, capture_output=True)


def program(name: str) -> str:
    found = shutil.which(name)
    assert found, f"there is no {name} on the PATH; install PostgreSQL"
    return found


def answers(url: str) -> bool:
    try:
        psycopg.connect(url).close()
    except psycopg.OperationalError:
        return False
    return True

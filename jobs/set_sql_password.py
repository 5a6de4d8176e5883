"""Add a user of the SQL server, or change its password, with a prompt: jobs/set_sql_password.py NAME

A running server uses it from the next log-in on. Only a salted hash is stored."""

import sys
from collections.abc import Sequence
from pathlib import Path

import click

from penstock.interfaces.cli.options import run_job
from penstock.interfaces.local_servers.servers import STATE
from penstock.interfaces.local_servers.thrift import USERS_FILE
from penstock.interfaces.sql.users import set_password


@click.command(help=__doc__)
@click.argument("name")
@click.option(
    "--users",
    type=click.Path(path_type=Path),
    default=STATE / USERS_FILE,
    show_default=True,
    help="The file of users; created if missing.",
)
@click.password_option(help="Discouraged: it would be in the shell's history. Default: a prompt.")
def command(name: str, users: Path, password: str) -> None:
    users.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    set_password(users, name, password)
    click.echo(f"{name} can log in now")


def main(argv: Sequence[str] | None = None) -> int:
    return run_job(command, argv)


if __name__ == "__main__":
    sys.exit(main())

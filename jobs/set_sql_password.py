"""Let a user into the SQL server, or give it another password, which is asked for: jobs/set_sql_password.py NAME

A running server heeds it at the next log-in. Only a salted hash is kept."""

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
    help="The file of users; made if it is not there.",
)
@click.password_option(help="Better not: it would be in the shell's history. Without it, it is asked for.")
def command(name: str, users: Path, password: str) -> None:
    users.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    set_password(users, name, password)
    click.echo(f"{name} can log in now")


def main(argv: Sequence[str] | None = None) -> int:
    return run_job(command, argv)


if __name__ == "__main__":
    sys.exit(main())

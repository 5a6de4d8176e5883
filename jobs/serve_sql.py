"""Serve the tables of pipelines to BI tools by SQL: jobs/serve_sql.py --conf conf/wine.yaml --users FILE

Each --conf is one pipeline. In the foreground, until stopped; make thrift-up starts it as one of this machine's
servers. See docs/bi.md."""

import contextlib
import sys
from collections.abc import Sequence
from pathlib import Path

import click

from penstock.interfaces.cli.options import read_config, run_job
from penstock.interfaces.local_servers.thrift import PORT, PORT_VARIABLE
from penstock.interfaces.sql.server import serve

FILE = click.Path(path_type=Path)
PORT_OPTION = click.IntRange(1, 65535)


@click.command(help=__doc__)
@click.option("--conf", "conf", multiple=True, required=True, type=FILE, help="A pipeline's YAML file; one for each.")
@click.option("--overlay", "overlays", multiple=True, type=FILE, help="A YAML file over every pipeline's own.")
@click.option("--users", required=True, type=FILE, help="The file written by jobs/set_sql_password.py.")
@click.option("--port", type=PORT_OPTION, default=PORT, envvar=PORT_VARIABLE, show_default=True)
@click.option("--directory", type=FILE, default=Path(), help="The base of relative paths; default: the current folder.")
def command(conf: tuple[Path, ...], overlays: tuple[Path, ...], users: Path, port: int, directory: Path) -> None:
    with contextlib.chdir(directory):
        configs = [read_config([path, *overlays], ()) for path in conf]
        users = users.absolute()
    serve(configs, port=port, users=users)


def main(argv: Sequence[str] | None = None) -> int:
    return run_job(command, argv)


if __name__ == "__main__":
    sys.exit(main())

"""S3, MLflow, a Spark cluster, SQL over tables on 127.0.0.1, for demos and tests: make servers-up, thrift-up, down"""

import sys
from collections.abc import Sequence
from pathlib import Path

import click

from penstock.interfaces.cli.options import run_job
from penstock.interfaces.local_servers import servers

PORTS = [
    click.Option([f"--{name}-port"], type=click.IntRange(1, 65535), default=port, envvar=variable, show_default=True)
    for name, (port, variable) in servers.PORTS.items()
]
FILE = click.Path(path_type=Path)
Files = tuple[Path, ...]


@click.group(help=__doc__)
@click.option("--state", type=FILE, default=servers.STATE, show_default=True)
@click.pass_context
def command(context: click.Context, state: Path) -> None:
    context.obj = state


@command.command(help=servers.NEEDS, params=PORTS)
@click.argument("names", nargs=-1, required=True, type=click.Choice(["s3", "mlflow", "cluster", "thrift"]))
@click.option("--conf", multiple=True, type=FILE, help="A pipeline for thrift; one for each.")
@click.option("--overlay", "overlays", multiple=True, type=FILE, help="An overlay for each of these pipelines.")
@click.pass_obj
def up(state: Path, /, names: tuple[str, ...], conf: Files, overlays: Files, **ports: int) -> None:
    for line in servers.start(state, names, ports, conf=conf, overlays=overlays):
        click.echo(line)


@command.command(help="Stop all servers, and processes left by a crash. Data and logs are kept.")
@click.pass_obj
def down(state: Path) -> None:
    click.echo(f"stopped: {', '.join(servers.stop_all(state)) or 'nothing was running'}")


@command.command(help="One line for each server that was ever started.")
@click.pass_obj
def status(state: Path) -> None:
    click.echo("\n".join(servers.status(state)) or f"nothing was ever started below {state}")


@command.command(help='Environment variables of their clients: eval "$(.venv/bin/python jobs/servers.py env)"')
@click.pass_obj
def env(state: Path) -> None:
    click.echo(servers.exports(state))


def main(argv: Sequence[str] | None = None) -> int:
    return run_job(command, argv)


if __name__ == "__main__":
    sys.exit(main())

"""Look at a pipeline in the browser: jobs/dashboard.py --conf conf/wine.yaml

Only reads the tables, without Spark. Stop it with Ctrl-C. There is no authentication: see docs/dashboard.md."""

import sys
from collections.abc import Sequence
from pathlib import Path

import click

from penstock.interfaces.cli.options import config_options, read_config, run_job
from penstock.interfaces.dashboard.launching import Dashboard
from penstock.tcp_ports import LOOPBACK


@click.command(help=__doc__)
@config_options
@click.option("--port", type=click.IntRange(1, 65535), default=8501, show_default=True)
@click.option("--host", default=LOOPBACK, show_default=True, help="The address to serve at.")
def command(conf: tuple[Path, ...], overrides: tuple[str, ...], port: int, host: str) -> int:
    # Config errors are reported here rather than in the browser.
    read_config(conf, overrides)
    return Dashboard(conf=conf, overrides=overrides, host=host, port=port).serve()


def main(argv: Sequence[str] | None = None) -> int:
    return run_job(command, argv)


if __name__ == "__main__":
    sys.exit(main())

"""Show the status of a pipeline, read without Spark: jobs/show_status.py --conf conf/wine.yaml"""

import sys
from collections.abc import Sequence
from pathlib import Path

import click

from penstock.interfaces.cli.options import config_options, read_config, run_job
from penstock.operations.monitoring.status import read_status
from penstock.operations.monitoring.status_text import as_text


@click.command(help=__doc__)
@config_options
@click.option("--json", "wants_json", is_flag=True, help="Print one JSON object.")
def command(conf: tuple[Path, ...], overrides: tuple[str, ...], wants_json: bool) -> None:
    status = read_status(read_config(conf, overrides))
    click.echo(status.model_dump_json(indent=1) if wants_json else as_text(status))


def main(argv: Sequence[str] | None = None) -> int:
    return run_job(command, argv)


if __name__ == "__main__":
    sys.exit(main())

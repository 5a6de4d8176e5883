"""Stop the running stream gracefully, after its micro-batch: jobs/stop.py --conf conf/wine.yaml"""

import sys
from collections.abc import Sequence
from pathlib import Path

import click

from penstock.interfaces.cli.options import config_options, read_config, run_job
from penstock.pipeline.stop_file import StopFile, running_writer
from penstock.storage.routing import storage_of


@click.command(help=__doc__)
@config_options
def command(conf: tuple[Path, ...], overrides: tuple[str, ...]) -> None:
    config = read_config(conf, overrides)
    storage = storage_of(config)
    holder = running_writer(config, storage)
    if holder is None:
        click.echo(f"nothing to stop: no stream or backfill of {config.pipeline} is running")
        return
    StopFile.of(config, storage).write(holder)
    click.echo(f"asked to stop: {holder}; it ends after its micro-batch")


def main(argv: Sequence[str] | None = None) -> int:
    return run_job(command, argv)


if __name__ == "__main__":
    sys.exit(main())

"""Apply retention, compact and vacuum the tables of a pipeline within a time budget, beside its running stream:
jobs/maintain_tables.py --conf conf/wine.yaml"""

import sys
from collections.abc import Sequence
from pathlib import Path

import click

from penstock.config.durations import written
from penstock.interfaces.cli.options import config_options, read_config, run_job
from penstock.operations.doctor.checks import check_folder
from penstock.operations.maintenance.maintain import maintain_tables
from penstock.spark.pipeline_settings import settings_of
from penstock.spark.session import build_session
from penstock.storage.routing import storage_of


@click.command(help=__doc__)
@config_options
def command(conf: tuple[Path, ...], overrides: tuple[str, ...]) -> None:
    config = read_config(conf, overrides)
    check_folder(storage_of(config), config.tables.root, write=True)
    spark = build_session(f"penstock-maintenance-{config.pipeline}", settings=settings_of(config))
    left = maintain_tables(spark, config)
    click.echo(
        f"left for the next run (budget {written(config.maintenance.budget)}): {'; '.join(left)}"
        if left
        else "done: nothing is left"
    )


def main(argv: Sequence[str] | None = None) -> int:
    return run_job(command, argv)


if __name__ == "__main__":
    sys.exit(main())

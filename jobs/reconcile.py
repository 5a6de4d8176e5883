"""Verify that inbox = scored + quarantined + pending, file by file: jobs/reconcile.py --conf conf/wine.yaml

Read-only, also beside a running stream. Exits with 0 if there is no difference, else with 1."""

import sys
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

import click

from penstock.interfaces.cli.options import config_options, read_config, run_job
from penstock.operations.reconcile.reconcile import complete_everywhere_since, reconcile
from penstock.operations.reconcile.report import as_json, as_text
from penstock.spark.pipeline_settings import settings_of
from penstock.spark.session import build_session


@click.command(help=__doc__)
@config_options
@click.option("--json", "wants_json", is_flag=True, help="Print one JSON object, with every difference.")
@click.option("--count/--no-count", default=True, help="Count the rows of the files in the inbox (default), or don't.")
def command(conf: tuple[Path, ...], overrides: tuple[str, ...], wants_json: bool, count: bool) -> int:
    config = read_config(conf, overrides)
    spark = build_session(f"penstock-reconcile-{config.pipeline}", settings=settings_of(config))
    found = reconcile(spark, config, count=count, since=complete_everywhere_since(config, datetime.now(UTC)))
    # A file's name may not be valid UTF-8.
    text = (as_json if wants_json else as_text)(found).encode(errors="replace").decode()
    click.echo(text)
    return 1 if found.differences else 0


def main(argv: Sequence[str] | None = None) -> int:
    return run_job(command, argv)


if __name__ == "__main__":
    sys.exit(main())

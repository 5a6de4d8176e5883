"""Fit a VAR to every series and register them as one model: jobs/fit_var.py --conf conf/macro.yaml --promote"""

import sys
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path

import click

from penstock.interfaces.cli.options import config_options, read_config, run_job
from penstock.models.training.var import DIAGNOSED_SERIES, fit_var
from penstock.models.training.var_settings import check_workload
from penstock.spark.pipeline_settings import settings_of
from penstock.spark.session import build_session


@click.command(help=__doc__)
@config_options
@click.option("--data", multiple=True, help="CSV or Parquet files and folders; default: source.path.")
@click.option("--from-table", is_flag=True, help="Fit on the pipeline's observations table.")
@click.option("--table-version", type=click.IntRange(min=0), help="With --from-table: as of this version.")
@click.option("--until", type=click.DateTime(), help="Use observations up to this date only (UTC).")
@click.option("--promote", is_flag=True, help="Also set the config's alias, if series.keep_lags is enough for it.")
@click.option("--diagnosed", type=click.IntRange(0, 20), default=DIAGNOSED_SERIES, show_default=True)
def command(
    conf: tuple[Path, ...],
    overrides: tuple[str, ...],
    data: tuple[str, ...],
    from_table: bool,
    table_version: int | None,
    until: datetime | None,
    promote: bool,
    diagnosed: int,
) -> None:
    if (data and from_table) or (table_version is not None and not from_table):
        raise click.UsageError("use either --data, or --from-table with or without --table-version")
    config = check_workload(read_config(conf, overrides), job="fit_var")
    result = fit_var(
        build_session("penstock-fit", settings=settings_of(config)),
        config,
        data=data,
        from_table=from_table,
        table_version=table_version,
        until=until,
        promote=promote,
        diagnosed=diagnosed,
    )
    click.echo(f"{config.the_model.name} version {result.version}: {result.outcome}")
    result.check_promoted(config.the_model.alias, asked=promote)


def main(argv: Sequence[str] | None = None) -> int:
    return run_job(command, argv)


if __name__ == "__main__":
    sys.exit(main())

"""Look into one series: jobs/inspect_series.py --conf conf/macro.yaml --series usa

Its data, its model and what statsmodels says about it. Observations are read from the pipeline's table without Spark,
or from files."""

import sys
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path

import click

from penstock.interfaces.cli.options import config_options, read_config, run_job
from penstock.models.inspection.inspection import inspect_series
from penstock.models.inspection.reading import read_series
from penstock.models.inspection.text import as_json, as_text
from penstock.models.inspection.writing import write_inspection


@click.command(help=__doc__)
@config_options
@click.option("--series", help="Its id; not needed with series.id: null.")
@click.option("--data", multiple=True, help="CSV, JSON or Parquet files and folders, read by Spark.")
@click.option("--from-table", is_flag=True, help="Read the observations table, which is the default where it exists.")
@click.option("--until", type=click.DateTime(), help="The last time (UTC) to use; of a date, its midnight.")
@click.option("--steps", type=click.IntRange(1, 1000), help="Of responses and forecast; default: series.horizon.")
@click.option(
    "--output", type=click.Path(path_type=Path, file_okay=False), help="Also write CSV files and the report here."
)
@click.option("--json", "wants_json", is_flag=True, help="Print one JSON object.")
def command(
    conf: tuple[Path, ...],
    overrides: tuple[str, ...],
    series: str | None,
    data: tuple[str, ...],
    from_table: bool,
    until: datetime | None,
    steps: int | None,
    output: Path | None,
    wants_json: bool,
) -> None:
    if data and from_table:
        raise click.UsageError("use either --data or --from-table")
    config = read_config(conf, overrides)
    observations = read_series(config, series, data=data, from_table=from_table, until=until)
    found = inspect_series(observations, config, steps=steps)
    if output is not None:
        write_inspection(found, output)
    click.echo(as_json(found) if wants_json else as_text(found))


def main(argv: Sequence[str] | None = None) -> int:
    return run_job(command, argv)


if __name__ == "__main__":
    sys.exit(main())

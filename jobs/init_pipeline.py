"""Write contract, config and sample of a new pipeline: jobs/init_pipeline.py boiler --sample boiler.csv --target wear

For series: jobs/init_pipeline.py plant --sample plant.csv --series-id unit --time hour --variables load,heat"""

import csv
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import click

from penstock.interfaces.cli.options import run_job
from penstock.interfaces.scaffold.pipeline import Request, init_pipeline
from penstock.interfaces.scaffold.series import SeriesColumns
from penstock.interfaces.scaffold.steps import next_steps


@click.command(help=__doc__)
@click.argument("name")
@click.option("--sample", required=True, type=click.Path(path_type=Path), help="A CSV or Parquet file of the input.")
@click.option("--target", metavar="COLUMN", help="The column to predict; it is not part of the contract.")
@click.option("--series-id", metavar="COLUMN", help="The id of a series; without one the file is one series.")
@click.option("--time", metavar="COLUMN", help="With --variables: the timestamp of an observation.")
@click.option("--variables", metavar="A,B", help="The variables to forecast.")
@click.option("--frequency", metavar="ALIAS", help="D, MS, B, MS-15, ...; default: inferred from the sample.")
@click.option("--model", metavar="NAME", help="The registered model's name; default: NAME.")
@click.option("--folder", type=click.Path(path_type=Path), default=Path(), help="Penstock's folder; default: this one.")
@click.option("--force", is_flag=True, help="Overwrite existing files.")
def command(
    name: str,
    sample: Path,
    target: str | None,
    series_id: str | None,
    time: str | None,
    variables: str | None,
    frequency: str | None,
    model: str | None,
    folder: Path,
    force: bool,
) -> None:
    series = None
    if time and variables and target is None:
        series = SeriesColumns(id=series_id or None, time=time, variables=tuple(next(csv.reader([variables]))))
    elif series_id or time or variables or frequency:
        raise click.UsageError("a series takes --time and --variables, --series-id if there is one, and no --target")
    request = Request(name=name, sample=sample, target=target, series=series, frequency=frequency)
    outcome = init_pipeline(replace(request, model=model, folder=folder, force=force))
    for note in outcome.notes:
        click.echo(f"note: {note}")
    click.echo("\n".join(next_steps(outcome.written)))


def main(argv: Sequence[str] | None = None) -> int:
    return run_job(command, argv)


if __name__ == "__main__":
    sys.exit(main())

"""Train and register a first model of rows: jobs/train_rows.py --conf conf/boiler.yaml --data b.csv --target wear"""

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Literal

import click

from penstock.interfaces.cli.options import config_options, read_config, run_job
from penstock.models.training.rows import train_rows


@click.command(help=__doc__)
@config_options
@click.option("--data", required=True, type=click.Path(path_type=Path), help="CSV in the config's dialect, or Parquet.")
@click.option("--target", required=True, metavar="COLUMN", help="The column to predict, by its header.")
@click.option(
    "--task",
    type=click.Choice(["regression", "classification"]),
    help="Default: regression for numbers, classification for texts, booleans and up to 10 different integers.",
)
@click.option("--promote", is_flag=True, help="Give the new version the config's alias, not 'candidate'.")
def command(
    conf: tuple[Path, ...],
    overrides: tuple[str, ...],
    data: Path,
    target: str,
    task: Literal["regression", "classification"] | None,
    promote: bool,
) -> None:
    config = read_config(conf, overrides)
    result = train_rows(config, data=data, target=target, task=task, promote=promote)
    metrics = ", ".join(f"{name} {value:.4g}" for name, value in result.metrics.items())
    click.echo(f"{config.the_model.name} version {result.version}: {metrics or 'no hold-out metrics'}")


def main(argv: Sequence[str] | None = None) -> int:
    return run_job(command, argv)


if __name__ == "__main__":
    sys.exit(main())

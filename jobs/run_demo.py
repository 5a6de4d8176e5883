"""The tour: train, register, drop files, stream, show. jobs/run_demo.py, or make demo"""

import sys
import time
from collections.abc import Sequence
from pathlib import Path

import click

from penstock.cli import read_config, run_job
from penstock.demo import TRAINING_ROWS, drop_wine_files, run_quietly, show_results, stamp_now
from penstock.session import build_session

CONF = Path("conf/wine.yaml")
DATA = Path("data/winequality-red.csv")


@click.command(help=__doc__)
def command() -> None:
    started = time.time()
    config = read_config([CONF], [])
    click.echo(f"1/4 training on the first {TRAINING_ROWS} wines and registering {config.model.name}")
    run_quietly("train_elasticnet", "--conf", str(CONF), "--promote", "--first-rows", str(TRAINING_ROWS))
    click.echo(f"2/4 dropping the other wines into {config.source.path}, with three bad files among them")
    for name in drop_wine_files(Path(config.source.path), DATA, stamp=stamp_now()):
        click.echo(f"    {name}")
    click.echo("3/4 running the stream once over what is there (jobs/backfill.py)")
    run_quietly("backfill", "--conf", str(CONF))
    click.echo("4/4 reading the tables")
    spark = build_session("penstock-demo", settings=config.spark)
    click.echo(show_results(spark, config, since=started))


def main(argv: Sequence[str] | None = None) -> int:
    return run_job(command, argv)


if __name__ == "__main__":
    sys.exit(main())

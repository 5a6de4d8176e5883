"""The tour: train, register, stream, show; wine, US macro data, labels. jobs/run_demo.py, or make demo"""

import sys
import time
from collections.abc import Sequence
from pathlib import Path

import click

from penstock.interfaces.cli.options import read_config, run_job
from penstock.interfaces.demo.labels import judge_wines
from penstock.interfaces.demo.macro import LAST_FITTED, drop_macro_files, show_macro_results, write_history
from penstock.interfaces.demo.wine import TRAINING_ROWS, DemoJobs, drop_wine_files, show_results, stamp_now
from penstock.spark.jvm_options import Jit
from penstock.spark.pipeline_settings import settings_of
from penstock.spark.session import begin_jvm, build_session
from penstock.storage.routing import storage_of

WINE, MACRO = Path("conf/wine.yaml"), Path("conf/macro.yaml")
ORDERS, LABELS = Path("conf/wine-orders.yaml"), Path("conf/wine-labels.yaml")
DATA = Path("data/winequality-red.csv")


@click.command(help=__doc__)
@click.option("--overlay", "overlays", multiple=True, type=click.Path(path_type=Path), help="Overlays every config.")
@click.option("--master", help="Submit the Spark jobs to this cluster, with the code in dist/penstock.zip.")
def command(overlays: tuple[Path, ...], master: str | None) -> None:
    started, stamp = time.time(), stamp_now()
    wine, macro = read_config([WINE, *overlays], []), read_config([MACRO, *overlays], [])
    orders, labels = read_config([ORDERS, *overlays], []), read_config([LABELS, *overlays], [])
    storage, jobs = storage_of(wine), DemoJobs(overlays=overlays, master=master)
    click.echo(f"1/8 training on the first {TRAINING_ROWS} wines and registering {wine.the_model.name}")
    jobs.run("train_elasticnet", WINE, "--promote", "--first-rows", str(TRAINING_ROWS))
    click.echo(f"2/8 dropping the other wines into {wine.source.path}, as files of which three are invalid")
    for name in drop_wine_files(storage, wine.source.path, DATA, stamp=stamp):
        click.echo(f"    {name}")
    click.echo("3/8 scoring the files in the inbox (jobs/backfill.py)")
    jobs.submit("backfill", WINE)
    click.echo(f"4/8 fitting a VAR on US macro data up to {LAST_FITTED} and registering {macro.the_model.name}")
    jobs.run("fit_var", MACRO, "--data", str(write_history(macro)), "--until", LAST_FITTED, "--promote")
    click.echo(f"5/8 copying the later quarters to {macro.source.path}")
    click.echo("    " + " ".join(drop_macro_files(storage, macro, stamp=stamp)))
    # It waits for the last backfill, which leaves a core free for long.
    begin_jvm(settings_of(wine), Jit.SHORT)
    click.echo("6/8 scoring the files in the inbox (jobs/backfill.py)")
    jobs.submit("backfill", MACRO)
    click.echo("7/8 reading the tables")
    spark = build_session("penstock-demo", settings=settings_of(wine), jit=Jit.SHORT)
    click.echo(show_results(spark, wine, since=started))
    click.echo(show_macro_results(spark, macro))
    click.echo(f"8/8 scoring wines with order numbers; their labels come to {labels.source.path} after that")
    click.echo(judge_wines(spark, orders, labels, DATA, stamp=stamp))


def main(argv: Sequence[str] | None = None) -> int:
    return run_job(command, argv)


if __name__ == "__main__":
    sys.exit(main())

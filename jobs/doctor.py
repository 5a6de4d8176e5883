"""Run preflight checks, one line each: jobs/doctor.py --conf conf/wine.yaml"""

import sys
from collections.abc import Sequence
from pathlib import Path

import click

from penstock.interfaces.cli.options import config_options, read_config, run_job
from penstock.models.resolved import ModelAtStart
from penstock.operations.doctor.checks import examine
from penstock.operations.doctor.exogenous_check import examine_exogenous
from penstock.operations.doctor.labels_check import examine_labels
from penstock.operations.doctor.spark_checks import examine_with_spark
from penstock.spark.jvm_options import Jit
from penstock.spark.pipeline_settings import settings_of
from penstock.spark.session import build_session


@click.command(help=__doc__)
@config_options
def command(conf: tuple[Path, ...], overrides: tuple[str, ...]) -> int:
    config = read_config(conf, overrides)
    click.echo(f"ok   config: {', '.join(map(str, conf))}")
    failures = 0
    model = ModelAtStart.if_any(config)
    for finding in (*examine(config, model), *examine_exogenous(config), *examine_labels(config)):
        click.echo(str(finding))
        failures += not finding.ok
    if failures:
        click.echo(f"{failures} to repair; the checks that need Spark come after that")
        return 1
    spark = build_session("penstock-doctor", settings=settings_of(config), jit=Jit.SHORT)
    for finding in examine_with_spark(spark, config, model):
        click.echo(str(finding))
        failures += not finding.ok
    return 1 if failures else 0


def main(argv: Sequence[str] | None = None) -> int:
    return run_job(command, argv)


if __name__ == "__main__":
    sys.exit(main())

"""Score files as they arrive, a micro-batch every trigger.every, until stopped:
jobs/score_stream.py --conf conf/wine.yaml"""

import sys
from collections.abc import Sequence
from pathlib import Path

import click

from penstock.interfaces.cli.options import config_options, read_config, run_job, start_options
from penstock.logs import say
from penstock.spark.pipeline_settings import jit_of, settings_of
from penstock.spark.session import begin_jvm


@click.command(help=__doc__)
@config_options
@start_options
def command(conf: tuple[Path, ...], overrides: tuple[str, ...], resume_from_ledger: bool, inbox_moved: bool) -> None:
    config = read_config(conf, overrides)
    begin_jvm(settings_of(config), jit_of(config, once=False))
    from penstock.operations.run_stream import run_pipeline  # imports MLflow, while the JVM starts

    run_pipeline(config, job="score_stream", once=False, resume=resume_from_ledger, inbox_moved=inbox_moved)
    say("stopped")


def main(argv: Sequence[str] | None = None) -> int:
    return run_job(command, argv)


if __name__ == "__main__":
    sys.exit(main())

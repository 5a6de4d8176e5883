"""Show how the experiment of a pipeline stands, and what the rule would do: jobs/show_experiment.py --conf
conf/wine.yaml

Read from the newest plan, the table evaluations and the decisions, without Spark. Without an experiment it says what is
missing."""

import sys
from collections.abc import Sequence
from pathlib import Path

import click

from penstock.interfaces.cli.options import config_options, read_config, run_job


@click.command(help=__doc__)
@config_options
@click.option("--json", "wants_json", is_flag=True, help="Print one JSON object.")
def command(conf: tuple[Path, ...], overrides: tuple[str, ...], wants_json: bool) -> None:
    # MLflow takes a second to import, which a wrong option need not wait for.
    from penstock.operations.experiment.report import read_experiment
    from penstock.operations.experiment.text import as_text

    report = read_experiment(read_config(conf, overrides))
    click.echo(report.model_dump_json(indent=1) if wants_json else as_text(report))


def main(argv: Sequence[str] | None = None) -> int:
    return run_job(command, argv)


if __name__ == "__main__":
    sys.exit(main())

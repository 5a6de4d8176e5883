"""Judge the answers whose actuals or labels have come, beside a running stream if there is one:
jobs/evaluate.py --conf conf/macro.yaml"""

import json
import sys
from collections.abc import Sequence
from pathlib import Path

import click

from penstock.interfaces.cli.options import config_options, read_config, run_job
from penstock.operations.evaluation_text import as_text
from penstock.operations.run_evaluation import run_evaluation


@click.command(help=__doc__)
@config_options
@click.option("--final", "is_final", is_flag=True, help="Judge all that has come true, by today's revised values.")
@click.option("--json", "wants_json", is_flag=True, help="Print one JSON object.")
def command(conf: tuple[Path, ...], overrides: tuple[str, ...], is_final: bool, wants_json: bool) -> None:
    report = run_evaluation(read_config(conf, overrides), is_final=is_final)
    click.echo(json.dumps(report.as_json(), indent=1) if wants_json else as_text(report))


def main(argv: Sequence[str] | None = None) -> int:
    return run_job(command, argv)


if __name__ == "__main__":
    sys.exit(main())

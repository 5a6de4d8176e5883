"""Carry out a proposal of the experiment, or promote a version over the champion.

Without options the last open proposal. The old champion bakes as the candidate if the new one was that (verdict.bake).
"""

import json
import sys
from collections.abc import Sequence
from pathlib import Path

import click

from penstock.interfaces.cli.options import config_options, read_config, run_job
from penstock.operations.decide import promote


@click.command(help=__doc__)
@config_options
@click.option("--decision", "number", type=click.IntRange(min=0), help="The number of a proposal.")
@click.option("--version", metavar="VERSION", help="A number, or an alias of the registry: @candidate.")
@click.option("--by", metavar="NAME", help="Who decides. Default: the name of the user.")
@click.option("--json", "wants_json", is_flag=True, help="Print one JSON object.")
def command(
    conf: tuple[Path, ...],
    overrides: tuple[str, ...],
    number: int | None,
    version: str | None,
    by: str | None,
    wants_json: bool,
) -> None:
    report = promote(read_config(conf, overrides), number=number, version=version, by=by)
    click.echo(json.dumps(report.as_json(), indent=1) if wants_json else report.as_text())


def main(argv: Sequence[str] | None = None) -> int:
    return run_job(command, argv)


if __name__ == "__main__":
    sys.exit(main())

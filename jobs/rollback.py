"""Make the version champion again that the last promotion replaced; the one that is rolled back is tagged as rejected.

Answers that it has given stay as they are. The last line says how to replace them.
"""

import json
import sys
from collections.abc import Sequence
from pathlib import Path

import click

from penstock.interfaces.cli.options import config_options, read_config, run_job
from penstock.operations.decide import roll_back


@click.command(help=__doc__)
@config_options
@click.option("--by", metavar="NAME", help="Who decides. Default: the name of the user.")
@click.option("--json", "wants_json", is_flag=True, help="Print one JSON object.")
def command(conf: tuple[Path, ...], overrides: tuple[str, ...], by: str | None, wants_json: bool) -> None:
    report = roll_back(read_config(conf, overrides), by=by)
    click.echo(json.dumps(report.as_json(), indent=1) if wants_json else report.as_text())


def main(argv: Sequence[str] | None = None) -> int:
    return run_job(command, argv)


if __name__ == "__main__":
    sys.exit(main())

"""Show the versions of a pipeline's model: jobs/show_models.py --conf conf/wine.yaml

What each was trained on and measured at then, what became of its answers, and which one answers now. Read from the
registry and the tables, without Spark."""

import sys
from collections.abc import Sequence
from pathlib import Path

import click

from penstock.interfaces.cli.options import config_options, read_config, run_job
from penstock.operations.model_store.text import as_text
from penstock.operations.model_store.versions import read_model_versions


@click.command(help=__doc__)
@config_options
@click.option("--json", "wants_json", is_flag=True, help="Print one JSON object.")
def command(conf: tuple[Path, ...], overrides: tuple[str, ...], wants_json: bool) -> None:
    found = read_model_versions(read_config(conf, overrides))
    click.echo(found.model_dump_json(indent=1) if wants_json else as_text(found))


def main(argv: Sequence[str] | None = None) -> int:
    return run_job(command, argv)


if __name__ == "__main__":
    sys.exit(main())

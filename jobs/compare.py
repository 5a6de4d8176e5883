"""Compare versions of a model on the same rows: jobs/compare.py --conf conf/macro.yaml --versions 7,8

Their answers are read from the tables, those of a rescore too, without Spark. The versions after the first are compared
with it."""

import sys
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

import click

from penstock.interfaces.cli.options import config_options, read_config, run_job


@click.command(help=__doc__)
@config_options
@click.option("--versions", required=True, metavar="V,V", help="Two or more, such as 7,8.")
@click.option("--from", "since", type=click.DateTime(), help="The first ds, or time of a row, in UTC.")
@click.option("--to", "until", type=click.DateTime(), help="The last one; of a date, its midnight.")
@click.option("--in-sample", is_flag=True, help="Count answers about the time that a version was fitted on, too.")
@click.option("--by", multiple=True, help="variable, step, series; of rows a column of predictions. Repeatable.")
@click.option("--json", "wants_json", is_flag=True, help="Print one JSON object.")
def command(
    conf: tuple[Path, ...],
    overrides: tuple[str, ...],
    versions: str,
    since: datetime | None,
    until: datetime | None,
    in_sample: bool,
    by: tuple[str, ...],
    wants_json: bool,
) -> None:
    # MLflow takes a second to import, which a wrong option need not wait for.
    from penstock.operations.compare.compare import compare
    from penstock.operations.compare.request import Request
    from penstock.operations.compare.text import as_json, as_text

    request = Request(
        versions=tuple(version.strip() for version in versions.split(",")),
        since=since.replace(tzinfo=UTC) if since else None,
        until=until.replace(tzinfo=UTC) if until else None,
        in_sample=in_sample,
        by=by,
    )
    found = compare(read_config(conf, overrides), request)
    click.echo(as_json(found) if wants_json else as_text(found))


def main(argv: Sequence[str] | None = None) -> int:
    return run_job(command, argv)


if __name__ == "__main__":
    sys.exit(main())

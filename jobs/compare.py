"""Compare versions of a model on the same rows: jobs/compare.py --conf conf/macro.yaml --versions 7,8

Their answers are read from the tables, those of a rescore and of an experiment too, without Spark. The versions after
the first are compared with it."""

import sys
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

import click

from penstock.interfaces.cli.options import config_options, read_config, run_job


@click.command(help=__doc__)
@config_options
@click.option("--versions", metavar="V,V", help="Two or more, such as 7,8.")
@click.option("--by-role", is_flag=True, help="Instead: the two versions of the newest canary, also on different rows.")
@click.option("--from", "since", type=click.DateTime(), help="The first ds, or time of a row, in UTC.")
@click.option("--to", "until", type=click.DateTime(), help="The last one; of a date, its midnight.")
@click.option("--in-sample", is_flag=True, help="Count answers about the time that a version was fitted on, too.")
@click.option("--by", multiple=True, help="variable, step, series; of rows a column of predictions. Repeatable.")
@click.option("--json", "wants_json", is_flag=True, help="Print one JSON object.")
def command(
    conf: tuple[Path, ...],
    overrides: tuple[str, ...],
    versions: str | None,
    by_role: bool,
    since: datetime | None,
    until: datetime | None,
    in_sample: bool,
    by: tuple[str, ...],
    wants_json: bool,
) -> None:
    if by_role == (versions is not None):
        raise click.UsageError("give either --versions, such as 7,8, or --by-role")
    # MLflow takes a second to import, which a wrong option need not wait for.
    from penstock.operations.compare import compare, request, roles, text

    since, until = (time.replace(tzinfo=UTC) if time else None for time in (since, until))
    named = tuple(version.strip() for version in (versions or "").split(","))
    asked = request.Request(versions=named, since=since, until=until, in_sample=in_sample, by=by)
    config = read_config(conf, overrides)
    found = roles.compare_roles(config, asked) if by_role else compare.compare(config, asked)
    as_text = text.roles_text(found) if isinstance(found, roles.ByRole) else text.as_text(found)
    click.echo(text.as_json(found) if wants_json else as_text)


def main(argv: Sequence[str] | None = None) -> int:
    return run_job(command, argv)


if __name__ == "__main__":
    sys.exit(main())

"""Explain one answer: jobs/explain.py --conf conf/wine.yaml --where "order_id = 17"

Its file, plan, model, and the same answer computed again now, without Spark. ID is a row_id of predictions. Exits with
1 if the answer is not the same to the last bit, or can't be computed again."""

import sys
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path

import click

from penstock.interfaces.cli.options import config_options, read_config, run_job


@click.command(help=__doc__, context_settings={"ignore_unknown_options": True})
@config_options
@click.argument("row_id", metavar="[ID]", required=False)
@click.option("--where", help="A condition in SQL (DuckDB's) over the columns of predictions, in place of the ID.")
@click.option("--series", help="Of a pipeline of series: the id of the series whose forecast it is.")
@click.option("--cutoff", type=click.DateTime(), help="The ds (UTC) that it was made from; default: the newest.")
@click.option("--variable", help="Show this variable only.")
@click.option("--json", "wants_json", is_flag=True, help="Print one JSON object.")
def command(
    conf: tuple[Path, ...],
    overrides: tuple[str, ...],
    row_id: str | None,
    where: str | None,
    series: str | None,
    cutoff: datetime | None,
    variable: str | None,
    wants_json: bool,
) -> int:
    if row_id is not None and row_id.startswith("--"):
        raise click.NoSuchOption(row_id)
    # MLflow takes a second to import, which a wrong option need not wait for.
    from penstock.operations.explain.explain import Question, explain
    from penstock.operations.explain.text import as_json, as_text

    question = Question(row_id=row_id, where=where, series=series, cutoff=cutoff, variable=variable)
    found = explain(read_config(conf, overrides), question)
    click.echo(as_json(found) if wants_json else as_text(found))
    return 0 if found.is_confirmed else 1


def main(argv: Sequence[str] | None = None) -> int:
    return run_job(command, argv)


if __name__ == "__main__":
    sys.exit(main())

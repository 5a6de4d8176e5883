"""Score a past window again with another model version, beside the stream: as a shadow, or in place of the answers.

\b
Rows: those scored in [--from, --to). Series: the cutoffs in it. Times are UTC: 2026-11-01 or 2026-11-01T06:30:00Z.
One that was interrupted is finished by the same command, or given up: --give-up.
"""

import sys
from collections.abc import Sequence
from functools import partial
from pathlib import Path

import click

from penstock.interfaces.cli.options import config_options, read_config, run_job
from penstock.interfaces.cli.rescore import as_json, as_text, request_of
from penstock.operations.run_rescore import CHUNK_ROWS, give_up_rescore, run_rescore


@click.command(help=__doc__)
@config_options
@click.option("--from", "begin", metavar="TIME", help="The first moment of the window.")
@click.option("--to", "end", metavar="TIME", help="The first moment after the window.")
@click.option("--version", metavar="VERSION", help="A number, or an alias of the registry: @candidate.")
@click.option("--as", "purpose", type=click.Choice(["shadow", "replace"]), help="What becomes of the answers.")
@click.option("--chunk-rows", type=click.IntRange(min=1), default=CHUNK_ROWS, show_default=True, help="Rows at once.")
@click.option("--give-up", "gives_up", is_flag=True, help="Delete what an interrupted rescore has written.")
@click.option("--without-evaluation", "unevaluated", is_flag=True, help="Replace answers that are not evaluated yet.")
@click.option("--json", "wants_json", is_flag=True, help="Print one JSON object.")
def command(
    conf: tuple[Path, ...],
    overrides: tuple[str, ...],
    begin: str | None,
    end: str | None,
    version: str | None,
    purpose: str | None,
    chunk_rows: int,
    gives_up: bool,
    unevaluated: bool,
    wants_json: bool,
) -> None:
    request = None if gives_up else request_of(begin=begin, end=end, version=version, purpose=purpose)
    config = read_config(conf, overrides)
    if request is None:
        plan = give_up_rescore(config)
        click.echo(f"{plan.described} is given up" if plan else "nothing to do: no rescore is unfinished")
        return
    report = partial(click.echo, err=wants_json)
    record = run_rescore(config, request, chunk_rows=chunk_rows, evaluates=not unevaluated, report=report)
    click.echo(as_json(record) if wants_json else as_text(record))


def main(argv: Sequence[str] | None = None) -> int:
    return run_job(command, argv)


if __name__ == "__main__":
    sys.exit(main())

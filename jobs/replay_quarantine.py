"""Replay quarantined rows and files after a fix: jobs/replay_quarantine.py --conf
conf/wine.yaml; --late instead recomputes the series that late observations belong to."""

import sys
from collections.abc import Sequence
from pathlib import Path

import click

from penstock.interfaces.cli.options import config_options, read_config, run_job
from penstock.operations.run_replay import run_replay
from penstock.pipeline.replay.report import report


@click.command(help=__doc__)
@config_options
@click.option("--reason", default="", help="Only entries with a reason that contains this text.")
@click.option("--late", is_flag=True, help="Recompute the series of late observations and revisions.")
@click.option("--give-up", "aborts", is_flag=True, help="Roll back an interrupted replay, and begin none.")
@click.option(
    "--without-evaluation",
    "unevaluated",
    is_flag=True,
    help="With --late: replace forecasts that are not evaluated yet.",
)
def command(
    conf: tuple[Path, ...], overrides: tuple[str, ...], reason: str, late: bool, aborts: bool, unevaluated: bool
) -> None:
    config = read_config(conf, overrides)
    records = run_replay(config, reason=reason, late=late, aborts=aborts, evaluates=not unevaluated)
    for record in records:
        click.echo(report(record))
    if aborts:
        click.echo("no replay is cut off now; what waits in the quarantine can be replayed")
    elif not records:
        click.echo("nothing to do: no row, file or series would come out otherwise than before")


def main(argv: Sequence[str] | None = None) -> int:
    return run_job(command, argv)


if __name__ == "__main__":
    sys.exit(main())

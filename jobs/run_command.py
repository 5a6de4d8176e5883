"""Score files as they arrive with models from an MLflow registry: all jobs as one command.

\b
Exit codes: 0 done, 1 failed, 2 wrong usage, config or contract.
Completion in bash (zsh, fish): eval "$(_PENSTOCK_COMPLETE=bash_source penstock)"
"""

import os
import sys
from collections.abc import Sequence

import click

from penstock.interfaces.cli.group import CommandGroup, Listed
from penstock.interfaces.cli.options import run_job

COMMANDS = (
    Listed("init", "init_pipeline", "write a new pipeline from a sample", "boiler --sample b.csv --target wear"),
    Listed("doctor", "doctor", "run preflight checks", "--conf conf/wine.yaml"),
    Listed("train", "train_rows", "train a model of rows", "--conf conf/boiler.yaml --data b.csv --target wear"),
    Listed("fit", "fit_var", "fit a VAR to every series", "--conf conf/macro.yaml --promote"),
    Listed("inspect", "inspect_series", "look into one series and its model", "--conf conf/macro.yaml --series usa"),
    Listed("stream", "score_stream", "score files as they arrive, until stopped", "--conf conf/wine.yaml"),
    Listed("backfill", "backfill", "score all files in the inbox, and exit", "--conf conf/wine.yaml"),
    Listed("stop", "stop", "stop the running stream after its micro-batch", "--conf conf/wine.yaml"),
    Listed("status", "show_status", "show the status of a pipeline", "--conf conf/wine.yaml --json"),
    Listed("models", "show_models", "show the versions of a model, and how right they were", "--conf conf/wine.yaml"),
    Listed("explain", "explain", "an answer's origin; computed again", '--conf conf/wine.yaml --where "ph > 4"'),
    Listed("compare", "compare", "versions on the same rows", "--conf conf/macro.yaml --versions 7,8"),
    Listed("experiment", "show_experiment", "how a second version stands", "--conf conf/wine.yaml --json"),
    Listed("reconcile", "reconcile", "verify that no row is lost or duplicated", "--conf conf/wine.yaml"),
    Listed("replay-quarantine", "replay_quarantine", "replay rejected rows and files", "--conf conf/wine.yaml"),
    Listed("evaluate", "evaluate", "judge answers whose actuals or labels have come", "--conf conf/macro.yaml"),
    Listed("promote", "promote", "carry out a proposal, or promote a version", "--conf conf/wine.yaml --version 8"),
    Listed("rollback", "rollback", "back to the version before the last promotion", "--conf conf/wine.yaml"),
    Listed("rescore", "rescore", "score a past window again by another version", "--conf conf/wine.yaml --give-up"),
    Listed("maintain", "maintain_tables", "compact, vacuum, retention of tables", "--conf conf/wine.yaml"),
    Listed("dashboard", "dashboard", "look at a pipeline in the browser", "--conf conf/wine.yaml"),
    Listed("serve", "serve", "serve predictions by REST", "--conf conf/wine.yaml"),
    Listed("sql", "serve_sql", "serve SQL to BI tools", "--conf conf/wine.yaml --users sql-users"),
    Listed("sql-password", "set_sql_password", "add a user of the SQL server", "anna --users sql-users"),
    Listed("servers", "servers", "S3, MLflow and a Spark cluster on this machine", "up s3 mlflow"),
    Listed("demo", "run_demo", "the tour: train, register, stream, show", ""),
)


@click.command(cls=CommandGroup, listed=COMMANDS, help=__doc__)
@click.option("--debug", is_flag=True, help="Show the traceback behind an error.")
def command(debug: bool) -> None:
    if debug:
        os.environ["PENSTOCK_DEBUG"] = "1"


def main(argv: Sequence[str] | None = None) -> int:
    return run_job(command, argv)


if __name__ == "__main__":
    sys.exit(main())

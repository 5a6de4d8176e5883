"""Shared by the jobs: options, exit codes (0 done, 1 failed, 2 usage or config), one-line error messages."""

import logging
import os
import sys
import traceback
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, TypeVar

import click

from penstock import logs
from penstock.config.loading import load_config
from penstock.config.pipeline import PipelineConfig
from penstock.errors import ConfigError, PenstockError
from penstock.redaction import without_credentials

Command = TypeVar("Command", bound=Callable[..., Any])
log = logging.getLogger(__name__)


def config_options(command: Command) -> Command:
    """Adds --conf (repeatable: later ones override) and --set; the command gets `config`, a PipelineConfig."""
    conf = click.option(
        "--conf",
        "conf",
        multiple=True,
        required=True,
        type=click.Path(path_type=Path),
        help="A pipeline's YAML file; more of them override it key by key.",
    )
    override = click.option(
        "--set", "overrides", multiple=True, metavar="KEY.SUB=VALUE", help="Override one key of the config."
    )
    return conf(override(command))


def start_options(command: Command) -> Command:
    """Adds --resume-from-ledger and --inbox-moved, of jobs that run the stream."""
    resume = click.option(
        "--resume-from-ledger", is_flag=True, help="Resume with a new checkpoint from the tables' ledger."
    )
    moved = click.option(
        "--inbox-moved", is_flag=True, help="The inbox, or a copy of it, is now where source.path says; once."
    )
    return resume(moved(command))


def read_config(conf: Sequence[Path], overrides: Sequence[str]) -> PipelineConfig:
    config = load_config(list(conf), overrides=overrides)
    logs.name_pipeline(config.pipeline)
    return config


def run_job(command: click.Command, argv: Sequence[str] | None = None) -> int:
    """Run a job's command and return its exit code. PENSTOCK_DEBUG=1 shows the traceback of an error."""
    try:
        logs.begin()
        code = command.main(args=list(argv) if argv is not None else None, standalone_mode=False)
        return code if isinstance(code, int) else 0
    except click.ClickException as error:
        if logs.is_json():
            return fail(error.format_message(), 2)
        error.show()
        return 2
    except (click.Abort, KeyboardInterrupt):
        if logs.is_json():
            return fail("aborted", 1)
        print("aborted", file=sys.stderr)
        return 1
    except ConfigError as error:
        return fail(str(error), 2)
    except PenstockError as error:
        return fail(str(error), 1)
    except OSError as error:
        return fail(f"{error.filename or 'a file'}: {error.strerror or error}", 1)
    except spark_errors() as error:
        return fail(f"Spark: {spark_problem(str(error))} (more in the Spark log)", 1)


def spark_errors() -> tuple[type[Exception], ...]:
    """Evaluated only after an exception, so that commands without Spark do not import it."""
    from penstock.spark.errors import SPARK_ERRORS

    return SPARK_ERRORS


def spark_problem(text: str) -> str:
    """A Java stack trace in one line: the error, and the root cause, which is what a user can fix."""
    what = " ".join(text.split("\n\tat ", 1)[0].split())[:400]
    causes = [line.removeprefix("Caused by: ") for line in text.splitlines() if line.startswith("Caused by: ")]
    return f"{what}; caused by {causes[-1][:300]}" if causes else what


def fail(message: str, code: int) -> int:
    is_debug = bool(os.environ.get("PENSTOCK_DEBUG"))
    if logs.is_json():
        log.error("%s", message, exc_info=is_debug)
        return code
    print(f"error: {without_credentials(message)}", file=sys.stderr)
    if is_debug:
        traceback.print_exc()
    return code

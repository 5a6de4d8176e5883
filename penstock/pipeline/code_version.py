"""The version of the code in a plan: a batch that was cut off is not finished by code that reads its files otherwise,
or a row could end in both tables, or in none."""

import logging
import subprocess
from contextlib import suppress
from functools import lru_cache
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from penstock.errors import PlanError
from penstock.pipeline.context import Pipeline
from penstock.pipeline.plan import SCORING_VERSION, Plan
from penstock.storage.delta_transactions import has_written

log = logging.getLogger(__name__)


def own_version() -> str:
    """Of the package; empty where the code is not installed as one."""
    try:
        return version("penstock")
    except PackageNotFoundError:
        return ""


@lru_cache(maxsize=1)
def code_version() -> str:
    """The version of the package, and the git commit of a checkout that it runs from: `0.2.0 (204cd55)`."""
    root, commit = Path(__file__).parents[2], ""
    # In a wheel, or a zip that Spark ships, there is none.
    if (root / ".git").exists():
        with suppress(OSError, subprocess.SubprocessError):
            command = ["git", "-C", str(root), "rev-parse", "--short", "HEAD"]
            commit = subprocess.run(command, capture_output=True, text=True, check=True, timeout=10).stdout.strip()
    return f"{own_version()} ({commit})".strip() if commit else own_version()


def is_of_this_code(plan: Plan) -> bool:
    return plan.scoring_version == SCORING_VERSION


def discard_plan_of_other_code(pipeline: Pipeline, plan: Plan, path: str) -> bool:
    """Whether a plan was removed, to be made again: other code made it, and nothing of it is written.

    Raises PlanError where something is.
    """
    if is_of_this_code(plan):
        return False
    check_code(pipeline, plan)
    log.info("%s was planned by penstock %s and has written nothing: planning it again", plan.described, maker_of(plan))
    pipeline.storage.delete(path)
    return True


def check_code(pipeline: Pipeline, plan: Plan) -> None:
    """Raises PlanError for a plan of other code of which something is written already."""
    if is_of_this_code(plan) or not has_written(pipeline.config, plan.transaction(pipeline.config.pipeline)):
        return
    raise PlanError(
        f"{plan.described} was begun by penstock {maker_of(plan)}, which reads files otherwise than penstock "
        f"{own_version()}: a row of it could end in two tables or in none. Finish with penstock {maker_of(plan)}: run "
        f"its {plan.job_to_finish} once; then start this version again"
    )


def maker_of(plan: Plan) -> str:
    return plan.penstock or "0.2.0 or earlier"

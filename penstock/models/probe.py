"""The probe of a model version: what it makes of rows that it would score."""

import logging
import math
import re
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from enum import Enum, auto

from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F

from penstock.config.model import ModelConfig
from penstock.models.refusal import one_line
from penstock.models.scoring import Scorer, beyond_datetime, model_argument
from penstock.models.trust import load_failure
from penstock.schemas.contract import Contract
from penstock.spark.errors import SPARK_ERRORS
from penstock.spark.time_limit import time_limit
from penstock.udfs.scoring.outputs import ERROR, SCORED

PROBE_ROWS = 1000
#: A crash may come from elsewhere (a killed executor, a moment without memory); the same one twice does not.
ATTEMPTS = 2
#: What Spark says of a worker or executor that is gone, and what a worker raised.
CRASHES = (
    re.compile(r"Python worker exited unexpectedly[^\n]*"),
    re.compile(r"Python worker failed to connect back[^\n]*"),
    re.compile(r"ExecutorLostFailure[^\n]*"),
)
log = logging.getLogger(__name__)


class Outcome(Enum):
    FIT = auto()
    REFUSED = auto()
    #: It takes rows to tell, and there are none.
    NO_ROWS = auto()


@dataclass(frozen=True, kw_only=True)
class ProbeResult:
    """Whether a version can be used. reason: why not, if it is refused. seconds: that it took for the rows, its start
    in Python workers included; 0 if it was not asked."""

    outcome: Outcome
    reason: str = ""
    seconds: float = 0.0


FIT = ProbeResult(outcome=Outcome.FIT)
NO_ROWS = ProbeResult(outcome=Outcome.NO_ROWS)


def refused_because(reason: str) -> ProbeResult:
    return ProbeResult(outcome=Outcome.REFUSED, reason=reason)


@dataclass(frozen=True, kw_only=True)
class Counts:
    """Rows that were scored, those of them that failed, and the error of one of these."""

    rows: int
    failed: int
    example: str | None


def probe(scorer: Scorer, rows: DataFrame, *, contract: Contract, model: ModelConfig) -> ProbeResult:
    """Score up to PROBE_ROWS rows. The version is refused with too many failures; where it takes longer than
    `model.probe_timeout`; and where the job fails with it, and not without it.

    Raises one of SPARK_ERRORS if the rows can't be read.
    """
    some = rows_for(scorer, rows, contract)
    for attempt in range(1, ATTEMPTS + 1):
        began = time.monotonic()
        try:
            with time_limit(rows.sparkSession, model.probe_timeout) as limit:
                counts = count_failures(scorer, some, contract)
            return replace(judged(counts, model), seconds=time.monotonic() - began)
        except SPARK_ERRORS as error:
            reason = load_failure(error)
            if reason is not None:
                return refused_because(reason)
            if not can_be_read(scorer, some, contract=contract, model=model):
                raise
            if limit.is_over:
                return refused_because(
                    f"its probe took longer than {model.probe_timeout:g} s (model.probe_timeout) and was cancelled"
                )
            reason = crash_reason(error)
            log.warning("attempt %d of the probe of %s failed: %s", attempt, scorer.version.uri, reason)
    return refused_because(f"the probe failed {ATTEMPTS} times, and its rows can be read without the model: {reason}")


def rows_for(scorer: Scorer, rows: DataFrame, contract: Contract) -> DataFrame:
    """Up to PROBE_ROWS of them."""
    problem = beyond_datetime(scorer.inputs, contract)
    # Rows with one fail whatever the model is.
    return (rows if problem is None else rows.where(problem.isNull())).limit(PROBE_ROWS)


def probe_seconds(scorer: Scorer, rows: DataFrame, *, contract: Contract, model: ModelConfig) -> float:
    """How long a version takes for the rows of a probe; infinite beyond `model.probe_timeout`.

    Raises one of SPARK_ERRORS.
    """
    began = time.monotonic()
    try:
        with time_limit(rows.sparkSession, model.probe_timeout) as limit:
            count_failures(scorer, rows_for(scorer, rows, contract), contract)
    except SPARK_ERRORS:
        if limit.is_over:
            return math.inf
        raise
    return time.monotonic() - began


def count_failures(scorer: Scorer, rows: DataFrame, contract: Contract) -> Counts:
    error = F.nullif(F.col(f"{SCORED}.{ERROR}"), F.lit(""))
    errors = scorer.answer(rows, contract).select(error.alias("error"))
    found = errors.agg(F.count("*"), F.count("error"), F.first("error", ignorenulls=True)).first()
    total, failed, example = found if found is not None else (0, 0, None)
    return Counts(rows=total, failed=failed, example=example)


def judged(counts: Counts, model: ModelConfig) -> ProbeResult:
    if not counts.rows:
        return NO_ROWS
    if counts.failed / counts.rows > model.max_failed_fraction:
        return refused_because(
            f"it failed on {counts.failed} of {counts.rows} probe rows "
            f"(model.max_failed_fraction is {model.max_failed_fraction:g}); the first says: {counts.example}"
        )
    return FIT


def loading_problem(scorer: Scorer, spark: SparkSession, model: ModelConfig) -> str | None:
    """Why a Python worker can't load the model, or score a row without values; None if it can.

    An error of that row is none: no such row may ever come.
    """
    try:
        with time_limit(spark, model.probe_timeout) as limit:
            spark.range(0, 1, 1, 1).select(scorer.of_nothing()).collect()
    except SPARK_ERRORS as error:
        if limit.is_over:
            return f"it was not loaded within {model.probe_timeout:g} s (model.probe_timeout)"
        return load_failure(error) or f"its Python worker failed when it was loaded: {crash_reason(error)}"
    return None


def can_be_read(scorer: Scorer, rows: DataFrame, *, contract: Contract, model: ModelConfig) -> bool:
    """Whether the rows get as far as the model."""
    arguments = [model_argument(column, contract).alias(f"_{number}") for number, column in enumerate(scorer.inputs)]
    try:
        with time_limit(rows.sparkSession, model.probe_timeout):
            rows.select(*arguments).write.format("noop").mode("overwrite").save()
    except SPARK_ERRORS as error:
        log.debug("the rows of a failed probe can't be read without the model either: %s", error)
        return False
    return True


def crash_reason(error: Exception) -> str:
    """What a failed job says of its worker, in one line."""
    text = str(error)
    found = [match[0] for pattern in CRASHES if (match := pattern.search(text))]
    return " ".join(found[0].split()) if found else last_python_error(text) or one_line(error)


def last_python_error(text: str) -> str:
    """The last line of the last traceback in a text; empty if there is none."""
    _, is_there, traceback = text.rpartition("Traceback (most recent call last)")
    lines = [line for line in traceback.splitlines()[1:] if line and not line[0].isspace()]
    return lines[0][:300] if is_there and lines else ""


def is_crash(error: Exception) -> bool:
    """Whether a failed job says that a Python worker, or the executor around it, is gone."""
    return any(pattern.search(str(error)) for pattern in CRASHES)


#: Rows to probe with; None where there are none.
ProbeRows = Callable[[], DataFrame | None]

"""Predictions and the labels that came for them, by key.

The first label of a key counts, and of the predictions for its key that are old enough the newest before the label
came; if there is none, the first one after it. A label is evaluated once: by the first evaluation that sees both, and
whose time is late enough. Whether an earlier one did is known from its bounds alone (LabelSpan), which only grow.
"""

import logging
from datetime import datetime, timedelta
from functools import reduce
from operator import and_
from typing import Any

from pyspark.sql import Column, DataFrame, Window
from pyspark.sql import functions as F

from penstock.config.evaluation import LabelsConfig
from penstock.config.evaluation_defaults import DEFAULT_LOSS, unit_seconds
from penstock.pipeline.batch_ranges import Batches, in_range, is_rescored, up_to
from penstock.pipeline.evaluation.losses import finite, is_outcome, label_loss, probability
from penstock.pipeline.evaluation.plans import EvaluationPlan, LabelSpan
from penstock.pipeline.evaluation.series import seconds_between
from penstock.pipeline.evaluation.sides import Sides
from penstock.pipeline.evaluation.sums import PAIR_COLUMNS
from penstock.series.reasons import REVISION
from penstock.spark.functions import any_of

log = logging.getLogger(__name__)

#: What a label is at an evaluation. It was taken by an earlier one; is taken by this one; its row has not matured; its
#: row is not there.
TAKEN, PAIRED, WAITING, UNMATCHED = "taken", "paired", "waiting", "unmatched"
STATE, IS_NEW = "_state", "_is_new"
#: Of a prediction: the champion's version and answer (of a row without a pair, the one that answered), and the
#: candidate's, null without one.
ANSWER = ("_version", "_answer", "_candidate", "_candidate_answer")


def counting_labels(labels: DataFrame, plan: EvaluationPlan, config: LabelsConfig) -> DataFrame:
    """The labels that an evaluation looks at, with `_is_new`: those of its batches, and of the earlier ones that had
    some left open. Of a final one the newest of each key."""
    if plan.is_final:
        rows = labels.where(up_to(plan.until) & (F.col("error").isNull() | (F.col("error") == REVISION)))
        # A revision is later than the first label, whatever the clocks said.
        newest_first = Window.partitionBy(*config.key).orderBy(
            F.desc(F.col("error").isNotNull()), *map(F.desc, ("labelled_at", "batch_id", "source_file", config.value))
        )
        ranked = rows.withColumn("_rank", F.row_number().over(newest_first)).where("_rank = 1").drop("_rank")
        return ranked.withColumn(IS_NEW, F.lit(True))
    is_new = in_range(plan.after, plan.until)
    reopened = plan.earlier.open_from if plan.earlier else {}
    is_open = any_of(
        [
            (F.col("query_id") == query) & F.col("batch_id").between(first, plan.after.get(query, -1))
            for query, first in reopened.items()
        ]
    )
    return labels.where(F.col("error").isNull() & (is_new | is_open)).withColumn(IS_NEW, is_new)


def judged_labels(labels: DataFrame, predictions: DataFrame, plan: EvaluationPlan, *, answer: str) -> DataFrame:
    """Each label that the evaluation looks at, with its `_state`; of a paired one ANSWER and `_scored_at`.

    answer: the column of `predictions` that is judged.
    """
    span = plan.labels
    assert span is not None
    config = span.labels
    looked_at = counting_labels(labels, plan, config).select(
        *[F.col(name).alias(f"_key_{name}") for name in config.key],
        F.col("query_id").alias("_query_id"),
        F.col("batch_id").alias("_batch_id"),
        IS_NEW,
        F.col(config.value).alias("_label"),
        "labelled_at",
    )
    farther = max(span.look_back_seconds, plan.earlier.look_back_seconds if plan.earlier else 0.0)
    margin = timedelta(seconds=farther)
    within_span = time_of(config).between(span.first_labelled_at - margin, span.last_labelled_at + margin)
    sides = Sides(predictions)
    candidates = predictions.where(up_to(span.predictions) & within_span).select(
        *config.key,
        time_of(config).alias("_time"),
        was_seen(plan, is_rescored(predictions)).alias("_was_seen"),
        (time_of(config) <= F.lit(span.mature_until)).alias("_is_mature"),
        sides.champion(answer).alias("_answer"),
        sides.champion_version.alias("_version"),
        sides.candidate(answer).alias("_candidate_answer"),
        sides.candidate_version.alias("_candidate"),
        F.col("scored_at").alias("_scored_at"),
        F.col("batch_id").alias("_scored_in"),
        is_rescored(predictions).alias("_is_rescored"),
    )
    reach = [candidates[name] == looked_at[f"_key_{name}"] for name in config.key]
    reach.append(seconds_apart("_time", "labelled_at") <= F.lit(farther))
    return with_state(looked_at.join(candidates, on=reduce(and_, reach), how="left"), plan)


def with_state(joined: DataFrame, plan: EvaluationPlan) -> DataFrame:
    span = plan.labels
    assert span is not None
    is_before = F.col("_scored_at") <= F.col("labelled_at")
    micros = F.unix_micros("_scored_at")
    # What was scored again after the label came is no answer that anyone had; a final evaluation asks for the present.
    is_given = F.lit(True) if plan.is_final else ~F.col("_is_rescored") | is_before
    apart = seconds_apart("_time", "labelled_at")
    is_in_reach = is_given & (apart <= F.lit(span.labels.look_back))
    # By the longest look_back so far: a label is never evaluated twice, whichever of them took it.
    was_reached = apart <= F.lit(plan.earlier.look_back_seconds if plan.earlier else 0.0)
    # The largest is the newest before the label, else the first after it.
    order = F.struct(
        is_before.alias("is_before"),
        F.when(is_before, micros).otherwise(-micros).alias("place"),
        F.col("_scored_in").alias("batch"),
        *[F.col(name) for name in ANSWER],
        F.col("_scored_at"),
    )
    keys = [name for name in joined.columns if name.startswith("_key_")]
    of_label = joined.groupBy(*keys, "_query_id", "_batch_id", IS_NEW, "_label", "labelled_at").agg(
        F.coalesce(F.max(F.col("_was_seen") & was_reached), F.lit(False)).alias("_was_seen"),
        F.coalesce(F.max(F.col("_time").isNotNull() & is_in_reach), F.lit(False)).alias("_is_there"),
        F.max(F.when(F.col("_is_mature") & is_in_reach, order)).alias("_best"),
    )
    state = (
        F.when(~F.col(IS_NEW) & F.col("_was_seen"), TAKEN)
        .when(F.col("_best").isNotNull(), PAIRED)
        .when(F.col("_is_there"), WAITING)
        .otherwise(UNMATCHED)
    )
    return of_label.select(
        "*",
        state.alias(STATE),
        *[F.col(f"_best.{name}").alias(name) for name in (*ANSWER, "_scored_at")],
    ).drop("_best")


def was_seen(plan: EvaluationPlan, is_rescored: Column) -> Column:
    """Whether the evaluations before this one could take the row: its batch was finished, and it was old enough. One
    that was scored again was there before, under another scored_at."""
    if plan.earlier is None or plan.is_final:
        return F.lit(False)
    earlier = plan.earlier
    was_mature = time_of(earlier.labels) <= F.lit(earlier.mature_until)
    return up_to(earlier.predictions) & (was_mature if earlier.labels.time else was_mature | is_rescored)


def time_of(config: LabelsConfig) -> Column:
    return F.col(config.time or "scored_at").cast("timestamp")


def seconds_apart(one: str, other: str) -> Column:
    return F.abs(seconds_between(one, other))


def label_pairs(judged: DataFrame, plan: EvaluationPlan, *, of_numbers: bool) -> DataFrame:
    """PAIR_COLUMNS of the paired labels; one without a value makes none."""
    span, loss = plan.labels, plan.evaluate.loss or DEFAULT_LOSS["rows"]
    assert span is not None
    values = (F.col(name) for name in ("_label", "_answer", "_candidate_answer"))
    label, answer, candidate = (finite(value) if of_numbers else value for value in values)
    if loss == "log":
        answer, candidate = probability(answer), probability(candidate)
    champion_loss = F.when(answer.isNotNull(), label_loss(loss, label, answer))
    candidate_loss = F.when(candidate.isNotNull(), label_loss(loss, label, candidate))
    no_number = F.lit(None).cast("double")
    unit_micros = round(1e6 * unit_seconds(plan.evaluate))
    arrived = F.unix_micros("labelled_at")
    columns = {
        "unit": F.timestamp_micros(arrived - F.pmod(arrived, F.lit(unit_micros))),
        "champion": F.col("_version"),
        "candidate": F.col("_candidate"),
        "variable": F.lit(span.labels.value),
        "step": F.lit(None).cast("int"),
        "loss": champion_loss,
        "error_abs": finite(F.abs(label - answer)) if of_numbers else no_number,
        "naive_abs": no_number,
        "within": F.lit(None).cast("boolean"),
        "answer_failed": answer.isNull(),
        "delay_seconds": seconds_between("_scored_at", "labelled_at"),
        "candidate_loss": F.when(champion_loss.isNotNull(), candidate_loss),
        "candidate_abs": finite(F.abs(label - candidate)) if of_numbers else no_number,
        "candidate_within": F.lit(None).cast("boolean"),
        "candidate_failed": F.when(F.col("_candidate").isNotNull(), candidate.isNull()),
    }
    paired = judged.where((F.col(STATE) == PAIRED) & label.isNotNull())
    return paired.select(*[columns[name].alias(name) for name in PAIR_COLUMNS])


def warn_of_improbable(judged: DataFrame, plan: EvaluationPlan) -> None:
    """Warns of predictions and labels that have no loss log: these are no reason to evaluate none of the others."""
    assert plan.labels is not None
    answer, label = finite(F.col("_answer")), finite(F.col("_label"))
    wrong = {
        "predictions that are no probability from 0 to 1, and count as failed": (answer, probability(answer).isNull()),
        f"labels whose {plan.labels.labels.value} is neither 0 nor 1, and have no loss": (label, ~is_outcome(label)),
    }
    paired = judged.where(F.col(STATE) == PAIRED)
    for what, (value, is_wrong) in wrong.items():
        found = paired.where(value.isNotNull() & is_wrong).agg(F.count("*"), F.min(value), F.max(value)).first()
        if found is not None and found[0]:
            log.warning(
                "evaluation %d, evaluate.loss log: %d %s (from %g to %g)",
                plan.number,
                found[0],
                what,
                found[1],
                found[2],
            )


def open_from(judged: DataFrame, plan: EvaluationPlan) -> Batches:
    """By query of the labels, the first batch with labels that a later evaluation may take: their row waits, or it may
    still come, which is given up look_back after the label came."""
    assert plan.labels is not None
    given_up = plan.planned_at - timedelta(seconds=plan.labels.look_back_seconds)
    is_hoped_for = F.col("labelled_at") > F.lit(given_up)
    is_open = (F.col(STATE) == WAITING) | ((F.col(STATE) == UNMATCHED) & is_hoped_for)
    found = judged.where(is_open).groupBy("_query_id").agg(F.min("_batch_id").alias("first")).collect()
    return {row["_query_id"]: row["first"] for row in sorted(found, key=lambda row: str(row["_query_id"]))}


def counts(judged: DataFrame) -> dict[str, int]:
    """Labels by state, and the new ones (`new`)."""
    found = judged.groupBy(STATE).agg(F.count("*").alias("n"), F.sum(F.col(IS_NEW).cast("long")).alias("new")).collect()
    by_state: dict[str, Any] = {row[STATE]: row["n"] for row in found}
    return {**by_state, "new": sum(row["new"] for row in found)}


def unlabelled(labels: DataFrame, predictions: DataFrame, span: LabelSpan, *, at: datetime, until: Batches) -> int:
    """Predictions within look_back, and old enough, that no label came for. When a row that was scored again was first
    scored is not known: it is not counted, unless rows have a time of their own."""
    config, look_back = span.labels, timedelta(seconds=span.labels.look_back)
    times = time_of(config)
    is_due = (times > F.lit(at - look_back)) & (times <= F.lit(span.mature_until))
    is_known = F.lit(True) if config.time else ~is_rescored(predictions)
    asked = predictions.where(up_to(span.predictions) & is_due & is_known).select(*config.key)
    came = labels.where(up_to(until) & F.col("error").isNull() & (F.col("labelled_at") > F.lit(at - 2 * look_back)))
    answered = came.select(*config.key).distinct()
    return asked.join(answered, on=list(config.key), how="left_anti").count()

"""From pairs to the rows of `evaluations`: sums by unit, version, variable and step, which may be added up."""

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F

from penstock.pipeline.evaluation.plans import EvaluationPlan
from penstock.schemas.tables import EVALUATIONS

#: What each pair has. answer_failed: it has no answer, or none that is a finite number. within: null where there is no
#: interval. Those of the candidate are null where there is none; its loss is null, too, where the champion has none.
GROUPS = ("unit", "champion", "candidate", "variable", "step")
OF_CANDIDATE = ("candidate_loss", "candidate_abs", "candidate_within", "candidate_failed")
PAIR_COLUMNS = (*GROUPS, "loss", "error_abs", "naive_abs", "within", "answer_failed", "delay_seconds", *OF_CANDIDATE)


def sums_of(pairs: DataFrame, plan: EvaluationPlan) -> DataFrame:
    """The rows of `evaluations` for pairs that have PAIR_COLUMNS, without query_id and batch_id."""
    number = F.col
    is_compared = number("candidate_loss").isNotNull()
    sums: dict[str, Column] = {
        "pairs": F.count("*"),
        "champion_loss": F.sum("loss"),
        "champion_abs": F.sum("error_abs"),
        "naive_abs": F.sum("naive_abs"),
        "champion_within": F.sum(number("within").cast("long")),
        "champion_failed": F.sum(number("answer_failed").cast("long")),
        "delay_seconds": F.sum("delay_seconds"),
        "scored_pairs": F.count("loss"),
        "candidate_loss": F.sum("candidate_loss"),
        "candidate_abs": F.sum("candidate_abs"),
        "candidate_within": F.sum(number("candidate_within").cast("long")),
        "candidate_failed": F.sum(number("candidate_failed").cast("long")),
        "compared_pairs": F.sum(F.when(number("candidate").isNotNull(), is_compared.cast("long"))),
        "compared_champion_loss": F.sum(F.when(is_compared, number("loss"))),
    }
    summed = pairs.groupBy(*GROUPS).agg(*[made.alias(name) for name, made in sums.items()])
    constants = {
        "evaluated_at": F.lit(plan.planned_at),
        "is_final": F.lit(plan.is_final),
        "loss": F.lit(plan.evaluate.loss),
    }
    complete = summed.withColumns(constants)
    columns = [
        (F.col(field.name) if field.name in complete.columns else F.lit(None)).cast(field.dataType).alias(field.name)
        for field in EVALUATIONS.schema.fields[2:]
    ]
    return complete.select(*columns)

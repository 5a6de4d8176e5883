"""What a second version and judgement add to the tables: its answers, evaluations and decisions."""

from penstock.schemas.table_types import BATCH, Column, Map, PerPipeline, Table

#: Of a row that both versions answered: the answer of the version that does not stand in `prediction`. shadow_error:
#: why it has none. All null for a row that one version alone was asked for.
SHADOW_OF_PREDICTIONS = (
    Column("shadow_version", "string"),
    PerPipeline.SHADOW_PREDICTION,
    Column("shadow_error", "string"),
)
#: The same of a forecast. An observation for which the other version alone has a forecast has no row in `forecasts`.
SHADOW_OF_FORECASTS = (
    Column("shadow_version", "string"),
    Column("shadow_forecast", "double"),
    Column("shadow_lower", "double"),
    Column("shadow_upper", "double"),
)
#: Why the version that does not stand in `forecasts` has no forecast from this observation; null if it has one, or was
#: not asked.
SHADOW_OF_OBSERVATIONS = (Column("shadow_error", "string"),)

#: experiment: mode, fraction, salt, key and began_at of the plan; null without a candidate. shadow_rows: accepted rows
#: that both versions were asked for; shadow_failed: those for which the candidate has no answer. model_seconds: in
#: Python workers, by role. code_version: of Penstock, and its git commit where it is known.
EXPERIMENT_OF_BATCHES = (
    Column("experiment", Map("string", "string")),
    Column("shadow_rows", "long"),
    Column("shadow_failed", "long"),
    Column("model_seconds", Map("string", "double")),
    Column("code_version", "string"),
)

#: One row is what came true in a unit of time, by pair of versions, variable and step: sums, which may be added up.
#: An evaluation is a batch of the query `evaluate`, numbered from 0. unit: the ds of the actuals (series), or the
#: window of evaluate.every in which the labels came (rows). champion: the version whose answers these are. candidate:
#: the version that answered beside it, of pairs of an experiment; null where there is none, and so are its sums. In a
#: canary the answers of the champion are judged here, too, where those of the candidate stood. step: null for rows.
#: The sums of the champion are over the pairs that it answered, whatever became of the candidate; what compares both
#: is over compared_pairs: (candidate_loss - compared_champion_loss) / compared_pairs is the mean difference.
EVALUATIONS = Table(
    name="evaluations",
    workloads=("rows", "series"),
    columns=(
        *BATCH,
        Column("unit", "timestamp"),
        Column("champion", "string"),
        Column("candidate", "string"),
        Column("variable", "string"),
        Column("step", "integer"),
        Column("pairs", "long", "Answers whose actual or label came; of each, the newest when it came"),
        Column("champion_loss", "double", "Sum of evaluate.loss over scored_pairs"),
        Column("candidate_loss", "double", "Sum of evaluate.loss of the candidate over compared_pairs"),
        Column("champion_abs", "double", "Sum of absolute errors, in levels, over pairs less champion_failed"),
        Column("candidate_abs", "double", "As champion_abs, over pairs less candidate_failed"),
        Column("naive_abs", "double", "Sum of absolute errors of the observation at the cutoff, for the same pairs"),
        Column("champion_within", "long", "How many actuals of scored_pairs lie within lower and upper; null for rows"),
        Column("candidate_within", "long", "Of the candidate, over compared_pairs"),
        Column("champion_failed", "long", "How many pairs have no answer, or one that is no finite number"),
        Column("candidate_failed", "long", "How many pairs have no answer of the candidate, or no finite number"),
        Column("delay_seconds", "double", "Sum of the seconds between answer and actual"),
        Column("scored_pairs", "long", "How many pairs have a loss: a forecast needs bounds that are apart"),
        Column("evaluated_at", "timestamp"),
        Column("is_final", "boolean", "Of revised data, by evaluate --final, in place of what was known then"),
        Column("loss", "string", "evaluate.loss, which the losses are of: those of different ones do not add up"),
        Column("compared_pairs", "long", "How many pairs have a loss of both versions; null without a candidate"),
        Column("compared_champion_loss", "double", "Sum of the loss of the champion over compared_pairs"),
    ),
    time_column="evaluated_at",
    statistics=("query_id", "batch_id", "unit", "champion", "evaluated_at"),
    made_by="penstock evaluate",
)


#: One row is a decision about the versions of a model: a batch of the query `decide`, numbered from 0. kind: promote,
#: reject, expire, rollback, end_bake, propose (nothing is moved), external (a person moved an alias by other means).
#: outcome: done, or superseded where a person was faster. champion, candidate: the versions before it. evidence: JSON,
#: the standing of the experiment that it rests on, null without one.
DECISIONS = Table(
    name="decisions",
    workloads=("rows", "series"),
    columns=(
        *BATCH,
        Column("kind", "string"),
        Column("outcome", "string"),
        Column("model_name", "string"),
        Column("champion", "string"),
        Column("candidate", "string"),
        Column("champion_after", "string", "What the alias meant when the decision was done"),
        Column("candidate_after", "string"),
        Column("reason", "string"),
        Column("evidence", "string"),
        Column("decided_by", "string"),
        Column("decided_at", "timestamp"),
        Column("done_at", "timestamp"),
    ),
    time_column="decided_at",
    kept_whole="it is the record of what was decided, and by whom",
    made_by="penstock evaluate, promote or rollback",
)

"""The means of one evaluation, by version, from its rows of the table `evaluations`, read without Spark and DuckDB."""

from penstock.config.evaluation_defaults import steps_of
from penstock.config.pipeline import PipelineConfig
from penstock.operations.model_store.measures import Live, Sums, live_of
from penstock.pipeline.evaluation.plans import EVALUATE_QUERY
from penstock.storage.delta_files import data_files, read_files
from penstock.storage.delta_reader import opened_table

#: Those of the table, and what `Sums` calls them.
NAMES = {
    "champion": "version",
    "variable": "variable",
    "step": "step",
    "pairs": "pairs",
    "champion_failed": "failed",
    "scored_pairs": "scored",
    "champion_loss": "loss",
    "champion_abs": "absolute",
    "naive_abs": "naive",
    "champion_within": "within",
    "evaluated_at": "evaluated_at",
}
OTHERS = ("query_id", "batch_id", "unit", "is_final")


def evaluation_means(config: PipelineConfig, number: int) -> dict[str, Live]:
    """By version; none of revised data. Only files that may have rows of this evaluation are read.

    Raises LedgerError if the table can't be read, OSError.
    """
    by_version: dict[str, list[Sums]] = {}
    with opened_table(config, "evaluations") as table:
        if table is None:
            return {}
        files = [file for file in data_files(table, ("batch_id",)) if file.may_have("batch_id", number)]
        for batch in read_files(table, files, [*NAMES, *OTHERS]):
            for row in batch.to_pylist():
                is_asked = (row["query_id"], row["batch_id"]) == (EVALUATE_QUERY, number) and not row["is_final"]
                if is_asked and row["champion"] is not None:
                    by_version.setdefault(row["champion"], []).append(sums_of(row))
    return {version: live_of(sums, steps_of(config)) for version, sums in by_version.items()}


def sums_of(row: dict[str, object]) -> Sums:
    values = {name: row[column] for column, name in NAMES.items()}
    counts = {name: values[name] or 0 for name in ("pairs", "failed", "scored")}
    return Sums(**{**values, **counts, "first_unit": row["unit"], "last_unit": row["unit"]})  # type: ignore[arg-type]

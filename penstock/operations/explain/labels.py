"""The labels of a prediction, and its loss under each."""

from collections.abc import Mapping
from typing import Any

from penstock.config.evaluation_defaults import loss_of
from penstock.config.label_contract import labels_config
from penstock.config.pipeline import PipelineConfig
from penstock.errors import PenstockError
from penstock.models.accuracy.losses import row_loss
from penstock.operations.explain.report import Label, Labels
from penstock.operations.explain.tables import rows_of
from penstock.storage.delta_reader import reason_of
from penstock.storage.duckdb_tables import QUERY_ERRORS, connect_tables, quoted, registered


def judged(config: PipelineConfig, prediction: Any) -> Any:
    """The output that is judged, of a model that has several; one that has a name, and is the only one, needs none."""
    name = config.evaluate.prediction if config.evaluate else None
    if isinstance(prediction, Mapping) and name is None and len(prediction) == 1:
        (name,) = prediction
    return prediction.get(name) if isinstance(prediction, Mapping) and name else prediction


def labels_of(config: PipelineConfig, row: Mapping[str, Any]) -> Labels | None:
    """None for a pipeline without labels. row: of predictions."""
    if config.labels is None:
        return None
    name = loss_of(config)
    try:
        found = label_rows(labels_config(config), config.labels.key, config.labels.value, row)
    except (PenstockError, OSError) as error:
        return Labels(loss_name=name, problem=str(error))
    except QUERY_ERRORS as error:
        return Labels(loss_name=name, problem=f"the table of labels can't be read: {reason_of(error)}")
    prediction = judged(config, row["prediction"])
    return Labels(
        loss_name=name,
        found=tuple(
            Label(
                value=label["value"],
                labelled_at=label["labelled_at"],
                error=label["error"],
                loss=row_loss(name, prediction, label["value"]),
            )
            for label in found
        ),
    )


def label_rows(
    labels: PipelineConfig, key: tuple[str, ...], value: str, row: Mapping[str, Any]
) -> list[dict[str, Any]]:
    """The one that counts first, then revisions in the order in which they came."""
    with connect_tables(labels, ("labels",)) as connection:
        if "labels" not in registered(connection):
            return []
        named = {f"key{number}": row[column] for number, column in enumerate(key)}
        condition = " AND ".join(f"{quoted(column)} = ${name}" for column, name in zip(key, named, strict=True))
        return rows_of(
            connection,
            f"SELECT {quoted(value)} AS value, labelled_at, error FROM labels WHERE {condition} "
            "ORDER BY error IS NOT NULL, labelled_at, batch_id, source_file, value",
            **named,
        )

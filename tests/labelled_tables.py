"""The tables of a pipeline of rows and of the pipeline that takes its labels in, filled by hand: the times of
predictions and labels are then what a test says."""

from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

import yaml
from pyspark.sql.types import DataType, DoubleType, StructType
from sample_contracts import ORDER_LABELS, ORDERS
from sandbox import Sandbox

from penstock.schemas.contract import Contract
from penstock.schemas.tables import BATCHES, TableSpec, labels, predictions
from penstock.spark.local_frames import local_frame
from penstock.spark.tables import append_once, prepare_table, stamped
from penstock.storage.delta_transactions import Transaction


@dataclass(frozen=True, kw_only=True)
class Prediction:
    """hours: before `LabelledTables.start`, so that all of a test lies in the past."""

    order_id: int
    placed: float
    scored: float
    answer: Any
    version: str = "1"
    rescore_id: int | None = None
    role: str = "champion"
    shadow_version: str | None = None
    shadow_answer: Any = None


@dataclass(frozen=True, kw_only=True)
class Label:
    order_id: Any
    came: float
    value: Any
    error: str | None = None


@dataclass
class LabelledTables:
    sandbox: Sandbox
    label_contract: Contract = ORDER_LABELS
    label_contract_name: str = "ORDER_LABELS"
    prediction: DataType = field(default_factory=DoubleType)
    start: datetime = field(default_factory=lambda: datetime.now(UTC))
    #: Whether predictions are written with the columns of a second version.
    has_experiment: bool = False

    def __post_init__(self) -> None:
        conf = self.sandbox.root / "labels.yaml"
        settings = {
            "pipeline": "order-labels",
            "workload": "labels",
            "source": {"path": str(self.sandbox.root / "labels-inbox")},
            "contract": f"sample_contracts:{self.label_contract_name}",
            "label": {"key": ["order_id"], "value": "quality"},
            "tables": {"root": str(self.sandbox.root / "label-tables")},
            "checkpoint": str(self.sandbox.root / "labels-checkpoint"),
        }
        conf.write_text(yaml.safe_dump(settings))
        self.sandbox.changes |= {
            "pipeline": "orders",
            "contract": "sample_contracts:ORDERS",
            "model": {"name": "none"},
            "labels": {"conf": str(conf), "key": ["order_id"], "value": "quality", "time": "placed_at"},
        }

    def at(self, hours: float) -> datetime:
        return self.start - timedelta(hours=hours)

    def predict(self, query: str, batch: int, *rows: Prediction) -> None:
        """A finished batch of predictions."""
        spec = predictions(ORDERS, self.prediction, statistics=("placed_at",), has_experiment=self.has_experiment)
        values = [
            (
                row.order_id,
                self.at(row.placed),
                1.0,
                None,
                row.answer,
                "m",
                row.version,
                row.role,
                None,
                "f.csv",
                self.at(row.scored),
                None,
                row.rescore_id,
                *((row.shadow_version, row.shadow_answer, None) if self.has_experiment else ()),
            )
            for row in rows
        ]
        self.write("tables", spec, query, batch, values)

    def label(self, query: str, batch: int, *rows: Label, is_finished: bool = True) -> None:
        values = [(row.order_id, row.value, row.error, "l.csv", self.at(row.came)) for row in rows]
        self.write(
            "label-tables",
            labels(self.label_contract, key=("order_id",)),
            query,
            batch,
            values,
            is_finished=is_finished,
        )

    def write(
        self, folder: str, spec: TableSpec, query: str, batch: int, values: list[Any], *, is_finished: bool = True
    ) -> None:
        spark, root = self.sandbox.spark, self.sandbox.root / folder
        transaction = Transaction(pipeline=folder, query_id=query, batch_id=batch)
        for each, rows in ((spec, values), (BATCHES, [(folder,) + (None,) * (len(BATCHES.schema) - 3)])):
            path = str(root / each.name)
            prepare_table(spark, path, each)
            if each is spec or is_finished:
                schema = StructType(each.schema.fields[2:])
                append_once(stamped(local_frame(spark, rows, schema), transaction), path, transaction)

"""Tables for the dashboard to read, written by deltalake with the columns of schemas/tables.py, without Spark."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pyarrow as pa
from deltalake import write_deltalake
from pyspark.sql.pandas.types import to_arrow_schema
from pyspark.sql.types import DataType, DoubleType

from penstock.config.loading import load_config
from penstock.config.pipeline import PipelineConfig
from penstock.interfaces.dashboard.reading import connected
from penstock.schemas import macro, wine
from penstock.schemas.judgement_tables import DECISIONS
from penstock.schemas.tables import (
    BATCHES,
    EVALUATIONS,
    FORECASTS,
    QUARANTINE,
    TableSpec,
    observations,
    predictions,
    spec_of,
)

START = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)
WINE_CONF = """
pipeline: wine
workload: rows
source: {{path: {root}/inbox}}
contract: schemas.wine:CONTRACT
model: {{name: wine-quality}}
tables: {{root: {root}/tables}}
checkpoint: {root}/checkpoint
mlflow: {{tracking_uri: "sqlite:///{root}/mlflow.db"}}
"""
MACRO_CONF = WINE_CONF.replace("pipeline: wine", "pipeline: macro").replace(
    "workload: rows", "workload: series\nseries: {{variables: [realgdp, realcons, realinv], frequency: QS, horizon: 2}}"
)

LABELS_CONF = WINE_CONF.replace("pipeline: wine", "pipeline: wine-labels").replace(
    "workload: rows", "workload: labels\nlabel: {{key: [order_id], value: quality}}"
)
LABELS_CONF = LABELS_CONF.replace("wine:CONTRACT", "wine_labels:CONTRACT").replace(
    "model: {{name: wine-quality}}\n", ""
)


def minutes(count: float) -> datetime:
    return START + timedelta(minutes=count)


@dataclass(frozen=True)
class WrittenTables:
    """A pipeline's config file and tables in a folder. Each append makes one more file of a table."""

    root: Path
    template: str
    prediction: DataType = DoubleType()  # noqa: RUF009

    @property
    def conf(self) -> Path:
        path = self.root / "pipeline.yaml"
        path.write_text(self.template.format(root=self.root))
        return path

    @property
    def config(self) -> PipelineConfig:
        return load_config([self.conf])

    def spec(self, name: str) -> TableSpec:
        specs = (
            predictions(wine.CONTRACT, self.prediction),
            observations(macro.VARIABLES),
            FORECASTS,
            QUARANTINE,
            BATCHES,
            EVALUATIONS,
            spec_of(DECISIONS),
        )
        return next(spec for spec in specs if spec.name == name)

    def arrow(self, name: str, *rows: dict[str, Any]) -> pa.Table:
        """Columns that a row does not name are null."""
        schema = to_arrow_schema(self.spec(name).schema, timezone="UTC")
        unknown = {column for row in rows for column in row} - set(schema.names)
        assert not unknown, unknown
        return pa.Table.from_pylist([{column: row.get(column) for column in schema.names} for row in rows], schema)

    def append(self, name: str, *rows: dict[str, Any]) -> None:
        write_deltalake(str(self.root / "tables" / name), self.arrow(name, *rows), mode="append")

    def make_empty(self, *names: str) -> None:
        for name in names:
            self.append(name)

    def lose_oldest_file(self, name: str) -> None:
        """What is not asked for is not read: then nobody misses it."""
        files = (self.root / "tables" / name).glob("*.parquet")
        min(files, key=lambda path: path.stat().st_mtime_ns).unlink()

    def query(self, question: Any, *args: Any, **parameters: Any) -> Any:
        """Past what the dashboard keeps of answers."""
        module = question.__module__.rpartition(".")[2]
        names = ("forecasts", "observations", "batches") if module == "forecasts" else (module,)
        with connected(self.config, names) as connection:
            return question(connection, *args, **parameters)


def batch(number: int, *, at: datetime, seconds: float, **changes: Any) -> dict[str, Any]:
    """Of 10 rows: 7 scored, 2 quarantined, 1 failed."""
    return {
        "query_id": "q",
        "batch_id": number,
        "pipeline": "wine",
        "started_at": at,
        "finished_at": at + timedelta(seconds=seconds),
        "files": [{"path": f"/inbox/{number}.csv", "length": 100, "modification_time": at, "rows": 10}],
        "files_refused": 0,
        "rows_in": 10,
        "accepted": 8,
        "quarantined": 2,
        "failed": 1,
        "versions": [("champion", "1")],
        "refused_versions": [],
        "seconds": [("plan", 0.5), ("predictions", 1.0)],
        "resolved_at": at,
        **changes,
    }


def scored(prediction: Any, *, at: datetime, version: str = "1", **changes: Any) -> dict[str, Any]:
    return {
        "query_id": "q",
        "batch_id": 0,
        "prediction": prediction,
        "model_name": "wine-quality",
        "model_version": version,
        "role": "champion",
        "scored_at": at,
        **changes,
    }


def rejected(*reasons: str, at: datetime, **changes: Any) -> dict[str, Any]:
    return {
        "query_id": "q",
        "batch_id": 0,
        "stage": "contract",
        "reasons": list(reasons),
        "raw": "7.4,abc",
        "header": "fixed acidity,alcohol",
        "source_file": "/inbox/a.csv",
        "quarantined_at": at,
        **changes,
    }


def evaluated(version: str, *, unit: datetime, pairs: int = 10, **changes: Any) -> dict[str, Any]:
    """Sums of realgdp one step ahead: a mean loss of 0.5, a mean absolute error of 3 where the naive forecast has 4,
    and 9 of 10 within."""
    return {
        "query_id": "evaluate",
        "batch_id": 0,
        "unit": unit,
        "champion": version,
        "variable": "realgdp",
        "step": 1,
        "pairs": pairs,
        "champion_loss": 0.5 * pairs,
        "champion_abs": 3.0 * pairs,
        "naive_abs": 4.0 * pairs,
        "champion_within": pairs * 9 // 10,
        "champion_failed": 0,
        "delay_seconds": 60.0 * pairs,
        "scored_pairs": pairs,
        "evaluated_at": minutes(0),
        "is_final": False,
        "loss": "wis",
        **changes,
    }


def quarter(number: int) -> datetime:
    """The first day of a quarter; 0 is the first of 2020."""
    return datetime(2020 + number // 4, 1 + 3 * (number % 4), 1, tzinfo=UTC)


def observed(value: float | None, *, at: int, series: str = "US", **changes: Any) -> dict[str, Any]:
    """Of realgdp in a quarter; realcons is a tenth of it."""
    return {
        "series_id": series,
        "ds": quarter(at),
        "realgdp": value,
        "realcons": None if value is None else value / 10,
        "observed_at": minutes(at),
        **changes,
    }


def forecast(value: float, *, cutoff: int, step: int, series: str = "US", **changes: Any) -> dict[str, Any]:
    """Of realgdp by version 1, give or take 5."""
    return {
        "query_id": "q",
        "batch_id": cutoff,
        "series_id": series,
        "cutoff": quarter(cutoff),
        "ds": quarter(cutoff + step),
        "step": step,
        "variable": "realgdp",
        "forecast": value,
        "lower": value - 5,
        "upper": value + 5,
        "level": 0.95,
        "model_name": "macro-var",
        "model_version": "1",
        "role": "champion",
        "scored_at": minutes(cutoff),
        **changes,
    }

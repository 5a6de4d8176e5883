"""A series pipeline with a history of micro-batches, each of which was evaluated, made by writing its tables' files.

Each micro-batch has one observation of each series and their forecasts of HORIZON steps, as a run of the pipeline
leaves them: a file and a commit in each of the tables forecasts, observations and batches. What an evaluation leaves
(a file and a commit in evaluations, its plan and its record) is that of the real evaluator, which evaluates the first
HORIZON + 1 micro-batches here, repeated with the next numbers.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from bench_fleet_model import HORIZON
from deltalake import DeltaTable, write_deltalake
from series_setup import VARIABLES, ids_of

from penstock.config.pipeline import PipelineConfig
from penstock.pipeline.evaluation.evaluator import Evaluator
from penstock.pipeline.evaluation.plans import EVALUATE_QUERY, evaluation_done_path, evaluation_path
from penstock.schemas import catalog, judgement_tables
from penstock.schemas.table_types import Table

QUERY = "0b5f7a52-6c1d-4d7e-9a55-3f2f1f6d9c11"
STARTED = datetime(2025, 1, 1, tzinfo=UTC)
TABLES = (catalog.FORECASTS, catalog.OBSERVATIONS, catalog.BATCHES)
#: The first quarters of whatever history.
QUARTERS = pd.date_range("1700-01-01", periods=2000, freq="QS", tz="UTC").as_unit("us")
STATISTICS_CHARACTERS = 32
TIME = pa.timestamp("us", "UTC")


@dataclass
class EvaluationHistory:
    """batches: that were written, by their number. version: of each table."""

    config: PipelineConfig
    n_series: int
    batches: int = 0
    versions: dict[str, int] = field(default_factory=dict)
    templates: dict[str, pa.Table] = field(default_factory=dict)

    @property
    def pairs(self) -> int:
        """Of each micro-batch from the one on for which HORIZON earlier ones have made forecasts."""
        return self.n_series * HORIZON * len(VARIABLES)

    def write(self, batches: int, evaluator: Evaluator) -> None:
        """The first micro-batches, all of them evaluated."""
        while self.batches < HORIZON:
            self.add_batch()
        evaluator.evaluate()
        self.add_batch()
        [record] = evaluator.evaluate()
        if (record.number, record.pairs) != (1, self.pairs):
            raise SystemExit(f"evaluation {record.number} has {record.pairs} pairs, expected 1 and {self.pairs}")
        while self.batches < batches:
            self.add_batch()
        repeat_evaluations(self.config, batches=batches)
        for table in TABLES:
            DeltaTable(self.config.table_path(table.name)).create_checkpoint()

    def add_batch(self) -> None:
        """One more micro-batch; its observations are the actuals of HORIZON earlier ones' forecasts."""
        number, made_at = self.batches, STARTED + timedelta(minutes=5 * self.batches)
        self.templates = self.templates or {
            "forecasts": forecasts_of(self.n_series),
            "observations": observations_of(self.n_series),
            "batches": pa.table({"pipeline": [self.config.pipeline]}),
        }
        steps = self.templates["forecasts"]["step"].to_numpy()
        of_table: dict[str, dict[str, Any]] = {
            "forecasts": {
                "cutoff": constant(QUARTERS[number], len(steps)),
                "ds": pa.array(QUARTERS[number + steps]),
                "scored_at": constant(made_at, len(steps)),
            },
            "observations": {
                "ds": constant(QUARTERS[number], self.n_series),
                "observed_at": constant(made_at, self.n_series),
            },
            "batches": {"finished_at": constant(made_at, 1)},
        }
        for table in TABLES:
            self.append(table, with_columns(self.templates[table.name], of_table[table.name], batch_id=number))
        self.batches += 1

    def append(self, table: Table, rows: pa.Table) -> None:
        root = Path(self.config.table_path(table.name))
        if table.name not in self.versions:
            settings = {"delta.dataSkippingStatsColumns": ",".join(table.statistics)}
            write_deltalake(root, rows, configuration=settings)
            self.versions[table.name] = 0
            return
        self.versions[table.name] += 1
        name = f"part-00000-{self.versions[table.name]:08d}.snappy.parquet"
        pq.write_table(rows, root / name)
        commit(root, self.versions[table.name], added(root / name, statistics_of(rows, table.statistics)))


def forecasts_of(n_series: int) -> pa.Table:
    """What all micro-batches have in common."""
    chance, ids = np.random.default_rng(n_series), ids_of(n_series)
    rows = n_series * HORIZON * len(VARIABLES)
    forecast = chance.uniform(90, 110, rows)
    return pa.table(
        {
            "series_id": pa.array(np.repeat(ids, HORIZON * len(VARIABLES)), pa.string()),
            "step": pa.array(np.tile(np.repeat(np.arange(1, HORIZON + 1), len(VARIABLES)), n_series), pa.int32()),
            "variable": pa.array(np.tile(np.array(VARIABLES, dtype=object), n_series * HORIZON), pa.string()),
            "forecast": forecast,
            "lower": forecast - 8,
            "upper": forecast + 8,
            "level": np.full(rows, 0.95),
            "model_version": pa.array(["1"] * rows, pa.string()),
        }
    )


def observations_of(n_series: int) -> pa.Table:
    chance = np.random.default_rng(n_series + 1)
    values = {variable: chance.uniform(90, 110, n_series) for variable in VARIABLES}
    ids = pa.array(ids_of(n_series), pa.string())
    return pa.table({"series_id": ids, **values, "error": pa.nulls(n_series, pa.string())})


def constant(moment: datetime | pd.Timestamp, rows: int) -> pa.Array:
    return pa.repeat(pa.scalar(moment.to_pydatetime() if isinstance(moment, pd.Timestamp) else moment, TIME), rows)


def with_columns(template: pa.Table, columns: Mapping[str, pa.Array], *, batch_id: int) -> pa.Table:
    rows = len(template)
    stamp = {"query_id": pa.repeat(QUERY, rows), "batch_id": pa.repeat(pa.scalar(batch_id, pa.int64()), rows)}
    for name, values in {**stamp, **columns}.items():
        template = template.append_column(name, values)
    return template


def statistics_of(rows: pa.Table, columns: tuple[str, ...]) -> dict[str, Any]:
    """As Spark writes them: 32 characters of a text, and an upper bound above all that begin so."""
    known = [name for name in columns if name in rows.column_names]
    bounds = {name: pc.min_max(rows[name]).as_py() for name in known}
    return {
        "numRecords": len(rows),
        "minValues": {name: statistic(bound["min"], is_upper=False) for name, bound in bounds.items()},
        "maxValues": {name: statistic(bound["max"], is_upper=True) for name, bound in bounds.items()},
        "nullCount": dict.fromkeys(known, 0),
    }


def statistic(value: Any, *, is_upper: bool) -> Any:
    if isinstance(value, datetime):
        return value.isoformat(timespec="milliseconds").replace("+00:00", "Z")
    if isinstance(value, str) and len(value) > STATISTICS_CHARACTERS:
        return value[:STATISTICS_CHARACTERS] + ("\U0010ffff" if is_upper else "")
    return value


def added(file: Path, statistics: Mapping[str, Any]) -> dict[str, Any]:
    """Delta's action for a new file."""
    return {
        "add": {
            "path": file.name,
            "partitionValues": {},
            "size": file.stat().st_size,
            "modificationTime": 0,
            "dataChange": True,
            "stats": json.dumps(statistics),
        }
    }


def commit(root: Path, version: int, *actions: Mapping[str, Any]) -> None:
    info = {"commitInfo": {"operation": "WRITE", "timestamp": int(STARTED.timestamp() * 1000) + version}}
    lines = [json.dumps(action) for action in (info, *actions)]
    (root / "_delta_log" / f"{version:020d}.json").write_text("\n".join(lines) + "\n")


def repeat_evaluations(config: PipelineConfig, *, batches: int) -> None:
    """Evaluation 1, of the micro-batch HORIZON, again for each one after it."""
    root = Path(config.table_path(judgement_tables.EVALUATIONS.name))
    table = DeltaTable(root)
    rows, version = table.to_pyarrow_table(filters=[("batch_id", "=", 1)]), table.version()
    plan, record = (json.loads(Path(path(config, 1)).read_text()) for path in (evaluation_path, evaluation_done_path))
    place = rows.column_names.index("batch_id")
    for number, last in enumerate(range(HORIZON + 1, batches), start=2):
        numbered = rows.set_column(place, "batch_id", pa.repeat(pa.scalar(number, pa.int64()), len(rows)))
        file = root / f"part-00000-{number:08d}.snappy.parquet"
        pq.write_table(numbered, file)
        transaction = {"txn": {"appId": f"{config.pipeline}:{EVALUATE_QUERY}", "version": number, "lastUpdated": 0}}
        statistics = statistics_of(numbered, judgement_tables.EVALUATIONS.statistics)
        commit(root, version + number - 1, transaction, added(file, statistics))
        bounds = {"number": number, "after": {QUERY: last - 1}, "until": {QUERY: last}, "taken": {QUERY: last}}
        write_json(evaluation_path(config, number), plan | bounds)
        write_json(evaluation_done_path(config, number), record | {"number": number})


def write_json(path: str, content: Mapping[str, Any]) -> None:
    Path(path).write_text(json.dumps(content, indent=1))

"""A pipeline in a temporary folder, run through the same function as the jobs run."""

import os
import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import mlflow
import pandas as pd
from mlflow.models import infer_signature
from pyspark.sql import DataFrame, Row, SparkSession
from sample_contracts import SMALL
from table_rows import read_rows

from penstock.config.csv_dialect import CsvDialect
from penstock.config.pipeline import PipelineConfig, S3Config, SourceConfig
from penstock.operations.run_replay import run_replay
from penstock.operations.run_stream import run_pipeline
from penstock.pipeline.batch_record import BatchRecord
from penstock.schemas.wine import MEASUREMENTS
from penstock.sources.admission import admit_files
from penstock.sources.checkpoint import Arrival
from penstock.sources.reading import checked_rows
from penstock.storage.files import LocalStorage, Storage
from penstock.storage.routing import LocatedStorage

MODELS = Path(__file__).parent / "sample_models"
#: A wine that breaks no rule. Its score by models/linear.py is 10 * 9.4 + 3.51 = 97.51.
WINE = dict(zip(MEASUREMENTS, (7.4, 0.7, 0.0, 1.9, 0.076, 11.0, 34.0, 0.9978, 3.51, 0.56, 9.4), strict=True))
WINE_SCORE = 97.51
HEADER = ",".join(MEASUREMENTS)


def wine(**changes: object) -> dict[str, Any]:
    return {**WINE, **changes}


def csv_line(row: dict[str, Any], columns: Sequence[str] = MEASUREMENTS) -> str:
    return ",".join(str(row[name]) for name in columns)


def csv_file(*rows: dict[str, Any], header: Sequence[str] = MEASUREMENTS, end: str = "\n") -> bytes:
    lines = [",".join(header), *[csv_line(row, header) for row in rows]]
    return (end.join(lines) + end).encode()


def with_damaged_pages(parquet: bytes) -> bytes:
    """As long as before, and with its footer."""
    middle = len(parquet) // 2
    return parquet[:200] + bytes(middle) + parquet[200 + middle :]


@dataclass
class TestRegistry:
    """A local MLflow registry. Models are made from the files in tests/sample_models."""

    __test__ = False
    folder: Path
    made: set[str] = field(default_factory=set)

    @property
    def uri(self) -> str:
        return f"sqlite:///{self.folder / 'mlflow.db'}"

    @property
    def client(self) -> mlflow.MlflowClient:
        return mlflow.MlflowClient(tracking_uri=self.uri, registry_uri=self.uri)

    def use(self) -> None:
        """Point MLflow here, to an experiment whose artifacts lie here too."""
        mlflow.set_tracking_uri(self.uri)
        mlflow.set_registry_uri(self.uri)
        if mlflow.get_experiment_by_name("tests") is None:
            mlflow.create_experiment("tests", artifact_location=(self.folder / "artifacts").as_uri())
        mlflow.set_experiment("tests")

    def register(self, name: str, code: str, *, example: pd.DataFrame, outputs: Any, alias: str = "champion") -> str:
        """Log tests/sample_models/<code>.py as a new version of `name`; returns the version."""
        self.use()
        signature = infer_signature(example, outputs) if outputs is not None else None
        with mlflow.start_run():
            info = mlflow.pyfunc.log_model(
                name="model",
                python_model=str(MODELS / f"{code}.py"),
                signature=signature,
                registered_model_name=name,
                pip_requirements=["mlflow"],
            )
        version = str(info.registered_model_version)
        self.client.set_registered_model_alias(name, alias, version)
        return version

    def register_files(self, name: str, files: Mapping[str, str]) -> str:
        """A new version of `name` of whatever files, by name, under the alias; returns the version."""
        folder = Path(tempfile.mkdtemp(dir=self.folder, prefix="files-"))
        for file, content in files.items():
            (folder / file).write_text(content)
        version = str(self.client.create_model_version(name, folder.as_uri()).version)
        self.client.set_registered_model_alias(name, "champion", version)
        return version

    def wine_model(self, code: str = "linear", *, outputs: Any = (1.5,)) -> str:
        """A model of the wine contract, registered once; returns its name."""
        name = f"wine-{code}"
        if name not in self.made:
            answer = pd.Series(outputs) if isinstance(outputs, tuple) else outputs
            self.register(name, code, example=pd.DataFrame([WINE]), outputs=answer)
            self.made.add(name)
        return name


@dataclass
class Sandbox:
    root: Path
    spark: SparkSession
    registry: TestRegistry
    changes: dict[str, Any] = field(default_factory=dict)
    #: Where inbox, tables and checkpoint are if not in `root`: s3a://bucket/folder, at the environment's endpoint.
    place: str = ""

    @property
    def location(self) -> str:
        return self.place or str(self.root)

    @property
    def storage(self) -> Storage:
        return LocatedStorage(S3Config())

    @property
    def inbox(self) -> Path:
        """Of a sandbox in a local folder."""
        return self.root / "inbox"

    def config(self) -> PipelineConfig:
        settings: dict[str, Any] = {
            "pipeline": "wine",
            "workload": "rows",
            "source": {"path": f"{self.location}/inbox", "settle": 0.5},
            "contract": "schemas.wine:CONTRACT",
            "model": {"name": self.registry.wine_model()} if "model" not in self.changes else {},
            "tables": {"root": f"{self.location}/tables"},
            "checkpoint": f"{self.location}/checkpoint",
            "mlflow": {"tracking_uri": self.registry.uri},
        }
        for section, values in self.changes.items():
            inner = settings.get(section)
            both = isinstance(inner, dict) and isinstance(values, dict)
            settings[section] = {**inner, **values} if both else values
        return PipelineConfig.model_validate(settings)

    def drop(self, name: str, content: bytes, *, age_seconds: float = 60) -> Path:
        """Put a file in the inbox as if it had been there for a while."""
        path = self.inbox / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
        self.age(path, age_seconds)
        return path

    def age(self, path: Path, seconds: float = 60) -> None:
        then = time.time() - seconds
        os.utime(path, (then, then))

    def run(self, *, resume: bool = False, inbox_moved: bool = False) -> list[BatchRecord]:
        return run_pipeline(self.config(), job="test", once=True, resume=resume, inbox_moved=inbox_moved)

    def replay(self, *, reason: str = "", late: bool = False, aborts: bool = False) -> list[BatchRecord]:
        return run_replay(self.config(), reason=reason, late=late, aborts=aborts)

    def table(self, name: str) -> DataFrame:
        return self.spark.read.format("delta").load(f"{self.location}/tables/{name}")

    def rows(self, name: str, *, file: str | None = None) -> list[Row]:
        """A table's rows, in no order. file: only those of that file of the inbox."""
        rows = self.table(name).collect() if self.place else read_rows(f"{self.location}/tables/{name}")
        rows = current(rows) if name == "lags" else rows
        return [row for row in rows if row.source_file == f"{self.location}/inbox/{file}"] if file else rows

    def count(self, name: str) -> int:
        return len(self.rows(name))

    def reasons(self, file: str) -> list[list[str]]:
        """The reasons of each quarantined row (or file) of a file, sorted."""
        return sorted(row.reasons for row in self.rows("quarantine", file=file))


def current(lags: list[Row]) -> list[Row]:
    """Without the rows that later batches superseded: the last one for each number, of the last `keep_lags` numbers."""
    newest: dict[tuple[str, int], Row] = {}
    for row in sorted(lags, key=lambda row: -1 if row.sequence is None else row.sequence):
        newest[row.series_id, row.number] = row
    last: dict[tuple[str, int], Row] = {}
    for row in sorted(newest.values(), key=lambda row: row.number):
        last[row.series_id, row.slot] = row
    return list(last.values())


def checked_files(spark: SparkSession, sandbox: Sandbox, *contents: bytes, **dialect: Any) -> DataFrame:
    """The checked rows of CSV files under the contract SMALL, admitted as the job admits them."""
    files = [sandbox.drop(f"{number}.csv", content) for number, content in enumerate(contents)]
    arrivals = [Arrival(path=str(file), modified_milliseconds=file.stat().st_mtime_ns // 1_000_000) for file in files]
    source = SourceConfig(path=str(sandbox.inbox), csv=CsvDialect(**dialect))
    admitted = admit_files(arrivals, storage=LocalStorage(), source=source, contract=SMALL)
    assert [(file.verdict, file.reasons) for file in admitted] == [("accepted", ())] * len(files)
    rows = checked_rows(spark, admitted, contract=SMALL, source=source)
    assert rows is not None
    return rows

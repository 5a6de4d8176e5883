"""Maintenance makes tables small and keeps what was promised: every row, the past, and the stream beside it."""

import json
import logging
import shutil
import threading
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from aged import age_table
from delta.tables import DeltaTable
from faults.bench import wait_until
from pyspark.sql import SparkSession
from pyspark.sql import functions as F
from sandbox import WINE, Sandbox, TestRegistry, csv_file, wine
from series_sandbox import FITTED, HORIZON, VARIABLES, SeriesSandbox, quarters

from penstock.errors import LeaseError
from penstock.operations.maintenance.maintain import MaintenanceRun, maintain_tables
from penstock.operations.maintenance.retention import complete_since
from penstock.pipeline.lease import Lease, maintenance_lease_path
from penstock.pipeline.plan import planned_batches
from penstock.schemas.catalog import BY_NAME
from penstock.schemas.tables import EVALUATIONS
from penstock.spark.tables import prepare_table, table_properties, table_version
from penstock.storage.files import LocalStorage

ROWS_TABLES = ("predictions", "quarantine", "batches")
SERIES_TABLES = ("forecasts", "observations", "lags", "quarantine", "batches")


def maintain(sandbox: Sandbox, *tables: str) -> list[str]:
    """As the job does it: in a session of its own. tables: those that matter, in place of all; each costs seconds."""
    with pytest.MonkeyPatch.context() as patch:
        if tables:
            patch.setattr(
                "penstock.operations.maintenance.maintain.possible_tables", lambda _: [BY_NAME[name] for name in tables]
            )
        return maintain_tables(sandbox.spark.newSession(), sandbox.config())


def contents(sandbox: Sandbox, names: tuple[str, ...]) -> dict[str, list[str]]:
    return {name: sorted(map(str, sandbox.rows(name))) for name in names}


def files(sandbox: Sandbox, name: str) -> int:
    detail = DeltaTable.forPath(sandbox.spark, str(sandbox.root / "tables" / name)).detail().first()
    assert detail is not None
    return int(detail["numFiles"])


def run_batches(sandbox: Sandbox, numbers: range) -> None:
    """A micro-batch for each number, with two accepted rows and a rejected one."""
    for number in numbers:
        content = csv_file(WINE, wine(alcohol=number % 14), wine(alcohol="abc"))
        sandbox.drop(f"{number}.csv", content, age_seconds=100 - number)
    sandbox.run()


@pytest.fixture(scope="module")
def prepared(spark: SparkSession, registry: TestRegistry, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a pipeline with three micro-batches; in each of its tables, each has a file."""
    sandbox = Sandbox(root=tmp_path_factory.mktemp("prepared"), spark=spark, registry=registry)
    sandbox.changes = {"source": {"max_files_per_trigger": 1}}
    run_batches(sandbox, range(3))
    return sandbox.root


@pytest.fixture
def filled(sandbox: Sandbox, prepared: Path) -> Sandbox:
    """A copy of its tables and checkpoint, with an inbox of its own."""
    for folder in ("tables", "checkpoint"):
        shutil.copytree(prepared / folder, sandbox.root / folder)
    place = sandbox.root / "tables" / "_inbox.json"
    place.write_text(place.read_text().replace(str(prepared), str(sandbox.root)))
    sandbox.changes = {"source": {"max_files_per_trigger": 1}}
    return sandbox


def operations(sandbox: Sandbox, name: str) -> list[str]:
    history = DeltaTable.forPath(sandbox.spark, str(sandbox.root / "tables" / name)).history()
    return [row.operation for row in history.collect()]


def test_many_small_files_become_one_and_no_row_changes(filled: Sandbox, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    before = contents(filled, ROWS_TABLES)
    assert {name: files(filled, name) for name in ROWS_TABLES} == dict.fromkeys(ROWS_TABLES, 3)
    assert maintain(filled) == []
    assert {name: files(filled, name) for name in ROWS_TABLES} == dict.fromkeys(ROWS_TABLES, 1)
    assert contents(filled, ROWS_TABLES) == before
    for name in ROWS_TABLES:
        assert f"{name}: 3 files -> 1, " in caplog.text
        properties = table_properties(filled.spark, str(filled.root / "tables" / name))
        assert properties["delta.deletedFileRetentionDuration"] == "interval 604800 seconds"
        assert properties["delta.logRetentionDuration"] == "interval 604800 seconds"

    assert maintain(filled) == []
    for name in ROWS_TABLES:
        assert operations(filled, name).count("OPTIMIZE") == 1
        assert operations(filled, name).count("SET TBLPROPERTIES") == 1
    run_batches(filled, range(3, 4))
    assert filled.count("predictions") == 8


def test_past_versions_are_readable_for_the_time_travel(filled: Sandbox) -> None:
    path = filled.root / "tables" / "predictions"
    before = {version: read_version(filled, version) for version in range(1, 4)}
    assert maintain(filled, "predictions") == []
    assert {version: read_version(filled, version) for version in before} == before
    age_table(filled.spark, path, days=6.9)
    assert maintain(filled, "predictions") == []
    assert {version: read_version(filled, version) for version in before} == before
    assert len(list(path.glob("part-*.parquet"))) == 4

    age_table(filled.spark, path, days=0.2)
    assert maintain(filled, "predictions") == []
    assert len(list(path.glob("part-*.parquet"))) == 1
    assert sorted(map(str, filled.rows("predictions"))) == before[3]


def read_version(filled: Sandbox, version: int) -> list[str]:
    reader = filled.spark.read.format("delta").option("versionAsOf", version)
    return sorted(map(str, reader.load(str(filled.root / "tables" / "predictions")).collect()))


def test_without_budget_nothing_is_done_and_that_is_said(filled: Sandbox) -> None:
    filled.changes |= {"maintenance": {"budget": 0}}
    versions = [table_version(filled.spark, str(filled.root / "tables" / name)) for name in ROWS_TABLES]
    assert sorted(maintain(filled)) == sorted(ROWS_TABLES)
    assert [table_version(filled.spark, str(filled.root / "tables" / name)) for name in ROWS_TABLES] == versions


def test_tables_that_no_micro_batch_writes_are_maintained_where_they_are(filled: Sandbox) -> None:
    prepare_table(filled.spark, str(filled.root / "tables" / "evaluations"), EVALUATIONS)
    filled.changes["maintenance"] = {"budget": 0}
    assert sorted(maintain(filled)) == sorted((*ROWS_TABLES, "evaluations"))


def test_a_budget_that_runs_out_says_what_is_left_after_the_most_fragmented(
    filled: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The compaction of the first table takes as long as the whole budget."""
    many = filled.table("quarantine").crossJoin(filled.spark.range(10)).drop("id").repartition(5)
    many.write.format("delta").mode("overwrite").save(str(filled.root / "tables" / "quarantine"))
    clock, compact = [0.0], MaintenanceRun.compact

    def slow(run: MaintenanceRun, table: str) -> str:
        clock[0] += 600
        return compact(run, table)

    monkeypatch.setattr("penstock.operations.maintenance.maintain.monotonic", lambda: clock[0])
    monkeypatch.setattr(MaintenanceRun, "compact", slow)
    left = maintain(filled)
    assert left[0] == "quarantine (vacuum)"
    assert sorted(left[1:]) == ["batches", "predictions"]
    assert (files(filled, "quarantine"), files(filled, "batches")) == (1, 3)


def test_plans_are_trimmed_and_the_next_batch_knows_the_version_before(filled: Sandbox) -> None:
    filled.changes |= {"maintenance": {"keep_plans": 2}}
    checkpoint = filled.config().checkpoint
    assert planned_batches(LocalStorage(), checkpoint) == [0, 1, 2]
    maintain(filled, "batches")
    assert planned_batches(LocalStorage(), checkpoint) == [1, 2]
    run_batches(filled, range(3, 4))
    assert filled.count("batches") == 4


def test_rows_past_their_retention_go_and_the_rest_is_known_to_be_complete(filled: Sandbox) -> None:
    path = str(filled.root / "tables" / "predictions")
    now = datetime.now(UTC)
    old = F.lit(now - timedelta(days=31))
    DeltaTable.forPath(filled.spark, path).update(F.col("batch_id") == 0, {"scored_at": old})
    config = filled.config()
    assert complete_since(config, "predictions", now) is None
    filled.changes |= {"maintenance": {"retention": {"predictions": "30 days"}}}
    assert complete_since(filled.config(), "predictions", now) == now - timedelta(days=30)
    assert maintain(filled, "predictions") == []
    assert {row.batch_id for row in filled.rows("predictions")} == {1, 2}
    assert {row.batch_id for row in filled.rows("quarantine")} == {0, 1, 2}

    since = complete_since(config, "predictions", now)
    assert since is not None
    assert abs(since - (now - timedelta(days=30))) < timedelta(minutes=5)
    assert complete_since(config, "quarantine", now) is None
    later = now + timedelta(days=3)
    assert complete_since(filled.config(), "predictions", later) == later - timedelta(days=30)


def test_one_run_at_a_time(filled: Sandbox) -> None:
    path = maintenance_lease_path(filled.config().tables.root)
    with (
        Lease(storage=LocalStorage(), path=path, job="maintain_tables"),
        pytest.raises(
            LeaseError, match=r"being maintained by maintain_tables, pid \d+ on .*: wait for its end, or wait"
        ),
    ):
        maintain(filled)


class Beside:
    """Does something again and again in a thread, until left."""

    def __init__(self, action: Callable[[], Any]) -> None:
        self.action, self.rounds, self.error = action, 0, None
        self.stop = threading.Event()
        self.thread = threading.Thread(target=self.loop, daemon=True)

    def loop(self) -> None:
        try:
            while not self.stop.is_set():
                self.action()
                self.rounds += 1
        except Exception as error:  # noqa: BLE001 - raised again at the end
            self.error = error

    def check(self) -> None:
        if self.error:
            raise self.error

    def __enter__(self) -> "Beside":
        self.thread.start()
        return self

    def __exit__(self, *arguments: object) -> None:
        self.stop.set()
        self.thread.join()
        self.check()


def plan_again(sandbox: Sandbox, batch_id: int, *, age: timedelta) -> Path:
    """A plan like that of the batch before."""
    file = sandbox.root / "checkpoint" / "plan" / f"{batch_id}.json"
    plan = json.loads(file.with_name(f"{batch_id - 1}.json").read_text())
    file.write_text(json.dumps(plan | {"batch_id": batch_id, "planned_at": (datetime.now(UTC) - age).isoformat()}))
    return file


def test_a_stream_beside_it_loses_nothing(series: SeriesSandbox) -> None:
    """Appends, markers and new checkpoints of the log, while all is compacted again and again."""
    sandbox = series.sandbox
    series.drop("0.csv", quarters(FITTED, FITTED + 3))
    sandbox.run()
    with Beside(lambda: maintain(sandbox, "forecasts", "lags", "batches")) as beside:
        for number in range(1, 4):
            series.drop(f"{number}.csv", quarters(FITTED + 3 * number, FITTED + 3 * number + 3))
            sandbox.run()
        # On a slow machine the first round may take as long as all three batches.
        wait_until(lambda: beside.rounds >= 2, "two rounds of maintenance", beside.check)
    assert beside.rounds >= 2
    assert sandbox.count("observations") == 12
    assert sandbox.count("batches") == 4
    found = series.forecasts()
    assert len(found) == 10 * HORIZON * len(VARIABLES)
    assert not found.duplicated(["series_id", "cutoff", "step", "variable"]).any()
    assert {"WRITE", "OPTIMIZE"} <= set(operations(sandbox, "lags"))

    before = contents(sandbox, SERIES_TABLES)
    cut_off = plan_again(sandbox, 4, age=timedelta(days=2))
    [left] = maintain(sandbox, "lags")
    assert left.startswith("lags (batch 4 was planned on ")
    cut_off.unlink()
    assert maintain(sandbox) == []
    assert {name: files(sandbox, name) for name in SERIES_TABLES} == dict.fromkeys(SERIES_TABLES, 1) | {"quarantine": 0}
    assert contents(sandbox, SERIES_TABLES) == before


def test_there_may_be_no_tables_yet(sandbox: Sandbox, spark: SparkSession) -> None:
    Path(sandbox.config().tables.root).mkdir()
    assert maintain(sandbox) == []

"""A past window of rows is scored again: beside the answers, or in their place, whatever interrupts it."""

import importlib
import shutil
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import duckdb
import pandas as pd
import pytest
from deltalake import DeltaTable
from power_cuts import PowerCutError, cut_after, cut_off
from pyspark.sql import DataFrame, Row
from sandbox import WINE, Sandbox, TestRegistry, csv_file, wine
from snapshots import Snapshot

from penstock.errors import (
    ConfigError,
    EnvironmentCheckError,
    EvaluationFailedError,
    LedgerError,
    ModelRefusedError,
    RescoreError,
)
from penstock.operations.maintenance.maintain import maintain_tables
from penstock.operations.reconcile.reconcile import reconcile
from penstock.operations.run_rescore import give_up_rescore, run_rescore
from penstock.pipeline.rescore.plans import RescoreRecord, RescoreRequest
from penstock.spark.rewrite import written_files
from penstock.spark.tables import PreparedAppend, append_once, set_properties
from penstock.storage.delta_transactions import Transaction

MODEL = "wine-rescored"
#: Version 1 says the alcohol, and fails above 14 %. Version 2 says 10 * alcohol + pH.
FILES = {
    "a.csv": [WINE, wine(alcohol=14.5), wine(alcohol=10.0)],
    "b.csv": [wine(alcohol=11.0), wine(alcohol=11.0), wine(alcohol="none")],
    "c.csv": [wine(alcohol=12.5)],
    "d.csv": [wine(alcohol=13.0)],
}
BY_FIRST = {
    "a.csv": [(9.4, 9.4, None), (10.0, 10.0, None), (14.5, None, "ValueError: this is no table wine")],
    "b.csv": [(11.0, 11.0, None), (11.0, 11.0, None)],
    "c.csv": [(12.5, 12.5, None)],
    "d.csv": [(13.0, 13.0, None)],
}
BY_SECOND = {
    "a.csv": [(9.4, 97.51, None), (10.0, 103.51, None), (14.5, 148.51, None)],
    "b.csv": [(11.0, 113.51, None), (11.0, 113.51, None)],
    "c.csv": [(12.5, 128.51, None)],
}
#: What a row keeps.
KEPT = ("query_id", "batch_id", "source_file", "row_id", "fixed_acidity", "alcohol", "ph")
SECOND = timedelta(seconds=1)


@pytest.fixture(scope="module")
def models(registry: TestRegistry) -> None:
    for code, alias in (("fussy", "champion"), ("linear", "candidate"), ("broken", "broken")):
        registry.register(MODEL, code, example=pd.DataFrame([WINE]), outputs=pd.Series([1.5]), alias=alias)
    registry.register(MODEL, "echo", example=pd.DataFrame([{"x": 1.0}]), outputs=pd.Series([1.5]), alias="other")


@pytest.fixture(scope="module")
def scored(shared_sandbox: Sandbox, models: None) -> Snapshot:
    """Four batches by version 1, of a file each. b.csv has a row that is rejected."""
    shared_sandbox.changes = {"model": {"name": MODEL}, "source": {"max_files_per_trigger": 1}}
    for number, (name, rows) in enumerate(FILES.items()):
        shared_sandbox.drop(name, csv_file(*rows), age_seconds=60 - number)
    shared_sandbox.run()
    return Snapshot.of(shared_sandbox)


def window(sandbox: Sandbox, *, version: str = "2", purpose: Any = "replace") -> RescoreRequest:
    """From the first batch to the beginning of the last one."""
    moments = sorted({row.scored_at.replace(tzinfo=UTC) for row in sandbox.rows("predictions")})
    return RescoreRequest(begin=moments[0], end=moments[-1], version=version, purpose=purpose)


def rescore(sandbox: Sandbox, request: RescoreRequest, *, lines: list[str] | None = None) -> RescoreRecord | None:
    report = lines.append if lines is not None else print
    return run_rescore(sandbox.config(), request, chunk_rows=3, report=report)


def answers(rows: Sequence[Row]) -> dict[str, list[tuple[float, float | None, str | None]]]:
    """By file: alcohol, prediction and error."""
    found: dict[str, list[tuple[float, float | None, str | None]]] = {}
    for row in sorted(rows, key=lambda row: (row.source_file, row.alcohol)):
        found.setdefault(row.source_file.rpartition("/")[2], []).append((row.alcohol, row.prediction, row.error))
    return found


def kept(rows: Sequence[Row]) -> list[tuple[Any, ...]]:
    return sorted(tuple(row[name] for name in KEPT) for row in rows)


def inside(rows: Sequence[Row]) -> list[Row]:
    return [row for row in rows if not row.source_file.endswith("d.csv")]


@dataclass(frozen=True)
class Shadowed:
    """read: what its planning has read, in this order."""

    sandbox: Sandbox
    before: list[Row]
    record: RescoreRecord | None
    lines: list[str]
    read: list[str]


@pytest.fixture(scope="module")
def shadowed(scored: Snapshot) -> Shadowed:
    """By the alias of version 2."""
    sandbox, lines = scored.restored(), list[str]()
    before, read = sandbox.rows("predictions"), list[str]()
    with pytest.MonkeyPatch.context() as patch:
        for name in ("last_finished_batches", "lasting_version"):
            note_calls(patch, f"penstock.pipeline.rescore.planning.{name}", read)
        record = rescore(sandbox, window(sandbox, version="@candidate", purpose="shadow"), lines=lines)
    return Shadowed(sandbox, before, record, lines, read)


def note_calls(patch: pytest.MonkeyPatch, target: str, calls: list[str]) -> None:
    module, _, name = target.rpartition(".")
    original = getattr(importlib.import_module(module), name)

    def noted(*arguments: Any, **options: Any) -> Any:
        calls.append(name)
        return original(*arguments, **options)

    patch.setattr(target, noted)


def test_a_shadow_stands_beside_the_answers(shadowed: Shadowed) -> None:
    sandbox, found = shadowed.sandbox, shadowed.sandbox.rows("rescored_predictions")
    assert answers(found) == BY_SECOND
    assert kept(found) == kept(inside(shadowed.before))
    assert {(row.role, row.model_version, row.rescore_id) for row in found} == {("shadow", "2", 0)}
    assert sorted(sandbox.rows("predictions")) == sorted(shadowed.before)
    assert reconcile(sandbox.spark, sandbox.config()).differences == ()


def test_it_says_what_it_came_to(shadowed: Shadowed) -> None:
    """Five rows have an answer of both versions, of which each is 9 * alcohol + pH larger."""
    record = shadowed.record
    assert record is not None
    assert (record.rows, record.answers, record.changed) == (6, 5, 5)
    assert (record.failed_before, record.failed_after) == (1, 0)
    mean = sum(9 * alcohol + WINE["pH"] for alcohol in (9.4, 10.0, 11.0, 11.0, 12.5)) / 5
    assert record.mean_absolute_change == pytest.approx(mean)
    assert shadowed.lines == [f"rescore 0: chunk {number} of 2 written, 3 rows" for number in (1, 2)]


def test_a_version_is_pinned_after_the_batches_that_count_as_finished(shadowed: Shadowed) -> None:
    """One that finishes in between has rows that the version lacks."""
    assert shadowed.read == ["last_finished_batches", "lasting_version"]


def test_its_table_is_maintained_and_may_have_a_retention(shadowed: Shadowed) -> None:
    """Without time for any, all tables are left for the next run."""
    sandbox = shadowed.sandbox
    sandbox.changes["maintenance"] = {"budget": 0, "retention": {"rescored_predictions": "30 days"}}
    left = maintain_tables(sandbox.spark, sandbox.config())
    assert left == ["quarantine", "predictions", "batches", "rescored_predictions"]


@dataclass(frozen=True)
class Replaced:
    """versions: of `predictions` just before and after the replacement. record: of the run that finished it."""

    sandbox: Sandbox
    before: list[Row]
    request: RescoreRequest
    unfinished: list[list[Row]]
    versions: tuple[int, int]
    record: RescoreRecord | None


@pytest.fixture(scope="module")
def replaced(scored: Snapshot) -> Replaced:
    """Interrupted before and after each of its writes: each run gets one further."""
    sandbox = scored.restored()
    before, request, unfinished = sandbox.rows("predictions"), window(sandbox), list[list[Row]]()
    sandbox.changes["labels"] = {"conf": "nowhere.yaml", "key": ["pH"], "value": "quality"}
    with pytest.raises(EvaluationFailedError, match=r"nowhere\.yaml: there is no such file.*; nothing is replaced"):
        rescore(sandbox, request)
    assert not (sandbox.root / "tables" / "_rescores" / "0.json").exists()
    del sandbox.changes["labels"]

    def interrupted(prepare: Callable[[pytest.MonkeyPatch], None]) -> None:
        with pytest.MonkeyPatch.context() as patch:
            prepare(patch)
            with pytest.raises(PowerCutError):
                rescore(sandbox, request)
        unfinished.append(sandbox.rows("predictions"))

    steps = "penstock.pipeline.rescore.chunks.write_rows"
    interrupted(lambda patch: patch.setattr(PreparedAppend, "commit", cut_off))
    interrupted(lambda patch: cut_after(patch, steps))
    interrupted(lambda patch: cut_after(patch, steps))
    interrupted(lambda patch: patch.setattr("penstock.operations.run_rescore.replace_answers", cut_off))
    version = table_of(sandbox).version()
    with pytest.MonkeyPatch.context() as patch:
        cut_after(patch, "penstock.operations.run_rescore.replace_answers")
        with pytest.raises(PowerCutError):
            rescore(sandbox, request)
    sandbox.changes["labels"] = {"conf": "nowhere.yaml", "key": ["pH"], "value": "quality"}
    record = run_rescore(sandbox.config(), request, evaluates=False)
    del sandbox.changes["labels"]
    return Replaced(sandbox, before, request, unfinished, (version, table_of(sandbox).version()), record)


def table_of(sandbox: Sandbox) -> DeltaTable:
    return DeltaTable(f"{sandbox.root}/tables/predictions")


def test_a_replacement_is_there_once_whatever_interrupts_it(replaced: Replaced) -> None:
    found = replaced.sandbox.rows("predictions")
    assert answers(found) == BY_SECOND | {"d.csv": BY_FIRST["d.csv"]}
    assert kept(found) == kept(replaced.before)
    new = {(row.role, row.model_version, row.rescore_id) for row in inside(found)}
    assert new == {("rescored", "2", 0)}
    assert [row for row in found if row not in inside(found)] == [
        row for row in replaced.before if row not in inside(replaced.before)
    ]
    assert len(replaced.sandbox.rows("rescored_predictions")) == 6
    assert replaced.record is not None
    assert (replaced.record.rows, replaced.record.changed, replaced.record.failed_before) == (6, 5, 1)


def test_a_reader_sees_the_old_answers_or_the_new_ones(replaced: Replaced) -> None:
    """One commit changes them: there is no version in between, for whatever reader."""
    assert all(sorted(rows) == sorted(replaced.before) for rows in replaced.unfinished)
    old, new = replaced.versions
    assert new == old + 1
    path = f"{replaced.sandbox.root}/tables/predictions"
    for version, expected in ((old, BY_FIRST), (new, BY_SECOND | {"d.csv": BY_FIRST["d.csv"]})):
        rows = DeltaTable(path, version=version).to_pyarrow_table()  # noqa: F841 - DuckDB reads it by its name
        [sums] = duckdb.sql("SELECT sum(prediction), count(*) FROM rows").fetchall()
        expected_sum = sum(one[1] or 0 for file in expected.values() for one in file)
        assert sums == (pytest.approx(expected_sum), 7)


@pytest.fixture(scope="module")
def streamed_on(replaced: Replaced) -> Sandbox:
    """A further batch by version 1, and then version 1 for the same window: it is found at its old time. The table's
    metadata are changed after its replacement is computed."""
    sandbox, computed = replaced.sandbox, list[int]()
    sandbox.drop("e.csv", csv_file(wine(alcohol=9.0)))
    sandbox.run()
    path = sandbox.config().table_path("predictions")

    def written_then_change(transaction: Any, parts: list[DataFrame], table: DataFrame) -> list[Any]:
        found = written_files(transaction, parts, table)
        computed.append(len(found))
        if len(computed) == 1:
            set_properties(sandbox.spark, path, {"penstock.test": str(len(computed))})
        return found

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("penstock.spark.rewrite.written_files", written_then_change)
        rescore(sandbox, replaced.request.model_copy(update={"version": "1"}))
    assert len(computed) == 2
    return sandbox


def test_the_stream_continues_and_the_window_can_be_scored_again(streamed_on: Sandbox) -> None:
    found = streamed_on.rows("predictions")
    assert answers(found) == BY_FIRST | {"e.csv": [(9.0, 9.0, None)]}
    assert {row.rescore_id for row in inside(found) if row.alcohol > 9.0} == {1}
    assert reconcile(streamed_on.spark, streamed_on.config()).differences == ()


@pytest.fixture
def sandbox(scored: Snapshot) -> Sandbox:
    return scored.restored()


def interrupt(sandbox: Sandbox, request: RescoreRequest, patch: pytest.MonkeyPatch, *, after: str) -> None:
    with patch.context() as cut:
        cut_after(cut, f"penstock.{after}")
        with pytest.raises(PowerCutError):
            rescore(sandbox, request)


def test_an_unfinished_one_is_finished_or_given_up_before_another(
    sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    request = window(sandbox)
    interrupt(sandbox, request, monkeypatch, after="pipeline.rescore.chunks.write_rows")
    other = request.model_copy(update={"version": "1"})
    with pytest.raises(RescoreError, match=r"rescore 0 of .* Finish it: .* --version 2 --as replace; or .* --give-up"):
        rescore(sandbox, other)
    before = sandbox.rows("predictions")
    sandbox.spark.conf.set("spark.databricks.delta.stats.collect", "false")
    try:
        with pytest.raises(RescoreError, match="the files of chunk 1 for rescored_predictions have no statistics"):
            rescore(sandbox, request)
    finally:
        sandbox.spark.conf.unset("spark.databricks.delta.stats.collect")
    assert len(sandbox.rows("rescored_predictions")) == 3
    assert give_up_rescore(sandbox.config()) is not None
    assert sandbox.rows("rescored_predictions") == []
    assert sorted(sandbox.rows("predictions")) == sorted(before)
    assert give_up_rescore(sandbox.config()) is None
    # The next has another number, even where the folder of the plans is lost.
    for path in (sandbox.root / "tables" / "_rescores").iterdir():
        path.rename(sandbox.root / path.name)
    interrupt(sandbox, request, monkeypatch, after="operations.run_rescore.replace_answers")
    with pytest.raises(RescoreError, match="rescore 1 has replaced the answers in predictions already"):
        give_up_rescore(sandbox.config())
    assert rescore(sandbox, request) is not None
    assert {row.rescore_id for row in sandbox.rows("predictions")} == {None, 1}


def test_a_batch_that_the_stream_appends_meanwhile_is_no_conflict(
    sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It comes between the beginning of the replacement and its commit, which is made at the first attempt."""
    [row] = [row for row in sandbox.rows("predictions") if row.alcohol == 13.0]
    appended = sandbox.spark.createDataFrame([row], sandbox.table("predictions").schema).drop("query_id", "batch_id")
    begun: list[str] = []

    def append_meanwhile(*arguments: Any, **_: Any) -> None:
        begun.append(arguments[2])
        if arguments[2] == "predictions":
            transaction = Transaction(pipeline="wine", query_id="stream", batch_id=len(begun))
            append_once(appended, sandbox.config().table_path("predictions"), transaction)

    monkeypatch.setattr("penstock.pipeline.rescore.swap.check_rows", append_meanwhile)
    assert rescore(sandbox, window(sandbox)) is not None
    assert begun == ["rescored_predictions", "predictions"]
    found = sandbox.rows("predictions")
    assert [row.alcohol for row in found if row.query_id == "stream"] == [13.0]
    assert answers([row for row in found if row.rescore_id == 0]) == BY_SECOND


def test_rows_deleted_meanwhile_are_not_put_back(sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch) -> None:
    request = window(sandbox)
    with monkeypatch.context() as cut:
        cut.setattr("penstock.operations.run_rescore.replace_answers", cut_off)
        with pytest.raises(PowerCutError):
            rescore(sandbox, request)
    sandbox.spark.sql(f"DELETE FROM delta.`{sandbox.root}/tables/predictions` WHERE alcohol = 11.0")
    with pytest.raises(RescoreError, match="predictions has 4 rows of its window, and there were 6"):
        rescore(sandbox, request)
    assert {row.rescore_id for row in sandbox.rows("predictions")} == {None}


def test_what_can_not_be_scored_again(sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing is planned or written by any of these."""
    request = window(sandbox)

    def refused(error: type[Exception], match: str, **changes: Any) -> None:
        with pytest.raises(error, match=match):
            rescore(sandbox, request.model_copy(update=changes))

    refused(ModelRefusedError, "has no version 99", version="99")
    refused(ModelRefusedError, "no model .* with the alias 'nobody'", version="@nobody")
    refused(ModelRefusedError, "is refused, and nothing is rescored: it failed on 3 of 3 probe rows", version="@broken")
    refused(ModelRefusedError, "does not fit the contract: input 'x' is in no field", version="@other")
    sandbox.changes["model"] = {"name": MODEL, "allowed_sha256": ["0" * 64]}
    refused(ModelRefusedError, r"is not in model\.allowed_sha256")
    sandbox.changes["model"] = {"name": MODEL}
    early = {"begin": request.begin - 2 * SECOND, "end": request.begin - SECOND}
    assert rescore(sandbox, request.model_copy(update=early)) is None

    with monkeypatch.context() as cut:
        cut.setattr(PreparedAppend, "commit", cut_off)
        sandbox.drop("e.csv", csv_file(wine(alcohol=9.0)))
        with pytest.raises(PowerCutError):
            sandbox.run()
    refused(RescoreError, "batch 4 of query .* is in the window and not finished", end=datetime.now(UTC))
    sandbox.run()
    replays = sandbox.root / "tables" / "_replays"
    replays.mkdir()
    shutil.copy(sandbox.root / "checkpoint" / "plan" / "0.json", replays)
    refused(LedgerError, "replay 0 of .* was cut off")
    assert not (sandbox.root / "tables" / "_rescores").exists()
    assert sandbox.rows("rescored_predictions") == []
    sandbox.changes["tables"] = {"root": f"{sandbox.root}/elsewhere"}
    refused(EnvironmentCheckError, "there is no table predictions in .*: nothing was scored yet")
    sandbox.changes["contract"] = "schemas.nothing:CONTRACT"
    refused(ConfigError, "there is no module")

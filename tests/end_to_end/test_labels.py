"""A pipeline of labels: which label of a key counts, and that no key ever has two that do."""

import random
import shutil
from collections import Counter, defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import pandas as pd
import pytest
from power_cuts import replay_cut_off, run_cut_off
from sandbox import Sandbox

from penstock.interfaces.sql.duckdb_queries import connect_duckdb
from penstock.jobs import show_status
from penstock.models.resolved import ModelAtStart
from penstock.operations.doctor.checks import examine
from penstock.operations.doctor.spark_checks import examine_with_spark
from penstock.operations.monitoring.status import read_status
from penstock.operations.monitoring.status_text import as_text
from penstock.operations.reconcile.reconcile import Reconciliation, reconcile
from penstock.pipeline.batch_record import BatchRecord
from penstock.pipeline.replay.report import report
from penstock.pipeline.stream import progress_line

#: order_id, quality, and `error` or None: what became of a label.
Label = tuple[int, float, str | None]


def use_labels(sandbox: Sandbox, **changes: object) -> Sandbox:
    sandbox.changes = {
        "pipeline": "wine-labels",
        "workload": "labels",
        "model": None,
        "mlflow": None,
        "label": {"key": ["order_id"], "value": "quality"},
        "contract": "sample_contracts:LABELS",
        **changes,
    }
    return sandbox


def label_file(*labels: tuple[object, object]) -> bytes:
    lines = [f"{order_id},{quality}," for order_id, quality in labels]
    return ("\n".join(["order_id,quality,taster", *lines]) + "\n").encode()


def labels_in(sandbox: Sandbox, file: str) -> list[Label]:
    rows = sandbox.rows("labels", file=file)
    return sorted(((row.order_id, row.quality, row.error) for row in rows), key=str)


def counting(sandbox: Sandbox) -> dict[int, float]:
    """The label of each key. That none has two is held here, for all tests."""
    rows = [row for row in sandbox.rows("labels") if row.error is None]
    assert len({row.order_id for row in rows}) == len(rows)
    return {row.order_id: row.quality for row in rows}


@dataclass(frozen=True)
class Story:
    """What was found after each of its days."""

    sandbox: Sandbox
    records: dict[str, BatchRecord]
    counted: dict[str, dict[int, float]]
    reconciled: Reconciliation


@pytest.fixture(scope="module")
def story(shared_sandbox: Sandbox) -> Story:
    sandbox, records, counted = use_labels(shared_sandbox), {}, {}
    first = label_file((1, 5), (2, 6), (3, ""), (4, 5), (4, 7), (5, 5), (5, 5), (6, "good"), ("x", 5), (9, 99), (8, "NaN"))
    days = {
        # The older file comes last by its name: it is its modification time that counts.
        "first": [("z.csv", first, 90), ("b.csv", label_file((2, 8), (4, 6), (7, 3)), 80)],
        "doubled": [("z-again.csv", first, 70)],
        "wrong": [("wrong.csv", label_file((101, 1), (102, 1), (102, 2)), 60)],
        "corrected": [("corrected.csv", label_file((101, 7), (102, 8), (9, 9)), 50)],
    }
    for day, files in days.items():
        for name, content, age_seconds in files:
            sandbox.drop(name, content, age_seconds=age_seconds)
        [records[day]] = sandbox.run()
        counted[day] = counting(sandbox)
    return Story(sandbox, records, counted, reconcile(sandbox.spark, sandbox.config()))


def test_the_first_label_of_a_key_counts(story: Story) -> None:
    assert labels_in(story.sandbox, "z.csv") == [
        (1, 5.0, None),
        (2, 6.0, None),
        (4, 5.0, "conflict"),
        (4, 7.0, "conflict"),
        (5, 5.0, "revision"),
        (5, 5.0, None),
    ]
    assert labels_in(story.sandbox, "b.csv") == [(2, 8.0, "revision"), (4, 6.0, None), (7, 3.0, None)]
    assert story.counted["first"] == {1: 5, 2: 6, 4: 6, 5: 5, 7: 3}


def test_what_is_no_label_is_quarantined_with_its_reason(story: Story) -> None:
    assert story.sandbox.reasons("z.csv") == [
        ["order_id: 'x' is not a long"],
        ["quality: 'NaN' is not a double"],
        ["quality: 'good' is not a double"],
        ["quality: is null, and the contract wants a value"],
        ["rule quality_in_range: not true: quality BETWEEN 0 AND 10"],
    ]


def test_a_doubled_file_changes_nothing_that_counts(story: Story) -> None:
    assert story.counted["doubled"] == story.counted["first"]
    errors = Counter(error for _, _, error in labels_in(story.sandbox, "z-again.csv"))
    assert errors == {"revision": 4, "conflict": 2}


def test_a_correction_is_a_revision_but_where_labels_contradicted_each_other(story: Story) -> None:
    assert labels_in(story.sandbox, "wrong.csv") == [(101, 1.0, None), (102, 1.0, "conflict"), (102, 2.0, "conflict")]
    assert labels_in(story.sandbox, "corrected.csv") == [(101, 7.0, "revision"), (102, 8.0, None), (9, 9.0, None)]
    assert story.counted["corrected"] == story.counted["first"] | {101: 1, 102: 8, 9: 9}


def test_a_batch_says_what_became_of_its_labels(story: Story) -> None:
    record = story.records["first"]
    assert (record.accepted, record.quarantined, record.failed, record.plan.models) == (9, 5, 0, ())
    said = progress_line(record, 2.0)
    assert said == "batch 0: 2 files, 14 rows in 2.0 s, 9 accepted (2 conflict, 2 revision), 5 rows quarantined"
    rows = sorted(story.sandbox.rows("batches"), key=lambda row: row.batch_id)
    assert [(row.accepted, row.quarantined, row.versions) for row in rows[:2]] == [(9, 5, {}), (6, 5, {})]
    assert rows[0].resolved_at is None


def test_a_reconciliation_balances(story: Story) -> None:
    assert story.reconciled.differences == ()
    balance = story.reconciled.balance
    assert (balance.inbox, balance.scored, balance.quarantined, balance.unaccounted) == (31, 21, 10, 0)


def test_status_tells_of_labels_and_of_no_model(story: Story, capsys: pytest.CaptureFixture[str]) -> None:
    status = read_status(story.sandbox.config())
    assert status.last_batch is not None
    assert (status.workload, status.model, status.backlog_files, status.last_batch.batch_id) == ("labels", None, 0, 3)
    text = as_text(status)
    assert "3 accepted, 0 quarantined" in text
    assert "model" not in text
    assert "scored" not in text


def test_the_doctor_has_nothing_to_repair(story: Story) -> None:
    config = story.sandbox.config()
    assert ModelAtStart.if_any(config) is None
    findings = [*examine(config, None), *examine_with_spark(story.sandbox.spark, config, None)]
    assert [finding.check for finding in findings if not finding.ok] == []
    checks = [finding.check for finding in findings]
    assert checks[4:] == ["contract", "inbox", "tables", "checkpoint", "rules", "schemas", "ledger", "checks"]


def test_duckdb_reads_the_table(story: Story) -> None:
    with connect_duckdb(story.sandbox.config()) as tables:
        found = tables.execute("SELECT coalesce(error, 'counts'), count(*) FROM labels GROUP BY 1 ORDER BY 1").fetchall()
    assert found == [("conflict", 6), ("counts", 8), ("revision", 7)]

"""A pipeline of labels: which label of a key counts, that no key ever has two that do, and what is judged by them."""

import random
import shutil
from collections import Counter, defaultdict
from dataclasses import dataclass, field
from pathlib import Path

import pandas as pd
import pytest
import yaml
from evaluations import arrow_table, evaluate
from labelled_tables import LabelledTables, Prediction
from power_cuts import replay_cut_off, run_cut_off
from pyspark.sql import SparkSession
from sandbox import Sandbox, TestRegistry

from penstock.interfaces.sql.duckdb_queries import run_duckdb_query
from penstock.interfaces.sql.spark_queries import run_query
from penstock.interfaces.sql.views import views_of
from penstock.models.resolved import ModelAtStart
from penstock.operations.doctor.checks import examine
from penstock.operations.doctor.spark_checks import examine_with_spark
from penstock.operations.monitoring.status import read_status
from penstock.operations.monitoring.status_text import as_text
from penstock.operations.reconcile.reconcile import Reconciliation, reconcile
from penstock.pipeline.batch_record import BatchRecord
from penstock.pipeline.evaluation.record import EvaluationRecord
from penstock.pipeline.replay.report import report
from penstock.pipeline.stream import progress_line
from penstock.schemas.catalog import table_names

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


#: Orders with a prediction, which is 5. Order 5 was placed more than look_back before its label; 7 has none.
PREDICTED = (1, 2, 3, 4, 5, 6, 8, 9, 10, 101, 102)
#: Hours.
PLACED, PLACED_LONG_BEFORE = 2.0, 31 * 24.0


@dataclass(frozen=True)
class Story:
    """What was found after each of its days. judged: pairs and the sum of their absolute errors, by an evaluation."""

    sandbox: Sandbox
    records: dict[str, BatchRecord]
    counted: dict[str, dict[int, float]]
    reconciled: Reconciliation
    judged: dict[str, tuple[int, float]] = field(default_factory=dict)
    last: EvaluationRecord | None = None


def orders_of(labels: Sandbox, folder: Path) -> Sandbox:
    """A pipeline of rows that these labels are for, with its predictions."""
    orders = Sandbox(root=folder, spark=labels.spark, registry=labels.registry)
    tables = LabelledTables(orders)
    (folder / "labels.yaml").write_text(yaml.safe_dump(labels.config().model_dump(mode="json", exclude_none=True)))
    orders.changes["evaluate"] = {"loss": "absolute"}
    placed = {order: PLACED_LONG_BEFORE if order == 5 else PLACED for order in PREDICTED}
    tables.predict(
        "q", 0, *[Prediction(order_id=n, placed=hours, scored=hours, answer=5.0) for n, hours in placed.items()]
    )
    return orders


def judged_so_far(orders: Sandbox, *, is_final: bool = False) -> tuple[int, float]:
    rows = arrow_table(f"{orders.location}/tables/evaluations").to_pylist()
    mine = [row for row in rows if row["is_final"] == is_final]
    return sum(row["pairs"] for row in mine), sum(row["champion_abs"] for row in mine)


@pytest.fixture(scope="module")
def story(shared_sandbox: Sandbox, tmp_path_factory: pytest.TempPathFactory) -> Story:
    sandbox, records, counted = use_labels(shared_sandbox), {}, {}
    orders = orders_of(sandbox, tmp_path_factory.mktemp("orders"))
    judged: dict[str, tuple[int, float]] = {}
    last = None
    first = label_file(
        *((1, 5), (2, 6), (3, ""), (4, 5), (4, 7), (5, 5), (5, 5), (6, "good"), ("x", 5), ("", 5), (9, 99), (8, "NaN"))
    )
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
        last = [last, *evaluate(orders)][-1]
        judged[day] = judged_so_far(orders)
    evaluate(orders, is_final=True)
    judged["final"] = judged_so_far(orders, is_final=True)
    return Story(sandbox, records, counted, reconcile(sandbox.spark, sandbox.config()), judged, last)


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
        ["order_id: is null, and the contract wants a value"],
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


def test_answers_are_judged_once_by_the_label_that_counts(story: Story) -> None:
    """By hand. Labels of orders 1, 2, 4, then 101, then 102 and 9; of 5 it came too late, and 7 is no order."""
    assert story.judged["first"] == (3, abs(5 - 5) + abs(6 - 5) + abs(6 - 5))
    assert story.judged["doubled"] == story.judged["first"]
    assert story.judged["wrong"] == (4, 2 + abs(1 - 5))
    # The right label of 101 is a revision.
    assert story.judged["corrected"] == (6, 6 + abs(8 - 5) + abs(9 - 5))
    assert story.last is not None
    # Orders 5 and 7; and 3, 5, 6, 8 and 10, but that 5 is older than look_back.
    assert (story.last.unmatched, story.last.unlabelled) == (2, 4)


def test_a_day_of_wrong_labels_is_corrected_in_a_final_evaluation(story: Story) -> None:
    """101 is 7, and 1 no more."""
    pairs, absolute = story.judged["corrected"]
    assert story.judged["final"] == (pairs, absolute - abs(1 - 5) + abs(7 - 5))


def test_a_batch_says_what_became_of_its_labels(story: Story) -> None:
    record = story.records["first"]
    assert (record.accepted, record.quarantined, record.failed, record.plan.models) == (9, 6, 0, ())
    said = progress_line(record, 2.0)
    assert said == "batch 0: 2 files, 15 rows in 2.0 s, 9 accepted (2 conflict, 2 revision), 6 rows quarantined"
    rows = sorted(story.sandbox.rows("batches"), key=lambda row: row.batch_id)
    assert [(row.accepted, row.quarantined, row.versions) for row in rows[:2]] == [(9, 6, {}), (6, 6, {})]
    assert rows[0].resolved_at is None


def test_a_reconciliation_balances(story: Story) -> None:
    assert story.reconciled.differences == ()
    balance = story.reconciled.balance
    assert (balance.inbox, balance.scored, balance.quarantined, balance.unaccounted) == (33, 21, 12, 0)


def test_status_tells_of_labels_and_of_no_model(story: Story) -> None:
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


def test_a_query_counts_them(story: Story) -> None:
    config = story.sandbox.config()
    by_spark = run_query(story.sandbox.spark, config, "labels_by_outcome").collect()
    by_duckdb = run_duckdb_query(config, "labels_by_outcome").to_pylist()
    for rows in (by_spark, by_duckdb):
        assert [(row["outcome"], row["labels"]) for row in rows] == [("counts", 8), ("revision", 7), ("conflict", 6)]
    assert [view.name for view in views_of(config, table_names("labels"))] == ["quarantine_by_reason", "batch_health"]


@pytest.fixture(scope="module")
def interrupted(spark: SparkSession, registry: TestRegistry, tmp_path_factory: pytest.TempPathFactory) -> Story:
    """Each run but the last of its kind is cut off between two of its writes; then the checkpoint is lost."""
    sandbox = Sandbox(root=tmp_path_factory.mktemp("interrupted"), spark=spark, registry=registry)
    use_labels(sandbox)
    counted = {}
    with pytest.MonkeyPatch.context() as patch:
        sandbox.drop("a.csv", label_file((1, 5), (2, 99), (3, 3), (10, 50)), age_seconds=90)
        for step in ("labels", "pipeline.microbatch.commit_marker"):  # after the quarantine, and after the labels
            run_cut_off(sandbox, patch, before=step)
        sandbox.drop("b.csv", label_file((1, 8), (2, 6), (3, 3), (4, 4)), age_seconds=80)
        sandbox.run()
        counted["streamed"] = counting(sandbox)
        use_labels(sandbox, contract="sample_contracts:LABELS_OF_ANY_QUALITY")
        for step in ("labels", "pipeline.microbatch.commit_marker"):
            replay_cut_off(sandbox, patch, before=step)
        [replayed] = sandbox.replay()
        counted["replayed"] = counting(sandbox)
        sandbox.drop("c.csv", label_file((10, 1), (11, 4)), age_seconds=70)
        run_cut_off(sandbox, patch, before="pipeline.microbatch.commit_marker")
        counted["cut off"] = counting(sandbox)
    shutil.rmtree(sandbox.root / "checkpoint")
    sandbox.drop("d.csv", label_file((11, 5), (1, 9)), age_seconds=60)
    for name, keys in {"int.parquet": pd.Series([12], dtype="int32"), "text.parquet": pd.Series(["thirteen"])}.items():
        pd.DataFrame({"order_id": keys, "quality": [2.0], "taster": [None]}).to_parquet(path := sandbox.inbox / name)
        sandbox.age(path, 50)
    [resumed] = sandbox.run(resume=True)
    counted["resumed"] = counting(sandbox)
    return Story(sandbox, {"replayed": replayed, "resumed": resumed}, counted, reconcile(spark, sandbox.config()))


def test_a_batch_that_was_cut_off_writes_each_label_once(interrupted: Story) -> None:
    assert labels_in(interrupted.sandbox, "b.csv") == [
        (1, 8.0, "revision"),
        (2, 6.0, None),
        (3, 3.0, "revision"),
        (4, 4.0, None),
    ]
    assert interrupted.counted["streamed"] == {1: 5, 2: 6, 3: 3, 4: 4}


def test_a_replayed_label_counts_unless_its_key_has_one_by_now(interrupted: Story) -> None:
    assert labels_in(interrupted.sandbox, "a.csv") == [
        (1, 5.0, None),
        (10, 50.0, None),
        (2, 99.0, "revision"),
        (3, 3.0, None),
    ]
    assert interrupted.counted["replayed"] == interrupted.counted["streamed"] | {10: 50}
    said = report(interrupted.records["replayed"])
    assert said == "replay 1: 2 rows accepted (1 revision), 0 rejected for other reasons than before"


def test_a_lost_checkpoint_gives_no_key_another_label(interrupted: Story) -> None:
    """c.csv was in the tables without its batch's marker: it is taken again, and is older than d.csv still."""
    assert interrupted.counted["cut off"] == interrupted.counted["replayed"] | {11: 4}
    assert interrupted.counted["resumed"] == interrupted.counted["cut off"] | {12: 2}
    assert labels_in(interrupted.sandbox, "c.csv") == [(10, 1.0, "revision"), (11, 4.0, None)]
    assert labels_in(interrupted.sandbox, "d.csv") == [(1, 9.0, "revision"), (11, 5.0, "revision")]


def test_a_key_of_another_type_is_cast_or_its_file_refused(interrupted: Story) -> None:
    assert labels_in(interrupted.sandbox, "int.parquet") == [(12, 2.0, None)]
    assert interrupted.sandbox.reasons("text.parquet") == [
        ["schema: column 'order_id' is string, which can't be a long without loss"]
    ]


def test_nothing_is_missing_after_the_interruptions(interrupted: Story) -> None:
    assert interrupted.reconciled.differences == ()
    assert interrupted.reconciled.balance.unaccounted == 0


def expected_errors(
    batches: list[list[tuple[str, list[tuple[int, int]]]]],
) -> Counter[tuple[str, int, int, str | None]]:
    """How often each label of each file has each `error`, found label by label. batches: of files in their order."""
    known: set[int] = set()
    found: Counter[tuple[str, int, int, str | None]] = Counter()
    for files in batches:
        for name, labels in files:
            values = defaultdict(set)
            for key, value in labels:
                values[key].add(value)
            for key, value in labels:
                if len(values[key]) > 1:
                    error = "conflict"
                else:
                    error = "revision" if key in known else None
                    known.add(key)
                found[name, key, value, error] += 1
    return found


def test_the_cut_into_batches_does_not_matter(
    spark: SparkSession, registry: TestRegistry, tmp_path_factory: pytest.TempPathFactory
) -> None:
    dice = random.Random(7)
    files = [(f"{dice.random()}.csv", [(dice.randint(1, 12), dice.randint(1, 3)) for _ in range(8)]) for _ in range(6)]
    expected = expected_errors([files])
    assert {error for *_, error in expected} == {None, "revision", "conflict"}
    for files_a_batch in (2, 100):
        sandbox = Sandbox(root=tmp_path_factory.mktemp("cut"), spark=spark, registry=registry)
        use_labels(sandbox, source={"max_files_per_trigger": files_a_batch})
        for number, (name, labels) in enumerate(files):
            sandbox.drop(name, label_file(*labels), age_seconds=100 - number)
        assert len(sandbox.run()) == -(-len(files) // files_a_batch)
        found = [(Path(r.source_file).name, r.order_id, r.quality, r.error) for r in sandbox.rows("labels")]
        assert Counter(found) == expected

"""What comes after the answers, with all tables on a real S3 server: labels, evaluations, rescores, comparisons,
explanations and reconciliations. Numbers by hand, and sums by DuckDB over the rows of the tables."""

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
import yaml
from evaluations import SERIES_SQL, SUMS, assert_same, sums
from faults.bench import Bench
from faults.feeds import IDS, SERIES_FEED, deliver_text
from power_cuts import PowerCutError, cut_after, cut_off
from sandbox import Sandbox

from penstock.operations.compare.compare import compare
from penstock.operations.compare.request import Request
from penstock.operations.explain.explain import Question, explain
from penstock.operations.explain.report import ForecastReport, PredictionReport
from penstock.operations.model_store.versions import read_model_versions
from penstock.operations.monitoring.status import read_status
from penstock.operations.reconcile.reconcile import reconcile
from penstock.operations.run_evaluation import run_evaluation
from penstock.operations.run_rescore import run_rescore
from penstock.pipeline.rescore.plans import RescoreRequest

MODEL = "orders-on-s3"
#: Order and x. Version 1 says 2 x, version 2 says 3 x; the labels are 3 x + 1, of order 5 none, of 99 no order.
ORDERS = {1: 1.0, 2: 2.0, 3: 4.0, 4: 0.5, 5: 8.0}
LABELLED = (1, 2, 3, 4)
LABELS = {order: 3 * ORDERS[order] + 1 for order in LABELLED} | {99: 7.0}
#: Mean absolute errors over the labelled orders: x + 1 and 1.
LOSS = {"1": sum(ORDERS[order] + 1 for order in LABELLED) / 4, "2": 1.0}


def labels_sandbox(bench: Bench) -> Sandbox:
    sandbox = bench.sandbox("labels")
    sandbox.changes = {
        "pipeline": "order-labels",
        "workload": "labels",
        "model": None,
        "mlflow": None,
        "label": {"key": ["order_id"], "value": "quality"},
        "contract": "sample_contracts:LABELS_OF_ANY_QUALITY",
    }
    return sandbox


def orders_sandbox(bench: Bench, labels: Sandbox) -> Sandbox:
    conf = bench.folder / "labels.yaml"
    conf.write_text(yaml.safe_dump(labels.config().model_dump(mode="json", exclude_none=True)))
    sandbox = bench.sandbox("orders")
    sandbox.changes = {
        "pipeline": "orders",
        "contract": "sample_contracts:ORDERS",
        "model": {"name": MODEL},
        "labels": {"conf": str(conf), "key": ["order_id"], "value": "quality", "time": "placed_at"},
        "evaluate": {"loss": "absolute"},
    }
    return sandbox


def register(bench: Bench, code: str, *, alias: str) -> str:
    example = pd.DataFrame({"x": [1.5]})
    return bench.registry.register(MODEL, code, example=example, outputs=pd.Series([3.0]), alias=alias)


@pytest.fixture
def orders(bench: Bench) -> Sandbox:
    """All orders are answered by version 1, and one line is no order; then the labels come."""
    assert (register(bench, "echo", alias="champion"), register(bench, "tripled", alias="candidate")) == ("1", "2")
    labels = labels_sandbox(bench)
    sandbox = orders_sandbox(bench, labels)
    placed = datetime.now(UTC) - timedelta(hours=2)
    lines = [f"{order},{placed:%Y-%m-%d %H:%M:%S},{x},n" for order, x in ORDERS.items()]
    deliver_text(sandbox, 0, "\n".join(["order_id,placed_at,x,note", *lines[:3], "6,never,1,n"]) + "\n")
    deliver_text(sandbox, 1, "\n".join(["order_id,placed_at,x,note", *lines[3:]]) + "\n")
    sandbox.run()
    deliver_text(labels, 0, "order_id,quality,taster\n" + "".join(f"{key},{label},\n" for key, label in LABELS.items()))
    labels.run()
    assert reconcile(bench.spark, labels.config()).differences == ()
    return sandbox


def answers(sandbox: Sandbox, table: str = "predictions") -> dict[int, tuple[str, str, float]]:
    rows = sandbox.rows(table)
    assert len({row.order_id for row in rows}) == len(rows)
    return {row.order_id: (row.model_version, row.role, row.prediction) for row in rows}


def rescore(sandbox: Sandbox, purpose: Any) -> None:
    """Of all there is."""
    begin, end = datetime(2020, 1, 1, tzinfo=UTC), datetime(2100, 1, 1, tzinfo=UTC)
    request = RescoreRequest(begin=begin, end=end, version="2", purpose=purpose)
    record = run_rescore(sandbox.config(), request, chunk_rows=3)
    assert record is not None
    assert (record.rows, record.changed) == (5, 5)
    assert record.mean_absolute_change == pytest.approx(sum(ORDERS.values()) / 5)


def explained(sandbox: Sandbox, order: int) -> PredictionReport:
    found = explain(sandbox.config(), Question(where=f"order_id = {order}"))
    assert isinstance(found, PredictionReport)
    assert found.is_confirmed
    assert found.file.now == "unchanged"
    assert found.file.path == f"{sandbox.location}/inbox/00000{0 if order < 4 else 1}.csv"
    return found


def losses(sandbox: Sandbox, *, is_final: bool) -> dict[str, tuple[int, float | None]]:
    report = run_evaluation(sandbox.config(), is_final=is_final)
    return {row.version: (row.pairs, row.loss) for row in report.summary}


def test_rows_from_their_labels_to_another_version(orders: Sandbox, monkeypatch: pytest.MonkeyPatch) -> None:
    assert losses(orders, is_final=False) == {"1": (4, pytest.approx(LOSS["1"]))}
    rescore(orders, "shadow")
    by_first = {order: ("1", "champion", 2 * x) for order, x in ORDERS.items()}
    by_second = {order: ("2", "rescored", 3 * x) for order, x in ORDERS.items()}
    assert answers(orders) == by_first
    assert answers(orders, "rescored_predictions") == {order: ("2", "shadow", 3 * x) for order, x in ORDERS.items()}
    found = compare(orders.config(), Request(versions=("1", "2")))
    [overall] = [group for group in found.groups if group.by == ""]
    assert (found.pairs, {score.version: score.loss for score in overall.scores}) == (4, pytest.approx(LOSS))
    before = explained(orders, 2)
    assert [(one.model_version, one.prediction) for one in before.others] == [("2", 6.0)]
    assert before.labels is not None
    assert [(label.value, label.loss) for label in before.labels.found] == [(7.0, 3.0)]
    assert reconcile(orders.spark, orders.config()).differences == ()

    # Cut off in a chunk, before and after the swap; each run continues.
    for target in ("pipeline.rescore.chunks.write_rows", "operations.run_rescore.replace_answers"):
        with monkeypatch.context() as patch:
            if target.endswith("write_rows"):
                cut_after(patch, f"penstock.{target}")
            else:
                patch.setattr(f"penstock.{target}", cut_off)
            with pytest.raises(PowerCutError):
                rescore(orders, "replace")
        assert answers(orders) == by_first
    with monkeypatch.context() as patch:
        cut_after(patch, "penstock.operations.run_rescore.replace_answers")
        with pytest.raises(PowerCutError):
            rescore(orders, "replace")
    assert answers(orders) == by_second
    rescore(orders, "replace")
    assert answers(orders) == by_second
    assert {row.rescore_id for row in orders.rows("predictions")} == {1}
    after = explained(orders, 2)
    assert (after.prediction, after.batch.role, after.model.version) == (6.0, "rescored", "2")
    assert reconcile(orders.spark, orders.config()).differences == ()
    assert losses(orders, is_final=True) == {"2": (4, pytest.approx(LOSS["2"]))}
    versions = {one.version: one for one in read_model_versions(orders.config()).versions}
    assert versions["1"].live.loss == pytest.approx(LOSS["1"])
    status = read_status(orders.config())
    assert (status.backlog_files, status.running) == (0, None)


def test_forecasts_are_evaluated_and_explained(bench: Bench) -> None:
    sandbox = SERIES_FEED.sandbox(bench, "macro", files_a_batch=100)
    for number in range(3):
        SERIES_FEED.deliver(sandbox, number)
        sandbox.run()
        run_evaluation(sandbox.config(), is_final=False)
    tables = {name: sandbox.table(name).toArrow() for name in ("observations", "forecasts")}
    expected = sums(
        SERIES_SQL.format(actuals="observations", levels="observations", in_time="f.scored_at <= t.observed_at"), tables
    )
    columns = ", ".join(f"sum({name})::DOUBLE AS {name}" for name in SUMS)
    stored = sandbox.table("evaluations").toArrow()
    found = sums(
        f"SELECT unit, champion, variable, step, {columns} FROM evaluations GROUP BY ALL", {"evaluations": stored}
    )
    assert_same(found, expected)
    for name in IDS:
        report = explain(sandbox.config(), Question(series=name))
        assert isinstance(report, ForecastReport)
        assert report.is_confirmed
        assert report.terms is not None
        assert (Path(report.file.path).name, report.file.now) == ("000002.csv", "unchanged")
    assert reconcile(bench.spark, sandbox.config()).differences == ()

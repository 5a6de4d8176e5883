"""A champion and a candidate in one stream of rows: whose answer stands, and what the other one says."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, timedelta
from typing import Any

import pandas as pd
import pytest
import xxhash
from power_cuts import run_cut_off
from pyspark.sql import Row, SparkSession
from sample_models import hostile, picky
from sandbox import Sandbox, TestRegistry

from penstock.operations.reconcile.reconcile import reconcile
from penstock.operations.run_rescore import run_rescore
from penstock.pipeline.batch_record import BatchRecord
from penstock.pipeline.rescore.plans import RescoreRequest

MODEL = "orders-paired"
CHAMPION, CANDIDATE = "1", "2"
FRACTION = 0.5
DISLIKED = "ValueError: the champion does not like this row"
#: Those that the champion has no answer for, those that the candidate has none for, and others.
VALUES = (
    1.0,
    2.5,
    picky.RAISES[0],
    hostile.RAISES,
    hostile.EXITS,
    hostile.TOO_MANY,
    hostile.NAN,
    hostile.NONE,
    3.0,
    4.0,
)
ORDERS = {number: VALUES[number % len(VALUES)] for number in range(40)}
#: Rejected at first.
LARGE, LARGE_ORDER = 2000.0, 99
SHADOW = ("shadow_version", "shadow_prediction", "shadow_error")
Answer = tuple[float | None, str | None]


def of_champion(x: float) -> Answer:
    return (None, DISLIKED) if x in picky.RAISES else (None if x in picky.NAN else 2 * x, None)


def of_candidate(x: float) -> Answer:
    """With `gave no number` where the champion has a number."""
    raised = {
        hostile.RAISES: "ValueError: it does not like this row",
        hostile.EXITS: "SystemExit: no more of this",
        hostile.TOO_MANY: "ModelOutputError: the model returned 2 rows for 1",
        hostile.NAN: "gave no number",
    }
    return (None, raised[x]) if x in raised else (None if x == hostile.NONE else -x, None)


def shadowed(x: float, *, is_sampled: bool) -> tuple[Any, ...]:
    """prediction, error, model_version, role, and the shadow columns."""
    of_other = (CANDIDATE, *of_candidate(x)) if is_sampled else (None, None, None)
    return (*of_champion(x), CHAMPION, "champion", *of_other)


def canaried(x: float, *, is_sampled: bool) -> tuple[Any, ...]:
    candidate = of_candidate(x)
    if not is_sampled or candidate[1]:
        return shadowed(x, is_sampled=is_sampled)
    return (*candidate, CANDIDATE, "candidate", CHAMPION, *of_champion(x))


def orders_file(orders: dict[int, float]) -> bytes:
    lines = [f"{number},2026-01-01 10:00:00,{x},n" for number, x in orders.items()]
    return "\n".join(["order_id,placed_at,x,note", *lines, ""]).encode()


@dataclass(frozen=True)
class Run:
    sandbox: Sandbox
    records: list[BatchRecord]
    rows: list[Row]

    def plan(self, batch: int = 0) -> dict[str, Any]:
        found: dict[str, Any] = json.loads((self.sandbox.root / f"checkpoint/plan/{batch}.json").read_text())
        return found

    def is_sampled(self, order_id: int) -> bool:
        text = f"{self.plan()['experiment']['salt']}\x1f{order_id}"
        signed = int.from_bytes(
            xxhash.xxh64_intdigest(text.encode(), seed=42).to_bytes(8, "little"), "little", signed=True
        )
        return signed % 10_000 < FRACTION * 10_000

    def answers(self, rows: Sequence[Row] | None = None) -> dict[int, tuple[Any, ...]]:
        columns = ("prediction", "error", "model_version", "role", *SHADOW)
        return {row.order_id: tuple(row[name] for name in columns) for row in rows or self.rows}


@pytest.fixture(scope="module")
def models(registry: TestRegistry) -> None:
    example = pd.DataFrame([{"x": 1.5}])
    for code, alias in (("picky", "champion"), ("hostile", "candidate")):
        registry.register(MODEL, code, example=example, outputs=pd.Series([1.5]), alias=alias)


@pytest.fixture(scope="module")
def prepared(
    spark: SparkSession, registry: TestRegistry, models: None, tmp_path_factory: pytest.TempPathFactory
) -> Any:
    def make(**experiment: Any) -> Sandbox:
        sandbox = Sandbox(root=tmp_path_factory.mktemp("paired"), spark=spark, registry=registry)
        sandbox.changes = {
            "contract": "sample_contracts:SMALL_ORDERS",
            "model": {"name": MODEL},
            "source": {"max_files_per_trigger": 1},
        }
        if experiment:
            guardrails = {"failed": 1.0, "slowdown": 1000.0}
            given = {"fraction": FRACTION, "key": ["order_id"], "guardrails": guardrails, **experiment}
            sandbox.changes["experiment"] = given
        sandbox.drop("a.csv", orders_file({**ORDERS, LARGE_ORDER: LARGE}), age_seconds=60)
        return sandbox

    return make


@pytest.fixture(scope="module")
def alone(prepared: Any) -> Run:
    sandbox = prepared()
    records = sandbox.run()
    return Run(sandbox, records, sandbox.rows("predictions"))


@pytest.fixture(scope="module")
def shadow(prepared: Any) -> Run:
    sandbox = prepared(mode="shadow")
    sandbox.drop("b.csv", orders_file({100 + number: x for number, x in ORDERS.items() if number < 10}), age_seconds=50)
    records = sandbox.run()
    return Run(sandbox, records, [row for row in sandbox.rows("predictions") if row.batch_id == 0])


@pytest.fixture(scope="module")
def canary(prepared: Any) -> Run:
    """Cut off when its rows were scored and none of them was in the table; then run again."""
    sandbox = prepared(mode="canary")
    with pytest.MonkeyPatch.context() as patch:
        run_cut_off(sandbox, patch, before="predictions")
    planned = (sandbox.root / "checkpoint/plan/0.json").read_text()
    records = sandbox.run()
    assert (sandbox.root / "checkpoint/plan/0.json").read_text() == planned
    return Run(sandbox, records, sandbox.rows("predictions"))


def test_without_an_experiment_there_are_no_further_columns(alone: Run) -> None:
    assert not set(SHADOW) & set(alone.rows[0].asDict())
    assert alone.plan()["experiment"] is None
    assert alone.records[0].model_seconds is None


def test_the_champions_columns_are_those_without_a_shadow(alone: Run, shadow: Run) -> None:
    columns = ("order_id", "placed_at", "x", "note", "prediction", "model_name", "model_version", "role", "error")

    def given(run: Run) -> list[tuple[Any, ...]]:
        return sorted(tuple(row[name] for name in columns) for row in run.rows)

    assert given(shadow) == given(alone)
    assert len(alone.rows) == len(ORDERS)


def test_a_shadow_stands_beside_the_answers_of_its_keys(shadow: Run) -> None:
    expected = {number: shadowed(x, is_sampled=shadow.is_sampled(number)) for number, x in ORDERS.items()}
    assert shadow.answers() == expected
    assert {version for *_, version, _, _ in expected.values()} == {CANDIDATE, None}


def test_a_canary_answers_its_keys_and_leaves_the_others_alone(canary: Run) -> None:
    expected = {number: canaried(x, is_sampled=canary.is_sampled(number)) for number, x in ORDERS.items()}
    assert canary.answers() == expected
    assert {role for _, _, _, role, *_ in expected.values()} == {"champion", "candidate"}


def test_the_same_keys_are_in_both(shadow: Run, canary: Run) -> None:
    sampled = [{row.order_id for row in run.rows if row.shadow_version} for run in (shadow, canary)]
    assert sampled[0] == sampled[1]


def test_batches_say_what_both_did(shadow: Run, canary: Run) -> None:
    for run in (shadow, canary):
        sampled = [x for number, x in ORDERS.items() if run.is_sampled(number)]
        [row, *_] = sorted(run.sandbox.rows("batches"), key=lambda row: row.batch_id)
        assert row.shadow_rows == len(sampled)
        assert row.shadow_failed == sum(of_candidate(x)[1] is not None for x in sampled)
        assert set(row.model_seconds) == {"champion", "candidate"}
        assert min(row.model_seconds.values()) > 0


def test_a_row_from_the_quarantine_is_answered_by_both(canary: Run) -> None:
    sandbox = canary.sandbox
    sandbox.changes["contract"] = "sample_contracts:ORDERS"
    sandbox.replay()
    [row] = [row for row in sandbox.rows("predictions") if row.order_id == LARGE_ORDER]
    expected = canaried(LARGE, is_sampled=canary.is_sampled(LARGE_ORDER))
    assert canary.answers([row]) == {LARGE_ORDER: expected}
    assert reconcile(sandbox.spark, sandbox.config()).differences == ()


def test_a_rescore_replaces_both_answers(shadow: Run) -> None:
    """Of the first batch; the second one stays as it is."""
    sandbox = shadow.sandbox
    before = {row.order_id: row for row in sandbox.rows("predictions")}
    first, second = sorted({row.scored_at.replace(tzinfo=UTC) for row in before.values()})
    request = RescoreRequest(begin=first, end=second - timedelta(microseconds=1), version=CANDIDATE, purpose="replace")
    run_rescore(sandbox.config(), request, chunk_rows=100, report=lambda _: None)
    after = {row.order_id: row for row in sandbox.rows("predictions")}
    assert after.keys() == before.keys()
    for number, row in after.items():
        if number >= 100:
            assert row == before[number]
            continue
        answer = of_candidate(row.x)
        wanted = (answer[0], None if answer[1] == "gave no number" else answer[1])
        assert (row.prediction, row.error, row.model_version) == (*wanted, CANDIDATE)
        assert (row.shadow_version, row.shadow_prediction, row.shadow_error) == (None, None, None)
    assert reconcile(sandbox.spark, sandbox.config()).differences == ()

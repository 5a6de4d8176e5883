"""Forecasts are evaluated once, in whatever parts their actuals come, and wherever an evaluation is cut off."""

import json
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
import pytest
from evaluations import GROUPS, SERIES_SQL, SUMS, arrow_table, assert_same, evaluate, stored_sums, sums
from power_cuts import PowerCutError, cut_after, cut_off
from sandbox import Sandbox
from series_sandbox import FITTED, SeriesSandbox, quarters, two_series_model

from penstock.operations.evaluation_text import as_text
from penstock.operations.run_evaluation import run_evaluation
from penstock.operations.run_stream import run_pipeline
from penstock.pipeline.evaluation.record import EvaluationRecord

EVALUATOR = "penstock.pipeline.evaluation.evaluator"
IN_USE = "(error IS NULL OR error NOT IN ('late', 'revision', 'superseded', 'conflict', 'unchanged'))"


@dataclass
class Scenario:
    """What each step evaluated; and the tables just before the late replay, which replaces some of their rows."""

    sandbox: Sandbox
    steps: dict[str, list[EvaluationRecord]] = field(default_factory=dict)
    before: dict[str, pa.Table] = field(default_factory=dict)

    @property
    def root(self) -> str:
        return f"{self.sandbox.location}/tables"

    def now(self, name: str) -> pa.Table:
        return arrow_table(f"{self.root}/{name}")

    def once(self, name: str) -> pa.Table:
        """The rows of the first checkpoint as they were before the replay, and all rows of the replay and the second
        checkpoint."""
        old, now = self.before[name], self.now(name)
        return pa.concat_tables([old, now.filter(pc.invert(pc.is_in(now["query_id"], old["query_id"].unique())))])


@contextmanager
def power_cut() -> Iterator[pytest.MonkeyPatch]:
    with pytest.MonkeyPatch.context() as patch, pytest.raises(PowerCutError):
        yield patch


@pytest.fixture(scope="module")
def scenario(shared_sandbox: Sandbox) -> Scenario:
    sandbox, series = shared_sandbox, SeriesSandbox(shared_sandbox, two_series_model(shared_sandbox.registry))
    found = Scenario(sandbox)
    found.steps["no tables yet"] = evaluate(sandbox)
    series.drop("a.csv", pd.concat([quarters(FITTED, FITTED + 6), quarters(FITTED, FITTED + 4, "CA")]))
    sandbox.run()
    found.steps["first"] = evaluate(sandbox)
    found.steps["nothing new"] = evaluate(sandbox)
    # A hole, a value that is missing, and a series that the model does not know.
    with_gap = quarters(FITTED + 6, FITTED + 10).drop(index=FITTED + 7)
    with_gap.loc[FITTED + 9, "realinv"] = None
    series.drop("b.csv", pd.concat([with_gap, quarters(FITTED + 4, FITTED + 6, "MARS")]))
    sandbox.run()
    with power_cut() as patch:
        patch.setattr(f"{EVALUATOR}.append_once", cut_off)
        evaluate(sandbox)
    with power_cut() as patch:
        cut_after(patch, f"{EVALUATOR}.append_once")
        evaluate(sandbox)
    found.steps["cut off before and after its write"] = evaluate(sandbox)
    # The quarter of the hole, late, and another value for one that is evaluated.
    revised = quarters(FITTED + 2, FITTED + 3).assign(realgdp=9000.0)
    new = pd.concat([quarters(FITTED + 10, FITTED + 12), quarters(FITTED + 4, FITTED + 5, "CA")])
    series.drop("c.csv", pd.concat([quarters(FITTED + 7, FITTED + 8), revised, new]))
    sandbox.run()
    found.before = {name: found.now(name) for name in ("observations", "forecasts")}
    # Whether or not the stream evaluates.
    sandbox.changes["evaluate"] = {"every": None}
    sandbox.replay(late=True)
    sandbox.changes["evaluate"] = {"steps": [1, 2]}
    found.steps["after the late replay"] = evaluate(sandbox)
    sandbox.changes["checkpoint"] = f"{sandbox.location}/another-checkpoint"
    series.drop("d.csv", pd.concat([quarters(FITTED + 12, FITTED + 14), quarters(FITTED + 5, FITTED + 7, "CA")]))
    found.steps["in a stream with a new checkpoint"] = streamed(sandbox)
    found.steps["final"] = evaluate(sandbox, is_final=True)
    return found


def streamed(sandbox: Sandbox) -> list[EvaluationRecord]:
    """The evaluations of a stream that is stopped by SIGTERM after the first."""
    records: list[EvaluationRecord] = []
    handlers = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT)}

    def stop_after(record: object) -> None:
        if isinstance(record, EvaluationRecord):
            records.append(record)
            signal.raise_signal(signal.SIGTERM)

    try:
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr("penstock.operations.monitoring.observer.ignore", stop_after)
            run_pipeline(sandbox.config(), job="test", once=False, resume=True)
    finally:
        for number, handler in handlers.items():
            signal.signal(number, handler)
    return records


def test_the_sums_are_those_of_a_recomputation(scenario: Scenario) -> None:
    """The tables say all: an actual is the first row in use of its ds, and the forecast the newest one before it."""
    tables = {name: scenario.once(name) for name in ("observations", "forecasts")}
    in_use = f"(SELECT * FROM observations WHERE {IN_USE})"
    sql = SERIES_SQL.format(actuals=in_use, levels=in_use, in_time="f.scored_at <= t.observed_at")
    assert_same(stored_sums(scenario.root), sums(sql, tables))


def test_a_final_evaluation_is_of_the_values_that_are_there_now(scenario: Scenario) -> None:
    tables = {name: scenario.now(name) for name in ("observations", "forecasts")}
    in_use = f"(SELECT * FROM observations WHERE {IN_USE})"
    expected = sums(SERIES_SQL.format(actuals=in_use, levels=in_use, in_time="TRUE"), tables)
    assert_same(stored_sums(scenario.root, condition="is_final"), expected)
    # The job makes another one, and does not add it to the first.
    report = run_evaluation(scenario.sandbox.config(), is_final=True)
    assert [record.number for record in report.evaluations] == [5]
    assert sum(row.pairs for row in report.summary) == expected[expected["step"] <= 2]["pairs"].sum()


def test_each_evaluation_takes_what_has_come_since(scenario: Scenario) -> None:
    """No plan, and no number, without an actual."""
    found = {step: [record.number for record in records] for step, records in scenario.steps.items()}
    assert found == {
        "no tables yet": [],
        "first": [0],
        "nothing new": [],
        "cut off before and after its write": [1],
        "after the late replay": [],  # 2 was made before it
        "in a stream with a new checkpoint": [3],
        "final": [4],
    }
    # 6 + 4 quarters; then three of the US, of which one lacks a value, and two of MARS.
    assert [scenario.steps[step][0].actuals for step in ("first", "cut off before and after its write")] == [10, 5]
    assert scenario.steps["in a stream with a new checkpoint"][0].actuals == 4


def test_records_are_the_sums_of_their_rows(scenario: Scenario) -> None:
    rows = scenario.now("evaluations").to_pandas()
    for records in scenario.steps.values():
        for record in records:
            mine = rows[rows["batch_id"] == record.number]
            assert record.pairs == mine["pairs"].sum() > 0
            assert record.scored == mine["scored_pairs"].sum() > 0
            assert mine["is_final"].tolist() == [record.is_final] * len(mine)
            assert record.within == mine["champion_within"].sum() > 0
    assert set(rows["query_id"]) == {"evaluate"}
    assert rows["candidate"].isna().all()
    assert set(rows["loss"]) == {"wis"}


def test_the_job_says_it_by_version_variable_and_step(scenario: Scenario) -> None:
    """Nothing is left for it; its means are those of the sums, and the naive ratio is of the same pairs."""
    report = run_evaluation(scenario.sandbox.config(), is_final=False)
    assert report.evaluations == []
    expected = stored_sums(scenario.root).groupby(["variable", "step"])[SUMS].sum()
    assert [(row.variable, row.step) for row in report.summary] == sorted(
        (variable, step) for variable in ("realcons", "realgdp", "realinv") for step in (1, 2)
    )
    for row in report.summary:
        of_step = expected.loc[(row.variable, row.step)]
        assert row.pairs == of_step["pairs"]
        assert row.loss == pytest.approx(of_step["champion_loss"] / of_step["scored_pairs"])
        assert row.mae == pytest.approx(of_step["champion_abs"] / of_step["pairs"])
        assert row.ratio_to_naive == pytest.approx(of_step["champion_abs"] / of_step["naive_abs"])
        assert row.coverage == pytest.approx(of_step["champion_within"] / of_step["pairs"])
    lines = as_text(report).splitlines()
    assert lines[0] == "nothing new has come true"
    assert lines[2].split() == ["version", "variable", "step", "pairs", "loss", "MAE", "/", "naive", "coverage"]
    assert len(lines) == 3 + 6
    assert json.loads(json.dumps(report.as_json()))["evaluations"] == []
    assert GROUPS == ["unit", "champion", "variable", "step"]

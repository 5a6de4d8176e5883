"""A better candidate is promoted by the stream's own evaluation, bakes out the old champion, and is rolled back by a
person; an alias that is moved by hand is recorded."""

import logging
from datetime import UTC, datetime

import pandas as pd
import pytest
from labelled_tables import Label, LabelledTables
from sandbox import Sandbox

from penstock.models.aliases import ModelAliases
from penstock.operations.decide import promote, roll_back
from penstock.operations.run_evaluation import run_evaluation
from penstock.pipeline.batch_record import BatchRecord
from penstock.pipeline.decisions.files import DecisionFiles

NAME = "promoted-orders"
ROWS = 24
VERDICT = {"act": "promote", "min_units": 3, "min_duration": "0 s"}


def deliver(sandbox: Sandbox, number: int) -> BatchRecord:
    """A batch of ROWS orders; their x is 10 and 11 by turns."""
    orders = range(ROWS * number, ROWS * (number + 1))
    placed = f"{datetime.now(UTC):%Y-%m-%d %H:%M:%S}"
    lines = ["order_id,placed_at,x,note", *(f"{order},{placed},{10 + order % 2},a" for order in orders)]
    sandbox.drop(f"{number}.csv", ("\n".join(lines) + "\n").encode())
    [record] = sandbox.run()
    return record


def versions(record: BatchRecord) -> tuple[str, str | None]:
    plan = record.plan
    return plan.champion.version, plan.candidate.version if plan.candidate else None


@pytest.fixture
def tables(sandbox: Sandbox) -> LabelledTables:
    """Version 1, the champion, says 2x, and version 2 says 3x."""
    example = pd.DataFrame({"x": [1.0]})
    if NAME not in sandbox.registry.made:
        for code in ("echo", "tripled"):
            sandbox.registry.register(NAME, code, example=example, outputs=pd.Series([1.5]), alias="made")
        sandbox.registry.made.add(NAME)
    for alias, version in (("champion", "1"), ("candidate", "2")):
        sandbox.registry.client.set_registered_model_alias(NAME, alias, version)
    tables = LabelledTables(sandbox)
    sandbox.changes |= {
        "model": {"name": NAME},
        "experiment": {},
        "evaluate": {"loss": "absolute", "every": "1 hour"},
        "verdict": VERDICT,
    }
    return tables


def label(tables: LabelledTables, batch: int) -> None:
    """What was right is 3x and a bit more; the labels come in 8 different hours."""
    orders = range(ROWS * batch, ROWS * (batch + 1))
    tables.label(
        "l", batch, *[Label(order_id=n, came=1 + n % 8, value=3 * (10 + n % 2) + 0.1 * (n % 5)) for n in orders]
    )


def test_from_the_verdict_to_the_rollback(
    sandbox: Sandbox, tables: LabelledTables, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    config, aliases = sandbox.config(), ModelAliases.of(sandbox.config())
    files = DecisionFiles(storage=sandbox.storage, root=config.tables.root)

    def pair() -> tuple[str | None, str | None]:
        return aliases.read("champion"), aliases.read("candidate")

    assert versions(deliver(sandbox, 0)) == ("1", "2")
    assert files.history().decisions == ()
    label(tables, 0)
    # No new file: the backfill evaluates, and decides by it.
    sandbox.run()
    assert pair() == ("2", "1")
    [promoted] = sandbox.rows("decisions")
    assert (promoted.kind, promoted.outcome, promoted.decided_by) == ("promote", "done", "stream")
    assert (promoted.champion, promoted.candidate) == ("1", "2")
    [decided] = files.history().decisions
    assert decided.decision.evidence is not None
    # |2x - y| over |3x - y|: the mean over orders of x + 0.1 (n % 5) and of 0.1 (n % 5), by hour and then over hours.
    assert decided.decision.evidence.pairs == ROWS
    assert decided.decision.evidence.units == 8
    assert decided.decision.evidence.champion_loss == pytest.approx(10.5 + tail(), rel=1e-9)
    assert decided.decision.evidence.candidate_loss == pytest.approx(tail(), rel=1e-9)
    assert "decision 0: promote version 2 over 1, by stream: the candidate is better" in caplog.text

    # The next batch is answered by it, with the old champion as its shadow; nobody moved anything by hand.
    record = deliver(sandbox, 1)
    assert versions(record) == ("2", "1")
    assert record.plan.experiment is not None
    assert (record.plan.experiment.is_bake, record.plan.experiment.mode) == (True, "shadow")
    assert len(files.history().decisions) == 1

    report = roll_back(config, by="anna")
    assert pair() == ("1", None)
    assert report.next_step is not None
    assert "--version 1 --as replace" in report.next_step
    assert versions(deliver(sandbox, 2)) == ("1", None)
    assert len(files.history().decisions) == 2

    # What a person sets in MLflow counts, and is recorded with the batch that met it; once.
    sandbox.registry.client.set_registered_model_alias(NAME, "champion", "2")
    for number in (3, 4):
        assert versions(deliver(sandbox, number)) == ("2", None)
    [_, _, external] = files.history().decisions
    assert (external.decision.kind, external.decision.champion) == ("external", "1")
    assert str(external.decision.met_by).startswith("batch 3 of query ")
    rows = sorted(sandbox.rows("decisions"), key=lambda row: row.batch_id)
    assert [row.kind for row in rows] == ["promote", "rollback", "external"]


def tail() -> float:
    """The mean over hours of the mean of 0.1 (n % 5) over an hour's orders."""
    hours = [[0.1 * (n % 5) for n in range(ROWS) if n % 8 == hour] for hour in range(8)]
    return sum(sum(hour) / len(hour) for hour in hours) / len(hours)


def test_a_proposal_of_the_job_is_carried_out_by_a_person(sandbox: Sandbox, tables: LabelledTables) -> None:
    sandbox.changes |= {"verdict": VERDICT | {"act": "propose", "bake": "0 s"}}
    deliver(sandbox, 0)
    label(tables, 0)
    config, aliases = sandbox.config(), ModelAliases.of(sandbox.config())
    for _ in range(2):
        run_evaluation(config, is_final=False)
    [proposal] = sandbox.rows("decisions")
    assert (proposal.kind, proposal.decided_by) == ("propose", "evaluate")
    assert (aliases.read("champion"), aliases.read("candidate")) == ("1", "2")
    promote(config, by="anna")
    assert (aliases.read("champion"), aliases.read("candidate")) == ("2", None)

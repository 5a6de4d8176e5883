"""A pipeline of rows whose model has a champion, version 1, and candidates to come."""

from collections.abc import Callable

import pandas as pd
from sandbox import WINE, Sandbox, csv_file

from penstock.pipeline.batch_record import BatchRecord
from penstock.pipeline.plan import Plan, plan_path, read_plan

ONE = pd.DataFrame([WINE])
ALONE = [("champion", "1")]


def begin(sandbox: Sandbox, name: str) -> None:
    """Score a first file; `name` is of no model yet, and has no candidate. An experiment is asked for all the same."""
    sandbox.changes = {"model": {"name": name}, "experiment": {}}
    register(sandbox, "linear", alias="champion")
    record = scored(sandbox)
    assert (versions(record), record.plan.experiment, record.plan.refused_candidates) == (ALONE, None, {})


def register(sandbox: Sandbox, code: str, *, outputs: object = None, alias: str = "candidate") -> str:
    name, answer = sandbox.changes["model"]["name"], pd.Series([1.5]) if outputs is None else outputs
    return sandbox.registry.register(name, code, example=ONE, outputs=answer, alias=alias)


def scored(sandbox: Sandbox, *rows: dict[str, object]) -> BatchRecord:
    """The record of a batch of these rows, in a process of its own as far as the pipeline knows."""
    sandbox.drop(f"{len(list(sandbox.inbox.glob('*')))}.csv", csv_file(*(rows or (WINE,))))
    [record] = sandbox.run()
    return record


def versions(record: BatchRecord) -> list[tuple[str, str]]:
    return [(model.role, model.version) for model in record.plan.models]


def batch_row(sandbox: Sandbox, batch_id: int) -> dict[str, object]:
    [row] = [row for row in sandbox.rows("batches") if row.batch_id == batch_id]
    return row.asDict()


def plan_of(sandbox: Sandbox, batch_id: int) -> Plan:
    plan = read_plan(sandbox.storage, plan_path(sandbox.config().checkpoint, batch_id))
    assert plan is not None
    return plan


def raising(error: Exception) -> Callable[..., None]:
    def run(*arguments: object) -> None:
        raise error

    return run

"""What `penstock status` says, against a pipeline whose batches, files and rows were counted by hand."""

import json
from dataclasses import dataclass
from pathlib import Path

import pandas as pd
import pytest
from sandbox import WINE, Sandbox, csv_file, wine

from penstock.jobs import show_status
from penstock.operations.monitoring.status import ModelInUse, Reason, read_status
from penstock.operations.monitoring.status_text import as_text
from penstock.pipeline.lease import Lease, lease_path

ALCOHOL = "rule alcohol_in_range: not true: alcohol BETWEEN 0 AND 25"


def test_a_pipeline_that_never_ran_has_nothing_to_tell(sandbox: Sandbox) -> None:
    status = read_status(sandbox.config())
    assert (status.running, status.last_batch, status.model, status.backlog_files) == (None, None, None, 0)
    assert "last batch  none yet" in as_text(status)


@dataclass(frozen=True)
class Done:
    """A pipeline after three batches, the second with another version of the model."""

    sandbox: Sandbox
    versions: tuple[str, str]
    model_after_first: ModelInUse | None


@pytest.fixture(scope="module")
def done(shared_sandbox: Sandbox) -> Done:
    sandbox = shared_sandbox
    example, outputs = pd.DataFrame([WINE]), pd.Series([1.5])
    first = sandbox.registry.register("wine-status", "linear", example=example, outputs=outputs)
    sandbox.changes = {"model": {"name": "wine-status"}}
    sandbox.drop("a.csv", csv_file(WINE, WINE, wine(alcohol=-3)), age_seconds=90)
    sandbox.run()
    since_first = read_status(sandbox.config()).model
    second = sandbox.registry.register("wine-status", "linear", example=example, outputs=outputs)
    sandbox.drop("b.csv", csv_file(WINE), age_seconds=80)
    sandbox.run()
    sandbox.drop("c.csv", csv_file(wine(alcohol="x"), wine(alcohol=99), WINE), age_seconds=70)
    sandbox.drop("d.csv", b"no,header,of,wine\n1,2,3,4\n", age_seconds=70)
    sandbox.run()
    sandbox.drop("e.csv", csv_file(WINE))
    sandbox.drop("_hidden.csv", csv_file(WINE))
    return Done(sandbox=sandbox, versions=(first, second), model_after_first=since_first)


def conf_of(sandbox: Sandbox) -> Path:
    conf = sandbox.root / "conf.json"  # JSON is YAML
    conf.write_text(sandbox.config().model_dump_json())
    return conf


def test_the_status_is_what_was_done(done: Done) -> None:
    sandbox, since_first = done.sandbox, done.model_after_first
    first, second = done.versions
    status = read_status(sandbox.config())
    assert status.running is None
    assert status.backlog_files == 1
    batch = status.last_batch
    assert batch is not None
    assert (batch.batch_id, batch.rows_in, batch.accepted, batch.quarantined, batch.failed) == (2, 3, 1, 2, 0)
    assert batch.files_refused == 1
    assert 0 <= batch.age_seconds < 1200
    started = {row.batch_id: row.started_at for row in sandbox.rows("batches")}
    assert since_first is not None
    assert since_first.version == first
    assert status.model is not None
    assert status.model.version == second
    assert status.model.since.replace(tzinfo=None) == started[1]
    rows = {reason for reason in status.quarantine if reason.stage == "contract"}
    assert rows == {
        Reason(stage="contract", reason=ALCOHOL, entries=2),
        Reason(stage="contract", reason="alcohol: '...' is not a double", entries=1),
    }
    files = [reason for reason in status.quarantine if reason.stage == "file"]
    assert files
    assert all("is missing" in reason.reason or "column" in reason.reason for reason in files)


def test_it_names_the_process_that_writes(sandbox: Sandbox) -> None:
    config = sandbox.config()
    with Lease(storage=sandbox.storage, path=lease_path(config.tables.root), job="score_stream"):
        running = read_status(config).running
    assert running is not None
    assert running.startswith("score_stream, pid ")
    assert read_status(config).running is None


def test_the_job_prints_one_json_object(done: Done, capsys) -> None:
    assert show_status.main(["--conf", str(conf_of(done.sandbox)), "--json"]) == 0
    output = json.loads(capsys.readouterr().out)
    assert (output["pipeline"], output["last_batch"]["rows_in"], output["backlog_files"]) == ("wine", 3, 1)


def test_a_damaged_table_is_an_error_in_one_sentence(done: Done, capsys) -> None:
    sandbox = done.sandbox
    for log in (sandbox.root / "tables" / "batches" / "_delta_log").glob("*.json"):
        log.write_text("{not json")
    assert show_status.main(["--conf", str(conf_of(sandbox))]) == 1
    output = capsys.readouterr().err.splitlines()[-1]
    assert output.startswith(f"error: the tables in {sandbox.root}/tables can't be read: ")
    assert output.endswith("look for missing or damaged files there")

"""Checkpoint and tables must belong together: which of them are refused, and what a new checkpoint may score."""

import shutil
from pathlib import Path
from typing import Any

import pytest
from power_cuts import PowerCutError, cut_off, run_cut_off
from sandbox import WINE, Sandbox, csv_file, wine
from snapshots import Snapshot

from penstock.errors import LedgerError, PlanError
from penstock.spark.tables import PreparedAppend, commit_nothing

BAD = wine(alcohol="abc")


def scored_files(sandbox: Sandbox) -> list[str]:
    """The file of each prediction, in their order."""
    return sorted(row.source_file.rsplit("/", 1)[1] for row in sandbox.rows("predictions"))


@pytest.fixture(scope="module")
def first_batch(shared_sandbox: Sandbox) -> Snapshot:
    shared_sandbox.drop("a.csv", csv_file(WINE, BAD))
    shared_sandbox.run()
    return Snapshot.of(shared_sandbox)


@pytest.fixture
def begun(first_batch: Snapshot) -> Sandbox:
    """A pipeline that has scored a.csv, of one row and a rejected one."""
    return first_batch.restored()


def test_new_checkpoint_beside_old_tables_is_refused(begun: Sandbox) -> None:
    shutil.rmtree(begun.root / "checkpoint")
    with pytest.raises(LedgerError, match="--resume-from-ledger"):
        begun.run()
    assert begun.count("predictions") == 1


def test_tables_gone_but_checkpoint_there_is_refused(begun: Sandbox) -> None:
    shutil.rmtree(begun.root / "tables")
    with pytest.raises(LedgerError, match="hold none of them"):
        begun.run()


def test_a_checkpoint_of_another_pipeline_is_refused(begun: Sandbox) -> None:
    begun.changes = {"pipeline": "beer", "tables": {"root": str(begun.root / "beer")}}
    with pytest.raises(LedgerError, match="belongs to the pipeline 'wine'"):
        begun.run()


def test_a_first_batch_without_marker_counts_as_begun(sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its rows are in the tables already, and a new checkpoint must not score them again. A query that has written
    nothing is closed too. It was about to: the first write of its first batch comes after another query went on from
    the ledger."""
    checkpoint = sandbox.root / "checkpoint"
    sandbox.drop("a.csv", csv_file(WINE, BAD))
    run_cut_off(sandbox, monkeypatch, before="pipeline.microbatch.commit_marker")
    shutil.rmtree(checkpoint)
    with pytest.raises(LedgerError, match=r"or begun batches of another one.*--resume-from-ledger"):
        sandbox.run()
    late: list[PreparedAppend] = []
    with monkeypatch.context() as patch:
        patch.setattr(PreparedAppend, "commit", lambda append: late.append(append) or cut_off())
        with pytest.raises(PowerCutError):
            sandbox.run(resume=True)
    shutil.rmtree(checkpoint)
    sandbox.run(resume=True)
    assert (sandbox.count("predictions"), sandbox.count("quarantine")) == (1, 1)
    late[0].commit()
    assert late[0].path.endswith("/quarantine")
    assert sandbox.count("quarantine") == 1


def test_a_resume_from_the_ledger_scores_only_what_is_new(sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch) -> None:
    """Not a file that a replay took; nor does the stream score that one when it forgets it, for it is so much older
    than the newest file that Spark takes it for new when it is put right."""
    sandbox.changes = {"source": {"max_file_age": 3600}}
    sandbox.drop("forgotten.csv", b"another header\n1\n", age_seconds=10_000)
    sandbox.drop("known.csv", b"another header\n1\n")
    sandbox.run()
    for name in ("forgotten.csv", "known.csv"):
        sandbox.drop(name, csv_file(WINE), age_seconds=50)
    [record] = sandbox.replay()
    assert record.accepted == 2
    sandbox.drop("a.csv", csv_file(WINE, WINE), age_seconds=40)
    sandbox.run()
    sandbox.run()
    before = ["a.csv", "a.csv", "forgotten.csv", "known.csv"]
    assert scored_files(sandbox) == before

    sandbox.drop("b.csv", csv_file(WINE, BAD))
    run_cut_off(sandbox, monkeypatch, before="pipeline.microbatch.commit_marker")
    shutil.rmtree(sandbox.root / "checkpoint")
    sandbox.drop("c.csv", csv_file(WINE))
    sandbox.run(resume=True)
    sandbox.drop("d.csv", csv_file(WINE))
    sandbox.run()
    assert scored_files(sandbox) == sorted([*before, "b.csv", "c.csv", "d.csv"])
    assert sandbox.reasons("b.csv") == [["alcohol: 'abc' is not a double"]]


def older(folder: Path, newer: Path, *tables: str) -> None:
    """Put tables of an older copy in place of what is there."""
    for table in tables:
        shutil.rmtree(newer / table)
        shutil.copytree(folder / table, newer / table)


@pytest.fixture(scope="module")
def two_batches(first_batch: Snapshot) -> Snapshot:
    """a.csv and b.csv are scored, each with a rejected row; `backup` has the tables with a.csv only."""
    sandbox = first_batch.restored()
    shutil.copytree(sandbox.root / "tables", sandbox.root / "backup")
    sandbox.drop("b.csv", csv_file(WINE, BAD), age_seconds=50)
    sandbox.run()
    return Snapshot.of(sandbox)


def test_tables_from_a_backup_are_caught_up_from_the_ledger_and_the_old_checkpoint_is_given_up(
    two_batches: Snapshot, monkeypatch: pytest.MonkeyPatch
) -> None:
    """b.csv would never be scored, for the checkpoint has it as done. What the old query writes is dropped after a
    resume: its batches would be empty, and their files count as done."""
    sandbox = two_batches.restored()
    checkpoint, given_up, new = (sandbox.root / name for name in ("checkpoint", "given-up", "new"))
    older(sandbox.root / "backup", sandbox.root / "tables", "predictions", "quarantine", "batches")
    sandbox.drop("c.csv", csv_file(WINE), age_seconds=40)
    message = r"are older than the checkpoint.*up to 1, they hold batches up to 0.*\(b\.csv\).*--resume-from-ledger"
    with pytest.raises(LedgerError, match=message):
        sandbox.run()
    with pytest.raises(LedgerError, match="are older than the checkpoint"):
        sandbox.replay()
    assert scored_files(sandbox) == ["a.csv"]

    # Given up as soon as a resume has begun: this one is cut off when it has closed the first table.
    checkpoint.rename(given_up)
    closed: list[Any] = []

    def first_only(*arguments: Any) -> None:
        cut_off() if closed else closed.append(commit_nothing(*arguments))

    with monkeypatch.context() as patch:
        patch.setattr("penstock.spark.tables.commit_nothing", first_only)
        with pytest.raises(PowerCutError):
            sandbox.run(resume=True)
    shutil.rmtree(checkpoint)
    shutil.copytree(given_up, checkpoint)
    with pytest.raises(LedgerError, match="was given up"):
        sandbox.run()

    # What Spark keeps is removed, the plans are not: the first would be obeyed, and its file scored once more.
    for name in ("metadata", ".metadata.crc"):
        (checkpoint / name).unlink(missing_ok=True)
    for name in ("offsets", "commits", "sources"):
        shutil.rmtree(checkpoint / name)
    with pytest.raises(PlanError, match=r"is a plan of query .* is of query .*emptied in part only"):
        sandbox.run(resume=True)
    shutil.rmtree(checkpoint)
    sandbox.run(resume=True)
    assert scored_files(sandbox) == ["a.csv", "b.csv", "c.csv"]

    checkpoint.rename(new)
    given_up.rename(checkpoint)
    sandbox.drop("d.csv", csv_file(WINE))
    with pytest.raises(
        LedgerError, match=r"was given up: another one was resumed from the ledger.*--resume-from-ledger"
    ):
        sandbox.run()
    checkpoint.rename(given_up)
    new.rename(checkpoint)
    sandbox.run()
    assert scored_files(sandbox) == ["a.csv", "b.csv", "c.csv", "d.csv"]


@pytest.mark.parametrize("table", ["predictions", "quarantine"])
def test_a_table_older_than_the_ledger_is_refused_also_with_a_new_checkpoint(two_batches: Snapshot, table: str) -> None:
    sandbox = two_batches.restored()
    older(sandbox.root / "backup", sandbox.root / "tables", table)
    message = rf"{table} is older than the table batches: it has no write of batch 1 .* \(its last one .* is 0\)"
    with pytest.raises(LedgerError, match=message):
        sandbox.run()
    shutil.rmtree(sandbox.root / "checkpoint")
    with pytest.raises(LedgerError, match="is older than the table batches"):
        sandbox.run(resume=True)
    shutil.rmtree(sandbox.root / "tables" / table)
    with pytest.raises(LedgerError, match=r"is older than the table batches.* is none\)"):
        sandbox.run(resume=True)

"""The reconciliation beside a stream, after a resume, and over an inbox as the stream lists it."""

import shutil
from typing import Any

import pytest
from reconciliations import BAD, equation, files_and_rows, kinds, reconciled
from sandbox import WINE, Sandbox, csv_file
from spark_checkpoint import whole_log

from penstock.errors import EnvironmentCheckError
from penstock.operations.reconcile import ledger_rows
from penstock.operations.reconcile import reconcile as reconcile_module
from penstock.sources.file_stream import file_stream
from penstock.sources.listing import is_input, walk_inbox
from penstock.storage.files import LocalStorage


def test_a_batch_that_finishes_meanwhile_is_no_difference(sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch) -> None:
    """The stream starts after the checkpoint was read, and continues after the inbox and after the ledger were read."""
    sandbox.drop("0.csv", csv_file(WINE, BAD))
    found = reconciled(sandbox)
    assert (kinds(found), equation(found)) == ([], (2, 0, 0, 0, 2, 0))
    assert f"there are no tables in {sandbox.root}/tables yet" in found.notes

    steps = iter(range(10))

    def runs_after(module: Any, name: str) -> None:
        original = getattr(module, name)

        def work_and_run(*arguments: Any, **options: Any) -> Any:
            answer = original(*arguments, **options)
            if (step := next(steps)) < 3:
                sandbox.drop(f"{step}.csv", csv_file(WINE, BAD), age_seconds=40 - step)
                sandbox.run()
            return answer

        monkeypatch.setattr(module, name, work_and_run)

    runs_after(reconcile_module, "read_stream")
    runs_after(reconcile_module, "list_inbox")
    runs_after(ledger_rows, "table_version")
    found = reconciled(sandbox)
    monkeypatch.undo()
    assert next(steps) > 3
    assert kinds(found) == []
    # The last batch came after the ledger was read: its rows are in the tables and count as not there yet.
    assert (found.balance.scored, found.balance.quarantined) == (2, 2)
    assert equation(reconciled(sandbox)) == (6, 0, 3, 3, 0, 0)


def test_files_done_before_a_resume_are_scored(sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch) -> None:
    """The file log of the new checkpoint lists them again; an overwritten one was scored again. Content that was scored
    twice is a difference: after a resume that forgets what the ledger has."""
    sandbox.drop("same.csv", csv_file(WINE, BAD))
    sandbox.drop("refused.csv", b"")
    sandbox.drop("overwritten.csv", csv_file(WINE, WINE))
    sandbox.run()
    shutil.rmtree(sandbox.root / "checkpoint")
    sandbox.drop("overwritten.csv", csv_file(WINE, WINE, BAD), age_seconds=30)
    sandbox.drop("new.csv", csv_file(WINE), age_seconds=30)
    assert files_and_rows(reconciled(sandbox)) == {"scored": (1, 2), "refused": (1, 0), "pending": (2, 4)}
    sandbox.run(resume=True)
    found = reconciled(sandbox)
    assert kinds(found) == []
    assert files_and_rows(found) == {"scored": (3, 6), "refused": (1, 0)}
    assert equation(found) == (6, 2, 6, 2, 0, 0)

    shutil.rmtree(sandbox.root / "checkpoint")
    monkeypatch.setattr("penstock.pipeline.planning.files_in_ledger", lambda pipeline, arrived: {})
    sandbox.run(resume=True)
    found = reconciled(sandbox)
    assert kinds(found) == [("taken twice", name) for name in ("new.csv", "overwritten.csv", "same.csv")]
    for difference in found.differences:
        assert "the same content was taken by more than one batch: " in difference.found


def test_an_inbox_that_is_not_there_is_not_an_empty_one(sandbox: Sandbox) -> None:
    with pytest.raises(EnvironmentCheckError, match="inbox is not a folder; mount it"):
        reconciled(sandbox)


@pytest.mark.parametrize("glob", [None, "{a,b}*", r"[!a]*.csv", r"{\*,?}.[ct]sv"])
def test_the_inbox_is_listed_as_the_stream_lists_it(sandbox: Sandbox, glob: str | None) -> None:
    for name in ("a.csv", "b.tsv", "*.csv", "sub/b.csv", "_x/a.csv", ".x/a.csv", "_a.csv", ".a.csv", "_a=1.csv"):
        sandbox.drop(name, b"")
    for name in (
        "a+b.csv",
        "_metadata",
        "sub/_common_metadata",
        "_metadata.d/a.csv",
        "a.csv._COPYING_",
        "x=1/a.csv",
        "_x=1/a.csv",
        "ab.csv",
        "é 1%.csv",
        "a.CSV",
    ):
        sandbox.drop(name, b"x")
    sandbox.changes = {"source": {"path_glob_filter": glob}}
    source, checkpoint = sandbox.config().source, str(sandbox.root / "checkpoint")
    writer = file_stream(sandbox.spark, source).writeStream.foreachBatch(lambda frame, number: None)
    writer.option("checkpointLocation", checkpoint).trigger(availableNow=True).start().awaitTermination()
    listed = dict(walk_inbox(LocalStorage(), source))
    assert len(listed) > 1
    log = whole_log(LocalStorage(), checkpoint)
    assert listed.keys() == {path for path in log if is_input(path, source.path)}
    # Of what Spark lists, this alone is no input.
    assert all("metadata" in path for path in log.keys() - listed.keys())

"""What changes around a pipeline between two starts: times, places, settings. Nothing is scored twice or overlooked."""

import calendar
import logging
import os
import shutil

import pytest
from power_cuts import PowerCutError, cut_off
from sandbox import WINE, Sandbox, csv_file, wine

from penstock.errors import LedgerError
from penstock.operations.reconcile.files import State
from penstock.operations.reconcile.reconcile import reconcile


def scored(sandbox: Sandbox) -> list[str]:
    """The file of each prediction, without its inbox."""
    return sorted(row.source_file.rsplit("/", 1)[1] for row in sandbox.rows("predictions"))


def warnings(caplog: pytest.LogCaptureFixture) -> list[str]:
    ours = [record for record in caplog.records if record.name.startswith("penstock")]
    found = [record.getMessage() for record in ours if record.levelno >= logging.WARNING]
    caplog.clear()
    return found


def test_a_file_from_the_future_does_not_make_later_ones_too_old(
    sandbox: Sandbox, caplog: pytest.LogCaptureFixture
) -> None:
    future = sandbox.drop("future.csv", csv_file(WINE))
    moment = calendar.timegm((9998, 1, 1, 0, 0, 0))
    os.utime(future, (moment, moment))
    sandbox.run()
    [warning] = warnings(caplog)
    assert "1 files have a modification time in the future" in warning
    assert warning.endswith("correct the sender's clock")
    sandbox.drop("now.csv", csv_file(WINE))
    old = sandbox.drop("old.csv", csv_file(WINE))
    os.utime(old, (0, 0))
    sandbox.run()
    assert scored(sandbox) == ["future.csv", "now.csv", "old.csv"]

    # With a limit the same file is an obstacle, and a warning says so.
    sandbox.changes["source"] = {"max_file_age": "7 days"}
    sandbox.drop("later.csv", csv_file(WINE))
    assert sandbox.run() == []
    [warning] = warnings(caplog)
    assert f"1 files of the inbox will never be scored, {sandbox.inbox}/later.csv the first" in warning
    found = reconcile(sandbox.spark, sandbox.config())
    assert [(one.kind, one.subject) for one in found.differences] == [("too old", f"{sandbox.inbox}/later.csv")]


def test_the_same_inbox_at_another_place_is_not_scored_again(sandbox: Sandbox) -> None:
    """A link to it; then a copy, whose files have times of their own, of which one was overwritten. Refused files
    are judged again at each place, where a replay finds them."""
    sandbox.drop("a.csv", csv_file(WINE, wine(alcohol="abc")))
    sandbox.drop("deep/refused.csv", b"another header\n1\n")
    sandbox.run()
    link, copy = sandbox.root / "link", sandbox.root / "copy"
    link.symlink_to(sandbox.inbox)
    sandbox.changes["source"] = {"path": str(link)}
    for _ in range(2):
        with pytest.raises(LedgerError, match=r"source\.path is .*/link \(a link to .*/inbox\), .* --inbox-moved"):
            sandbox.run()
    sandbox.drop("b.csv", csv_file(WINE), age_seconds=50)
    [record] = sandbox.run(inbox_moved=True)
    assert (record.rows_in, record.files_refused) == (1, 1)
    assert scored(sandbox) == ["a.csv", "b.csv"]

    shutil.copytree(sandbox.inbox, copy, copy_function=shutil.copyfile)
    sandbox.changes["source"] = {"path": str(copy)}
    (copy / "b.csv").write_bytes(csv_file(WINE, wine(alcohol=12)))
    (copy / "c.csv").write_bytes(csv_file(WINE))
    [record] = sandbox.run(inbox_moved=True)
    assert scored(sandbox) == ["a.csv", "b.csv", "b.csv", "b.csv", "c.csv"]
    assert record.files_refused == 1
    assert sandbox.run() == []

    # A new checkpoint knows what the ledger has at each of the places.
    shutil.rmtree(sandbox.root / "checkpoint")
    sandbox.run(resume=True)
    assert scored(sandbox) == ["a.csv", "b.csv", "b.csv", "b.csv", "c.csv"]
    assert len(sandbox.rows("quarantine")) == 4
    found = reconcile(sandbox.spark, sandbox.config())
    assert found.differences == ()
    assert found.totals[State.SCORED].files == 3
    assert found.totals[State.REFUSED].files == 1

    shutil.rmtree(sandbox.inbox)
    (copy / "deep" / "refused.csv").write_bytes(csv_file(WINE))
    [record] = sandbox.replay()
    assert (record.accepted, record.files_refused) == (1, 0)
    assert scored(sandbox) == ["a.csv", "b.csv", "b.csv", "b.csv", "c.csv", "refused.csv"]


def test_only_what_is_in_the_tables_is_deleted(sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch) -> None:
    """Not refused files, and nothing before the marker; a deletion that was cut off is made up for."""
    sandbox.changes["source"] = {"clean_source": "delete"}
    for name in ("a.csv", "b.csv"):
        sandbox.drop(name, csv_file(WINE, wine(alcohol="abc")))
    refused = sandbox.drop("refused.csv", b"another header\n1\n")
    with monkeypatch.context() as patch:
        patch.setattr("penstock.pipeline.file_input.delete_accepted_files", lambda *_: cut_off())
        with pytest.raises(PowerCutError):
            sandbox.run()
    assert len(list(sandbox.inbox.iterdir())) == 3
    sandbox.run()
    assert list(sandbox.inbox.iterdir()) == [refused]
    sandbox.drop("c.csv", csv_file(WINE), age_seconds=50)
    sandbox.run()
    assert list(sandbox.inbox.iterdir()) == [refused]
    assert scored(sandbox) == ["a.csv", "b.csv", "c.csv"]
    sandbox.drop("refused.csv", csv_file(WINE))
    sandbox.replay()
    assert scored(sandbox) == ["a.csv", "b.csv", "c.csv", "refused.csv"]
    assert reconcile(sandbox.spark, sandbox.config()).differences == ()

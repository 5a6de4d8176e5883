"""A series whose data come months apart: what a replay needs of the past must not have run out."""

import pytest
from aged import age_table
from power_cuts import PowerCutError, cut_after
from series_sandbox import FITTED, SeriesSandbox, quarters


def test_a_batch_after_a_quiet_month_can_be_replayed(series: SeriesSandbox, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is cut off after its merge: its replay reads the version of `lags` before the merge, a month old."""
    sandbox = series.sandbox
    series.drop("a.csv", quarters(FITTED, FITTED + 4))
    sandbox.run()
    age_table(sandbox.spark, sandbox.root / "tables" / "lags", days=31)
    series.drop("b.csv", quarters(FITTED + 4, FITTED + 6))
    cut_after(monkeypatch, "penstock.pipeline.series_writes.merge_once")
    with pytest.raises(PowerCutError):
        sandbox.run()
    monkeypatch.undo()
    sandbox.run()
    assert list(series.errors().values()).count(None) == 4
    assert sandbox.count("batches") == 2

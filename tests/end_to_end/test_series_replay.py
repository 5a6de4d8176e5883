"""Where batches are cut, and whether they were cut off, makes no difference to the forecasts of a series pipeline."""

import importlib
from itertools import pairwise

import numpy as np
import pandas as pd
import pytest
from series_sandbox import FITTED, HORIZON, VARIABLES, SeriesSandbox, expected_forecasts, macro, quarters


@pytest.mark.parametrize("cuts", [(1, 3, 4, 5, 6, 9), (6,)], ids=str)
def test_forecasts_do_not_depend_on_where_batches_are_cut(series: SeriesSandbox, cuts: tuple[int, ...]) -> None:
    both = pd.concat([quarters(FITTED, FITTED + 12).drop(index=FITTED + 5), quarters(FITTED, FITTED + 12, "CA")])
    numbers = both.index - FITTED
    edges = (0, *cuts, 12)
    for number, (first, last) in enumerate(pairwise(edges)):
        series.drop(f"{number}.csv", both[(numbers >= first) & (numbers < last)])
        series.sandbox.run()
    found = series.forecasts()
    # US: quarters 2, 3, 4, then 8 to 11 after the hole; CA: 2 to 11
    assert len(found) == (3 + 4 + 10) * HORIZON * len(VARIABLES)
    for cutoff in (FITTED + 4, FITTED + 8, FITTED + 11):
        mine = found[(found["cutoff"] == macro()["ds"][cutoff]) & (found["series_id"] == "US")]
        mine = mine[mine["variable"] == "realinv"].sort_values("step")
        np.testing.assert_allclose(mine["upper"], expected_forecasts(cutoff=cutoff)["upper"][:, 2], rtol=1e-10)


class PowerCutError(Exception):
    """What the tests raise in the middle of a batch."""


@pytest.mark.parametrize("write", [1, 2, 3, 4], ids=["forecasts", "observations", "lags", "marker"])
def test_a_series_batch_that_was_cut_off_gives_the_same_tables(
    series: SeriesSandbox, monkeypatch: pytest.MonkeyPatch, write: int
) -> None:
    """The power goes just after a write, in the second batch; the replay must read `lags` as they were before."""
    series.drop("a.csv", quarters(FITTED, FITTED + 5))
    series.sandbox.run()
    series.drop("b.csv", quarters(FITTED + 5, FITTED + 8))
    target = {1: "series_batch.append_once", 2: "series_batch.append_once", 3: "series_batch.merge_once"}.get(write)
    if target:
        cut_after(monkeypatch, f"penstock.{target}", calls=2 if write == 2 else 1)
    else:
        cut_after(monkeypatch, "penstock.batch.write_marker", calls=1)
    with pytest.raises(PowerCutError):
        series.sandbox.run()
    monkeypatch.undo()
    series.sandbox.run()
    found = series.forecasts()
    assert len(found) == 6 * HORIZON * len(VARIABLES)
    assert not found.duplicated(["series_id", "cutoff", "step", "variable"]).any()
    assert list(series.errors().values()).count(None) == 6
    mine = found[(found["cutoff"] == macro()["ds"][FITTED + 6]) & (found["variable"] == "realcons")]
    expected = expected_forecasts(cutoff=FITTED + 6)["lower"][:, 1]
    np.testing.assert_allclose(mine.sort_values("step")["lower"], expected, rtol=1e-10)
    newest = [row.ds for row in sorted(series.sandbox.rows("lags"), key=lambda row: row.number)]
    assert newest == list(macro()["ds"][FITTED + 2 : FITTED + 8])
    assert series.sandbox.table("batches").count() == 2


def cut_after(monkeypatch: pytest.MonkeyPatch, target: str, *, calls: int) -> None:
    """Let the function `target` do its work, and raise after its call number `calls`."""
    module, _, name = target.rpartition(".")
    original = getattr(importlib.import_module(module), name)
    done = 0

    def work_then_cut(*arguments: object, **options: object) -> None:
        nonlocal done
        original(*arguments, **options)
        done += 1
        if done == calls:
            raise PowerCutError

    monkeypatch.setattr(target, work_then_cut)

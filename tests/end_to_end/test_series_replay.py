"""Where batches are cut, and whether they were cut off, makes no difference to the forecasts of a series pipeline."""

import random
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from drawing import drawn
from hypothesis import strategies as st
from power_cuts import PowerCutError, cut_after
from pyspark.sql import SparkSession
from sandbox import Sandbox, TestRegistry
from series_sandbox import (
    FITTED,
    HORIZON,
    KEEP_LAGS,
    VARIABLES,
    SeriesSandbox,
    expected_forecasts,
    macro,
    quarters,
    register_fleet,
    two_series_model,
)

from penstock.errors import LedgerError

QUARTERS = 12


@dataclass(frozen=True, kw_only=True)
class History:
    """Quarters that a series misses, where it is cut into two batches, and where into files of another run."""

    missing: set[int]
    cut: int
    file_cuts: set[int]
    seed: int


HISTORIES = st.builds(
    History,
    missing=st.sets(st.integers(0, QUARTERS - 1), max_size=3),
    cut=st.integers(1, QUARTERS - 1),
    file_cuts=st.sets(st.integers(1, QUARTERS - 1), min_size=1, max_size=4),
    seed=st.integers(0, 10**6),
)


def test_neither_cuts_nor_order_nor_replays_change_the_forecasts(
    spark: SparkSession, registry: TestRegistry, tmp_path: Path
) -> None:
    """Two micro-batches in order, rows shuffled within, against a backfill of other files in any order, with rows that
    break the contract; then the last batch once more. Each series of the model has a history of its own."""
    histories = dict(zip(("US", "CA"), drawn(HISTORIES, 2), strict=True))
    whole = {name: of_series(name, history) for name, history in histories.items()}
    model = two_series_model(registry)
    streamed, backfilled = (
        SeriesSandbox(Sandbox(root=tmp_path / name, spark=spark, registry=registry), model)
        for name in ("streamed", "backfilled")
    )
    rows_in = 0
    for batch in range(2):
        for name, history in histories.items():
            shuffler = random.Random(history.seed + batch)
            for part in parts_of(whole[name], [history.cut])[batch : batch + 1]:
                rows_in += drop_shuffled(streamed, part, shuffler)
        streamed.sandbox.run()
    for name, history in histories.items():
        shuffler = random.Random(history.seed)
        for part in parts_of(whole[name], sorted(history.file_cuts)):
            drop_shuffled(backfilled, part, shuffler)
    backfilled.sandbox.run()

    found, observed = streamed.forecasts(), sum(map(len, whole.values()))
    for name, history in histories.items():
        of_series_only = found[found["series_id"] == name].reset_index(drop=True)
        check_forecasts(of_series_only, kept=set(range(QUARTERS)) - history.missing)
    pd.testing.assert_frame_equal(found, backfilled.forecasts(), rtol=1e-12)
    batches = streamed.sandbox.rows("batches")
    counts = [sum(row[name] for row in batches) for name in ("rows_in", "accepted", "quarantined")]
    assert counts == [rows_in, observed, rows_in - observed]
    assert streamed.sandbox.count("observations") == observed
    assert streamed.sandbox.count("quarantine") == rows_in - observed

    forget_last_commit(streamed.sandbox.root / "checkpoint")
    streamed.sandbox.run()
    pd.testing.assert_frame_equal(streamed.forecasts(), found, check_exact=True)


def of_series(name: str, history: History) -> pd.DataFrame:
    return quarters(FITTED, FITTED + QUARTERS, name).drop(index=[FITTED + number for number in history.missing])


def parts_of(history: pd.DataFrame, cuts: Sequence[int]) -> list[pd.DataFrame]:
    numbers = history.index - FITTED
    parts = [history[(numbers >= low) & (numbers < high)] for low, high in pairwise([0, *cuts, QUARTERS])]
    return [part for part in parts if len(part)]


def drop_shuffled(series: SeriesSandbox, part: pd.DataFrame, shuffler: random.Random) -> int:
    """Drop a part and a row with a negative GDP as a file of any name and age; returns how many rows it has."""
    rows = [*range(len(part)), 0]
    shuffler.shuffle(rows)
    shuffled = part.iloc[rows].reset_index(drop=True)
    shuffled.loc[rows.index(0), "realgdp"] = -1.0
    name, age = shuffler.randrange(10**6), shuffler.randrange(20, 90)
    series.drop(f"{part['series_id'].iloc[0]}-{name}-{part.index[0]}.csv", shuffled, age_seconds=age)
    return len(rows)


def check_forecasts(found: pd.DataFrame, *, kept: set[int]) -> None:
    """Exactly the cutoffs with three consecutive quarters have forecasts, and those are statsmodels'."""
    dates = macro()["ds"]
    cutoffs = [number for number in sorted(kept) if {number - 1, number - 2} <= kept]
    assert list(found["cutoff"].unique()) == [dates[FITTED + number] for number in cutoffs]
    for number in cutoffs:
        expected = expected_forecasts(cutoff=FITTED + number)
        mine = found[found["cutoff"] == dates[FITTED + number]].sort_values(["step", "variable"])
        for bound, values in expected.items():
            # by name the variables are in the order realcons, realgdp, realinv
            np.testing.assert_allclose(mine[bound], values[:, [1, 0, 2]].ravel(), rtol=1e-10)


def forget_last_commit(checkpoint: Path) -> None:
    """As if Spark had died between the batch's marker and its own."""
    last = max((file for file in (checkpoint / "commits").iterdir() if file.name.isdigit()), key=lambda f: int(f.name))
    last.unlink()
    (last.parent / f".{last.name}.crc").unlink(missing_ok=True)


def test_a_deeper_model_has_its_lags_at_once(series: SeriesSandbox) -> None:
    """Five quarters came while `lags` kept three; the new model needs five levels, and keep_lags is raised for it."""
    registry = series.sandbox.registry
    register_fleet(registry, "macro-deeper", lags=2)
    series.sandbox.changes["model"] = {"name": "macro-deeper"}
    series.sandbox.changes["series"]["keep_lags"] = 3
    series.drop("a.csv", quarters(FITTED, FITTED + 5))
    series.sandbox.run()
    assert series.sandbox.count("lags") == 3

    version = register_fleet(registry, "macro-deeper", lags=4)
    series.sandbox.changes["series"]["keep_lags"] = KEEP_LAGS
    series.drop("b.csv", quarters(FITTED + 5, FITTED + 6))
    series.sandbox.run()
    assert series.sandbox.count("lags") == 6
    found = series.forecasts()
    mine = found[(found["cutoff"] == macro()["ds"][FITTED + 5]) & (found["variable"] == "realgdp")]
    expected = expected_forecasts(cutoff=FITTED + 5, lags=4)["forecast"][:, 0]
    np.testing.assert_allclose(mine.sort_values("step")["forecast"], expected, rtol=1e-10)
    versions = {row.batch_id: row.model_version for row in series.sandbox.rows("forecasts")}
    assert versions[1] == version


def test_a_state_of_another_calendar_is_refused(series: SeriesSandbox) -> None:
    """As if the tables had been made for monthly series."""
    series.drop("a.csv", quarters(FITTED, FITTED + 2))
    series.sandbox.run()
    path = series.sandbox.root / "tables" / "lags"
    series.sandbox.spark.sql(f"ALTER TABLE delta.`{path}` SET TBLPROPERTIES ('penstock.frequency' = 'MS')")
    with pytest.raises(LedgerError, match=r"observations of frequency MS, series\.frequency is QS now; change it back"):
        series.sandbox.run()


@pytest.mark.parametrize("write", ["batch.append_once", "series_writes.merge_once"], ids=["forecasts", "lags"])
def test_a_series_batch_that_was_cut_off_gives_the_same_tables(
    series: SeriesSandbox, monkeypatch: pytest.MonkeyPatch, write: str
) -> None:
    """The power goes just after a write, in the second batch; the replay must read `lags` as they were before."""
    series.drop("a.csv", quarters(FITTED, FITTED + 5))
    series.sandbox.run()
    series.drop("b.csv", quarters(FITTED + 5, FITTED + 8))
    cut_after(monkeypatch, f"penstock.pipeline.{write}")
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
    assert series.sandbox.count("batches") == 2

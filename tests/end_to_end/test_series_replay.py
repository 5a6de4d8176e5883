"""Where batches are cut makes no difference to the forecasts of a series pipeline."""

import random
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from aged import age_table
from drawing import drawn
from hypothesis import strategies as st
from power_cuts import PowerCutError, cut_after
from pyspark.sql import SparkSession
from sandbox import Sandbox, TestRegistry
from series_sandbox import (
    FITTED,
    KEEP_LAGS,
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


def test_neither_cuts_nor_order_nor_a_power_cut_change_the_forecasts(
    spark: SparkSession, registry: TestRegistry, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two micro-batches in order, rows shuffled within, against a backfill of other files in any order, with rows that
    break the contract. Each series of the model has a history of its own. The second batch comes a month later, and is
    cut off after it wrote `lags`: its replay reads the version before that, which must not have run out."""
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
        if batch:
            age_table(spark, streamed.sandbox.root / "tables" / "lags", days=31)
            with monkeypatch.context() as patch:
                cut_after(patch, "penstock.pipeline.batch.append_once", times=3)
                with pytest.raises(PowerCutError):
                    streamed.sandbox.run()
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
    assert len(batches) == 2
    assert streamed.sandbox.count("observations") == observed
    assert streamed.sandbox.count("quarantine") == rows_in - observed


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


@pytest.fixture(scope="module")
def deepened(shared_sandbox: Sandbox) -> SeriesSandbox:
    """Five quarters came while `lags` kept three; the new model needs five levels, and keep_lags is raised for it."""
    registry = shared_sandbox.registry
    register_fleet(registry, "macro-deeper", lags=2)
    series = SeriesSandbox(shared_sandbox, "macro-deeper", keep_lags=3)
    series.drop("a.csv", quarters(FITTED, FITTED + 5))
    shared_sandbox.run()
    assert shared_sandbox.count("lags") == 3

    register_fleet(registry, "macro-deeper", lags=4)
    shared_sandbox.changes["series"]["keep_lags"] = KEEP_LAGS
    series.drop("b.csv", quarters(FITTED + 5, FITTED + 6))
    shared_sandbox.run()
    return series


def test_a_deeper_model_has_its_lags_at_once(deepened: SeriesSandbox) -> None:
    assert deepened.sandbox.count("lags") == 6
    found = deepened.forecasts()
    mine = found[(found["cutoff"] == macro()["ds"][FITTED + 5]) & (found["variable"] == "realgdp")]
    expected = expected_forecasts(cutoff=FITTED + 5, lags=4)["forecast"][:, 0]
    np.testing.assert_allclose(mine.sort_values("step")["forecast"], expected, rtol=1e-10)
    versions = {row.batch_id: row.model_version for row in deepened.sandbox.rows("forecasts")}
    assert [int(versions[batch]) for batch in (0, 1)] == [1, 2]


def test_a_state_of_another_calendar_is_refused(deepened: SeriesSandbox) -> None:
    """As if the tables had been made for monthly series."""
    sandbox = deepened.sandbox
    path = sandbox.root / "tables" / "lags"
    sandbox.spark.sql(f"ALTER TABLE delta.`{path}` SET TBLPROPERTIES ('penstock.frequency' = 'MS')")
    with pytest.raises(LedgerError, match=r"observations of frequency MS, series\.frequency is QS now; change it back"):
        sandbox.run()

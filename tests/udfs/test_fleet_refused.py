"""Refused series in a model: found by id, with their reasons, bounded; and models of earlier versions."""

import json
from pathlib import Path

import mlflow
import numpy as np
import pandas as pd
import pytest
from var_frames import window
from var_truth import simulated

from penstock.udfs.var import fleet_refused
from penstock.udfs.var.fit import fit_fleet
from penstock.udfs.var.fleet_fit import FitSettings
from penstock.udfs.var.fleet_forecast import forecast_frame
from penstock.udfs.var.fleet_refused import RefusedSeries
from penstock.udfs.var.fleet_save import save_fleet_model
from penstock.udfs.var.fleet_store import open_store

pytestmark = pytest.mark.filterwarnings("ignore::UserWarning")
VARIABLES = ("u", "v")


@pytest.fixture(autouse=True)
def _own_cache(tmp_path, monkeypatch):
    monkeypatch.setenv("PENSTOCK_MODEL_CACHE", str(tmp_path / "cache"))


def saved(path: Path, ids, refused) -> Path:
    """One series, and those that were refused before the fit; returns the folder of the arrays."""
    fit = fit_fleet(simulated(2, 1, 100, seed=2), np.array([0, 100]), FitSettings(transforms=("none",) * 2, max_lags=1))
    save_fleet_model(path, fit, ids=ids, variables=VARIABLES, frequency="D", refused=refused)
    return path / "artifacts" / "fleet"


def lag_orders(store, ids) -> list[int]:
    rows = [window(np.zeros((0, 2)), VARIABLES, lags=1, series_id=one, ds="2024-01-01") for one in ids]
    return forecast_frame(store, pd.DataFrame(rows))["lag_order"].tolist()


@pytest.mark.parametrize("kind", [str, int])
def test_each_refused_series_has_its_reason(tmp_path, kind):
    ids = [kind(number) for number in (5, 30, 7, 11)]
    reasons = ["too short: 3", "constant: variable 1", "too short: 3"]
    store = open_store(saved(tmp_path / "m", ids[:1], list(zip(ids[1:], reasons, strict=True))))
    metadata = mlflow.models.Model.load(str(tmp_path / "m")).metadata["penstock_fleet"]
    assert metadata["refused_reasons"] == ["constant: variable 1", "too short: 3"]
    assert lag_orders(store, [*ids, kind(99)]) == [1, -3, -2, -3, -1]


def test_an_artifact_of_an_earlier_version_knows_no_refused_series(tmp_path):
    """Its folder has no such files, nor has its manifest."""
    folder = saved(tmp_path / "m", ["a"], [("b", "too short: 3")])
    manifest = json.loads((folder / "fleet.json").read_text())
    for name in [name for name in manifest["files"] if name.startswith("refused_")]:
        del manifest["files"][name]
        (folder / name).unlink()
    (folder / "fleet.json").write_text(json.dumps(manifest | {"sha256": "0" * 64}))
    assert lag_orders(open_store(folder), ["a", "b"]) == [1, -1]


def test_more_series_than_a_model_takes_are_left_out(monkeypatch):
    monkeypatch.setattr(fleet_refused, "MAX_SERIES", 2)
    found = RefusedSeries.of([("a", "x"), ("b", "y"), ("c", "z")], ids_are_strings=True)
    assert (found.ids.tolist(), found.left_out, found.reasons) == (["a", "b"], 1, ("x", "y"))


def test_rare_reasons_are_named_by_their_kind(monkeypatch):
    """Of two kinds, one with a text that occurs twice: that one stays whole."""
    monkeypatch.setattr(fleet_refused, "MAX_REASONS", 1)
    reasons = ["unstable: 1.06", "unstable: 1.07", "too short: 3 of 9", "too short: 3 of 9", "too short: 4 of 9"]
    found = RefusedSeries.of(list(enumerate(reasons)), ids_are_strings=False)
    named = [found.reasons[code] for code in found.codes]
    assert named == ["unstable", "unstable", "too short: 3 of 9", "too short: 3 of 9", "too short"]


def test_a_thousand_reasons_of_their_own_are_bounded():
    found = RefusedSeries.of([(n, f"{n} is unlike any other" + "." * 999) for n in range(1000)], ids_are_strings=False)
    assert len(found.reasons) <= fleet_refused.MAX_REASONS + fleet_refused.MAX_KINDS + 1
    assert max(map(len, found.reasons)) <= fleet_refused.MAX_CHARACTERS
    assert fleet_refused.OTHER_REASON in found.reasons


def test_reasons_of_the_fit_itself_are_taken_without_being_named(tmp_path):
    levels = np.concatenate([simulated(2, 1, 100, seed=2), np.ones((50, 2))])
    fit = fit_fleet(levels, np.array([0, 100, 150]), FitSettings(transforms=("none",) * 2, max_lags=1))
    save_fleet_model(tmp_path / "m", fit, ids=["a", "b"], variables=VARIABLES, frequency="D")
    metadata = mlflow.models.Model.load(str(tmp_path / "m")).metadata["penstock_fleet"]
    assert metadata["refused_reasons"] == ["constant: y1, y2 after its transform"]
    assert lag_orders(open_store(tmp_path / "m" / "artifacts" / "fleet"), ["b"]) == [-2]

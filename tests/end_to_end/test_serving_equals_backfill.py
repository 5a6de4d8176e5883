"""The REST service and the backfill give the same answers and the same reasons for the same input."""

import csv
import io
import re
from pathlib import Path
from typing import Any

import mlflow
import numpy as np
import pandas as pd
from mlflow.models import ModelSignature, infer_signature
from mlflow.types import ColSpec, DataType, Schema
from sandbox import MODELS, WINE, Sandbox, TestRegistry, wine
from scipy.stats import norm
from series_sandbox import FITTED, HORIZON, VARIABLES, SeriesSandbox, expected_forecasts, quarters, register_fleet
from service import predict, service

from penstock.schemas.wine import MEASUREMENTS

PAGE = (Path(__file__).parents[2] / "docs" / "rest.md").read_text(encoding="utf-8")
NOT_A_NUMBER = wine(alcohol=13, sulphates=float("nan"))
WINES: list[dict[str, Any]] = [
    WINE,
    wine(alcohol="12.5"),
    wine(alcohol="twelve", pH="high", density=-1),
    wine(alcohol=None),
    wine(alcohol=99, pH=15),
    wine(alcohol=14.5),
    wine(alcohol="1e1"),
    wine(alcohol="12,5"),
    wine(alcohol="0x10", **{"free sulfur dioxide": 50}),
    wine(pH="  3.5"),
    wine(sulphates="x" * 80),
]


def in_file(rows: list[dict[str, Any]], columns: tuple[str, ...]) -> bytes:
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(columns)
    writer.writerows(["" if row.get(name) is None else row[name] for name in columns] for row in rows)
    return text.getvalue().encode()


def by_backfill(sandbox: Sandbox, rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """What the tables say of each row, which has a file of its own."""
    for number, row in enumerate(rows):
        sandbox.drop(f"{number}.csv", in_file([row], MEASUREMENTS))
    sandbox.run()
    found: dict[str, dict[str, Any]] = {}
    for row in sandbox.rows("predictions"):
        found[row.source_file] = {"prediction": row.asDict(recursive=True)["prediction"], "error": row.error}
    for row in sandbox.rows("quarantine"):
        found[row.source_file] = {"reasons": row.reasons}
    given = [found[f"{sandbox.location}/inbox/{number}.csv"] for number in range(len(rows))]
    return [{key: value for key, value in row.items() if value is not None} for row in given]


def test_predictions_errors_and_reasons_are_those_of_the_backfill(sandbox: Sandbox) -> None:
    sandbox.changes = {"model": {"name": sandbox.registry.wine_model("fussy")}}
    expected = by_backfill(sandbox, [*WINES, NOT_A_NUMBER])
    with service(sandbox.spark, sandbox.config()) as client:
        found = predict(client, "wine-fussy", *WINES)
        # JSON proper has no NaN; what Python writes is understood.
        body = str([NOT_A_NUMBER]).replace("nan", "NaN").replace("'", '"')
        answer = client.post(
            "/models/wine-fussy/predict",
            content=f'{{"rows": {body}}}',
            headers={"content-type": "application/json"},
        ).json()
    found.append({key: value for key, value in answer["rows"][0].items() if value is not None})
    assert found == expected
    # By hand, so that both can't be wrong together: fussy gives the alcohol back, or raises above 14.
    assert [found[number] for number in (0, 1, 5, 6)] == [
        {"prediction": 9.4},
        {"prediction": 12.5},
        {"error": "ValueError: this is no table wine"},
        {"prediction": 10.0},
    ]
    assert found[2] == {
        "reasons": [
            "ph: 'high' is not a double",
            "alcohol: 'twelve' is not a double",
            "rule density_in_range: not true: density BETWEEN 0.9 AND 1.2",
        ]
    }
    assert found[3] == {"reasons": ["alcohol: is null, and the contract wants a value"]}


def test_the_documented_hooks_work_the_same_in_both(sandbox: Sandbox, tmp_path: Path) -> None:
    [example] = [code for code in re.findall(r"^```python\n(.*?)^```$", PAGE, re.M | re.S) if "HookedModel" in code]
    code = tmp_path / "rated_wine.py"
    code.write_text(example, encoding="utf-8")
    rated = pd.DataFrame({"score": [1.5], "label": ["good"]})
    register(sandbox.registry, "wine-rated", code, infer_signature(pd.DataFrame([WINE]), rated))
    sandbox.changes = {"model": {"name": "wine-rated"}}
    rows = [WINE, wine(alcohol=12.34)]
    expected = by_backfill(sandbox, rows)
    with service(sandbox.spark, sandbox.config()) as client:
        found = predict(client, "wine-rated", *rows)
    assert found == expected
    # Alcohol less a tenth of 34 - 11.
    assert [row["prediction"] for row in found] == [
        {"score": 7.1, "label": "plain"},
        {"score": 10.0, "label": "good"},
    ]


def register(registry: TestRegistry, name: str, code: Path, signature: ModelSignature) -> None:
    registry.use()
    with mlflow.start_run():
        info = mlflow.pyfunc.log_model(
            name="model",
            python_model=str(code),
            signature=signature,
            registered_model_name=name,
            pip_requirements=["mlflow"],
        )
    registry.client.set_registered_model_alias(name, "champion", str(info.registered_model_version))


NUMBERS = {"whole": 7, "big": 2**53 - 1, "flag": True}
TYPED: list[dict[str, Any]] = [
    {"id": "a", **NUMBERS, "x": 1.5, "money": 12.34, "at": "2024-02-29T12:00:00.000001Z"},
    {"id": "b", **NUMBERS, "kept": "NaN", "emptied": "nan", "at": "2024-02-29 14:00:00+02:00", "whole": "-3"},
    {"id": "c", **NUMBERS, "x": 1e22, "day": "2024-02-29", "german_day": "29.02.2024", "flag": "FALSE", "money": ".5"},
    {"id": "d", **NUMBERS, "big": None},
    {"id": "e", **NUMBERS, "flag": None},
]
REQUIRED = ("id", *NUMBERS)
INPUTS = {
    "id": DataType.string,
    "x": DataType.double,
    "whole": DataType.integer,
    "big": DataType.long,
    "money": DataType.double,
    "at": DataType.datetime,
    "german_day": DataType.datetime,
    "flag": DataType.boolean,
    "kept": DataType.float,
    "emptied": DataType.double,
}


def test_a_model_is_given_the_same_types_and_values(sandbox: Sandbox) -> None:
    """The model says what it was given; all rows are in one call, as a null in one changes the type of all."""
    specs = [ColSpec(kind, name, required=name in REQUIRED) for name, kind in INPUTS.items()]
    signature = ModelSignature(inputs=Schema(specs), outputs=Schema([ColSpec(DataType.string)]))
    register(sandbox.registry, "telling", MODELS / "telling.py", signature)
    sandbox.changes = {"contract": "sample_contracts:TYPES", "model": {"name": "telling"}}
    columns = (*INPUTS, "day")
    rows = [{name: str(value) if value is True else value for name, value in row.items()} for row in TYPED]
    sandbox.drop("all.csv", in_file(rows, columns))
    sandbox.run()
    expected = {row.id: {"prediction": row.prediction, "error": row.error} for row in sandbox.rows("predictions")}
    with service(sandbox.spark, sandbox.config()) as client:
        found = predict(client, "telling", *TYPED)
    assert [{"prediction": None, "error": None} | answer for answer in found] == [expected[row["id"]] for row in TYPED]
    assert " x:float64=1.5 " in found[0]["prediction"]
    assert " at:datetime64[ns]=Timestamp('2024-02-29 12:00:00.000001')" in found[0]["prediction"]
    assert [row.get("error") for row in found[3:]] == [
        "big is null; the model's signature wants a long",
        "flag is null; the model's signature wants a boolean",
    ]


LEVELS = (0.5, 0.8, 0.95)


def test_forecasts_and_reasons_of_series_are_those_of_a_first_batch(sandbox: Sandbox) -> None:
    register_fleet(sandbox.registry, "macro-levels", ids=("US", "CA"), further_levels=LEVELS[:-1])
    series = SeriesSandbox(sandbox, "macro-levels", level=list(LEVELS))
    hole = quarters(FITTED, FITTED + 7, "CA").drop(index=FITTED + 3)
    again = pd.concat([quarters(FITTED, FITTED + 1).assign(realgdp=1.0), quarters(FITTED + 2, FITTED + 3)])
    negative = quarters(FITTED + 7, FITTED + 8).assign(realinv=-1.0)
    rows = pd.concat([hole, negative, quarters(FITTED, FITTED + 5), again, quarters(FITTED, FITTED + 1, "MARS")])
    rows = rows.sample(frac=1, random_state=0)
    series.drop("a.csv", rows)
    series.sandbox.run()
    given = rows[["series_id", "ds", *VARIABLES]].assign(ds=rows["ds"].dt.strftime("%Y-%m-%d")).to_dict("records")
    with service(series.sandbox.spark, series.sandbox.config()) as client:
        found = predict(client, "macro-levels", *given)
        schemas = client.get("/openapi.json").json()["components"]["schemas"]

    paired = list(zip(given, found, strict=True))
    [against] = [answer["reasons"] for row, answer in paired if row["realinv"] == -1.0]
    assert [against] == series.sandbox.reasons("a.csv")
    errors = sorted((row["series_id"], row["ds"], row["realgdp"], answer.get("error")) for row, answer in paired
                    if "reasons" not in answer)  # fmt: skip
    table = [(r.series_id, f"{r.ds:%Y-%m-%d}", r.realgdp, r.error) for r in series.sandbox.rows("observations")]
    assert [(*key, error or "") for *key, error in errors] == sorted((*key, error or "") for *key, error in table)
    assert {error for *_, error in errors} == {None, "warming_up", "gap", "conflict", "revision", "unknown_series"}

    steps = [
        {"series_id": row["series_id"], "cutoff": pd.Timestamp(row["ds"]), **step}
        for row, answer in paired
        for step in answer.get("forecast", [])
    ]
    mine = pd.DataFrame(steps).assign(ds=lambda frame: pd.to_datetime(frame["ds"]).dt.tz_localize(None), level=0.95)
    expected = series.forecasts()
    mine = mine.sort_values(["series_id", "cutoff", "step", "variable"], ignore_index=True)
    check_intervals(mine, series, schemas)
    mine = mine[list(expected.columns)]
    pd.testing.assert_frame_equal(mine, expected, check_dtype=False, check_exact=True)
    us = mine[(mine["series_id"] == "US") & (mine["cutoff"] == expected["cutoff"].max())]
    gdp = us[us["variable"] == "realgdp"].sort_values("step")["forecast"]
    assert len(gdp) in (0, HORIZON)
    truth = expected_forecasts(cutoff=FITTED + 4)["forecast"][:, 0]
    newest = mine[(mine["series_id"] == "US") & (mine["variable"] == "realgdp")].tail(HORIZON)
    np.testing.assert_allclose(newest["forecast"], truth, rtol=1e-10)


def check_intervals(mine: pd.DataFrame, series: SeriesSandbox, schemas: dict[str, Any]) -> None:
    """Those of all levels are the stream's, as wide as normal quantiles are in logs, and in the API's document."""
    keys = ["series_id", "cutoff", "step", "variable"]
    rows = [row.asDict(recursive=True) for row in series.sandbox.rows("forecasts")]
    stream = pd.DataFrame(rows).sort_values(keys, ignore_index=True)
    assert len(mine) == len(stream) > 0
    assert mine["intervals"].tolist() == stream["intervals"].tolist()
    for row in mine.itertuples():
        assert [one["level"] for one in row.intervals] == list(LEVELS)
        width = np.log(row.upper / row.forecast) / norm.ppf(0.975)
        for one in row.intervals:
            half = norm.ppf(0.5 + one["level"] / 2) * width
            np.testing.assert_allclose([one["lower"], one["upper"]], row.forecast * np.exp([-half, half]), rtol=1e-9)
    assert set(schemas["ForecastInterval"]["required"]) == {"level", "lower", "upper"}
    assert "intervals" in schemas["ForecastStepOfLevels"]["required"]

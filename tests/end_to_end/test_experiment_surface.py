"""A real canary of two scikit-learn models in the stream, and what people see of it: REST, explain, status, compare."""

import dataclasses
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from pyspark.sql import Row
from sandbox import Sandbox, csv_file
from service import service, until

from penstock.models.training.elasticnet import train_elasticnet
from penstock.operations.explain.explain import Question, explain
from penstock.operations.explain.report import PredictionReport
from penstock.operations.explain.text import as_text
from penstock.operations.monitoring.status import read_status
from penstock.operations.monitoring.status_text import as_text as status_text
from penstock.schemas.wine import MEASUREMENTS

WINES = Path(__file__).parents[2] / "data" / "winequality-red.csv"
ROWS = 200
NAME = "seen-wine"


@pytest.fixture(scope="module")
def wines() -> list[dict[str, Any]]:
    found = pd.read_csv(WINES)[list(MEASUREMENTS)].head(ROWS).to_dict("records")
    return [{"order_id": number - 20, **row} for number, row in enumerate(found)]


@pytest.fixture(scope="module")
def canary(shared_sandbox: Sandbox, wines: list[dict[str, Any]]) -> Sandbox:
    shared_sandbox.changes = {"model": {"name": NAME}}
    for alpha, promotes in ((0.02, True), (0.2, False)):
        config = shared_sandbox.config()
        train_elasticnet(config, data=WINES, alpha=alpha, l1_ratio=0.5, first_rows=None, promote=promotes)
    shared_sandbox.changes |= {
        "contract": "schemas.wine_orders:CONTRACT",
        "experiment": {"mode": "canary", "fraction": 0.5, "key": ["order_id"]},
    }
    shared_sandbox.drop("wines.csv", csv_file(*wines, header=("order_id", *MEASUREMENTS)))
    shared_sandbox.run()
    return shared_sandbox


@pytest.fixture(scope="module")
def predictions(canary: Sandbox) -> dict[int, Row]:
    return {row.order_id: row for row in canary.rows("predictions")}


def test_the_service_gives_each_key_the_version_that_the_stream_gave_it(
    canary: Sandbox, wines: list[dict[str, Any]], predictions: dict[int, Row]
) -> None:
    assert 60 < sum(row.role == "candidate" for row in predictions.values()) < 140
    with service(canary.spark, canary.config()) as client:

        def is_there() -> Any:
            return (client.get("/models").json()["models"][0]["canary"] or {}).get("version")

        until(is_there, "the candidate is loaded")
        found = client.post(f"/models/{NAME}/predict", json={"rows": wines}).json()["rows"]
    for wine, answer in zip(wines, found, strict=True):
        row = predictions[wine["order_id"]]
        assert (answer["role"], answer["model_version"]) == (row.role, row.model_version)
        assert answer["prediction"] == pytest.approx(row.prediction, rel=1e-12)


def test_explain_says_who_answered_and_what_the_other_one_said(canary: Sandbox, predictions: dict[int, Row]) -> None:
    by_role: dict[str, int] = {}
    for number, row in predictions.items():
        by_role.setdefault(row.role, number)
    for role, number in by_role.items():
        row = predictions[number]
        found = explain(canary.config(), Question(where=f"order_id = {number}"))
        assert isinstance(found, PredictionReport)
        assert found.is_confirmed, found.again
        assert found.model.version == row.model_version
        text = as_text(found)
        if role == "candidate":
            said = f"by candidate {NAME}/2 of a canary (champion: 1 said {row.shadow_prediction}), "
            assert said in text
        else:
            assert f"by champion {NAME}/1, " in text
            assert found.beside is None


def test_all_answers_of_the_candidate_are_computed_again(canary: Sandbox, predictions: dict[int, Row]) -> None:
    """Its Arrow batch had the rows of its keys alone."""
    config = canary.config()
    numbers = [number for number, row in predictions.items() if row.role == "candidate"][:20]
    unequal = []
    for number in numbers:
        found = explain(config, Question(where=f"order_id = {number}"))
        if not found.is_confirmed:
            unequal.append(dataclasses.asdict(found.again))
    assert unequal == []


def test_the_status_has_the_experiment(canary: Sandbox) -> None:
    status = read_status(canary.config())
    assert status.experiment is not None
    assert status.experiment.running is not None
    text = status_text(status)
    assert "experiment  canary of 0.5 of the keys, version 2 beside champion 1 since " in text
    assert "nothing of both has come true yet" in text

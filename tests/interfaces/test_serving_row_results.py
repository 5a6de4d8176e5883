import numpy as np
import pandas as pd
from mlflow.types import DataType

from penstock.interfaces.rest.row_results import RowResult, predictions
from penstock.udfs.scoring.guarded import NULL_TEXT
from penstock.udfs.scoring.outputs import ModelColumn

SCORE = ModelColumn(name="score", type=DataType.double)
LABEL = ModelColumn(name="label", type=DataType.string)
COUNT = ModelColumn(name="count", type=DataType.long)


def test_a_single_output_is_a_plain_value():
    scored = pd.DataFrame({"score": [1.5, np.nan, np.nan], "error": ["", "ValueError: no", ""]})
    assert predictions(scored, [SCORE]) == [
        RowResult(value=1.5),
        RowResult(error="ValueError: no"),
        RowResult(),
    ]


def test_several_are_an_object_with_nulls_where_the_model_gave_none():
    scored = pd.DataFrame(
        {"score": [np.nan, 2.0], "label": [NULL_TEXT, "good"], "count": np.array([3, 4]), "error": ["", ""]}
    )
    found = predictions(scored, [SCORE, LABEL, COUNT])
    assert [answer.value for answer in found] == [
        {"score": None, "label": None, "count": 3},
        {"score": 2.0, "label": "good", "count": 4},
    ]
    assert type(found[0].value["count"]) is int


def test_json_has_no_infinity():
    scored = pd.DataFrame({"score": [np.inf, -np.inf], "error": ["", ""]})
    said = "the model's output score is infinite, which JSON can't represent"
    assert predictions(scored, [SCORE]) == [RowResult(error=said)] * 2


def test_outcomes():
    answers = [RowResult(value=1), RowResult(), RowResult(error="x"), RowResult(reasons=("x",))]
    assert [answer.outcome for answer in answers] == ["answered", "answered", "failed", "rejected"]

from itertools import chain

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from mlflow.types import DataType

from penstock.udfs.scoring.guarded import MAX_CALLS, NULL_TEXT, score_rows
from penstock.udfs.scoring.outputs import ModelColumn

BAD = -1.0
X = ModelColumn(name="x", type=DataType.double)
PREDICTION = (ModelColumn(name="prediction", type=DataType.double),)


class Model:
    """Predicts 2x + 1 and counts its calls; a batch that `breaks` says so of is an error."""

    def __init__(self, breaks=lambda frame: (frame["x"] == BAD).any(), answer=lambda frame: 2 * frame["x"] + 1):
        self.breaks, self.answer, self.calls = breaks, answer, 0

    def __call__(self, frame):
        self.calls += 1
        if self.breaks(frame):
            raise ValueError("a bad row")
        return self.answer(frame)


def score(model, rows, inputs=(X,), outputs=PREDICTION):
    frame = pd.DataFrame({"x": np.asarray(rows, dtype=float)}) if not isinstance(rows, pd.DataFrame) else rows
    return score_rows(model, frame, inputs=inputs, outputs=outputs)


def failed(result):
    return [int(position) for position in np.flatnonzero(result["error"] != "")]


def rows_with_bad(count, *bad):
    rows = np.arange(count, dtype=float)
    rows[list(bad)] = BAD
    return rows


def test_good_rows_cost_one_call():
    model = Model()
    result = score(model, [1.0, 2.0, 3.0])
    assert result["prediction"].tolist() == [3.0, 5.0, 7.0]
    assert result["error"].tolist() == ["", "", ""]
    assert list(result.columns) == ["prediction", "error"]
    assert model.calls == 1


@pytest.mark.parametrize("bad", [0, 1, 4_999, 5_000, 7_777, 9_999])
def test_one_bad_row_of_10000_costs_that_row_alone(bad):
    model = Model()
    result = score(model, rows_with_bad(10_000, bad))
    assert failed(result) == [bad]
    assert result["error"][bad] == "ValueError: a bad row"
    good = np.delete(np.arange(10_000), bad)
    assert (result["prediction"].to_numpy()[good] == 2.0 * good + 1).all()
    assert np.isnan(result["prediction"][bad])
    assert model.calls <= 64


@pytest.mark.parametrize("bad", [(0, 1), (0, 9_999), (4_999, 5_000), (2_500, 7_500)])
def test_two_bad_rows_of_10000_cost_these_rows_alone(bad):
    model = Model()
    assert failed(score(model, rows_with_bad(10_000, *bad))) == list(bad)
    assert model.calls <= 64


@pytest.mark.parametrize("bad", [(0, 5_000, 9_999), (10, 11, 12), (1_000, 2_000, 9_000)])
def test_three_bad_rows_of_10000_cost_few_others(bad):
    """64 calls are 31 splits: 30 of them cut three paths down to eleven halvings, that is to 5 rows each."""
    model = Model()
    result = score(model, rows_with_bad(10_000, *bad))
    assert set(bad) <= set(failed(result))
    assert len(failed(result)) <= 15
    good = np.setdiff1d(np.arange(10_000), failed(result))
    assert (result["prediction"].to_numpy()[good] == 2.0 * good + 1).all()
    assert model.calls <= 64


def test_rows_that_share_an_error_say_so():
    model = Model()
    result = score(model, rows_with_bad(10_000, *range(0, 10_000, 7)))
    assert model.calls <= 64
    assert all("rows that were tried together" in error for error in result["error"] if error)
    assert set(range(0, 10_000, 7)) <= set(failed(result))


def test_a_model_that_always_raises_ends_within_its_calls():
    model = Model(breaks=lambda frame: True)
    assert failed(score(model, np.zeros(10_000))) == list(range(10_000))
    assert model.calls <= MAX_CALLS == 64


def test_a_model_that_raises_on_nulls_fails_on_these_alone():
    model = Model(breaks=lambda frame: frame["x"].isna().any())
    rows = np.arange(10_000, dtype=float)
    rows[::3] = np.nan
    result = score(model, rows)
    assert failed(result) == list(range(0, 10_000, 3))
    assert result["prediction"][1] == 3.0
    assert model.calls <= 64


def test_nulls_in_another_column_do_not_hide_the_bad_row():
    frame = pd.DataFrame({"x": rows_with_bad(10_000, 1234), "y": np.where(np.arange(10_000) % 2, np.nan, 1.0)})
    model = Model()
    inputs = (X, ModelColumn(name="y", type=DataType.double, required=False))
    assert failed(score(model, frame, inputs)) == [1234]
    assert model.calls <= 64


@settings(max_examples=60, deadline=None)
@given(st.data())
def test_up_to_two_bad_rows_are_found_wherever_they_are(data):
    count = data.draw(st.integers(1, 500))
    bad = sorted(data.draw(st.sets(st.integers(0, count - 1), max_size=2)))
    model = Model()
    result = score(model, rows_with_bad(count, *bad))
    assert failed(result) == bad
    good = np.setdiff1d(np.arange(count), bad)
    assert (result["prediction"].to_numpy()[good] == 2.0 * good + 1).all()
    assert model.calls <= 64


def test_no_rows_need_no_call():
    model = Model()
    result = score(model, [])
    assert list(result.columns) == ["prediction", "error"]
    assert (len(result), model.calls) == (0, 0)


def test_the_index_of_the_rows_is_kept():
    frame = pd.DataFrame({"x": [1.0, BAD, 3.0]}, index=[30, 10, 20])
    result = score(Model(), frame)
    assert result.index.tolist() == [30, 10, 20]
    assert result["error"].tolist() == ["", "ValueError: a bad row", ""]
    assert result["prediction"][20] == 7.0


def test_the_model_sees_a_plain_index():
    seen = []
    frame = pd.DataFrame({"x": [1.0, BAD, 3.0]}, index=[30, 10, 20])
    score(Model(answer=lambda part: seen.append(part.index.tolist()) or part["x"]), frame)
    assert seen
    assert all(index == list(range(len(index))) for index in seen)


def test_a_model_that_changes_its_input_does_not_change_the_rows():
    frame = pd.DataFrame({"x": [1.0, BAD, 3.0]})

    def predict(part):
        bad = (part["x"] == BAD).any()
        part.loc[:, "x"] = 100.0
        part.drop(columns="x", inplace=True)
        if bad:
            raise ValueError("a bad row")
        return np.zeros(len(part))

    assert failed(score(predict, frame)) == [1]
    assert frame["x"].tolist() == [1.0, BAD, 3.0]


def test_a_model_that_drops_rows_with_nulls_costs_these_alone():
    model = Model(breaks=lambda frame: False, answer=lambda frame: 2 * frame.dropna()["x"] + 1)
    result = score(model, [1.0, np.nan, 3.0, 4.0])
    assert failed(result) == [1]
    assert result["prediction"][[0, 2, 3]].tolist() == [3.0, 7.0, 9.0]
    assert result["error"][1] == "ModelOutputError: the model returned 0 rows for 1"


@pytest.mark.parametrize("answer", [lambda frame: frame["x"][:-1], lambda frame: [*frame["x"], 5.0]])
def test_too_few_or_too_many_rows_are_errors(answer):
    result = score(Model(answer=answer), [1.0, 2.0, 3.0])
    assert failed(result) == [0, 1, 2]
    assert all("ModelOutputError: the model returned" in error for error in result["error"])


@pytest.mark.parametrize("answer", [lambda frame: None, lambda frame: 5.0, lambda frame: np.zeros((len(frame), 1, 1))])
def test_an_answer_of_another_shape_is_an_error(answer):
    assert failed(score(Model(answer=answer), [1.0, 2.0, 3.0])) == [0, 1, 2]


def test_other_fields_than_the_signatures_are_errors():
    outputs = tuple(ModelColumn(name=name, type=DataType.double) for name in ("low", "high"))
    result = score(Model(answer=lambda frame: frame[["x"]].rename(columns={"x": "low"})), [1.0], outputs=outputs)
    assert result["error"][0] == (
        "ModelOutputError: the model returned the fields ['low']; its signature says ['low', 'high']"
    )


def test_a_field_that_stands_twice_is_an_error_and_fails_no_batch():
    answer = Model(answer=lambda frame: pd.DataFrame([[1.0, 2.0]] * len(frame), columns=["prediction"] * 2))
    assert failed(score(answer, [1.0, 2.0, 3.0])) == [0, 1, 2]


@pytest.mark.parametrize(
    "answer",
    [
        lambda frame: frame["x"].to_numpy(),
        lambda frame: frame[["x"]].to_numpy(),
        lambda frame: frame["x"].tolist(),
        lambda frame: frame["x"],
        lambda frame: frame["x"].rename("other").set_axis(frame.index + 100),
        lambda frame: frame[["x"]],
        lambda frame: frame[["x"]].rename(columns={"x": "prediction"}).set_axis(frame.index + 100),
        lambda frame: frame.assign(prediction=frame["x"], more=0.0)[["more", "prediction"]],
        lambda frame: {"prediction": frame["x"].to_numpy()},
        lambda frame: frame["x"].astype(int).to_numpy(),
    ],
    ids=["array", "column", "list", "series", "named series", "frame", "named frame", "more", "dict", "integers"],
)
def test_a_single_output_may_come_as(answer):
    result = score(Model(answer=answer), [1.0, 2.0, 4.0])
    assert result["error"].tolist() == ["", "", ""]
    assert result["prediction"].tolist() == [1.0, 2.0, 4.0]


@pytest.mark.parametrize(
    "answer",
    [
        lambda frame: pd.DataFrame({"high": frame["x"] + 1, "low": frame["x"] - 1}),
        lambda frame: np.column_stack([frame["x"] - 1, frame["x"] + 1]),
        lambda frame: [{"high": x + 1, "low": x - 1} for x in frame["x"]],
        lambda frame: [(x - 1, x + 1) for x in frame["x"]],
    ],
    ids=["frame in another order", "array", "list of dicts", "list of tuples"],
)
def test_several_outputs_may_come_as(answer):
    outputs = tuple(ModelColumn(name=name, type=DataType.double) for name in ("low", "high"))
    result = score(Model(answer=answer), [1.0, BAD, 3.0], outputs=outputs)
    assert list(result.columns) == ["low", "high", "error"]
    assert result.loc[[0, 2], "low"].tolist() == [0.0, 2.0]
    assert result.loc[[0, 2], "high"].tolist() == [2.0, 4.0]
    assert failed(result) == [1]


def test_a_null_prediction_of_a_double_is_no_error():
    result = score(Model(answer=lambda frame: [None if x > 1 else x for x in frame["x"]]), [1.0, 2.0])
    assert result["error"].tolist() == ["", ""]
    assert result["prediction"][0] == 1.0
    assert np.isnan(result["prediction"][1])


def test_texts_with_nulls_travel():
    outputs = (ModelColumn(name="prediction", type=DataType.string),)
    names = {1.0: "red", 2.0: None, 3.0: np.nan, 4.0: ""}
    result = score(Model(answer=lambda frame: [names[x] for x in frame["x"]]), [1, 2, 3, 4], outputs=outputs)
    assert result["prediction"].tolist() == ["red", NULL_TEXT, NULL_TEXT, ""]
    assert result["error"].tolist() == [""] * 4


def test_a_failed_row_of_texts_has_the_null_text():
    outputs = (ModelColumn(name="prediction", type=DataType.string),)
    result = score(Model(answer=lambda frame: ["a"] * len(frame)), [1.0, BAD], outputs=outputs)
    assert result["prediction"].tolist() == ["a", NULL_TEXT]


INTEGERS = [(DataType.long, "int64"), (DataType.integer, "int32")]


@pytest.mark.parametrize(("kind", "dtype"), INTEGERS)
def test_integers_stay_integers(kind, dtype):
    outputs = (ModelColumn(name="prediction", type=kind),)
    result = score(Model(answer=lambda frame: frame["x"].astype(int)), [1.0, BAD, 3.0], outputs=outputs)
    assert result["prediction"].dtype == dtype
    assert result["prediction"][[0, 2]].tolist() == [1, 3]
    assert failed(result) == [1]


def test_a_big_integer_is_exact():
    outputs = (ModelColumn(name="prediction", type=DataType.long),)
    result = score(Model(answer=lambda frame: np.full(len(frame), 2**53 + 1)), [1.0, BAD], outputs=outputs)
    assert result["prediction"][0] == 2**53 + 1


@pytest.mark.filterwarnings("ignore::RuntimeWarning")
@pytest.mark.parametrize(("kind", "dtype"), INTEGERS)
@pytest.mark.parametrize("value", [np.nan, np.inf, 2.5, 1e30])
def test_what_is_no_integer_of_the_signatures_type_is_an_error(kind, dtype, value):
    outputs = (ModelColumn(name="prediction", type=kind),)
    result = score(Model(answer=lambda frame: frame["x"].replace(9.0, value)), [1.0, 9.0, 3.0], outputs=outputs)
    assert failed(result) == [1]
    assert result["prediction"][[0, 2]].tolist() == [1, 3]


def test_an_integer_too_large_for_the_signature_is_an_error():
    outputs = (ModelColumn(name="prediction", type=DataType.integer),)
    assert failed(score(Model(answer=lambda frame: [5_000_000_000]), [1.0], outputs=outputs)) == [0]


def test_booleans_stay_booleans():
    outputs = (ModelColumn(name="prediction", type=DataType.boolean),)
    result = score(Model(answer=lambda frame: frame["x"] > 1), [1.0, 2.0], outputs=outputs)
    assert result["prediction"].tolist() == [False, True]
    assert result["prediction"].dtype == "bool"


def test_a_text_where_the_signature_says_double_costs_its_row():
    answer = Model(answer=lambda frame: ["abc" if x == 2 else x for x in frame["x"]])
    result = score(answer, [1.0, 2.0, 3.0])
    assert failed(result) == [1]
    assert result["prediction"][[0, 2]].tolist() == [1.0, 3.0]


@pytest.mark.parametrize(("kind", "dtype"), INTEGERS)
def test_a_null_where_the_signature_wants_an_integer_is_refused_before_the_model(kind, dtype):
    seen = []
    model = Model(breaks=lambda frame: False, answer=lambda frame: seen.append(frame["n"].dtype) or frame["n"])
    frame = pd.DataFrame({"n": [1.0, np.nan, 3.0]})
    result = score(model, frame, inputs=(ModelColumn(name="n", type=kind),))
    assert result["error"].tolist() == ["", f"n is null; the model's signature wants a {kind.name}", ""]
    assert result["prediction"][[0, 2]].tolist() == [1.0, 3.0]
    assert seen == [dtype]
    assert model.calls == 1


def test_a_null_where_the_signature_wants_a_boolean_is_refused():
    seen = []
    model = Model(breaks=lambda frame: False, answer=lambda frame: seen.append(frame["b"].dtype) or frame["b"])
    frame = pd.DataFrame({"b": pd.Series([True, None, False], dtype=object)})
    result = score(model, frame, inputs=(ModelColumn(name="b", type=DataType.boolean),))
    assert failed(result) == [1]
    assert seen == ["bool"]


def test_rows_that_are_all_null_need_no_call():
    model = Model()
    frame = pd.DataFrame({"n": [np.nan, np.nan]})
    assert failed(score(model, frame, inputs=(ModelColumn(name="n", type=DataType.long),))) == [0, 1]
    assert model.calls == 0


def test_a_null_in_an_optional_integer_goes_to_the_model():
    model = Model(breaks=lambda frame: False, answer=lambda frame: frame["n"].fillna(7))
    frame = pd.DataFrame({"n": [1.0, np.nan]})
    result = score(model, frame, inputs=(ModelColumn(name="n", type=DataType.long, required=False),))
    assert result["prediction"].tolist() == [1.0, 7.0]
    assert failed(result) == []


def test_a_null_in_a_double_goes_to_the_model():
    model = Model(breaks=lambda frame: False, answer=lambda frame: frame["x"].fillna(7))
    assert score(model, [1.0, np.nan])["prediction"].tolist() == [1.0, 7.0]


def test_a_long_message_is_cut_and_put_on_one_line():
    def predict(frame):
        raise RuntimeError("first\nsecond " + "x" * 1000)

    error = score(predict, [1.0])["error"][0]
    assert error.startswith("RuntimeError: first second xxx")
    assert len(error) == 300


def test_an_error_without_words_is_an_error():
    def predict(frame):
        raise AssertionError

    assert failed(score(predict, [1.0])) == [0]


def test_an_error_that_can_not_be_shown_fails_no_batch():
    class Unshowable(Exception):  # noqa: N818
        def __str__(self):
            raise TypeError("no words")

    def predict(frame):
        raise Unshowable

    assert failed(score(predict, [1.0, 2.0])) == [0, 1]


OPTIONAL_INPUTS = (
    ModelColumn(name="n", type=DataType.long, required=False),
    ModelColumn(name="m", type=DataType.integer, required=False),
    ModelColumn(name="flag", type=DataType.boolean, required=False),
)
BIG = 2**53 + 1


def optional_rows(nulls_of_spark=True):
    """With nulls as Spark hands them over (Int64), or as it does without that setting (doubles)."""
    n = pd.array([BIG, None, 3, 4], dtype="Int64") if nulls_of_spark else pd.array([1.0, None, 3, 4], dtype="float64")
    return pd.DataFrame(
        {
            "n": n,
            "m": pd.array([1, 2, 3, 4], dtype="Int32" if nulls_of_spark else "int32"),
            "flag": pd.Series([True, True, None, False], dtype=object),
        }
    )


def shown(frame):
    return pd.Series([f"{row.n} {row.m} {row.flag} {' '.join(map(str, frame.dtypes))}" for row in frame.itertuples()])


SHOWN = (ModelColumn(name="prediction", type=DataType.string),)


def test_a_null_in_an_optional_integer_concerns_its_row_alone():
    result = score_rows(shown, optional_rows(), inputs=OPTIONAL_INPUTS, outputs=SHOWN)
    assert result["prediction"].tolist() == [
        f"{BIG} 1 True int64 int32 bool",
        "<NA> 2 True Int64 Int32 bool",
        "3 3 None int64 int32 object",
        "4 4 False int64 int32 bool",
    ]
    assert result["error"].tolist() == [""] * 4


def test_nulls_that_came_as_doubles_are_shown_the_same():
    result = score_rows(shown, optional_rows(nulls_of_spark=False), inputs=OPTIONAL_INPUTS, outputs=SHOWN)
    assert result["prediction"].tolist()[1:] == [
        "<NA> 2 True Int64 Int32 bool",
        "3 3 None int64 int32 object",
        "4 4 False int64 int32 bool",
    ]


@pytest.mark.parametrize("size", [1, 2, 3, 4])
def test_a_prediction_does_not_depend_on_the_rows_beside_it(size):
    rows = optional_rows()
    whole = score_rows(shown, rows, inputs=OPTIONAL_INPUTS, outputs=SHOWN)["prediction"].tolist()
    parts = [
        score_rows(shown, rows.iloc[start : start + size], inputs=OPTIONAL_INPUTS, outputs=SHOWN)["prediction"].tolist()
        for start in range(0, len(rows), size)
    ]
    assert list(chain.from_iterable(parts)) == whole


def test_what_is_no_exception_is_the_rows_error_too():
    def exit_at_bad(frame):
        if (frame["x"] == BAD).any():
            raise SystemExit("no more")
        return frame["x"]

    result = score(exit_at_bad, [1.0, BAD, 3.0])
    assert result["error"].tolist() == ["", "SystemExit: no more", ""]

import pytest
from dashboard_tables import START, WINE_CONF, WrittenTables, minutes, scored
from pyspark.sql.types import ArrayType, DoubleType, StringType, StructField, StructType

from penstock.interfaces.dashboard.queries import predictions
from penstock.interfaces.dashboard.queries.predictions import PredictionField

WHOLE = PredictionField(path=(), kind="number")
WORD = PredictionField(path=(), kind="word")


@pytest.fixture
def tables(tmp_path):
    """Version 1 scored 1.0, 2.0, 2.0 and failed once; half an hour later version 2 scored 5.0, and a candidate 9.0."""
    made = WrittenTables(tmp_path, WINE_CONF)
    first = [scored(value, at=minutes(number)) for number, value in enumerate((1.0, 2.0, 2.0))]
    made.append("predictions", *first, scored(None, at=minutes(3), error="model: ValueError: odd"))
    made.append(
        "predictions",
        scored(5.0, at=minutes(40), version="2"),
        scored(9.0, at=minutes(39), version="3", role="candidate"),
    )
    return made


def rows(frame):
    return [tuple(row) for row in frame.itertuples(index=False)]


def test_versions_are_counted_with_their_failures_and_the_last_one_comes_first(tables):
    found = tables.query(predictions.versions, since=START, limit=10)
    assert rows(found[["version", "rows", "failed"]]) == [("2", 1, 0), ("3 (candidate)", 1, 0), ("1", 4, 1)]
    assert (found["first_at"][2], found["last_at"][2]) == (minutes(0), minutes(3))
    assert list(tables.query(predictions.versions, since=minutes(40), limit=10)["version"]) == ["2"]
    assert len(tables.query(predictions.versions, since=START, limit=1)) == 1


def test_rows_over_time_of_the_chosen_versions(tables):
    found = tables.query(predictions.rows_over_time, versions=["1", "2"], since=START, width_seconds=1800)
    assert rows(found) == [(minutes(0), "1", 4), (minutes(30), "2", 1)]


def test_a_histogram_has_all_answers_and_shares_by_version(tables):
    found = tables.query(predictions.histogram, WHOLE, versions=["1", "2"], since=START)
    # From 1 to 5 in 40 bins of 0.1: 1.0 is the first, 2.0 the eleventh, and 5.0 belongs to the last.
    assert rows(found[["version", "rows"]]) == [("1", 1), ("1", 2), ("2", 1)]
    assert list(found["low"]) == pytest.approx([1.0, 2.0, 4.9])
    assert list(found["high"]) == pytest.approx([1.1, 2.1, 5.0])
    assert list(found["share"]) == pytest.approx([1 / 3, 2 / 3, 1.0])


def test_a_histogram_of_one_value_and_of_none(tables):
    assert rows(tables.query(predictions.histogram, WHOLE, versions=["2"], since=START)) == [("2", 5.0, 6.0, 1, 1.0)]
    assert tables.query(predictions.histogram, WHOLE, versions=["7"], since=START).empty


def test_infinite_predictions_do_not_stretch_a_histogram(tables):
    tables.append("predictions", scored(float("inf"), at=minutes(41)), scored(float("nan"), at=minutes(41)))
    assert tables.query(predictions.histogram, WHOLE, versions=["1"], since=START)["rows"].sum() == 3


def test_the_spread_over_time_is_the_percentiles_of_each_stretch(tmp_path):
    tables = WrittenTables(tmp_path, WINE_CONF)
    tables.append("predictions", *(scored(float(value), at=minutes(0)) for value in range(1, 1001)))
    tables.append("predictions", *(scored(float(value), at=minutes(60)) for value in range(2001, 3001)))
    found = tables.query(predictions.spread_over_time, WHOLE, versions=["1"], since=START, width_seconds=3600)
    assert list(found["starts_at"]) == [minutes(0), minutes(60)]
    assert list(found["tenth"]) == pytest.approx([100, 2100], abs=10)
    assert list(found["median"]) == pytest.approx([500, 2500], abs=10)
    assert list(found["ninetieth"]) == pytest.approx([900, 2900], abs=10)


def test_fields_of_a_struct_are_found_at_any_depth_but_not_arrays(tmp_path):
    inner = StructType([StructField('the "best"', StringType()), StructField("parts", ArrayType(DoubleType()))])
    kind = StructType([StructField("low value", DoubleType()), StructField("inner", inner)])
    tables = WrittenTables(tmp_path, WINE_CONF, prediction=kind)
    answers = [{"low value": value, "inner": {'the "best"': word}} for value, word in ((1.0, "a"), (3.0, "a"))]
    tables.append("predictions", *(scored(answer, at=START) for answer in answers))
    fields = tables.query(predictions.prediction_fields)
    low, best = fields
    assert [(field.title, field.kind) for field in fields] == [
        ("prediction.low value", "number"),
        ('prediction.inner.the "best"', "word"),
    ]
    assert tables.query(predictions.histogram, low, versions=["1"], since=START)["rows"].sum() == 2
    assert rows(tables.query(predictions.words, best, versions=["1"], since=START, limit=5)) == [("1", "a", 2, 1.0)]


def test_a_number_alone_is_one_field(tables):
    assert tables.query(predictions.prediction_fields) == [WHOLE]


def test_the_most_frequent_words_of_all_versions_have_their_share_of_each(tmp_path):
    tables = WrittenTables(tmp_path, WINE_CONF, prediction=StringType())
    first = [scored(word, at=START) for word in ("good", "good", "bad", "rare", None)]
    tables.append("predictions", *first, scored("bad", at=START, version="2"))
    found = tables.query(predictions.words, WORD, versions=["1", "2"], since=START, limit=2)
    assert rows(found) == [("1", "good", 2, 0.5), ("1", "bad", 1, 0.25), ("2", "bad", 1, 1.0)]


def test_a_file_before_the_window_is_not_read(tables):
    tables.lose_oldest_file("predictions")
    since = minutes(30)
    assert tables.query(predictions.versions, since=since, limit=10)["rows"].sum() == 2
    assert tables.query(predictions.histogram, WHOLE, versions=["2"], since=since)["rows"].sum() == 1
    assert len(tables.query(predictions.rows_over_time, versions=["2"], since=since, width_seconds=60)) == 1
    assert len(tables.query(predictions.spread_over_time, WHOLE, versions=["2"], since=since, width_seconds=60)) == 1

"""The section `series` of a config: its calendar, and what of it determines a batch's result."""

import hashlib
import json
from datetime import date
from pathlib import Path

import pytest

from penstock.config.loading import load_config
from penstock.config.series import SeriesConfig
from penstock.config.series_contract import check_series_contract, ids_are_integers
from penstock.errors import ConfigError
from penstock.models.fleet_check import other_meaning
from penstock.schemas.contract import Contract, Field

PIPELINE = """
pipeline: prices
workload: series
source: {path: inbox}
contract: schemas.prices:CONTRACT
model: {name: prices}
tables: {root: tables}
checkpoint: checkpoint
mlflow: {tracking_uri: http://localhost}
"""


def load(tmp_path: Path, series: str, *more: str):
    texts = [f"{PIPELINE}series: {{variables: [x], {series}}}\n", *more]
    paths = [tmp_path / f"{number}.yaml" for number in range(len(texts))]
    for path, text in zip(paths, texts, strict=True):
        path.write_text(text)
    return load_config(paths)


def test_holidays_may_be_in_a_file_of_their_own(tmp_path):
    config = load(tmp_path, "frequency: B", "series: {holidays: [2024-12-25, '2024-12-26', 2024-12-28]}")
    assert config.the_series.holidays == (date(2024, 12, 25), date(2024, 12, 26), date(2024, 12, 28))
    # The 28th is a Saturday.
    assert config.the_series.calendar.holidays == ("2024-12-25", "2024-12-26")


@pytest.mark.parametrize(
    ("series", "said"),
    [
        ("frequency: D, holidays: [2024-12-25]", "series: holidays are for frequencies of business days"),
        ("frequency: B, holidays: [christmas]", "series.holidays.0: "),
        ("frequency: B, holidays: [20241225]", "series.holidays.0: "),
        ("frequency: B, holiday: [2024-12-25]", "did you mean 'holidays'"),
        ("frequency: MS-30", "series: frequency 'MS-30' is not supported: not every month has a day 30"),
        ("frequency: sometimes", "series: frequency 'sometimes' is not supported"),
    ],
)
def test_what_is_no_calendar(tmp_path, series, said):
    with pytest.raises(ConfigError) as caught:
        load(tmp_path, series)
    assert said in str(caught.value)


def test_a_config_without_holidays_means_what_it_did(tmp_path):
    """The plan of a batch that was begun by an earlier version has this hash."""
    config = load(tmp_path, "frequency: MS")
    series = {"id": "series_id", "time": "ds", "variables": ["x"], "transform": {}, "frequency": "MS", "horizon": 8}
    meaning = {
        "workload": "series",
        "format": "csv",
        "csv": config.source.csv.meaning,
        "contract": "schemas.prices:CONTRACT",
        "model": "prices",
        "series": {**series, "level": 0.95, "keep_lags": 8},
        "forecast": "every",
    }
    assert config.meaning_hash == hashlib.sha256(json.dumps(meaning, sort_keys=True).encode()).hexdigest()


def test_holidays_determine_a_batchs_result(tmp_path):
    hashes = {
        load(tmp_path, f"frequency: B{holidays}").meaning_hash
        for holidays in ("", ", holidays: [2024-12-25]", ", holidays: [2024-12-26]")
    }
    assert len(hashes) == 3


@pytest.mark.parametrize(("fitted", "is_refused"), [(None, False), (["2024-12-25"], False), ([], True)])
def test_a_model_with_a_trend_in_time_has_its_streams_holidays(tmp_path, fitted, is_refused):
    config = load(tmp_path, "frequency: B, holidays: [2024-12-25]")
    metadata = {"penstock_fleet": {"frequency": "B"} | ({} if fitted is None else {"holidays": fitted})}
    assert bool(other_meaning(metadata, config)) == is_refused


def test_series_without_holidays():
    assert SeriesConfig(variables=("x",), frequency="B").calendar.holidays == ()


FIELDS = (Field(name="day", type="date"), Field(name="x", type="double", nullable=True))


def test_a_file_that_is_one_series_has_no_id(tmp_path):
    config = load(tmp_path, "id: null, time: day, frequency: D")
    check_series_contract(Contract(fields=FIELDS), config)
    assert not ids_are_integers(Contract(fields=FIELDS), config)


def test_a_missing_id_column_gets_a_hint(tmp_path):
    config = load(tmp_path, "time: day, frequency: D")
    with pytest.raises(ConfigError, match=r"has no field series_id; a file that is one series has series\.id: null"):
        check_series_contract(Contract(fields=FIELDS), config)


def test_a_prior_takes_the_place_of_a_criterion(tmp_path):
    config = load(tmp_path, "frequency: D", "fit: {prior: minnesota, criterion: null, tightness: 0.1}\n")
    assert (config.fit.prior, config.fit.tightness, config.fit.decay) == ("minnesota", 0.1, 1.0)
    assert config.meaning_hash == load(tmp_path, "frequency: D").meaning_hash


def test_how_a_fit_is_evaluated_does_not_determine_a_batch(tmp_path):
    plain = load(tmp_path, "frequency: D")
    assert (plain.fit.origins, plain.fit.origin_every, plain.fit.season) == (1, 1, None)
    evaluated = load(tmp_path, "frequency: D", "fit: {origins: 12, origin_every: 2, season: 7}")
    assert evaluated.meaning_hash == plain.meaning_hash

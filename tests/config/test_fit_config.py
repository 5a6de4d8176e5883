"""The section `fit` of a config: what a season means for the fit, and what is refused with which words."""

from types import SimpleNamespace

import mlflow
import pytest

from penstock.config.loading import load_config
from penstock.errors import ConfigError
from penstock.models.training.var import run_name
from penstock.models.training.var_logging import log_settings
from penstock.models.training.var_settings import bucket_settings
from penstock.udfs.var.deterministic import DeterministicTerms

PIPELINE = """
pipeline: prices
workload: series
source: {path: inbox}
contract: schemas.prices:CONTRACT
model: {name: prices}
tables: {root: tables}
checkpoint: checkpoint
mlflow: {tracking_uri: http://localhost}
series: {variables: [x], frequency: MS}
"""


def load(tmp_path, fit):
    path = tmp_path / "prices.yaml"
    path.write_text(f"{PIPELINE}fit: {{{fit}}}\n")
    return load_config([path])


@pytest.mark.parametrize(
    ("fit", "terms"),
    [
        ("trend: ct", DeterministicTerms("ct")),
        ("season: null, fourier: null", DeterministicTerms("c")),
        ("season: 12", DeterministicTerms("c", 12.0)),
        ("season: 365.25, fourier: 3, trend: n", DeterministicTerms("n", 365.25, 3)),
    ],
)
def test_the_fit_has_the_configs_terms(tmp_path, fit, terms):
    assert bucket_settings(load(tmp_path, fit), ids_are_integers=False).fit.terms == terms


@pytest.mark.parametrize(
    ("fit", "said"),
    [
        ("season: 1", "fit: season 1 must be more than 1 period"),
        ("season: 0", "fit: season 0 must be more than 1 period; leave it out"),
        ("season: 12.5", "fit: season 12.5 is no whole number of periods, which dummies need; set fourier"),
        ("season: .inf", "fit: season inf must be more than 1 period"),
        ("fourier: 2", "fit: fourier 2 needs season"),
        ("season: 12, fourier: 0", "fit.fourier: Input should be greater than or equal to 1"),
        ("season: 12, fourier: 6", "fit: fourier 6 is too much for season 12: want at most 5 pairs of sine and cosine"),
        ("season: monthly", "fit.season: Input should be a valid number"),
        ("seasons: 12", "did you mean 'season'"),
        ("prior: minnesota", "fit: prior minnesota with criterion aic: with a prior the lag order is max_lags"),
        ("prior: litterman, criterion: null", "fit.prior: "),
        ("tightness: 0", "fit.tightness: tightness must be above 0, not 0.0"),
        ("tightness: .inf", "fit.tightness: tightness must be above 0, not inf"),
        ("decay: -1", "fit.decay: decay must be from 0 to 10, not -1.0"),
        ("decay: .nan", "fit.decay: decay must be from 0 to 10, not nan"),
        ("prior: minnesota, criterion: null, intervals: asymptotic", "fit: intervals asymptotic are of least squares"),
        ("holdout: 0, origins: 2", "origins is 2 and holdout 0"),
        ("origins: 0", "fit.origins: "),
        ("origin_every: 0", "fit.origin_every: "),
    ],
)
def test_what_is_refused(tmp_path, fit, said):
    with pytest.raises(ConfigError) as caught:
        load(tmp_path, fit)
    assert said in str(caught.value)


def test_a_season_does_not_change_what_a_batch_means(tmp_path):
    """It is the model's, whose version a plan names."""
    assert load(tmp_path, "season: 12").meaning_hash == load(tmp_path, "trend: c").meaning_hash


@pytest.mark.parametrize(
    ("fit", "logged", "name"),
    [
        ("season: 12", {"season": "12", "fourier": "none"}, "var lags=aic up to 8 trend=c season=12"),
        ("season: 52.18, fourier: 2", {"season": "52.18", "fourier": "2"}, "var lags=aic up to 8 trend=c season=52.18"),
        ("trend: c", {}, "var lags=aic up to 8 trend=c"),
    ],
)
def test_a_run_names_its_season(tmp_path, monkeypatch, fit, logged, name):
    params = {}
    monkeypatch.setattr(mlflow, "log_params", params.update)
    config = load(tmp_path, fit)
    log_settings(config, SimpleNamespace(locations=(), version=3), until=None)
    assert {key: value for key, value in params.items() if key in ("season", "fourier")} == logged
    assert run_name(config) == name

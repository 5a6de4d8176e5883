"""What a fleet model's metadata says of its fit, compared with the config."""

from datetime import UTC, datetime

import pytest
from batch_records import series_config

from penstock.config.exogenous import ExogenousConfig
from penstock.models.fleet_check import fitted_until, other_meaning, refused_reasons
from penstock.udfs.var.fleet_save import FLEET_METADATA

FITTED = {"level": 0.95, "frequency": "QS", "point": "median"}
EARLIER = {"level": 0.95, "frequency": "QS"}


def config(point: str):
    made = series_config()
    return made.model_copy(update={"series": made.the_series.model_copy(update={"point": point})})


@pytest.mark.parametrize(
    ("fleet", "point", "fits"),
    [
        (FITTED, "median", True),
        (FITTED | {"point": "mean"}, "mean", True),
        (FITTED, "mean", False),
        (FITTED | {"point": "mean"}, "median", False),
        # A model of an earlier version gives medians.
        (EARLIER, "median", True),
        (EARLIER, "mean", False),
    ],
)
def test_points_are_those_that_the_config_asks_for(fleet, point, fits):
    found = other_meaning({FLEET_METADATA: fleet}, config(point))
    made = fleet.get("point", "median")
    expected = f"it was fitted with point {made}, series.point is {point}; fit it again, or change the config"
    assert found == (None if fits else expected)


@pytest.mark.parametrize(
    ("of_model", "of_config", "fits"),
    [((), (), True), (("price", "sale"), ("price", "sale"), True), (("price",), (), False), ((), ("price",), False)],
)
def test_exogenous_variables_are_those_of_the_config(of_model, of_config, fits):
    made = series_config()
    exogenous = ExogenousConfig(path="values.csv", columns=of_config) if of_config else None
    config = made.model_copy(update={"series": made.the_series.model_copy(update={"exogenous": exogenous})})
    fleet = FITTED | ({"exogenous": list(of_model)} if of_model else {})
    found = other_meaning({FLEET_METADATA: fleet}, config)
    expected = (
        f"it was fitted with the exogenous variables {'price' if of_model else '(none)'}, series.exogenous has "
        f"{'price' if of_config else '(none)'}; fit it again, or change the config"
    )
    assert found == (None if fits else expected)


def test_with_exogenous_variables_a_model_has_the_horizon_of_the_config():
    """It needs their values of all its steps, and is given those of the pipeline's."""
    made = series_config()
    exogenous = ExogenousConfig(path="values.csv", columns=("price",))
    config = made.model_copy(update={"series": made.the_series.model_copy(update={"exogenous": exogenous})})
    horizon = made.the_series.horizon
    for steps, fits in ((horizon, True), (horizon + 1, False)):
        found = other_meaning({FLEET_METADATA: FITTED | {"exogenous": ["price"], "horizon": steps}}, config)
        expected = f"it needs the exogenous variables of {steps} steps, series.horizon is {horizon}; fit it again"
        assert (found is None) if fits else (found is not None and found.startswith(expected))


def test_the_order_of_exogenous_variables_is_part_of_a_model():
    made = series_config()
    exogenous = ExogenousConfig(path="values.csv", columns=("price", "sale"))
    config = made.model_copy(update={"series": made.the_series.model_copy(update={"exogenous": exogenous})})
    found = other_meaning({FLEET_METADATA: FITTED | {"exogenous": ["sale", "price"]}}, config)
    assert found is not None
    assert "with the exogenous variables sale, price, series.exogenous has price, sale" in found


def test_a_model_that_is_no_fleet_of_ours_passes():
    assert other_meaning({}, config("mean")) is None


def test_the_end_of_the_fit_s_data_is_a_time_in_utc():
    fleet = EARLIER | {"fitted_until": "2008-10-01T00:00:00.000000+00:00"}
    assert fitted_until({FLEET_METADATA: fleet}) == datetime(2008, 10, 1, tzinfo=UTC)
    assert fitted_until({FLEET_METADATA: EARLIER}) is fitted_until({}) is None


def test_reasons_of_refusals_are_those_of_the_metadata():
    assert refused_reasons({FLEET_METADATA: {"refused_reasons": ["too short: 3", "constant: 0"]}}) == (
        "too short: 3",
        "constant: 0",
    )
    assert refused_reasons({FLEET_METADATA: EARLIER}) == refused_reasons({}) == ()

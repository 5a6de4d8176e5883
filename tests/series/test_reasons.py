import pytest

from penstock.series.reasons import KINDS, is_failure, kind_of, outcome_texts, reasons_text


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        ("warming_up", "warming_up"),
        ("model: ValueError: late: no", "model"),
        ("whatever else: gap", "model"),
        ("not_latest", "not_latest"),
        ("refused_by_fit: too short: 3 observations", "refused_by_fit"),
        ("fallback: refused_by_fit: too short: 3 observations", "fallback"),
        ("fallback: model: gave no forecast for these values", "fallback_of_failure"),
    ],
)
def test_an_error_has_one_of_few_kinds(error: str, kind: str) -> None:
    assert kind_of(error) == kind
    assert kind in KINDS
    assert is_failure(error) is (kind == "model")


def test_the_most_frequent_reason_comes_first() -> None:
    assert reasons_text({"gap": 2, "late": 2, "warming_up": 3000}) == "3,000 warming_up, 2 gap, 2 late"


def test_forecasts_of_a_fallback_are_not_among_those_without() -> None:
    assert outcome_texts({}) == []
    assert outcome_texts({"fallback": 2}) == ["2 forecast by the fallback"]
    assert outcome_texts({"gap": 1, "fallback": 2}) == ["2 forecast by the fallback", "1 without a forecast (1 gap)"]


def test_fallbacks_tell_where_a_var_failed() -> None:
    assert outcome_texts({"fallback_of_failure": 2, "fallback": 3}) == [
        "5 forecast by the fallback, 2 of them where the VAR failed"
    ]

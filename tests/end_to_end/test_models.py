"""Any pyfunc with a signature scores; one that fails costs what it fails on, and no more."""

import pandas as pd
import pytest
from sandbox import WINE, WINE_SCORE, Sandbox, csv_file, wine

from penstock.errors import EnvironmentCheckError, ModelRefusedError

ONE = pd.DataFrame([WINE])


def test_columns_go_to_the_model_by_name(sandbox: Sandbox) -> None:
    """The model's signature has its inputs in another order than the contract."""
    example = ONE[sorted(ONE.columns)]
    sandbox.registry.register("wine-sorted", "linear", example=example, outputs=pd.Series([1.5]))
    sandbox.changes = {"model": {"name": "wine-sorted"}}
    sandbox.drop("a.csv", csv_file(WINE, wine(alcohol=12, pH=3)))
    sandbox.run()
    assert sorted(row.prediction for row in sandbox.rows("predictions")) == pytest.approx([WINE_SCORE, 123.0])


def test_a_row_that_the_model_raises_on_costs_itself(sandbox: Sandbox) -> None:
    sandbox.changes = {"model": {"name": sandbox.registry.wine_model("fussy")}}
    sandbox.drop("a.csv", csv_file(WINE, wine(alcohol=15), *[WINE] * 5))
    [record] = sandbox.run()
    assert (record.accepted, record.failed) == (7, 1)
    [failed] = [row for row in sandbox.rows("predictions") if row.error]
    assert (failed.alcohol, failed.prediction, failed.error) == (15.0, None, "ValueError: this is no table wine")


def test_a_model_that_returns_too_few_rows(sandbox: Sandbox) -> None:
    sandbox.changes = {"model": {"name": sandbox.registry.wine_model("short"), "max_failed_fraction": 1.0}}
    sandbox.drop("a.csv", csv_file(WINE, wine(**{"citric acid": 0.5})))
    [record] = sandbox.run()
    assert (record.accepted, record.failed) == (2, 1)
    by_acid = {row.citric_acid: row for row in sandbox.rows("predictions")}
    assert by_acid[0.5].prediction == 9.4
    assert by_acid[0.0].error == "ModelOutputError: the model returned 0 rows for 1"


def test_several_outputs_become_several_fields(sandbox: Sandbox) -> None:
    outputs = pd.DataFrame({"score": [1.5], "is_strong": [True], "label": ["strong"]})
    sandbox.changes = {"model": {"name": sandbox.registry.wine_model("several", outputs=outputs)}}
    sandbox.drop("a.csv", csv_file(WINE, wine(alcohol=12)))
    sandbox.run()
    answers = {row.alcohol: row.prediction.asDict() for row in sandbox.rows("predictions")}
    assert answers == {
        9.4: {"score": 4.7, "is_strong": False, "label": None},
        12.0: {"score": 6.0, "is_strong": True, "label": "strong"},
    }


def test_a_model_without_signature_is_refused_with_what_to_do(sandbox: Sandbox) -> None:
    sandbox.registry.register("wine-unsigned", "linear", example=ONE, outputs=None)
    sandbox.changes = {"model": {"name": "wine-unsigned"}}
    sandbox.drop("a.csv", csv_file(WINE))
    with pytest.raises(EnvironmentCheckError, match=r"no signature.*signature=mlflow.models.infer_signature"):
        sandbox.run()


def test_a_model_that_wants_another_column_is_refused(sandbox: Sandbox) -> None:
    sandbox.registry.register("wine-sweet", "linear", example=ONE.assign(sugar=1.0), outputs=pd.Series([1.5]))
    sandbox.changes = {"model": {"name": "wine-sweet"}}
    with pytest.raises(EnvironmentCheckError, match="input 'sugar' is in no field"):
        sandbox.run()


def test_an_unknown_alias_says_how_to_set_it(sandbox: Sandbox) -> None:
    sandbox.changes = {"model": {"name": sandbox.registry.wine_model(), "alias": "nobody"}}
    with pytest.raises(EnvironmentCheckError, match="no model 'wine-linear' with the alias 'nobody'"):
        sandbox.run()


def test_a_first_model_that_fails_everywhere_stops_the_job(sandbox: Sandbox) -> None:
    sandbox.changes = {"model": {"name": sandbox.registry.wine_model("broken")}}
    sandbox.drop("a.csv", csv_file(WINE))
    with pytest.raises(ModelRefusedError, match="nothing works here"):
        sandbox.run()
    assert sandbox.table("predictions").count() == 0


def swap(sandbox: Sandbox, name: str, code: str) -> str:
    return sandbox.registry.register(name, code, example=ONE, outputs=pd.Series([1.5]))


def test_a_moved_alias_takes_effect_at_the_next_batch(sandbox: Sandbox) -> None:
    first = swap(sandbox, "wine-swap", "linear")
    sandbox.changes = {"model": {"name": "wine-swap"}}
    sandbox.drop("a.csv", csv_file(WINE))
    sandbox.run()
    second = swap(sandbox, "wine-swap", "fussy")
    sandbox.drop("b.csv", csv_file(WINE))
    sandbox.run()
    rows = {row.source_file.rsplit("/", 1)[1]: row for row in sandbox.rows("predictions")}
    assert (rows["a.csv"].model_version, rows["a.csv"].prediction) == (first, pytest.approx(WINE_SCORE))
    assert (rows["b.csv"].model_version, rows["b.csv"].prediction) == (second, 9.4)


def test_a_bad_new_version_is_refused_and_remembered(sandbox: Sandbox) -> None:
    first = swap(sandbox, "wine-bad", "linear")
    sandbox.changes = {"model": {"name": "wine-bad"}}
    sandbox.drop("a.csv", csv_file(WINE))
    sandbox.run()
    bad = swap(sandbox, "wine-bad", "broken")
    for name in ("b.csv", "c.csv"):
        sandbox.drop(name, csv_file(WINE))
        sandbox.run()
    assert {row.model_version for row in sandbox.rows("predictions")} == {first}
    records = sorted(sandbox.rows("batches"), key=lambda row: row.batch_id)
    assert [set(row.refused_versions) for row in records] == [set(), {bad}, {bad}]
    assert "nothing works here" in records[2].refused_versions[bad]

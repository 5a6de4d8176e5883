"""Any pyfunc with a signature scores; one that fails costs what it fails on, and no more."""

import pandas as pd
import pytest
from sandbox import WINE, WINE_SCORE, Sandbox, csv_file, wine
from snapshots import Snapshot

from penstock.errors import EnvironmentCheckError, ModelRefusedError
from penstock.schemas.wine import MEASUREMENTS

ONE = pd.DataFrame([WINE])
BEGUN = "wine-swap"


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
    assert sandbox.count("predictions") == 0


def swap(sandbox: Sandbox, name: str, code: str) -> str:
    return sandbox.registry.register(name, code, example=ONE, outputs=pd.Series([1.5]))


@pytest.fixture(scope="module")
def first_batch(shared_sandbox: Sandbox) -> Snapshot:
    shared_sandbox.registry.register(BEGUN, "linear", example=ONE, outputs=pd.Series([1.5]))
    shared_sandbox.changes = {"model": {"name": BEGUN}}
    shared_sandbox.drop("a.csv", csv_file(WINE))
    shared_sandbox.run()
    return Snapshot.of(shared_sandbox)


@pytest.fixture
def begun(first_batch: Snapshot) -> Sandbox:
    """A pipeline that has scored a.csv by version 1 of the model BEGUN, to which the alias points again."""
    sandbox = first_batch.restored()
    sandbox.registry.client.set_registered_model_alias(BEGUN, "champion", "1")
    return sandbox


def test_a_moved_alias_takes_effect_at_the_next_batch(begun: Sandbox) -> None:
    second = swap(begun, BEGUN, "fussy")
    begun.drop("b.csv", csv_file(WINE))
    begun.run()
    rows = {row.source_file.rsplit("/", 1)[1]: row for row in begun.rows("predictions")}
    assert (rows["a.csv"].model_version, rows["a.csv"].prediction) == ("1", pytest.approx(WINE_SCORE))
    assert (rows["b.csv"].model_version, rows["b.csv"].prediction) == (second, 9.4)


NO_ROWS = {"header only": csv_file(), "refused": csv_file(WINE, header=MEASUREMENTS[1:])}


def swapped_before_a_batch_without_rows(sandbox: Sandbox, code: str) -> tuple[str, str]:
    """After the first batch, while the alias points to another version, two batches without rows and two of a row."""
    sandbox.changes["source"] = {"max_files_per_trigger": 1}
    second = swap(sandbox, BEGUN, code)
    files = [*NO_ROWS.values(), csv_file(WINE), csv_file(WINE)]
    for number, content in enumerate(files):
        sandbox.drop(f"{number}.csv", content, age_seconds=50 - number)
    assert [record.accepted for record in sandbox.run()] == [0, 0, 1, 1]
    return "1", second


def champions(sandbox: Sandbox) -> list[str]:
    return [row.versions["champion"] for row in sorted(sandbox.rows("batches"), key=lambda row: row.batch_id)]


def test_a_new_version_is_used_from_the_first_batch_with_rows_on(begun: Sandbox) -> None:
    first, second = swapped_before_a_batch_without_rows(begun, "fussy")
    assert champions(begun) == [first, first, first, second, second]
    assert [row.refused_versions for row in begun.rows("batches")] == [{}] * 5


def refusals(sandbox: Sandbox) -> list[dict[str, str]]:
    return [row.refused_versions for row in sorted(sandbox.rows("batches"), key=lambda row: row.batch_id)]


def test_a_bad_new_version_is_refused_by_the_first_batch_with_rows_and_remembered(begun: Sandbox) -> None:
    """Each run is a process of its own as far as the pipeline knows: a batch without rows has not judged the version,
    and says so too."""
    first, bad = swapped_before_a_batch_without_rows(begun, "broken")
    assert champions(begun) == [first] * 5
    assert [set(refused) for refused in refusals(begun)] == [set(), set(), set(), {bad}, {bad}]
    assert "nothing works here" in refusals(begun)[3][bad]
    for number, (content, accepted) in enumerate(((csv_file(), 0), (csv_file(WINE), 1)), start=5):
        begun.drop(f"{number}.csv", content)
        [record] = begun.run()
        assert (record.accepted, set(record.plan.refused_versions)) == (accepted, {bad})
        assert "nothing works here" in record.plan.refused_versions[bad]
    assert {row.model_version for row in begun.rows("predictions")} == {first}
    assert [row.error for row in begun.rows("predictions")] == [None] * 4


def test_a_first_version_is_taken_without_rows(sandbox: Sandbox) -> None:
    sandbox.drop("a.csv", NO_ROWS["refused"])
    [record] = sandbox.run()
    assert (record.accepted, record.plan.champion.version, record.plan.refused_versions) == (0, "1", {})


def test_a_first_version_taken_without_rows_is_judged_by_the_first_batch_with_rows(sandbox: Sandbox) -> None:
    sandbox.changes = {"model": {"name": sandbox.registry.wine_model("broken")}, "source": {"max_files_per_trigger": 1}}
    for name in ("a.csv", "b.csv"):
        sandbox.drop(name, NO_ROWS["header only"])
    first = sandbox.registry.client.get_model_version_by_alias("wine-broken", "champion").version
    records = sandbox.run()
    assert len(records) == 2
    for record in records:
        assert (record.accepted, record.plan.champion.version, record.plan.refused_versions) == (0, str(first), {})
    sandbox.drop("c.csv", csv_file(WINE))
    with pytest.raises(ModelRefusedError, match=r"no version was used before it.*nothing works here"):
        sandbox.run()
    version = swap(sandbox, "wine-broken", "linear")
    [record] = sandbox.run()
    sandbox.registry.made.discard("wine-broken")
    assert (record.accepted, record.failed, record.plan.champion.version) == (1, 0, version)


def test_a_model_of_another_name_is_none_to_fall_back_on(sandbox: Sandbox) -> None:
    sandbox.drop("a.csv", csv_file(WINE))
    sandbox.run()
    swap(sandbox, "wine-renamed", "broken")
    sandbox.changes = {"model": {"name": "wine-renamed"}}
    sandbox.drop("b.csv", csv_file(WINE))
    with pytest.raises(ModelRefusedError, match=r"no version was used before it.*nothing works here"):
        sandbox.run()

"""The model store at a glance: a real registry, tables made by hand, and sums that are added up by hand."""

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import mlflow
import pytest
from dashboard_tables import MACRO_CONF, WINE_CONF, WrittenTables, batch, evaluated, minutes, quarter
from mlflow.data.delta_dataset_source import DeltaDatasetSource
from mlflow.data.meta_dataset import MetaDataset
from sandbox import TestRegistry

from penstock.config.evaluation import EvaluateConfig
from penstock.errors import ConfigError, EnvironmentCheckError, ModelRefusedError, RegistryUnavailableError
from penstock.jobs import show_models
from penstock.models.training.elasticnet import train_elasticnet
from penstock.operations.model_store.text import as_text
from penstock.operations.model_store.versions import ModelVersions, read_model_versions

ROOT = Path(__file__).parents[2]
WINES = ROOT / "data" / "winequality-red.csv"
AWAY = "http://127.0.0.1:9"
COMMIT = "204cd55000000000000000000000000000000000"


def store(folder: Path, template: str, uri: str, **changes: Any) -> WrittenTables:
    folder.mkdir(exist_ok=True)
    text = template.replace("sqlite:///{root}/mlflow.db", uri)
    for given, meant in changes.items():
        text = text.replace(given, meant)
    return WrittenTables(folder, text)


def register_fit(registry: TestRegistry, name: str, *, version: int, metrics: dict[str, float]) -> str:
    """As fit_var logs it."""
    registry.use()
    with mlflow.start_run() as run:
        mlflow.log_params({"until": "2020-06-30T00:00:00", "data_version": version})
        mlflow.log_metrics({"observations": 812.0, **metrics})
        mlflow.set_tag("mlflow.source.git.commit", COMMIT)
        source = DeltaDatasetSource(path="/tables/observations", delta_table_version=version)
        mlflow.log_input(MetaDataset(source=source, name="observations"), context="training")  # type: ignore[abstract]
    if not registry.client.search_registered_models(f"name='{name}'"):
        registry.client.create_registered_model(name)
    made = registry.client.create_model_version(name, f"{registry.folder}/fit", run_id=run.info.run_id)
    return str(made.version)


@pytest.fixture(scope="module")
def macro(registry: TestRegistry, tmp_path_factory: pytest.TempPathFactory) -> WrittenTables:
    """Versions 1 to 3, of which 2 answers, 3 is refused, and 1 was evaluated as well."""
    name = "store-var"
    made = store(tmp_path_factory.mktemp("macro"), MACRO_CONF, registry.uri, **{"wine-quality": name})
    holdout = {"holdout_mae_realgdp": 3.0, "holdout_naive_mae_realgdp": 4.0, "holdout_mae_realcons": 1.0,
               "holdout_naive_mae_realcons": 4.0, "holdout_coverage_realgdp": 0.9}  # fmt: skip
    for number in (3, 4, 5):
        register_fit(registry, name, version=number, metrics=holdout)
    registry.client.set_registered_model_alias(name, "champion", "3")
    registry.client.set_registered_model_alias(name, "blue", "2")
    made.append("batches", batch(0, at=minutes(0), seconds=5, refused_versions=[("2", "it was away")]))
    made.append("batches", batch(1, at=minutes(10), seconds=5, versions=[("champion", "2")]))
    reason = [("3", "it fails on 9 of 10 probe rows")]
    made.append("batches", batch(2, at=minutes(20), seconds=5, versions=[("champion", "2")], refused_versions=reason))
    made.append(
        "evaluations",
        evaluated("1", unit=quarter(1)),
        evaluated("2", unit=quarter(2), pairs=10),
        evaluated(
            "2", unit=quarter(3), pairs=30, champion_loss=3.0, champion_failed=5, scored_pairs=20, champion_within=18
        ),
        evaluated("2", unit=quarter(3), pairs=10, variable="realcons", champion_abs=50.0),
        evaluated("2", unit=quarter(3), pairs=10, step=2, champion_abs=80.0),
        # By another loss, before the config was changed.
        evaluated("2", unit=quarter(2), pairs=10, champion_loss=1e6, loss="absolute"),
        # What is known by now, and not when the forecast was judged.
        evaluated("2", unit=quarter(2), pairs=10, champion_loss=1e6, is_final=True),
    )
    return made


def by_number(found: ModelVersions) -> dict[str, Any]:
    return {version.version: version for version in found.versions}


def test_the_versions_with_what_their_runs_say(macro: WrittenTables) -> None:
    found = read_model_versions(macro.config)
    assert [(one.version, one.aliases, one.is_answering) for one in found.versions] == [
        ("3", ("champion",), False),
        ("2", ("blue",), True),
        ("1", (), False),
    ]
    assert (found.answering, found.problem, found.loss) == ("2", None, "wis")
    training = by_number(found)["2"].training
    assert (training.git_commit, training.rows, training.until) == (COMMIT, 812, "2020-06-30T00:00:00")
    [data] = training.data
    assert (data.name, data.source, data.version, data.digest) == ("observations", "/tables/observations", 4, None)
    assert training.holdout["holdout_naive_mae_realgdp"] == 4.0
    assert {one.version: one.refused for one in found.versions} == {
        "3": "it fails on 9 of 10 probe rows",
        "2": None,
        "1": None,
    }
    used = by_number(found)["2"].used
    assert (used.batches, used.accepted, used.first_at) == (2, 16, minutes(10))


def test_the_measures_are_those_added_up_by_hand(macro: WrittenTables) -> None:
    """Step 1: realgdp has 40 pairs, 5 of them failed, absolute errors of 30 + 90, naive ones of 40 + 120, losses of
    5 + 3 over 10 + 20; realcons 10 pairs, 50 and 40, losses of 5."""
    live = by_number(read_model_versions(macro.config))["2"].live
    assert (live.steps, live.pairs, live.failed) == ((1,), 50, 5)
    assert live.loss == pytest.approx((5 + 3 + 5) / (10 + 20 + 10))
    assert live.coverage == pytest.approx((9 + 18 + 9) / (10 + 20 + 10))
    assert live.ratio_to_naive == pytest.approx(((30 + 90) / (40 + 120) + 50 / 40) / 2)
    assert live.mae is None
    assert (live.first_unit, live.last_unit) == (quarter(2), quarter(3))
    parts = {(one.variable, one.step): one for one in live.by_variable_and_step}
    assert parts["realgdp", 1].mae == pytest.approx(120 / 35)
    assert parts["realgdp", 2].ratio_to_naive == 2.0
    assert parts["realcons", 1].mae == 5.0
    two = macro.config.model_copy(update={"evaluate": EvaluateConfig(steps=(2,))})
    assert by_number(read_model_versions(two))["2"].live.mae == 8.0
    # Version 1 has nothing of step 2, so that what it has is shown, by its name.
    assert by_number(read_model_versions(two))["1"].live.steps == (1,)


def test_the_command_prints_one_line_a_version(macro: WrittenTables, capsys: pytest.CaptureFixture[str]) -> None:
    assert show_models.main(["--conf", str(macro.conf)]) == 0
    first, heads, third, second, _, refused, legend = capsys.readouterr().out.splitlines()
    assert first == "store-var, pipeline macro: version 2 answers"
    assert heads.split("  ")[0] == "version"
    assert third.startswith("  3      champion")
    assert "204cd550  observations version 4 (812 rows) until 2020-06-30T00:00:00  0.5 of naive" in second
    assert second.endswith("2        50     0.325  -    1         90.0%")
    assert refused == "version 3 refused: it fails on 9 of 10 probe rows"
    assert "loss: wis, steps 1" in legend
    assert show_models.main(["--conf", str(macro.conf), "--json"]) == 0
    printed = capsys.readouterr().out
    assert json.loads(printed)["answering"] == "2"
    assert ModelVersions.model_validate_json(printed) == read_model_versions(macro.config)


def test_without_the_registry_the_tables_tell_what_they_know(macro: WrittenTables) -> None:
    away = macro.config.model_copy(
        update={"mlflow": macro.config.mlflow.model_copy(update={"tracking_uri": "http://me:secret@127.0.0.1:9"})}
    )
    found = read_model_versions(away)
    assert [one.version for one in found.versions] == ["3", "2", "1"]
    assert "did not answer" in (found.problem or "")
    assert by_number(found)["2"].live.pairs == 50
    assert {one.training for one in found.versions} == {None}
    text = as_text(found)
    assert "nothing of the registry: the registry http://***@127.0.0.1:9 did not answer" in text
    assert "secret" not in text
    with pytest.raises(RegistryUnavailableError, match="did not answer"):
        read_model_versions(away, needs_registry=True)


def test_a_real_training_has_its_data_and_its_hold_out(registry: TestRegistry, tmp_path: Path) -> None:
    wine = store(tmp_path / "new", WINE_CONF, registry.uri, **{"wine-quality": "store-wine"})
    with pytest.raises(ModelRefusedError, match="has no model 'store-wine'; register a version"):
        read_model_versions(wine.config)
    result = train_elasticnet(wine.config, data=WINES, alpha=0.1, l1_ratio=0.5, first_rows=200, promote=True)
    found = read_model_versions(wine.config)
    [version] = found.versions
    assert (version.version, version.aliases, version.live, version.used) == ("1", ("champion",), None, None)
    assert version.training.holdout == pytest.approx(result.metrics)
    [data] = version.training.data
    assert (data.name, data.source, data.version, version.training.rows) == ("winequality-red", None, None, 150)
    assert data.digest
    assert abs((datetime.now(UTC) - version.created_at).total_seconds()) < 600
    text = as_text(found)
    assert f"winequality-red {data.digest} (150 rows)  mae {result.metrics['holdout_mae']:.4g}" in text
    assert "no version has answered yet" in text
    assert "No answer is evaluated by the loss absolute yet: penstock evaluate --conf" in text
    registry.client.delete_run(result.run_id)
    registry.client.delete_model_version("store-wine", "1")
    assert as_text(read_model_versions(wine.config)).endswith("the registry has no version of it yet")


def test_labels_have_no_model(macro: WrittenTables) -> None:
    labels = macro.config.model_copy(update={"workload": "labels"})
    with pytest.raises(ConfigError, match="is a pipeline of labels, which has no model; name the pipeline whose"):
        read_model_versions(labels)


def test_tables_that_can_t_be_read_are_reported(registry: TestRegistry, tmp_path: Path) -> None:
    wine = store(tmp_path / "damaged", WINE_CONF, registry.uri)
    wine.append("batches", batch(0, at=minutes(0), seconds=5))
    wine.lose_oldest_file("batches")
    with pytest.raises(EnvironmentCheckError, match=r"can't be read: .*; look for missing or damaged files"):
        read_model_versions(wine.config)

"""penstock explain for a pipeline of rows: real runs, whose answers are computed again without Spark."""

import hashlib
import json
import math
import os
import random
import shutil
from collections import Counter
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import mlflow
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
import pytest
import yaml
from deltalake import DeltaTable, write_deltalake
from mlflow.models import infer_signature
from sandbox import HEADER, Sandbox, csv_line, wine
from sklearn.linear_model import ElasticNet
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from penstock.config.loading import load_contract
from penstock.errors import AnswerNotFoundError, ConfigError
from penstock.jobs import explain as explain_job
from penstock.models.pinned import PinnedModel
from penstock.models.registry import Registry
from penstock.operations.explain.explain import Question, explain
from penstock.operations.explain.model_facts import FoundModel, find_model
from penstock.operations.explain.predictions import explained as explained_row
from penstock.operations.explain.predictions import id_condition
from penstock.operations.explain.report import PredictionReport
from penstock.operations.explain.tables import ROWS_TABLES, opened_tables, rows_where
from penstock.operations.explain.text import as_text
from penstock.pipeline.rescore.plans import RescorePlan, RescoreRequest
from penstock.schemas.wine import MEASUREMENTS
from penstock.udfs.scoring.pickled import pickle_allowed

MODEL = "wine-elastic"
ROOT = Path(__file__).parents[2]
WINES = pd.read_csv(ROOT / "data" / "winequality-red.csv")


def register_elasticnet(sandbox: Sandbox, *, alpha: float) -> str:
    """A version of MODEL, fitted on real wines: its sums over eleven numbers depend on how many rows are scored."""
    sandbox.registry.use()
    inputs = WINES[list(MEASUREMENTS)]
    model = make_pipeline(StandardScaler(), ElasticNet(alpha=alpha, random_state=1)).fit(inputs, WINES["quality"])
    with pickle_allowed(True), mlflow.start_run() as run:
        mlflow.log_input(mlflow.data.from_pandas(inputs, name="red wines"), context="training")
        mlflow.set_tag("mlflow.source.git.commit", "204cd55aaaa")
        info = mlflow.sklearn.log_model(
            model,
            name="model",
            signature=infer_signature(inputs, model.predict(inputs)),
            registered_model_name=MODEL,
            pip_requirements=["scikit-learn"],
        )
    assert run.info.run_id
    version = str(info.registered_model_version)
    sandbox.registry.client.set_registered_model_alias(MODEL, "champion", version)
    return version


@pytest.fixture(scope="module")
def wines(shared_sandbox: Sandbox) -> Sandbox:
    """Version 1 answers 600 real wines of two files, and two equal lines of one that has a refused line too; then
    version 2 answers 100 more."""
    sandbox = shared_sandbox
    register_elasticnet(sandbox, alpha=0.02)
    sandbox.changes = {"model": {"name": MODEL}}
    sandbox.drop("morning.csv", WINES[list(MEASUREMENTS)].iloc[:400].to_csv(index=False).encode())
    sandbox.drop("noon.parquet", WINES[sorted(MEASUREMENTS)].iloc[400:600].to_parquet())
    lines = [HEADER, csv_line(wine(alcohol=9.9)), csv_line(wine(alcohol=99)), "", csv_line(wine(alcohol=9.9))]
    sandbox.drop("odd.csv", "\r\n".join(lines).encode())
    sandbox.run()
    register_elasticnet(sandbox, alpha=0.3)
    sandbox.drop("evening.csv", WINES[list(MEASUREMENTS)].iloc[600:700].to_csv(index=False).encode())
    sandbox.run()
    return sandbox


def explained(sandbox: Sandbox, row: Any) -> PredictionReport:
    found = explain(sandbox.config(), Question(row_id=str(row.row_id)))
    assert isinstance(found, PredictionReport)
    return found


def one_of(sandbox: Sandbox, file: str) -> Any:
    return sandbox.rows("predictions", file=file)[0]


def config_file(sandbox: Sandbox, folder: Path, **changes: Any) -> str:
    content = sandbox.config().model_dump(mode="json", exclude_none=True) | changes
    path = folder / "wine.yaml"
    path.write_text(yaml.safe_dump(content))
    return str(path)


def test_answers_of_both_versions_are_the_same_to_the_last_bit_when_computed_again(wines: Sandbox) -> None:
    """610 of 702: with the forecasts of test_explain_series.py more than a thousand. Each of the first 40 is a question
    of its own; the others share the opened tables and the loaded versions."""
    rows = random.Random(1).sample(wines.rows("predictions"), 610)
    reports = [explained(wines, row) for row in rows[:40]]
    config, contract = wines.config(), load_contract(wines.config())
    with opened_tables(config, ROWS_TABLES) as tables, pytest.MonkeyPatch.context() as patch:
        patch.setattr("penstock.operations.explain.predictions.find_model", once_a_version())
        tables.execute("CREATE TABLE kept AS SELECT * FROM predictions")
        tables.execute("CREATE OR REPLACE TEMP VIEW predictions AS SELECT * FROM kept")
        for row in rows[40:]:
            found = rows_where(tables, id_condition(tables, str(row.row_id)), limit=2)
            reports.append(explained_row(tables, config, contract, found.slice(0, 1), equal_rows=len(found)))
    assert [report.again.difference for report in reports if not report.is_confirmed] == []
    assert [report.prediction for report in reports] == [row.prediction for row in rows]
    assert [report.model.version for report in reports] == [row.model_version for row in rows]
    assert Counter(row.model_version for row in rows).keys() == {"1", "2"}


def once_a_version() -> Callable[..., FoundModel]:
    """find_model, which loads each version once."""
    loaded: dict[str, FoundModel] = {}

    def found(config: Any, contract: Any, *, version: str, **pin: Any) -> FoundModel:
        if version not in loaded:
            loaded[version] = find_model(config, contract, version=version, **pin)
        return loaded[version]

    return found


def test_a_sum_that_depends_on_the_rows_beside_it_is_found_in_its_batch(wines: Sandbox) -> None:
    """scikit-learn adds in another order for a row alone: the answers that say so are equal only together."""
    with pickle_allowed(True):
        model = mlflow.sklearn.load_model(f"models:/{MODEL}/1")
    stored = {row.row_id: row.prediction for row in wines.rows("predictions") if row.model_version == "1"}
    rows = wines.rows("predictions", file="morning.csv")
    inputs = pd.DataFrame([[row[name.lower().replace(" ", "_")] for name in MEASUREMENTS] for row in rows])
    inputs.columns = list(MEASUREMENTS)
    differing = [row for place, row in enumerate(rows) if model.predict(inputs.iloc[[place]])[0] != row.prediction]
    found = [explained(wines, row) for row in differing[:5]]
    alone = [report for report in found if report.again.alone is not None]
    assert len(alone) == len(found)
    for report in alone:
        inputs = pd.DataFrame([report.row]).set_axis(list(MEASUREMENTS), axis=1)
        assert model.predict(inputs)[0] == report.again.alone != report.prediction
        assert 1 < report.again.together <= len(stored)
    assert all(report.is_confirmed for report in found)


def test_the_file_and_its_lines(wines: Sandbox) -> None:
    odd = explained(wines, one_of(wines, "odd.csv"))
    assert odd.file.found is not None
    assert (odd.file.found.unit, odd.file.found.numbers, odd.file.now) == ("line", (2, 5), "unchanged")
    assert odd.equal_rows == 2
    row = one_of(wines, "noon.parquet")
    noon = explained(wines, row)
    assert noon.file.found is not None
    assert noon.file.found.unit == "row"
    given = WINES.iloc[400:600].reset_index(drop=True)
    expected = [
        place + 1
        for place, values in enumerate(given[list(MEASUREMENTS)].to_numpy().tolist())
        if values == [noon.row[name.lower().replace(" ", "_")] for name in MEASUREMENTS]
    ]
    assert list(noon.file.found.numbers) == expected
    assert noon.file.length == (wines.inbox / "noon.parquet").stat().st_size


def test_plan_and_model_are_named(wines: Sandbox) -> None:
    found = explained(wines, one_of(wines, "morning.csv"))
    assert found.plan.path == f"{wines.location}/checkpoint/plan/0.json"
    assert (found.plan.has_same_contract, found.plan.has_same_config) == (True, True)
    assert (found.batch.batch_id, found.batch.role, found.model.version) == (0, "champion", "1")
    assert found.model.git_commit == "204cd55aaaa"
    assert found.model.trained_on == ("training: red wines (1,599 rows)",)
    assert found.model.aliases == ()
    assert explained(wines, one_of(wines, "evening.csv")).model.aliases == ("champion",)
    registry = Registry.of(wines.config())
    folder = registry.local_copy(registry.version(MODEL, "1"))
    listed = "".join(
        f"{hashlib.sha256(path.read_bytes()).hexdigest()}  {path.relative_to(folder).as_posix()}\n"
        for path in sorted(folder.rglob("*"), key=lambda path: path.relative_to(folder).as_posix())
        if path.is_file() and path.name != "registered_model_meta"
    )
    assert found.model.sha256 == hashlib.sha256(listed.encode()).hexdigest()


def test_what_changed_since_is_said(wines: Sandbox) -> None:
    path = wines.inbox / "evening.csv"
    content, times = path.read_bytes(), path.stat()
    row = one_of(wines, "evening.csv")
    try:
        path.write_bytes(content[:-200])
        changed = explained(wines, row)
        assert changed.file.now.startswith(f"changed: {len(content) - 200:,} bytes")
        assert changed.is_confirmed
        path.unlink()
        gone = explained(wines, row)
        assert (gone.file.now, gone.file.found) == ("gone", None)
        assert "gone" in as_text(gone)
    finally:
        path.write_bytes(content)
        os.utime(path, ns=(times.st_atime_ns, times.st_mtime_ns))
    plan = wines.root / "checkpoint" / "plan" / "1.json"
    kept = plan.read_bytes()
    plan.unlink()
    try:
        unplanned = explained(wines, row)
    finally:
        plan.write_bytes(kept)
    assert unplanned.plan.missing.endswith("plan/1.json is not kept")
    assert unplanned.is_confirmed


def test_an_answer_that_is_another_one_is_not_equal(wines: Sandbox, tmp_path: Path) -> None:
    """The table says something else; the version is not trusted any more; it is deleted."""
    changed = Sandbox(root=tmp_path, spark=wines.spark, registry=wines.registry)
    changed.changes = wines.changes
    shutil.copytree(wines.root / "tables", tmp_path / "tables")
    table = DeltaTable(str(tmp_path / "tables" / "predictions")).to_pyarrow_table()
    place = table["model_version"].to_pylist().index("1")
    predictions = table["prediction"].to_pylist()
    predictions[place] = math.nextafter(predictions[place], math.inf)
    column = table.column_names.index("prediction")
    table = table.set_column(column, "prediction", pa.array(predictions, pa.float64()))
    shutil.rmtree(tmp_path / "tables" / "predictions")
    write_deltalake(str(tmp_path / "tables" / "predictions"), table)
    question = Question(row_id=str(table["row_id"][place].as_py()))
    found = explain(changed.config(), question)
    assert found.again.is_equal is False
    assert "NOT EQUAL" in as_text(found)
    assert explain_job.main(["--conf", config_file(changed, tmp_path), "--", str(question.row_id)]) == 1
    changed.changes = {"model": {"name": MODEL, "allowed_sha256": ["0" * 64]}}
    refused = explain(changed.config(), question)
    assert refused.again.is_equal is None
    assert "which is not in model.allowed_sha256" in as_text(refused)


def test_an_answer_of_a_rescore_is_explained_by_its_plan(wines: Sandbox, tmp_path: Path) -> None:
    """Rows of version 1, as rescore 0 would have left them: its files' SHA-256, its plan, and what another one said.
    Two rows of one key, as with labels.key, are ambiguous."""
    changed = Sandbox(root=tmp_path, spark=wines.spark, registry=wines.registry)
    changed.changes = wines.changes
    shutil.copytree(wines.root / "tables", tmp_path / "tables")
    table = DeltaTable(str(tmp_path / "tables" / "predictions")).to_pyarrow_table()
    table = table.filter(pc.equal(table["model_version"], "1"))
    rescore_ids = pa.array([0] * len(table), pa.int64())
    table = with_column(with_column(table, "rescore_id", rescore_ids), "role", ["rescored"] * len(table))
    shutil.rmtree(tmp_path / "tables" / "predictions")
    write_deltalake(str(tmp_path / "tables" / "predictions"), table)
    other = with_column(table.slice(0, 1), "rescore_id", pa.array([1], pa.int64()))
    other = with_column(with_column(other, "prediction", [2.5]), "model_version", ["2"])
    write_deltalake(str(tmp_path / "tables" / "rescored_predictions"), pa.concat_tables([table, other]))
    config, contract = changed.config(), load_contract(changed.config())
    pinned = Registry.of(config).version(MODEL, "1")
    known = explained(wines, one_of(wines, "morning.csv")).model.sha256
    moment = datetime(2026, 11, 1, tzinfo=UTC)
    plan = RescorePlan(
        number=0,
        planned_at=moment,
        request=RescoreRequest(begin=moment, end=moment, version="1", purpose="replace"),
        model=PinnedModel(
            name=MODEL,
            version="1",
            role="rescored",
            source=pinned.source,
            created_milliseconds=pinned.created_milliseconds,
        ),
        sha256=str(known),
        contract_hash=contract.content_hash,
        config_hash="another",
        source_version=0,
        answers_version=0,
        finished={},
        last_replay=-1,
        chunks=(),
        penstock="9.9.9",
    )
    path = tmp_path / "tables" / "_rescores" / "0.json"
    path.parent.mkdir()
    path.write_text(plan.model_dump_json())
    question = Question(row_id=str(table["row_id"][0].as_py()))
    found = explain(config, question)
    assert isinstance(found, PredictionReport)
    assert (found.plan.path, found.plan.code) == (f"{changed.location}/tables/_rescores/0.json", "9.9.9")
    assert (found.plan.has_same_contract, found.plan.has_same_config) == (True, False)
    assert found.is_confirmed
    assert [(one.rescore_id, one.model_version, one.prediction) for one in found.others] == [(1, "2", 2.5)]
    path.write_text(plan.model_copy(update={"sha256": "0" * 64}).model_dump_json())
    refused = explain(config, question)
    assert refused.again.is_equal is None
    assert "others than answered" in refused.again.problem
    path.write_text("{")
    damaged = explain(config, question)
    assert "is no plan of a rescore" in damaged.plan.missing
    assert damaged.is_confirmed
    keyed = with_column(table, "row_id", pa.array([7] * len(table), pa.int64()))
    write_deltalake(str(tmp_path / "tables" / "predictions"), keyed, mode="overwrite")
    with pytest.raises(AnswerNotFoundError, match="they share their row_id, and differ in fixed_acidity"):
        explain(config, Question(row_id="7"))


def with_column(table: pa.Table, name: str, values: Any) -> pa.Table:
    place = table.column_names.index(name)
    return table.set_column(place, table.field(name), pa.array(values, table.field(name).type))


def test_labels_and_losses(wines: Sandbox, tmp_path: Path) -> None:
    """The first label counts, a later one is a revision."""
    row = one_of(wines, "morning.csv")
    key = {name: getattr(row, name) for name in ("density", "alcohol", "chlorides")}
    labels = {
        "query_id": ["q", "q"],
        "batch_id": pa.array([0, 1], pa.int64()),
        **{name: [value, value] for name, value in key.items()},
        "quality": pa.array([6, 7], pa.int32()),
        "error": pa.array([None, "revision"], pa.string()),
        "source_file": ["x", "y"],
        "labelled_at": pa.array([10**15, 2 * 10**15], pa.timestamp("us", tz="UTC")),
    }
    write_deltalake(str(tmp_path / "labels" / "labels"), pa.table(labels))
    brings = {
        "pipeline": "wine-labels",
        "workload": "labels",
        "source": {"path": str(tmp_path / "inbox")},
        "contract": wines.config().contract,
        "label": {"key": list(key), "value": "quality"},
        "tables": {"root": str(tmp_path / "labels")},
        "checkpoint": str(tmp_path / "checkpoint"),
    }
    (tmp_path / "labels.yaml").write_text(yaml.safe_dump(brings))
    with_labels = Sandbox(root=wines.root, spark=wines.spark, registry=wines.registry)
    section = {"labels": {"conf": str(tmp_path / "labels.yaml"), "key": list(key), "value": "quality"}}
    with_labels.changes = wines.changes | section | {"evaluate": {"loss": "squared"}}
    found = explain(with_labels.config(), Question(row_id=str(row.row_id)))
    assert isinstance(found, PredictionReport)
    assert found.labels is not None
    assert [(label.value, label.error) for label in found.labels.found] == [(6, None), (7, "revision")]
    assert found.labels.found[0].loss == pytest.approx((row.prediction - 6) ** 2)
    assert "squared loss" in as_text(found)


def test_questions_that_mean_no_row_or_many(wines: Sandbox) -> None:
    def message(error: type[Exception], **question: Any) -> str:
        with pytest.raises(error) as raised:
            explain(wines.config(), Question(**question))
        return str(raised.value)

    assert "no row of the quarantine mentions it" in message(AnswerNotFoundError, row_id="17")
    assert "1 rows or files of the quarantine mention 'odd.csv'" in message(
        AnswerNotFoundError, where="source_file = 'odd.csv'"
    )
    assert "more than 1,000" not in message(AnswerNotFoundError, where="alcohol > 9")
    assert "name one by its row_id" in message(AnswerNotFoundError, where="alcohol > 9")
    assert "expected a condition in SQL" in message(ConfigError, where="alcohl > 9")
    assert "expected a condition in SQL" in message(ConfigError, where="alcohol = 'strong'")
    assert "expected a condition in SQL" in message(ConfigError, where="1 = 1); DROP TABLE predictions --")
    written = wines.root / "written.csv"
    copy = f"COPY (SELECT 1) TO '{written}'"
    for condition in (
        f"1 = 1); {copy}; SELECT * FROM predictions WHERE (true",
        f"true; {copy}",
        "alcohol > 9, true",
        f"alcohol IN (SELECT alcohol FROM read_csv('{wines.inbox}/odd.csv'))",
    ):
        assert "expected a condition in SQL" in message(ConfigError, where=condition)
    assert not written.exists()
    assert "is no row_id" in message(ConfigError, row_id="x17")
    assert "expected either a row_id" in message(ConfigError)
    assert "are of pipelines of series" in message(ConfigError, series="US")
    empty = Sandbox(root=wines.root / "nothing", spark=wines.spark, registry=wines.registry)
    with pytest.raises(AnswerNotFoundError, match="there is no such table yet"):
        explain(empty.config(), Question(row_id="1"))


def test_the_job_prints_text_or_json(wines: Sandbox, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    conf, row = config_file(wines, tmp_path), one_of(wines, "odd.csv")
    condition = "source_file LIKE '%/odd.csv' -- the equal lines"
    assert explain_job.main(["--conf", conf, "--where", condition]) == 0
    text = capsys.readouterr().out
    assert f"prediction {row.prediction}, batch 0 of query" in text
    assert "lines 2, 5 of it; these 2 are equal" in text
    assert f"computed now: {row.prediction}, equal to the last bit" in text
    assert explain_job.main(["--conf", conf, "--json", str(row.row_id)]) == 0
    found = json.loads(capsys.readouterr().out)
    assert (found["prediction"], found["is_confirmed"], found["row_id"]) == (row.prediction, True, row.row_id)
    assert found["row"]["alcohol"] == 9.9
    assert explain_job.main(["--conf", conf, "--wehre", "alcohol > 9"]) == 2
    assert explain_job.main(["--conf", conf, "--wehre=1"]) == 2

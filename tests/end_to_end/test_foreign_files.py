"""Gzip files as other programs leave them, files of other kinds than their names say, and bytes that are not of the
declared encoding: all in one run."""

import gzip

import pandas as pd
import pytest
from file_kinds import BINARY, JSON, MARKUP
from gzip_cases import REFUSED, TAKEN, packed
from pyspark.sql import SparkSession
from sandbox import Sandbox, TestRegistry

from penstock.operations.reconcile.reconcile import reconcile

KINDS = {f"{name}.csv": given for name, given in {**BINARY, **MARKUP, **JSON}.items()}
KINDS |= {f"{name}.json": given for name, given in {**BINARY, **MARKUP}.items()}
KINDS |= {f"{name}.parquet": given for name, given in {**BINARY, **MARKUP, **JSON}.items() if name != "parquet"}
KINDS |= {f"packed_{name}.csv.gz": (packed(content), expected) for name, (content, expected) in BINARY.items()}
KINDS |= {f"named_{name}.csv.gz": given for name, given in BINARY.items() if name != "gzip"}
ASCII = b'x,note\n1,a\n2,\xc3\xa9\n3,\xe9\n4,"b\xc3\xa9"\n5,\x7f\n6,\xef\xbf\xbd\n7,\xf0\x9f\x98\x80\n8,c\n'
BAD_BYTES = "row: bytes that are not valid US-ASCII"


@pytest.fixture(scope="module")
def foreign(spark: SparkSession, registry: TestRegistry, tmp_path_factory: pytest.TempPathFactory) -> Sandbox:
    sandbox = Sandbox(root=tmp_path_factory.mktemp("foreign"), spark=spark, registry=registry)
    registry.register("echo", "echo", example=pd.DataFrame({"x": [1.5]}), outputs=pd.Series([3.0]))
    sandbox.changes = {
        "contract": "sample_contracts:ONE",
        "model": {"name": "echo"},
        "source": {"csv": {"encoding": "US-ASCII"}, "max_files_per_trigger": 1000},
    }
    for number, (content, _) in enumerate(TAKEN.values()):
        sandbox.drop(f"taken{number}.csv.gz", content)
    for number, (content, _) in enumerate(REFUSED.values()):
        sandbox.drop(f"refused{number}.csv.gz", content)
    for name, (content, _) in KINDS.items():
        sandbox.drop(name, content)
    sandbox.drop("ascii.csv", ASCII)
    sandbox.drop("ascii.csv.gz", gzip.compress(ASCII))
    [record] = sandbox.run()
    assert len(record.plan.files) == len(TAKEN) + len(REFUSED) + len(KINDS) + 2
    return sandbox


@pytest.mark.parametrize("number", range(len(TAKEN)), ids=TAKEN)
def test_gzip_files_that_hadoop_takes(foreign: Sandbox, number: int) -> None:
    _, content = list(TAKEN.values())[number]
    rows = [row.x for row in foreign.rows("predictions", file=f"taken{number}.csv.gz")]
    assert sorted(rows) == sorted(float(line) for line in content.splitlines()[1:])


@pytest.mark.parametrize("number", range(len(REFUSED)), ids=REFUSED)
def test_gzip_files_that_hadoop_does_not_take(foreign: Sandbox, number: int) -> None:
    _, expected = list(REFUSED.values())[number]
    [[reason]] = foreign.reasons(f"refused{number}.csv.gz")
    assert reason.startswith("file: is not a whole gzip file: ")
    assert expected in reason


@pytest.mark.parametrize("name", KINDS)
def test_the_kind_is_named(foreign: Sandbox, name: str) -> None:
    [[reason]] = foreign.reasons(name)
    assert reason.startswith("file: ")
    assert KINDS[name][1] in reason


@pytest.mark.parametrize("name", ["ascii.csv", "ascii.csv.gz"])
def test_us_ascii_is_ascii(foreign: Sandbox, name: str) -> None:
    assert sorted(row.x for row in foreign.rows("predictions", file=name)) == [1, 5, 8]
    assert foreign.reasons(name) == [[BAD_BYTES]] * 5


def test_nothing_is_lost(foreign: Sandbox) -> None:
    found = reconcile(foreign.spark, foreign.config())
    assert (found.differences, found.balance.unaccounted) == ((), 0)

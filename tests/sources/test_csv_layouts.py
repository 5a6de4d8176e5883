"""Which CSV files one plan reads, and that it makes of their lines what a plan for each of them does."""

from random import Random

import pytest
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F
from sample_contracts import SMALL
from sandbox import Sandbox, checked_files

from penstock.schemas.contract import Contract, Field
from penstock.sources.casts import ACCEPTED
from penstock.sources.files import Layout, PlannedFile
from penstock.sources.formats import csv_layouts
from penstock.sources.formats.csv_layouts import MAX_PLANS, reading_groups

WIDE = Contract(fields=tuple(Field(name=f"f{number}", type="double") for number in range(200)))


def planned(*headers: str) -> list[PlannedFile]:
    return [
        PlannedFile(
            path=f"/in/{number}.csv",
            verdict="accepted",
            layout=Layout(format="csv", header=header, columns=tuple(header.split(","))),
        )
        for number, header in enumerate(headers)
    ]


def names(groups: list[list[PlannedFile]]) -> list[list[str]]:
    return sorted([file.path.removeprefix("/in/") for file in group] for group in groups)


def test_other_columns_may_be_called_whatever_they_are() -> None:
    files = planned(*[f"x,extra_{number},note" for number in range(100)])
    assert [len(group) for group in reading_groups(files, SMALL, multi_line=False)] == [100]
    assert [len(group) for group in reading_groups(files, SMALL, multi_line=True)] == [100]


def test_a_few_layouts_have_a_plan_each_and_many_have_one() -> None:
    few = planned("x,note", "note,x", "x,note,a", "x,note,b")
    assert names(reading_groups(few, SMALL, multi_line=False)) == [["0.csv"], ["1.csv"], ["2.csv", "3.csv"]]
    many = planned(*[",".join(["a"] * number) + ",x,note" for number in range(1, MAX_PLANS + 2)])
    assert [len(group) for group in reading_groups(many, SMALL, multi_line=False)] == [MAX_PLANS + 1]
    assert len(reading_groups(many, SMALL, multi_line=True)) == MAX_PLANS + 1


def test_many_fields_have_one_plan() -> None:
    columns = [field.name for field in WIDE.fields]
    files = planned(",".join(columns), ",".join(reversed(columns)))
    assert [len(group) for group in reading_groups(files, WIDE, multi_line=False)] == [2]


HEADERS = ["x,note", "note,x", "a,x,note", "x,b,note", "note,c,d,x", "x,e,f,note", "x,g,note"]
#: Under each header, and many more fields or fewer than some of them have.
LINES = ["1,2,3,4", '"1",2,3,4', "1,2", "1,2,3", '"1",2', "x,note", "1,#", '"1",#', '"1",#,#', '"1,2', '1,"2,3', ","]
LINES += ["é,1", '"é",1,2', "1,2,", '"1",2,', '"1",2,,', "1,2,3,4,5,6,7", '"1",2,3,4,5,6,7,#', "1,\\,2", " 1, 2 "]
LINES += ["NA,NA,NA"]


def contents(dialect: dict[str, object]) -> list[bytes]:
    draw = Random(20261129)
    texts = ["".join(draw.choices('1,2"# \\é', k=draw.randrange(9))) for _ in range(120)]
    found = []
    for number, header in enumerate(HEADERS):
        lines = [*LINES, *HEADERS, *texts[number::7], *texts[:30]]
        found.append("\n".join([header, *lines, header]).encode() + b"\n" + b"1,\xff\n1,\x00\n")
    return found


@pytest.mark.parametrize(
    "dialect",
    [{}, {"trim": True, "null_marker": "NA"}, {"escape": "\\", "null_marker": "#"}, {"multi_line": True}],
    ids=str,
)
def test_one_plan_reads_them_as_one_for_each(
    spark: SparkSession, sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch, dialect: dict[str, object]
) -> None:
    together = rows_of(checked_files(spark, sandbox, *closed(dialect), **dialect))
    monkeypatch.setattr(csv_layouts, "MAX_PLANS", len(HEADERS))
    each = rows_of(checked_files(spark, sandbox, *closed(dialect), **dialect))
    assert together == each
    assert len({row[-1] for row in together}) == len(HEADERS)


def closed(dialect: dict[str, object]) -> list[bytes]:
    """With multi_line a quote that is not closed refuses the file."""
    if not dialect.get("multi_line"):
        return contents(dialect)
    return [f'{header}\n1,2\n"1","2\n3"\n1,2,3\n'.encode() for header in HEADERS]


def rows_of(rows: DataFrame) -> list[tuple[str, ...]]:
    """Without the values of a rejected row, which nobody reads."""
    names = [field.name for field in SMALL.fields]
    found = rows.select(
        *[F.when(F.col(ACCEPTED), F.col(name)).alias(name) for name in names], *rows.columns[len(names) :]
    )
    return sorted(tuple(map(repr, row)) for row in found.collect())

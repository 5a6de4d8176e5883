"""Quarantined rows and files, put through again after a fix."""

import math
import shutil
from decimal import Decimal

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from chispa import assert_df_equality
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F
from quarantines import scored, use_echo, waiting
from sample_contracts import EXACT
from sandbox import Sandbox, TestRegistry
from snapshots import Snapshot

from penstock.errors import ConfigError
from penstock.operations.reconcile.reconcile import reconcile


def fill(sandbox: Sandbox) -> None:
    """Under LIMITED two rows are accepted, seven rejected, and two files are refused."""
    use_echo(sandbox)
    sandbox.drop("a.csv", b"x,note\n1,ok\n11,large\nabc,bad\n11,large\nx,note\n")
    sandbox.drop("other-order.csv", b'note,x\n"said ""no"", twice",12\nhuge,99\n', age_seconds=50)
    sandbox.drop("latin.csv", "x,note\n2,caf\xe9 \\x41\n".encode("latin-1"), age_seconds=40)
    for name in ("refused.csv", "later.csv"):
        sandbox.drop(name, b"x\n5\n", age_seconds=30)
    pq.write_table(pa.table({"x": [3.0, 13.0, 99.0], "note": ["fine", None, "huge"]}), sandbox.inbox / "b.parquet")
    sandbox.age(sandbox.inbox / "b.parquet")


def fix(sandbox: Sandbox) -> None:
    """A rule that allows more, the right encoding, and one of the refused files put right in its place."""
    sandbox.changes |= {"contract": "sample_contracts:LESS_LIMITED", "source": {"csv": {"encoding": "ISO-8859-1"}}}
    sandbox.drop("refused.csv", b"x,note\n5,late\n,empty\n")


FIXED = [
    ("a.csv", 1.0, "ok"),
    ("a.csv", 11.0, "large"),
    ("a.csv", 11.0, "large"),
    ("b.parquet", 3.0, "fine"),
    ("b.parquet", 13.0, ""),
    ("latin.csv", 2.0, "caf\xe9 \\x41"),
    ("other-order.csv", 12.0, 'said "no", twice'),
    ("refused.csv", 5.0, "late"),
]
#: As they were.
UNTOUCHED = [
    ("a.csv", "row: is the header line again"),
    ("a.csv", "x: 'abc' is not a double"),
]
#: Each of them in place of one that is marked as replayed.
REJECTED_AGAIN = [
    ("b.parquet", "rule large: not true: x < 50"),
    ("other-order.csv", "rule large: not true: x < 50"),
    ("refused.csv", "x: is null, and the contract wants a value"),
]


def but_later(waiting: list[tuple[str, str]]) -> list[tuple[str, str]]:
    return [one for one in waiting if one[0] != "later.csv"]


@pytest.fixture(scope="module")
def filled(spark: SparkSession, registry: TestRegistry, tmp_path_factory: pytest.TempPathFactory) -> Snapshot:
    """After the first batch, with nothing put right."""
    sandbox = Sandbox(root=tmp_path_factory.mktemp("filled"), spark=spark, registry=registry)
    fill(sandbox)
    sandbox.run()
    assert scored(sandbox) == [("a.csv", 1.0, "ok"), ("b.parquet", 3.0, "fine")]
    assert len(waiting(sandbox)) == 11
    return Snapshot.of(sandbox)


@pytest.fixture(scope="module")
def finished(filled: Snapshot) -> Snapshot:
    """After the replay, with all put right."""
    sandbox = filled.restored()
    fix(sandbox)
    [record] = sandbox.replay()
    assert (record.accepted, record.quarantined) == (6, 3)
    return Snapshot.of(sandbox)


@pytest.fixture
def replayed(finished: Snapshot) -> Sandbox:
    return finished.restored()


def test_what_passes_now_is_scored_and_the_rest_stays(replayed: Sandbox) -> None:
    assert scored(replayed) == FIXED
    assert but_later(waiting(replayed)) == sorted([*UNTOUCHED, *REJECTED_AGAIN])
    assert len(waiting(replayed)) == 6
    assert [row.replayed_in for row in replayed.rows("quarantine")].count(0) == 8
    stream = [row for row in replayed.rows("batches") if row.query_id == "replay"]
    assert [(row.batch_id, row.accepted, row.quarantined) for row in stream] == [(0, 6, 3)]
    files = {file.path.rsplit("/", 1)[1]: file.rows for file in stream[0].files}
    assert files == {"a.csv": 2, "b.parquet": 2, "latin.csv": 1, "other-order.csv": 2, "refused.csv": 2}


def test_a_replay_leaves_the_books_balanced(replayed: Sandbox) -> None:
    found = reconcile(replayed.spark, replayed.config())
    assert found.differences == ()
    assert (found.balance.inbox, found.balance.scored, found.balance.quarantined) == (13, 8, 5)


def test_a_second_replay_and_a_backfill_change_nothing(replayed: Sandbox) -> None:
    before = {name: replayed.count(name) for name in ("predictions", "quarantine", "batches")}
    assert replayed.replay() == []
    assert replayed.run() == []
    assert {name: replayed.count(name) for name in before} == before


def test_a_replay_by_reason_does_not_take_a_number_that_the_tables_have(replayed: Sandbox) -> None:
    """The plans are lost: Delta would drop the rows of another replay 0, and they would count as replayed. What waits
    for another reason stays, though it would pass now."""
    shutil.rmtree(replayed.root / "tables" / "_replays")
    replayed.changes["contract"] = "sample_contracts:SMALL"
    replayed.drop("later.csv", b"x,note\n7,more\n")
    [record] = replayed.replay(reason="header")
    assert (record.plan.batch_id, record.accepted) == (1, 1)
    assert scored(replayed) == sorted([*FIXED, ("later.csv", 7.0, "more")])
    assert waiting(replayed) == sorted([*UNTOUCHED, *REJECTED_AGAIN])


def exact_table(*, released: bool) -> pa.Table:
    """Values that are easily lost in a text. Days and microseconds are since 1970; the last are beyond Python's own."""
    microseconds = [1_709_208_000_000_001, -62_135_596_800_000_000, 253_402_300_800_123_456, -70_000_000_000_000_001]
    decimals = {
        "small": (["0E-8", "0.00000001", "-0.00000120", "1234567890.12345678"], pa.decimal128(18, 8)),
        "smallest": (["0", "1E-38", "-0.12345678901234567890123456789012345678", "1.20E-7"], pa.decimal128(38, 38)),
        "large": (["0", "9" * 38, "-" + "9" * 38, "1E+30"], pa.decimal128(38, 0)),
        "divided": (["0.0000000", "0.0000001", "-922337203685.4775807", "1.1"], pa.decimal128(19, 7)),
    }
    return pa.table(
        {
            "x": pa.array([0.1, 5e-324, 1.7976931348623157e308, -0.0]),
            "widened": pa.array([0.1, 1e-45, 3.4028235e38, 16777217.0], pa.float32()),
            "narrow": pa.array([0.1, 1e-45, 3.4028235e38, 16777217.0], pa.float32()),
            "kept": pa.array([math.nan, 1 / 3, 1e22, -1e-7]),
            "emptied": pa.array([math.nan, None, 123456789.123456789, 1e7], pa.float64()),
            "at": pa.array(microseconds, pa.timestamp("us", tz="UTC")),
            "local_at": pa.array(microseconds, pa.timestamp("us")),
            "day": pa.array([19_782, -719_162, 2_932_897, -800_000], pa.int32()).cast(pa.date32()),
            **{name: pa.array(map(Decimal, texts), kind) for name, (texts, kind) in decimals.items()},
            "big": pa.array([2**63 - 1, -(2**63), 0, 2**53 + 1]),
            "note": pa.array(['"\\\n', "", "null \1 \U0001f377", " {1.0} "]),
            "released": pa.array([released] * 4),
        }
    )


def test_a_parquet_row_keeps_its_values_through_the_quarantine(sandbox: Sandbox) -> None:
    """The same rows are accepted at once, and held back and replayed."""
    use_echo(sandbox)
    sandbox.changes["contract"] = "sample_contracts:EXACT_HELD"
    sandbox.inbox.mkdir()
    for name, released in (("held.parquet", False), ("passed.parquet", True)):
        pq.write_table(exact_table(released=released), sandbox.inbox / name)
        sandbox.age(sandbox.inbox / name)
    sandbox.run()
    assert sandbox.reasons("held.parquet") == [["rule hold: not true: released"]] * 4
    sandbox.changes["contract"] = "sample_contracts:EXACT"
    [record] = sandbox.replay()
    assert waiting(sandbox) == []
    assert (record.accepted, record.quarantined) == (4, 0)
    held, passed = (stored(sandbox, f"{name}.parquet") for name in ("held", "passed"))
    assert [row.released for row in held.collect()] == ["false"] * 4
    assert_df_equality(held.drop("released"), passed.drop("released"))


def stored(sandbox: Sandbox, file: str) -> DataFrame:
    """A file's values in comparable form: as text, since Python has no year 10000, and NaN is not equal to itself."""
    rows = sandbox.table("predictions").where(F.col("source_file").endswith(f"/{file}"))
    columns = [F.col(field.name).cast("string").alias(field.name) for field in EXACT.fields]
    return rows.select(*columns).orderBy("big")


def test_late_is_for_series(sandbox: Sandbox) -> None:
    with pytest.raises(ConfigError, match="--late is for series"):
        sandbox.replay(late=True)

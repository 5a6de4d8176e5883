"""Files of JSON lines through the whole job, beside other formats: scored, quarantined, replayed, reconciled."""

import gzip
import json

import pandas as pd
import pytest
from sandbox import Sandbox, TestRegistry

from penstock.operations.reconcile.reconcile import reconcile
from penstock.sources.formats import FORMATS

LINES = [
    '{"x": 1, "note": "one"}',
    '{"note": "two", "x": 2.50, "more": [1, 2]}',
    '{"x": 11, "note": "too large"}',
    '{"x": "abc"}',
    '{"x": 3}{"x": 4}',
    "",
    '{"x": 5, "x": 6}',
]


@pytest.fixture
def events(sandbox: Sandbox) -> Sandbox:
    """Five JSON files under LIMITED (x < 10), a CSV file and a Parquet file; source.format is json."""
    sandbox.registry.register("echo", "echo", example=pd.DataFrame({"x": [1.5]}), outputs=pd.Series([3.0]))
    sandbox.changes = {
        "contract": "sample_contracts:LIMITED",
        "model": {"name": "echo"},
        "source": {"format": "json"},
    }
    sandbox.drop("a.jsonl", "\n".join(LINES).encode())
    sandbox.drop("b.json.gz", gzip.compress(b'{"x": 7}\n{"x": 70, "note": "caf\\u00e9"}\n'))
    sandbox.drop("events.2026-11-29", b'{"x": 8}\r\n\xff{"x": 9}\r\n')
    sandbox.drop("array.json", b'[{"x": 1}]')
    sandbox.drop("c.csv", b"x,note\n1,csv\n12,csv\n")
    sandbox.inbox.joinpath("d.parquet").write_bytes(pd.DataFrame({"x": [4.0, 40.0], "note": ["p", "q"]}).to_parquet())
    sandbox.age(sandbox.inbox / "d.parquet")
    return sandbox


def scored(sandbox: Sandbox) -> list[tuple[str, float, str]]:
    rows = sandbox.rows("predictions")
    return sorted((row.source_file.rsplit("/", 1)[1], row.x, row.note or "") for row in rows)


def test_json_lines_through_the_whole_job(events: Sandbox) -> None:
    [record] = events.run()

    assert scored(events) == [
        ("a.jsonl", 1.0, "one"),
        ("a.jsonl", 2.5, "two"),
        ("b.json.gz", 7.0, ""),
        ("c.csv", 1.0, "csv"),
        ("d.parquet", 4.0, "p"),
        ("events.2026-11-29", 8.0, ""),
    ]
    assert events.reasons("a.jsonl") == [
        ["row: 'x' stands twice"],
        ["row: has more than one JSON object"],
        ["rule small: not true: x < 10"],
        ["x: 'abc' is not a double"],
    ]
    assert events.reasons("events.2026-11-29") == [["row: bytes that are not valid UTF-8"]]
    assert events.reasons("array.json")[0][0].startswith("file: is a JSON array")
    assert (record.accepted, record.quarantined, record.files_refused) == (6, 8, 1)
    raw = {row.raw for row in events.rows("quarantine", file="a.jsonl")}
    assert raw == {LINES[2], LINES[3], LINES[4], LINES[6]}

    # A looser contract, and a file put right in its place: what can pass now does, and keeps its values.
    events.changes["contract"] = "sample_contracts:SMALL"
    events.drop("array.json", json.dumps({"x": 100, "note": "put right"}).encode())
    [replay] = events.replay()
    assert replay.accepted == 5
    assert {row[1:] for row in scored(events)} >= {
        (11.0, "too large"),
        (70.0, "café"),
        (12.0, "csv"),
        (40.0, "q"),
        (100.0, "put right"),
    }
    assert events.table("quarantine").where("replayed_in IS NULL").count() == 4
    assert events.replay() == []

    found = reconcile(events.spark, events.config())
    assert found.differences == ()
    assert (found.balance.scored, found.balance.unaccounted) == (11, 0)


def test_config_and_formats_name_the_same(registry: TestRegistry) -> None:
    from penstock.config.pipeline import SourceConfig

    annotation = SourceConfig.model_fields["format"].annotation
    assert set(annotation.__args__) == set(FORMATS)  # type: ignore[union-attr]

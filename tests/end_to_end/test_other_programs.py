"""Files as Excel and European programs write them, through the whole job: lines above the header, decimal commas."""

import gzip
from datetime import datetime

import pandas as pd
import pytest
from projects import use_project
from sandbox import Sandbox

from penstock.config.loading import load_config
from penstock.jobs.init_pipeline import main as init
from penstock.jobs.train_rows import main as train
from penstock.operations.reconcile.reconcile import reconcile
from penstock.operations.run_stream import run_pipeline

ROWS = 40
CSV = {"separator": ";", "skip_lines": 3}
FILES = {
    "a.csv": b"sep=;\nReport A;;\n\nx;n;note\n1,5;1,0;a\n2,25;2;b\n",
    "b.csv.gz": gzip.compress(b"\xef\xbb\xbfsep=;\r\nReport B\r\nmade in M\xfcnchen\r\nx;n;note\r\n3,5;3;Report B\r\n"),
    # The same line twice above the header, all of it once more below, and a row that is another file's title.
    "c.csv": b";;\n;;\nTitle\nnote;x;n\nc;4,5;4\n;;\nTitle\nnote;x;n\nReport A;5,5;5\n",
    "bad.csv": b"1\n2\n3\nx;n;note\n1.5;1;p\n1.001,50;1;q\n6,5;1,5;r\n700,5;7;v\n",
    "without.csv": b"x;n;note\n7,5;7;s\n8,5;8;t\n9,5;9;u\n",
    "short.csv": b"sep=;\n1\n",
    "d.jsonl": b'{"x": 10.5, "n": 10, "note": "1,5"}\n{"x": "11,5", "n": 11}\n',
}
COMMAS = "(with a decimal comma, and without thousands separators)"


@pytest.fixture(scope="module")
def done(shared_sandbox: Sandbox) -> Sandbox:
    sandbox = shared_sandbox
    sandbox.registry.register("echo", "echo", example=pd.DataFrame({"x": [1.5]}), outputs=pd.Series([3.0]))
    sandbox.changes = {
        "contract": "sample_contracts:COMMAS",
        "model": {"name": "echo"},
        "source": {"csv": CSV},
    }
    for name, content in FILES.items():
        sandbox.drop(name, content)
    [record] = sandbox.run()
    assert (record.accepted, record.failed) == (6, 0)
    return sandbox


def test_lines_above_the_header_are_no_rows(done: Sandbox) -> None:
    found = {(row.x, row.n, row.note, row.source_file.rpartition("/")[2]) for row in done.rows("predictions")}
    assert found == {
        (1.5, 1, "a", "a.csv"),
        (2.25, 2, "b", "a.csv"),
        (3.5, 3, "Report B", "b.csv.gz"),
        (4.5, 4, "c", "c.csv"),
        (5.5, 5, "Report A", "c.csv"),
        (10.5, 10, "1,5", "d.jsonl"),
    }
    assert done.reasons("a.csv") == done.reasons("b.csv.gz") == []


def test_those_that_stand_there_again_are_rows(done: Sandbox) -> None:
    raws = [(row.raw, row.header) for row in done.rows("quarantine", file="c.csv")]
    assert sorted(raws) == [(text, "note;x;n") for text in (";;", "Title", "note;x;n")]


def test_a_comma_is_the_decimal_mark_and_nothing_else(done: Sandbox) -> None:
    assert done.reasons("bad.csv") == [
        [f"n: '1,5' is not an integer {COMMAS}"],
        ["rule small: not true: x < 100"],
        [f"x: '1.001,50' is not a double {COMMAS}"],
        [f"x: '1.5' is not a double {COMMAS}"],
    ]
    assert done.reasons("d.jsonl") == [["x: '11,5' is not a double"]]


def test_a_file_without_those_lines_says_where_its_header_is(done: Sandbox) -> None:
    [reasons] = done.reasons("without.csv")
    assert reasons[-1] == (
        "file: line 1 has the contract's columns; for such files set source.csv.skip_lines: 0 (now 3)"
    )
    assert done.reasons("short.csv") == [
        ["file: has no line below the 3 that source.csv.skip_lines skips; expected a header"]
    ]


def test_every_row_is_counted(done: Sandbox) -> None:
    """By another count: the lines of the files."""
    assert reconcile(done.spark, done.config()).differences == ()


def test_a_row_of_the_quarantine_comes_back_under_its_header(done: Sandbox) -> None:
    done.changes["contract"] = "sample_contracts:COMMAS_OF_ANY_SIZE"
    [record] = done.replay(reason="rule small")
    assert record.accepted == 1
    assert {row.x for row in done.rows("predictions") if row.note == "v"} == {700.5}


def test_what_init_finds_is_learnt_and_scored_row_for_row(sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch) -> None:
    """A name over two lines, decimal commas, blanks of other kinds, yes and no, PostgreSQL's time zone."""
    root = sandbox.root
    use_project(monkeypatch, root)
    lines = [
        f"{n};\u00a0{n},5 ;{n}.0;\u3000{n % 7};{'yes' if n % 2 else 'No'};2024-03-02 10:00:{n:02}+00;{2 * n},25"
        for n in range(ROWS)
    ]
    text = "\r\n".join(['id;"Temp\n(°C)";big;n;ok;at;y', *lines, ""])
    (root / "s.csv").write_bytes(text.encode("utf-8-sig"))
    assert init(["others", "--sample", "s.csv", "--target", "y", "--folder", str(root)]) == 0
    conf = root / "conf" / "others.yaml"
    places = [
        f"source.path={root}/inbox",
        f"tables.root={root}/tables",
        f"checkpoint={root}/checkpoint",
        f"mlflow.tracking_uri={sandbox.registry.uri}",
        "source.settle=0.5",
    ]
    settings = [argument for place in places for argument in ("--set", place)]
    assert train(["--conf", str(conf), *settings, "--data", "s.csv", "--target", "y", "--promote"]) == 0
    config = load_config([conf], overrides=places)
    assert config.source.csv.model_dump(exclude_defaults=True) == {"separator": ";", "multi_line": True, "trim": True}
    sandbox.drop("s.csv", (root / "data" / "others-sample.csv").read_bytes())
    [record] = run_pipeline(config, job="test", once=True, resume=False)
    assert sandbox.reasons("s.csv") == []
    assert (record.accepted, record.failed) == (ROWS, 0)
    found = {row.id: (row.temp_c, row.big, row.n, row.ok, row["at"]) for row in sandbox.rows("predictions")}
    assert found == {n: (n + 0.5, float(n), n % 7, n % 2 == 1, datetime(2024, 3, 2, 10, 0, n)) for n in range(ROWS)}
    # The target, read with its comma, is a line in id: a model of classes would give one of the texts.
    assert {row.id: row.prediction for row in sandbox.rows("predictions")} == {
        n: pytest.approx(2 * n + 0.25, abs=1.5) for n in range(ROWS)
    }

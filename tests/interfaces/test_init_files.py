"""`penstock init` through its job: the files it writes, what it prints, and what it refuses."""

import importlib.util
import io
from pathlib import Path

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from drawing import drawn
from hypothesis import strategies as st
from init_runs import error_of, jobs_of, steps, written_contract
from projects import use_project

from penstock.config.loading import load_config, load_contract
from penstock.jobs.init_pipeline import main
from penstock.schemas.contract import Contract, Field
from penstock.sources.blanks import BLANKS

CONTENT = 'Typ;Größe (cm);pH;geprüft;Güte\nA;1.5;7;01.02.2024;gut\nB;;6.5;31.12.2024;"schlecht; sehr"\nA;3.5;7.1;;gut\n'
FIELDS = (
    Field(name="typ", type="string", source="Typ"),
    Field(name="groesse_cm", type="double", source="Größe (cm)", nullable=True),
    Field(name="ph", type="double", source="pH"),
    Field(name="geprueft", type="date", source="geprüft", nullable=True, format="dd.MM.yyyy"),
)


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "ofen.csv").write_bytes(CONTENT.encode("latin-1"))
    return tmp_path


def init(*arguments):
    assert main(["ofen", "--sample", "ofen.csv", *arguments]) == 0


def test_the_contract_is_that_of_the_sample_without_the_target(folder):
    init("--target", "Güte")
    assert written_contract(folder, "ofen") == Contract(fields=FIELDS)


def test_without_a_target_every_column_is_a_field(folder):
    init()
    assert written_contract(folder, "ofen").fields == (*FIELDS, Field(name="guete", type="string", source="Güte"))


def test_the_config_is_read(folder):
    init("--target", "Güte", "--model", "oven-quality")
    config = load_config([Path("conf/ofen.yaml")])
    assert (config.pipeline, config.workload, config.contract) == ("ofen", "rows", "schemas.ofen:CONTRACT")
    assert (config.model.name, config.model.alias) == ("oven-quality", "champion")
    assert (config.source.format, config.source.path) == ("csv", str(folder / "warehouse/ofen/inbox"))
    assert config.source.csv.model_dump(exclude_defaults=True) == {"separator": ";", "encoding": "ISO-8859-1"}
    assert config.tables.root == str(folder / "warehouse/ofen/tables")
    assert config.checkpoint == str(folder / "warehouse/ofen/checkpoint")


def test_the_model_has_the_name_of_the_pipeline(folder):
    init()
    assert load_config([Path("conf/ofen.yaml")]).model.name == "ofen"


@pytest.mark.parametrize("name", ["no", "on", "null", "yes", "true_", "y"])
def test_a_name_that_yaml_takes_for_something_else(folder, name):
    assert main([name, "--sample", "ofen.csv"]) == 0
    assert load_config([Path(f"conf/{name}.yaml")]).pipeline == name


@pytest.mark.parametrize(
    ("content", "dialect"),
    [
        ("a\tb\n1\tNA\n2\t3\n", {"separator": "\t", "null_marker": "NA"}),
        ("a|b\n1|'x|y'\n", {"separator": "|", "quote": "'", "escape": "'"}),
        ('a,b\n1,"x \\", y"\n', {"escape": "\\"}),
        ('a,b\n1,"x\ny"\n', {"multi_line": True}),
        ("a, b\n1, ?\n2, 3\n", {"trim": True, "null_marker": "?"}),
    ],
    ids=repr,
)
def test_the_dialect_comes_back_from_the_config(folder, content, dialect):
    (folder / "ofen.csv").write_text(content)
    init()
    assert load_config([Path("conf/ofen.yaml")]).source.csv.model_dump(exclude_defaults=True) == dialect


def test_the_sample_is_copied_without_the_target(folder):
    init("--target", "Größe (cm)")
    assert (folder / "data/ofen-sample.csv").read_bytes().decode("latin-1") == (
        'Typ;pH;geprüft;Güte\nA;7;01.02.2024;gut\nB;6.5;31.12.2024;"schlecht; sehr"\nA;7.1;;gut\n'
    )


def test_without_a_target_the_sample_is_copied_byte_by_byte(folder):
    init()
    assert (folder / "data/ofen-sample.csv").read_bytes() == (folder / "ofen.csv").read_bytes()


def test_a_marked_file_with_the_target_first(folder):
    (folder / "ofen.csv").write_text('\ufeff"y","x"\n1,"ü"\n', encoding="utf-8")
    init("--target", "y")
    assert (folder / "data/ofen-sample.csv").read_text(encoding="utf-8") == "x\nü\n"


def test_a_parquet_sample(folder):
    pq.write_table(pa.table({"x": [1.5, 2.5], "y": ["a", "b"], "odd": [[1], [2]]}), folder / "ofen.parquet")
    assert main(["ofen", "--sample", "ofen.parquet", "--target", "y"]) == 0
    assert written_contract(folder, "ofen").fields == (Field(name="x", type="double"),)
    assert load_config([Path("conf/ofen.yaml")]).source.format == "parquet"
    assert pd.read_parquet("data/ofen-sample.parquet")["x"].tolist() == [1.5, 2.5]
    assert pq.read_schema("data/ofen-sample.parquet").names == ["x", "odd"]


def test_nothing_is_written_over_without_force(folder, capsys):
    (folder / "conf").mkdir()
    (folder / "conf/ofen.yaml").write_text("mine")
    said = error_of(capsys, "ofen", "--sample", "ofen.csv")
    assert "conf/ofen.yaml: there already; choose another NAME, or give --force to write over it" in said
    assert (folder / "conf/ofen.yaml").read_text() == "mine"
    assert not (folder / "schemas").exists()
    init("--force")
    assert load_config([Path("conf/ofen.yaml")]).pipeline == "ofen"


def test_a_project_of_ones_own_may_have_any_name(folder, monkeypatch):
    use_project(monkeypatch, folder)
    assert main(["contract", "--sample", "ofen.csv"]) == 0
    assert load_contract(load_config([Path("conf/contract.yaml")])) == written_contract(folder, "contract")


def test_the_next_steps_are_exact_commands(folder, capsys):
    init("--target", "Güte")
    commands = steps(capsys)
    conf = ["--conf", "conf/ofen.yaml"]
    assert jobs_of(commands) == [
        ("train_rows", [*conf, "--data", "ofen.csv", "--target", "Güte", "--promote"]),
        ("doctor", conf),
        ("backfill", conf),
        ("show_status", conf),
    ]
    assert "mkdir -p warehouse/ofen/inbox && cp data/ofen-sample.csv warehouse/ofen/inbox/" in commands


def test_every_job_of_the_next_steps_is_there(folder, capsys):
    init("--target", "Güte")
    assert all(importlib.util.find_spec(f"penstock.jobs.{job}") for job, _ in jobs_of(steps(capsys)))


def test_for_another_folder_the_steps_go_there_first(folder, capsys):
    (folder / "elsewhere").mkdir()
    init("--folder", "elsewhere")
    assert steps(capsys)[0] == f"cd {folder / 'elsewhere'}"


def test_without_a_target_the_steps_say_that_a_model_is_needed(folder, capsys):
    init()
    printed = capsys.readouterr().out
    assert "register a model with a signature as 'ofen', alias champion" in printed
    assert "train_rows" not in printed


def test_notes_are_printed_and_stand_in_the_contract(folder, capsys):
    (folder / "ofen.csv").write_text("x;day;ort\n1,5;01/02/2024;01234\n")
    init()
    printed = capsys.readouterr().out
    contract = (folder / "schemas/ofen.py").read_text()
    for words in ("decimal comma", "could be written as dd/MM/yyyy", "leading zeros"):
        assert words in printed
        assert words in contract


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["my-oven", "--sample", "ofen.csv"], "'my-oven' can't be a Python module; use small letters, digits and '_'"),
        (["ofen", "--sample", "none.csv"], "none.csv: there is no such file; name a CSV, JSON lines or Parquet file"),
        (["ofen", "--sample", "."], ".: is no file; name one CSV, JSON lines or Parquet file"),
        (["ofen", "--sample", "ofen.csv", "--target", "Gute"], "has no column 'Gute'; is 'Güte' meant?"),
        (
            ["ofen", "--sample", "ofen.csv", "--target", "zzz"],
            "has no column 'zzz'; its columns are 'Typ', 'Größe (cm)', 'pH', 'geprüft', 'Güte'",
        ),
        (["ofen", "--sample", "ofen.csv", "--folder", "none"], "none is no folder; name one that is there"),
        (["ofen", "--sample", "ofen.csv", "--model", "a/b"], "expected the name of a registered model"),
        (
            ["ofen", "--sample", "ofen.csv", "--time", "geprüft"],
            "a series takes --time and --variables, --series-id if",
        ),
    ],
    ids=repr,
)
def test_wrong_input_gets_a_sentence_and_writes_nothing(folder, capsys, arguments, said):
    assert said in error_of(capsys, *arguments)
    assert [path.name for path in folder.iterdir()] == ["ofen.csv"]


def test_a_target_alone_is_no_sample(folder, capsys):
    (folder / "ofen.csv").write_text("y\n1.5\n")
    assert "has no column beside the target 'y'" in error_of(capsys, "ofen", "--sample", "ofen.csv", "--target", "y")


def test_a_sample_of_json_lines(folder, capsys):
    lines = ['{"Ofen": "a", "x": 1.50, "at": "2024-02-29T12:00:00Z", "ok": true, "y": 2}']
    lines += ['{"Ofen": "b", "x": 2, "at": "2024-02-29T13:00:00Z", "n": null, "y": 3}', "no object"]
    (folder / "s.jsonl").write_text("\n".join(lines))
    assert main(["ofen", "--sample", "s.jsonl", "--target", "y"]) == 0
    assert "rows: 1 are no JSON object" in capsys.readouterr().out
    config = load_config([folder / "conf/ofen.yaml"])
    assert config.source.format == "json"
    contract = (folder / "schemas/ofen.py").read_text()
    for field in ('name="ofen", type="string"', 'name="x", type="double"', 'name="at", type="timestamp"'):
        assert field in contract
    assert (folder / "data/ofen-sample.json").read_text().splitlines()[0].startswith('{"Ofen": "a", "x": 1.50,')


#: Their last bytes in UTF-8 are blanks in ISO-8859-1.
UGLY = st.text(alphabet="х à Рx\u00a0\u0085\"',;\\\u200b😀", min_size=1, max_size=6)


@pytest.mark.parametrize("encoding", ["utf-8", "latin-1"])
def test_a_trimmed_sample_keeps_every_letter(folder, encoding):
    texts = [text for text in drawn(UGLY, 60) if text == text.encode(encoding, "ignore").decode(encoding)]
    frame = pd.DataFrame({"Stück_à": texts, "x": " 1.5 ", "mål_à": "1"})
    (folder / "ofen.csv").write_bytes(frame.to_csv(index=False).encode(encoding))
    init("--target", "mål_à")
    copied = (folder / "data/ofen-sample.csv").read_bytes().decode(encoding)
    read = pd.read_csv(io.StringIO(copied), dtype=str, keep_default_na=False)
    assert load_config([Path("conf/ofen.yaml")]).source.csv.trim
    assert read.columns.tolist() == ["Stück_à", "x"]
    assert read["Stück_à"].tolist() == [text.strip(BLANKS) for text in texts]


def test_bytes_that_are_not_of_the_encoding_are_copied(folder):
    rows = "ü;ä;1\n".encode() * 3 + b"\xfc;\xa0\x85;2\n"
    (folder / "ofen.csv").write_bytes(b"a;b;y\n" + rows)
    init("--target", "y")
    assert (folder / "data/ofen-sample.csv").read_bytes() == b"a;b\n" + "ü;ä\n".encode() * 3 + b"\xfc;\xa0\x85\n"

import sys

import pytest
import yaml
from projects import use_project

from penstock.config.loading import load_config, load_contract, overlay, parse_override
from penstock.errors import ConfigError
from penstock.schemas.wine import CONTRACT

CANARY = "c4n4ry-s3cret"
BASE = {
    "pipeline": "wine",
    "workload": "rows",
    "source": {"path": "inbox"},
    "contract": "schemas.wine:CONTRACT",
    "model": {"name": "wine-quality"},
    "tables": {"root": "tables"},
    "checkpoint": "checkpoint",
    "mlflow": {"tracking_uri": "sqlite:///mlflow.db"},
}


@pytest.fixture
def write(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)

    def write_file(content, name="wine.yaml"):
        path = tmp_path / name
        path.write_text(content if isinstance(content, str) else yaml.safe_dump(content), encoding="utf-8")
        return path

    return write_file


def without(*keys):
    document = {key: dict(value) if isinstance(value, dict) else value for key, value in BASE.items()}
    inner = document
    for key in keys[:-1]:
        inner = inner[key]
    del inner[keys[-1]]
    return document


def message_of(path, overrides=()):
    with pytest.raises(ConfigError) as error:
        load_config([path] if not isinstance(path, list) else path, overrides=overrides)
    return str(error.value)


def test_a_config_is_read(write):
    assert load_config([write(BASE)]).model.name == "wine-quality"


@pytest.mark.parametrize(
    ("override", "said"),
    [
        ("checkpont=x", "checkpont: unknown key; did you mean 'checkpoint'?"),
        ("source.pat=x", "source.pat: unknown key; did you mean 'path'?"),
        ("source.max_files_per_triger=1", "did you mean 'max_files_per_trigger'?"),
        ("source.csv.seperator=x", "source.csv.seperator: unknown key; did you mean 'separator'?"),
        ("mlflow.tracking_url=x", "mlflow.tracking_url: unknown key; did you mean 'tracking_uri'?"),
        ("trigger.evry=5", "trigger.evry: unknown key; did you mean 'every'?"),
    ],
)
def test_an_unknown_key_names_the_nearest(write, override, said):
    assert said in message_of(write(BASE), [override])


def test_an_unknown_key_that_is_near_to_none_lists_the_known(write):
    assert "tables.zzz: unknown key; known keys here: root" in message_of(write(BASE), ["tables.zzz=1"])


def test_every_problem_is_told_at_once(write):
    message = message_of(write(without("model", "name")), ["sorce.x=1", "trigger.every=never"])
    assert "model.name: is missing" in message
    assert "sorce: unknown key; did you mean 'source'?" in message
    assert "trigger.every: " in message


@pytest.mark.parametrize(
    "keys", [("pipeline",), ("source",), ("source", "path"), ("tables", "root"), ("mlflow", "tracking_uri")]
)
def test_a_missing_key_is_named_by_its_path(write, keys):
    assert f"{'.'.join(keys)}: is missing" in message_of(write(without(*keys)))


def test_the_message_names_the_files(write):
    paths = [write(without("pipeline"), "a.yaml"), write({"trigger": {"every": 1}}, "b.yaml")]
    assert message_of(paths).startswith(f"{paths[0]}, {paths[1]}: ")


def test_a_later_file_overrides_key_by_key(write):
    base = write({**BASE, "source": {"path": "inbox", "settle": 3, "csv": {"separator": ";", "trim": True}}}, "a.yaml")
    top = write({"source": {"settle": 5, "csv": {"separator": "|"}}}, "b.yaml")
    source = load_config([base, top]).source
    assert (source.settle, source.csv.separator, source.csv.trim) == (5, "|", True)
    assert source.path.endswith("/inbox")
    assert load_config([top, base]).source.settle == 3


def test_set_comes_after_all_files_and_the_last_set_wins(write):
    paths = [write(BASE, "a.yaml"), write({"trigger": {"every": 7}}, "b.yaml")]
    assert load_config(paths, overrides=["trigger.every=1 minute"]).trigger.every == 60
    assert load_config(paths, overrides=["trigger.every=8", "trigger.every=9"]).trigger.every == 9


def test_overlay_leaves_both_sides_as_they_are():
    base, top = {"a": {"b": 1, "c": 2}}, {"a": {"b": 3}}
    assert overlay(base, top) == {"a": {"b": 3, "c": 2}}
    assert base == {"a": {"b": 1, "c": 2}}
    assert top == {"a": {"b": 3}}


def test_overlay_replaces_what_is_not_a_section():
    assert overlay({"a": {"b": 1}, "c": [1]}, {"a": 5, "c": [2]}) == {"a": 5, "c": [2]}
    assert overlay({"a": 1}, {"a": {"b": 2}}) == {"a": {"b": 2}}


@pytest.mark.parametrize(
    ("text", "parsed"),
    [
        ("a=1", {"a": 1}),
        ("a.b.c=1.5", {"a": {"b": {"c": 1.5}}}),
        ("a.b=true", {"a": {"b": True}}),
        ("a=1 minute", {"a": "1 minute"}),
        ("a=", {"a": ""}),
        ("a=x=y", {"a": "x=y"}),
        ("a={b: 2}", {"a": {"b": 2}}),
        ("a='5'", {"a": "5"}),
        ("a=[", {"a": "["}),
        ("a=,", {"a": ","}),
        ("a=sqlite:///x.db", {"a": "sqlite:///x.db"}),
    ],
)
def test_set_is_typed_and_nested(text, parsed):
    assert parse_override(text) == parsed


@pytest.mark.parametrize("text", ["a", "", "=1", " =1"])
def test_set_without_a_key_or_a_value_is_refused(text):
    with pytest.raises(ConfigError, match=r"key\.sub=value"):
        parse_override(text)


def test_set_sections_are_checked_like_files(write):
    config = load_config([write(BASE)], overrides=["source.max_files_per_trigger=7", "source.csv.multi_line=true"])
    assert (config.source.max_files_per_trigger, config.source.csv.multi_line) == (7, True)


def test_environment_is_filled_in_at_every_depth(write, monkeypatch):
    monkeypatch.setenv("PENSTOCK_HOST", "db.example")
    monkeypatch.setenv("PENSTOCK_ROOT", "/data")
    document = {**BASE, "tables": {"root": "${PENSTOCK_ROOT}/tables"}}
    config = load_config([write(document)], overrides=["mlflow.tracking_uri=http://${PENSTOCK_HOST}:${PENSTOCK_ROOT}"])
    assert config.tables.root == "/data/tables"
    assert config.mlflow.tracking_uri == "http://db.example:/data"


def test_environment_that_is_not_set_is_named_with_its_key(write, monkeypatch):
    monkeypatch.delenv("PENSTOCK_NOT_SET", raising=False)
    message = message_of(write(BASE), ["mlflow.tracking_uri=http://${PENSTOCK_NOT_SET}"])
    assert "mlflow.tracking_uri" in message
    assert "PENSTOCK_NOT_SET" in message


def test_environment_of_an_overridden_value_is_not_needed(write, monkeypatch):
    monkeypatch.delenv("PENSTOCK_NOT_SET", raising=False)
    path = write({**BASE, "checkpoint": "${PENSTOCK_NOT_SET}"})
    assert load_config([path], overrides=["checkpoint=/c"]).checkpoint == "/c"


def test_one_overlay_serves_several_pipelines(write, monkeypatch):
    monkeypatch.setenv("PENSTOCK_BUCKET", "b")
    overlay = write({"checkpoint": "s3a://${PENSTOCK_BUCKET}/${pipeline}/checkpoint"}, "overlay.yaml")
    for name in ("wine", "beer"):
        config = load_config([write({**BASE, "pipeline": name}, f"{name}.yaml"), overlay])
        assert config.checkpoint == f"s3a://b/{name}/checkpoint"


def test_environment_is_not_expanded_twice(write, monkeypatch):
    monkeypatch.setenv("PENSTOCK_A", "${PENSTOCK_B}")
    assert load_config([write(BASE)], overrides=["checkpoint=/x/${PENSTOCK_A}"]).checkpoint == "/x/${PENSTOCK_B}"


@pytest.mark.parametrize(
    "overrides",
    [
        [f"mlflow.tracking_uri=http://me:{CANARY}@host", "unknown=1"],
        [f"mlflow.tracking_uri={{password: {CANARY}}}"],
        [f"mlflow.tracking_uri=[{CANARY}]"],
        [f"mlflow.password={CANARY}"],
        [f"source={CANARY}"],
        [f"source.format={CANARY}"],
        [f"source.max_files_per_trigger={CANARY}"],
        [f"source.csv.separator={CANARY}"],
        [f"source.csv={CANARY}"],
        [f"contract={CANARY}"],
        [f"pipeline={CANARY.upper()}"],
        [f"spark={CANARY}"],
        [f"spark={{spark.key: [{CANARY}]}}"],
    ],
)
def test_no_value_stands_in_a_message(write, overrides):
    assert CANARY.lower() not in message_of(write(BASE), overrides).lower()


def test_no_value_from_the_environment_stands_in_a_message(write, monkeypatch):
    monkeypatch.setenv("PENSTOCK_SECRET", CANARY)
    message = message_of(
        write(BASE), ["mlflow.tracking_uri=http://me:${PENSTOCK_SECRET}@h", "source.csv.quote=${PENSTOCK_SECRET}"]
    )
    assert CANARY not in message


def test_no_value_stands_in_the_message_on_broken_yaml(write):
    path = write(f'pipeline: wine\nspark: {{spark.secret.key: "{CANARY}", "broken\n')
    assert CANARY not in message_of(path)


def test_no_config_at_all_is_an_error():
    with pytest.raises(ConfigError, match="--conf"):
        load_config([])


def test_a_missing_file_is_an_error(tmp_path):
    assert "there is no such file" in message_of(tmp_path / "none.yaml")


def test_a_folder_is_no_config(tmp_path):
    assert "can't be read" in message_of(tmp_path)


@pytest.mark.parametrize(
    ("content", "said"),
    [("a: [1", "is not YAML"), ("- a\n- b\n", "found list"), ("", "found NoneType"), ("just text", "found str")],
)
def test_what_is_no_config_is_refused_with_its_name(write, content, said):
    path = write(content)
    message = message_of(path)
    assert said in message
    assert str(path) in message


def test_other_encodings_than_utf8_are_refused(tmp_path):
    path = tmp_path / "latin.yaml"
    path.write_bytes("pipeline: café".encode("latin-1"))
    assert "can't be read" in message_of(path)


def test_python_objects_in_yaml_are_refused(write):
    assert "is not YAML" in message_of(write("pipeline: !!python/object/apply:os.getcwd []"))


def contract_config(write, name):
    return load_config([write({**BASE, "contract": name})])


def test_the_contract_is_loaded(write):
    assert load_contract(contract_config(write, "schemas.wine:CONTRACT")) == CONTRACT


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("schemas.beer:CONTRACT", "there is no module 'schemas.beer'"),
        ("nowhere.wine:CONTRACT", "there is no module 'nowhere.wine'"),
        ("schemas.wine:NOTHING", "has no 'NOTHING'"),
        ("schemas.wine:MEASUREMENTS", "is a builtins.tuple, not a Contract"),
    ],
)
def test_a_contract_that_is_not_there_is_an_error(write, name, said):
    with pytest.raises(ConfigError, match=said):
        load_contract(contract_config(write, name))


@pytest.fixture
def module(tmp_path, monkeypatch):
    monkeypatch.syspath_prepend(str(tmp_path))

    def make(name, text):
        (tmp_path / f"{name}.py").write_text(text)
        monkeypatch.delitem(sys.modules, name, raising=False)
        return f"{name}:CONTRACT"

    return make


def test_a_contract_that_contradicts_itself_is_an_error_with_its_reason(write, module):
    name = module("own_contract_a", "from penstock.schemas.contract import *\nCONTRACT = Contract(fields=())\n")
    with pytest.raises(ConfigError, match="own_contract_a:CONTRACT: a contract needs at least one field"):
        load_contract(contract_config(write, name))


def test_a_module_that_the_contract_lacks_is_not_taken_for_the_contract(write, module):
    name = module("own_contract_b", "import missing_package_of_the_contract\n")
    with pytest.raises(ModuleNotFoundError, match="missing_package_of_the_contract"):
        load_contract(contract_config(write, name))


TWO_FIELDS = """from penstock import Contract, Field
CONTRACT = Contract(fields=(Field(name="one", type="double"), Field(name="other", type="long")))
"""


@pytest.fixture
def project(tmp_path, monkeypatch):
    """A folder of somebody's own, with a schemas/ in it."""
    folder = tmp_path / "project"
    (folder / "schemas").mkdir(parents=True)
    use_project(monkeypatch, folder)
    return folder


def test_the_project_s_own_contract_goes_before_penstock_s(write, project):
    (project / "schemas" / "wine.py").write_text(TWO_FIELDS)
    assert [field.name for field in load_contract(contract_config(write, "schemas.wine:CONTRACT")).fields] == [
        "one",
        "other",
    ]


def test_a_contract_that_the_project_lacks_is_penstock_s(write, project):
    (project / "schemas" / "mine.py").write_text(TWO_FIELDS)
    assert load_contract(contract_config(write, "schemas.wine:CONTRACT")) == CONTRACT
    assert load_contract(contract_config(write, "penstock.schemas.wine:CONTRACT")) == CONTRACT


def test_an_installed_package_called_schemas_does_not_hide_the_project_s(write, project, tmp_path, monkeypatch):
    installed = tmp_path / "installed" / "schemas"
    installed.mkdir(parents=True)
    (installed / "__init__.py").write_text("")
    (installed / "mine.py").write_text("CONTRACT = None\n")
    monkeypatch.syspath_prepend(str(installed.parent))
    (project / "schemas" / "mine.py").write_text(TWO_FIELDS)
    assert len(load_contract(contract_config(write, "schemas.mine:CONTRACT")).fields) == 2


def test_other_modules_of_penstock_are_no_contracts_of_a_project(write, project):
    with pytest.raises(ConfigError, match="there is no module 'errors'"):
        load_contract(contract_config(write, "errors:PenstockError"))


def test_a_contract_of_another_class_is_told_where_contracts_come_from(write, project):
    (project / "schemas" / "old.py").write_text("class Contract:\n    pass\n\n\nCONTRACT = Contract()\n")
    with pytest.raises(ConfigError, match=r"is a schemas.old.Contract, not a Contract; write: from penstock import"):
        load_contract(contract_config(write, "schemas.old:CONTRACT"))

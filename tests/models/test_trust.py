import subprocess

import pytest

from penstock.errors import ModelRefusedError
from penstock.models.trust import artifact_digest, load_failure
from penstock.udfs.scoring.model_cache import ModelLoadError
from penstock.udfs.scoring.pickled import VARIABLE, pickle_reason, refused_as_pickle


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "code").mkdir()
    (tmp_path / "MLmodel").write_text("flavors: {}")
    (tmp_path / "code" / "model.py").write_text("x = 1")
    (tmp_path / "a-b").write_bytes(bytes(range(256)))
    (tmp_path / "Ünï code").write_text("")
    return tmp_path


def test_the_digest_is_what_the_shell_computes(folder):
    command = r"find . -type f -printf '%P\n' | LC_ALL=C sort | xargs -d '\n' sha256sum | sha256sum"
    printed = subprocess.run(command, shell=True, cwd=folder, capture_output=True, text=True, check=True).stdout
    assert artifact_digest(folder) == printed.split()[0]


def test_mlflows_note_of_the_fetch_is_not_the_models(folder):
    before = artifact_digest(folder)
    (folder / "registered_model_meta").write_text("model_name: m")
    assert artifact_digest(folder) == before
    (folder / "code" / "registered_model_meta").write_text("anything")
    assert artifact_digest(folder) != before


@pytest.mark.parametrize(
    "change",
    [
        lambda folder: (folder / "code" / "model.py").write_text("x = 2"),
        lambda folder: (folder / "code" / "model.py").rename(folder / "code" / "model2.py"),
        lambda folder: (folder / "code" / "extra.pyc").touch(),
        lambda folder: (folder / "MLmodel").unlink(),
    ],
)
def test_any_change_is_another_digest(folder, change):
    before = artifact_digest(folder)
    change(folder)
    assert artifact_digest(folder) != before


def test_a_link_is_refused(folder):
    (folder / "link").symlink_to("/tmp")
    with pytest.raises(ModelRefusedError, match="link is a link"):
        artifact_digest(folder)


LIGHTGBM = {"loader_module": "mlflow.lightgbm"}
SKLEARN = {"loader_module": "mlflow.sklearn"}


@pytest.mark.parametrize(
    ("flavors", "said"),
    [
        ({"python_function": {"loader_module": "mlflow.pyfunc.model", "model_code_path": "m.py"}}, ""),
        ({"python_function": {"loader_module": "mlflow.pyfunc.model", "python_model": "m.pkl"}}, "by cloudpickle"),
        ({"python_function": SKLEARN, "sklearn": {"serialization_format": "skops"}}, ""),
        ({"python_function": SKLEARN, "sklearn": {"serialization_format": "pickle"}}, "saved by pickle"),
        ({"python_function": SKLEARN, "sklearn": {"serialization_format": "cloudpickle"}}, "saved by cloudpickle"),
        ({"python_function": SKLEARN, "sklearn": {}}, "saved by pickle"),
        ({"python_function": SKLEARN}, "saved by pickle"),
        (
            {"python_function": SKLEARN, "sklearn": {"serialization_format": "skops", "skops_trusted_types": ["os.x"]}},
            "skops_trusted_types",
        ),
        ({"python_function": {"loader_module": "mlflow.xgboost"}}, ""),
        ({"python_function": LIGHTGBM, "lightgbm": {"model_class": "lightgbm.basic.Booster"}}, ""),
        (
            {"python_function": LIGHTGBM, "lightgbm": {"model_class": "lightgbm.sklearn.LGBMRegressor"}},
            "by cloudpickle",
        ),
        (
            {
                "python_function": LIGHTGBM,
                "lightgbm": {"model_class": "lightgbm.sklearn.LGBMClassifier", "serialization_format": "skops"},
            },
            "log its booster",
        ),
        ({"python_function": {"loader_module": "mlflow.statsmodels"}}, "saves by pickle"),
        ({"python_function": {"loader_module": "mlflow.pytorch"}, "pytorch": {}}, "saved by pickle"),
    ],
)
def test_how_a_model_is_loaded_stands_in_its_mlmodel_file(flavors, said):
    found = pickle_reason(flavors)
    assert said in found
    assert bool(said) == bool(found)


def test_a_load_failure_is_found_in_the_workers_traceback():
    trace = (
        f"Traceback ...\n  File x\nudfs.model_cache.{ModelLoadError.__name__}: OSError: no weights\n\n\tat org.spark"
    )
    assert load_failure(RuntimeError(trace)) == "it can't be loaded: OSError: no weights"
    assert load_failure(RuntimeError("Malformed CSV")) is None


def test_what_mlflows_switch_stops_has_a_message_of_our_own():
    """Its message names a variable that has no effect here."""
    error = Exception(f"set environment variable '{VARIABLE}' to 'true'")
    said = refused_as_pickle(error, allowed=False)
    assert "model.allow_pickle: true" in said
    assert VARIABLE not in said
    assert refused_as_pickle(error, allowed=True) is None
    assert refused_as_pickle(ValueError("no such file"), allowed=False) is None

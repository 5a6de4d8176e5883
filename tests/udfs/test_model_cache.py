import socket

import mlflow
import pandas as pd
import pytest
from mlflow.models import infer_signature
from sandbox import MODELS, WINE

from penstock.udfs.scoring.model_cache import ModelLoadError, open_model

ONE = pd.DataFrame([WINE])


@pytest.fixture
def save(tmp_path):
    def saved(*requirements):
        folder = tmp_path / "model"
        mlflow.pyfunc.save_model(
            folder,
            python_model=str(MODELS / "fussy.py"),
            signature=infer_signature(ONE, pd.Series([1.5])),
            pip_requirements=["mlflow", *requirements],
        )
        return folder

    return saved


def test_a_model_is_opened_where_its_requirements_are_met(save):
    guarded = open_model(str(save("pandas>=1")), allow_pickle=False)
    assert list(guarded.predict(ONE)) == [9.4]


def test_a_worker_that_has_another_package_says_so_with_both_versions(save):
    said = f"^{socket.gethostname()} needs pandas<1, here is {pd.__version__}$".replace(".", r"\.")
    with pytest.raises(ModelLoadError, match=said):
        open_model(str(save("pandas<1")), allow_pickle=False)


def test_and_one_with_another_python(save):
    folder = save()
    text = (folder / "MLmodel").read_text()
    version = next(line for line in text.splitlines() if "python_version:" in line)
    (folder / "MLmodel").write_text(text.replace(version, "    python_version: 3.8.1"))
    with pytest.raises(ModelLoadError, match=r"needs Python 3\.8, here is 3\.11$"):
        open_model(str(folder), allow_pickle=False)

import socket
import sys
import threading
import time

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


CODE = """
import time
import mlflow
time.sleep(0.1)
from penstock_test_helper import FACTOR

class Model(mlflow.pyfunc.PythonModel):
    def predict(self, context, model_input, params=None):
        import penstock_test_helper
        assert penstock_test_helper.FACTOR == FACTOR
        return model_input["alcohol"] * FACTOR

mlflow.models.set_model(Model())
"""


def with_helper(folder, factor):
    folder.mkdir()
    helper, code = folder / "penstock_test_helper.py", folder / "model_code.py"
    helper.write_text(f"FACTOR = {factor}\n")
    code.write_text(CODE)
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(folder)  # MLflow runs the code when it saves it
        mlflow.pyfunc.save_model(
            folder / "model",
            python_model=str(code),
            code_paths=[str(helper)],
            signature=infer_signature(ONE, pd.Series([1.5])),
            pip_requirements=["mlflow"],
        )
        del sys.modules[helper.stem]
    return str(folder / "model")


def test_each_version_has_the_modules_that_it_brings_along(tmp_path):
    """Their names are the same; the second is loaded in the process of the first."""
    folders = [with_helper(tmp_path / str(factor), factor) for factor in (2, 3)]
    models = [open_model(folder, allow_pickle=False) for folder in folders]
    for _ in range(2):
        assert [list(model.predict(ONE)) for model in models] == [[18.8], pytest.approx([28.2])]
    assert [entry for entry in sys.path if entry.startswith(str(tmp_path))] == [f"{folders[1]}/code"]


def test_a_version_is_loaded_while_another_one_answers(tmp_path):
    """As in a service whose alias has moved: neither meets the modules of the other."""
    folders = [with_helper(tmp_path / str(factor), factor) for factor in (2, 3)]
    first, answers, stop = open_model(folders[0], allow_pickle=False), [], threading.Event()

    def answer():
        while not stop.is_set():
            answers.append(first.predict(ONE).item())

    thread = threading.Thread(target=answer)
    thread.start()
    try:
        for _ in range(3):
            open_model.cache_clear()
            before = len(answers)
            assert open_model(folders[1], allow_pickle=False).predict(ONE).item() == pytest.approx(28.2)
            wait_for(answers, before + 2)
    finally:
        stop.set()
        thread.join()
    assert set(answers) == {18.8}


def wait_for(answers, number):
    deadline = time.monotonic() + 30
    while len(answers) < number:
        assert time.monotonic() < deadline, "the other version has stopped to answer"
        time.sleep(0.01)

"""A champion and a candidate that hangs, in the process of a service: both bring modules along."""

import os
import sys
import threading
import time
from pathlib import Path
from types import SimpleNamespace

import mlflow
import numpy as np
import pandas as pd
import pytest
from mlflow.models import infer_signature
from sample_models import hostile
from sandbox import MODELS

from penstock.config.model import ModelConfig
from penstock.errors import ModelRefusedError
from penstock.models.guest_model import Guest, GuestModel, TookTooLongError, open_guest, open_in_time
from penstock.models.registry import ModelVersion
from penstock.udfs.scoring.model_cache import open_model
from penstock.udfs.scoring.model_code import abandon
from penstock.udfs.scoring.pickled import VARIABLE, pickle_allowed

ONE = pd.DataFrame({"x": [1.5]})
#: Hangs at an x of 904, in a C function or in Python, or in its load, which its own module says.
CODE = """
import time
import mlflow
from penstock_guest_helper import FACTOR


class Model(mlflow.pyfunc.PythonModel):
    def load_context(self, context):
        time.sleep(3600 if FACTOR == 0 else 0)

    def predict(self, context, model_input, params=None):
        import penstock_guest_helper
        assert penstock_guest_helper.FACTOR == FACTOR
        if (model_input["x"] == 904).any():
            time.sleep(3600)
        while (model_input["x"] == 905).any():
            pass
        if (model_input["x"] == 600).any():
            time.sleep(0.3)
        return model_input["x"] * FACTOR


mlflow.models.set_model(Model())
"""
CONFIG = ModelConfig(name="wine", allow_pickle=True)


def saved(folder: Path, factor: int) -> Path:
    folder.mkdir()
    helper, code = folder / "penstock_guest_helper.py", folder / "guest_code.py"
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
    return folder / "model"


@pytest.fixture(scope="module")
def folders(tmp_path_factory):
    root = tmp_path_factory.mktemp("guests")
    return {factor: saved(root / str(factor), factor) for factor in (0, 2, 3)}


def found(folder, version="8"):
    """A version whose files are in a folder."""
    named = ModelVersion(name="wine", version=version, source="s", created_milliseconds=1)
    return SimpleNamespace(folder=folder, version=named)


def guest_of(folder, limit_seconds):
    opened = open_guest(found(folder), CONFIG)
    return GuestModel(opened.model, guest=opened.guest, limit_seconds=limit_seconds)


def scores(model, *values):
    answered = model.score([[value] for value in values])
    assert answered["error"].tolist() == [""] * len(values)
    return answered["prediction"].tolist()


@pytest.mark.parametrize("act", [904.0, 905.0])
def test_a_candidate_that_hangs_holds_up_nobody(folders, act):
    champion = open_in_time(found(folders[2]), CONFIG)
    candidate = guest_of(folders[3], 0.5)
    assert (scores(champion, 1.0), scores(candidate, 1.0)) == ([2.0], [3.0])
    # One that waits from before.
    waiting = threading.Thread(target=lambda: candidate.score([[act]]), daemon=True)
    threading.excepthook, before = lambda _: None, threading.excepthook
    try:
        waiting.start()
        time.sleep(0.1)
        began = time.monotonic()
        assert scores(champion, 1.0) == [2.0]
        assert time.monotonic() - began < 10
        waiting.join(20)
    finally:
        threading.excepthook = before
    assert not waiting.is_alive()
    open_model.cache_clear()
    assert scores(open_in_time(found(folders[3], "9"), CONFIG), 1.0) == [3.0]
    assert scores(champion, 1.0) == [2.0]
    if act == 904.0:
        with pytest.raises(TookTooLongError, match="a call that took too long has not come back yet"):
            candidate.score([[1.0]])
    else:
        # Python code is ended, and the next call has a thread of its own.
        until_it_answers(candidate)


def until_it_answers(candidate):
    deadline = time.monotonic() + 20
    while True:
        try:
            assert scores(candidate, 1.0) == [3.0]
        except TookTooLongError:
            assert time.monotonic() < deadline
            time.sleep(0.05)
        else:
            return


def test_waiting_for_a_turn_is_not_taking_too_long(folders):
    """Five requests of 0.3 s each, with 1 s for one."""
    candidate, answers = guest_of(folders[3], 1.0), []
    threads = [threading.Thread(target=lambda: answers.append(scores(candidate, 600.0))) for _ in range(5)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert answers == [[1800.0]] * 5


def test_those_who_wait_for_a_call_that_hangs_are_told_at_once(folders):
    candidate, seconds = guest_of(folders[3], 1.0), []

    def ask(value):
        began = time.monotonic()
        with pytest.raises(TookTooLongError):
            candidate.score([[value]])
        seconds.append(time.monotonic() - began)

    threads = [threading.Thread(target=ask, args=(905.0,)) for _ in range(5)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(seconds) == 5
    assert max(seconds) < 3


def test_a_load_that_hangs_ends_for_the_others(folders):
    champion = open_in_time(found(folders[2]), CONFIG)
    errors = []

    def load():
        try:
            open_guest(found(folders[0]), CONFIG, limit_seconds=1.0)
        except ModelRefusedError as error:
            errors.append(str(error))

    thread = threading.Thread(target=load)
    thread.start()
    time.sleep(0.3)
    open_model.cache_clear()
    assert scores(champion, 1.0) == [2.0]
    assert scores(open_in_time(found(folders[3], "9"), CONFIG), 1.0) == [3.0]
    thread.join()
    assert errors == ["models:/wine/8 can't be loaded: no result within 1 s"]
    # Without a limit for its calls, a version that a request names is opened within one.
    with pytest.raises(ModelRefusedError, match=r"wine/8 can't be loaded: no result within 0.5 s"):
        open_in_time(found(folders[0]), CONFIG, limit_seconds=0.5)
    assert scores(champion, 1.0) == [2.0]


def test_a_load_that_is_left_behind_does_not_change_the_switch_of_another(monkeypatch):
    monkeypatch.setenv(VARIABLE, "1")
    is_in, may_end = threading.Event(), threading.Event()

    def load():
        with pickle_allowed(False):
            is_in.set()
            may_end.wait(20)

    left_behind = threading.Thread(target=load)
    left_behind.start()
    assert is_in.wait(20)
    assert os.environ[VARIABLE] == "false"
    abandon(left_behind)
    assert os.environ[VARIABLE] == "1"
    with pickle_allowed(True):
        may_end.set()
        left_behind.join()
        assert os.environ[VARIABLE] == "true"
    assert os.environ[VARIABLE] == "1"


def test_what_a_candidate_makes_of_the_process_is_taken_back(tmp_path, monkeypatch):
    monkeypatch.delenv("PENSTOCK_SPOILED", raising=False)
    mlflow.pyfunc.save_model(
        tmp_path / "model",
        python_model=str(MODELS / "hostile.py"),
        signature=infer_signature(ONE, pd.Series([1.5])),
        pip_requirements=["mlflow"],
    )
    candidate = guest_of(tmp_path / "model", 10.0)
    before = (Path.cwd(), dict(os.environ), np.geterr(), pd.get_option("compute.use_bottleneck"), np.random.get_state())
    candidate.score([[hostile.SPOILS]])
    after = (Path.cwd(), dict(os.environ), np.geterr(), pd.get_option("compute.use_bottleneck"), np.random.get_state())
    assert before[:-1] == after[:-1]
    assert before[-1][1].tolist() == after[-1][1].tolist()
    # It finds its own again, since it may need it.
    assert candidate.guest.call(lambda: os.environ["PENSTOCK_SPOILED"], limit_seconds=10) == "yes"
    assert "PENSTOCK_SPOILED" not in os.environ


def test_the_thread_of_a_candidate_that_is_gone_ends(tmp_path):
    guest = Guest("gone", str(tmp_path))
    threads: list[threading.Thread] = []
    guest.call(lambda: threads.append(threading.current_thread()), limit_seconds=10)
    del guest
    threads[0].join(10)
    assert not threads[0].is_alive()

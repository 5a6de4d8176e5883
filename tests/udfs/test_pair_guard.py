"""Two versions in one Python worker: whatever the candidate does, the champion's answers are those of the plain guard,
to the last bit, and every sampled row has an answer of the candidate or says why not."""

import os
import random
import signal
import sys
import threading
import time
import warnings
from pathlib import Path
from types import SimpleNamespace

import mlflow
import numpy as np
import pandas as pd
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from mlflow.models import infer_signature
from sample_models import chancy, hostile
from sandbox import MODELS

from penstock.udfs.scoring import pair
from penstock.udfs.scoring.guard import Guard
from penstock.udfs.scoring.pair import CANDIDATE, CHAMPION, ERRORS, ERRORS_SEPARATOR, CandidateLimits, PairSettings
from penstock.udfs.scoring.pair_guard import PairGuard

PATIENT = CandidateLimits(load_seconds=60, least_seconds=60, factor=0)
SHORT = CandidateLimits(load_seconds=60, least_seconds=0.4, factor=0)
CHAMPION_INPUTS, CANDIDATE_INPUTS = ("y", "x", "n"), ("x",)


@pytest.fixture(scope="module")
def save(tmp_path_factory):
    """Saves a model of tests/sample_models, or of a code of its own."""

    def saved(code, inputs=CANDIDATE_INPUTS, outputs=(1.5,), **options):
        folder = tmp_path_factory.mktemp("model") / "model"
        example = pd.DataFrame({name: [1] if name == "n" else [1.5] for name in inputs})
        python = MODELS / f"{code}.py" if "\n" not in code else folder.with_suffix(".py")
        if "\n" in code:
            python.write_text(code)
        mlflow.pyfunc.save_model(
            folder,
            python_model=str(python),
            signature=infer_signature(example, pd.Series(outputs)),
            pip_requirements=["mlflow"],
            **options,
        )
        return str(folder)

    return saved


@pytest.fixture(scope="module")
def champion(save):
    return save("chancy", CHAMPION_INPUTS)


@pytest.fixture(scope="module")
def hostile_model(save):
    return save("hostile")


@pytest.fixture(autouse=True)
def new_worker(monkeypatch):
    monkeypatch.setattr(pair, "_candidates", type(pair._candidates)())
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


class Pair:
    """The guard in one worker. Its arguments: y, x and n of the champion, of which the candidate has x; and sampled."""

    def __init__(self, champion, candidate, *, limits=PATIENT, outputs=("double",)):
        made = PairSettings(
            champion_inputs=(0, 1, 2),
            candidate_inputs=(1,),
            candidate_outputs=outputs,
            candidate="wine/8",
            allow_pickle=False,
            limits=limits,
        )
        self.context = SimpleNamespace(
            artifacts={CHAMPION: champion, CANDIDATE: candidate}, model_config=made.as_config()
        )
        self.guard = PairGuard()
        self.guard.load_context(self.context)

    def answer(self, batch, sampled=None):
        columns = [batch[name] for name in CHAMPION_INPUTS]
        sampled = np.ones(len(batch), dtype=bool) if sampled is None else np.asarray(sampled, dtype=bool)
        rows = pd.DataFrame({str(number): values for number, values in enumerate([*columns, pd.Series(sampled)])})
        given = rows.copy(deep=True)
        answers = self.guard.predict(self.context, rows)
        pd.testing.assert_frame_equal(rows, given)
        return answers


def batch_of(xs):
    """As spark_udf makes it of an Arrow batch; the integer is optional there."""
    x = pd.Series(xs, dtype="float64")
    return pd.DataFrame({"y": x * 0.1, "x": x, "n": pd.Series(range(len(x)), dtype="Int64")})


def errors_of(answers, version):
    parts = [text.partition(ERRORS_SEPARATOR) for text in answers[ERRORS]]
    return [before if version == CHAMPION else after for before, _, after in parts]


def alone(folder, batches):
    """What the plain guard says of the batches, and what a process is left with."""
    context = SimpleNamespace(artifacts={"model": folder}, model_config={"allow_pickle": False, "obsolete": []})
    guard = Guard()
    guard.load_context(context)
    return [
        guard.predict(context, pd.DataFrame({str(i): batch[name] for i, name in enumerate(CHAMPION_INPUTS)}))
        for batch in batches
    ]


def seeded():
    random.seed(7)
    np.random.seed(7)


#: Of a batch: x, and whether it is sampled.
ACTS = [
    hostile.RAISES,
    hostile.EXITS,
    hostile.TOO_MANY,
    hostile.TEXT,
    hostile.NAN,
    hostile.NONE,
    hostile.SPOILS,
    hostile.INTERRUPTS,
]
ROW = st.tuples(st.one_of(st.floats(-9, 9), st.sampled_from([float("nan"), chancy.BAD, *ACTS])), st.booleans())


@settings(max_examples=25, deadline=None)
@given(st.lists(st.lists(ROW, min_size=1, max_size=12), min_size=1, max_size=3))
@example([[(1.0, True), (hostile.SPOILS, True), (chancy.BAD, True)], [(2.0, False), (3.0, True)], [(4.0, True)]])
@example([[(hostile.SPOILS, True)] * 12, [(0.1, False)] * 12])
def test_the_champions_answers_are_those_of_the_plain_guard(champion, hostile_model, batches):
    frames = [batch_of([x for x, _ in rows]) for rows in batches]
    folder = Path.cwd()
    seeded()
    expected = alone(champion, frames)
    seeded()
    both = Pair(champion, hostile_model)
    for rows, frame, plain in zip(batches, frames, expected, strict=True):
        sampled = [is_sampled for _, is_sampled in rows]
        answers = both.answer(frame, sampled)
        assert answers["champion_0"].to_numpy().tobytes() == plain["prediction"].to_numpy().tobytes()
        assert errors_of(answers, CHAMPION) == plain["error"].tolist()
        check_candidate(rows, answers)
    assert Path.cwd() == folder
    assert "PENSTOCK_SPOILED" not in os.environ


def check_candidate(rows, answers):
    """A row that is not sampled has no error. A sampled one has the right answer, or an error; on its own, if the model
    can be asked for it alone: it may raise what ends a batch."""
    theirs = errors_of(answers, CANDIDATE)
    is_cut = any(x == hostile.INTERRUPTS and is_sampled for x, is_sampled in rows)
    for (x, is_sampled), error, answer in zip(rows, theirs, answers["candidate_0"], strict=True):
        fails = x in {hostile.RAISES, hostile.EXITS, hostile.TOO_MANY, hostile.TEXT} or is_cut
        assert (error != "") == (is_sampled and fails), (x, error)
        if is_sampled and not error and x != hostile.SPOILS:
            assert answer == -x or (np.isnan(answer) and (np.isnan(x) or x in {hostile.NAN, hostile.NONE}))


def test_reasons_and_seconds(champion, hostile_model):
    xs = [1.0, hostile.RAISES, hostile.EXITS, hostile.TOO_MANY, hostile.TEXT, hostile.SURROGATE, chancy.BAD]
    answers = Pair(champion, hostile_model).answer(batch_of(xs))
    assert errors_of(answers, CANDIDATE) == [
        "",
        "ValueError: it does not like this row",
        "SystemExit: no more of this",
        "ModelOutputError: the model returned 2 rows for 1",
        "ValueError: could not convert string to float: 'no number'",
        "ValueError: half a pair: ?",
        "",
    ]
    assert errors_of(answers, CHAMPION) == ["", "", "", "", "", "", "ValueError: the champion does not like this row"]
    for role in (CHAMPION, CANDIDATE):
        first, *others = answers[f"{role}_seconds"]
        assert first > 0
        assert others == [0.0] * 6


def test_no_row_is_sampled(champion):
    """The candidate is not even loaded."""
    answers = Pair(champion, "/nowhere").answer(batch_of([1.0, 2.0]), [False, False])
    assert answers[ERRORS].tolist() == ["", ""]
    assert answers["candidate_seconds"].tolist() == [0.0, 0.0]


@pytest.mark.parametrize(
    ("code", "reason"),
    [
        ("unloadable", "OSError: there are no weights here"),
        ("", 'MlflowException: Could not find an "MLmodel" configuration file at "/nowhere"'),
    ],
)
def test_one_that_cannot_be_loaded(champion, save, code, reason):
    folder = save(code) if code else "/nowhere"
    both = Pair(champion, folder, outputs=("double", "string", "boolean"))
    for _ in range(2):
        answers = both.answer(batch_of([1.0, 2.0]), [True, False])
        first, second = errors_of(answers, CANDIDATE)
        assert second == ""
        assert first == reason
        assert errors_of(answers, CHAMPION) == ["", ""]


def test_its_texts_are_valid(champion, save):
    """Arrow can't convert half a surrogate pair, nor numbers among texts."""
    code = (
        "import mlflow\n\n\nclass M(mlflow.pyfunc.PythonModel):\n"
        "    def predict(self, context, model_input, params=None):\n"
        "        return ['\\ud800', 7, None]\n\n\nmlflow.models.set_model(M())\n"
    )
    both = Pair(champion, save(code, outputs=("text",)), outputs=("string",))
    answers = both.answer(batch_of([1.0, 2.0, 3.0]))
    assert answers["candidate_0"].tolist() == ["?", "7", "\x00null"]
    assert answers[ERRORS].tolist() == ["", "", ""]


@pytest.mark.parametrize("act", [hostile.HANGS, hostile.LOOPS])
def test_one_that_hangs_is_abandoned(champion, hostile_model, act):
    seeded()
    [plain] = alone(champion, [batch_of([1.0, act, 3.0])])
    seeded()
    both = Pair(champion, hostile_model, limits=SHORT)
    began = time.monotonic()
    answers = both.answer(batch_of([1.0, act, 3.0]))
    assert 0.4 <= time.monotonic() - began < 10
    said = "the candidate wine/8 did not answer within 0.4 s, and is not asked again by this Python worker"
    assert errors_of(answers, CANDIDATE) == [said] * 3
    assert answers["candidate_seconds"][0] >= 0.4
    assert answers["champion_0"].to_numpy().tobytes() == plain["prediction"].to_numpy().tobytes()
    answers = both.answer(batch_of([1.0, 2.0]))
    assert answers["candidate_seconds"][0] < 0.4
    assert errors_of(answers, CANDIDATE) == [said] * 2
    assert errors_of(answers, CHAMPION) == ["", ""]
    thread = pair.candidate_of(hostile_model, None)._thread.thread
    if act == hostile.LOOPS:
        thread.join(20)
        assert not thread.is_alive(), "it still takes a core"


def test_one_that_hangs_in_its_load(champion, save):
    code = (
        "import time\nimport mlflow\n\n\nclass M(mlflow.pyfunc.PythonModel):\n"
        "    def load_context(self, context):\n        time.sleep(3600)\n\n"
        "    def predict(self, context, model_input, params=None):\n        return model_input['x']\n\n\n"
        "mlflow.models.set_model(M())\n"
    )
    both = Pair(champion, save(code), limits=CandidateLimits(load_seconds=0.5, least_seconds=30, factor=0))
    answers = both.answer(batch_of([1.0]))
    assert errors_of(answers, CANDIDATE)[0].startswith("the candidate wine/8 did not load within 0.5 s")
    # The batch has waited for it.
    assert answers["candidate_seconds"][0] >= 0.5


CODE = """
import time
import mlflow
from penstock_pair_helper import FACTOR


class Model(mlflow.pyfunc.PythonModel):
    def predict(self, context, model_input, params=None):
        import penstock_pair_helper
        assert penstock_pair_helper.FACTOR == FACTOR
        time.sleep(3600 if FACTOR == 0 else 0)
        return model_input["x"] * FACTOR


mlflow.models.set_model(Model())
"""


@pytest.fixture(scope="module")
def with_code(save, tmp_path_factory):
    """Models with modules of one name: one that doubles, one that hangs."""

    def saved(factor, inputs):
        folder = tmp_path_factory.mktemp("code")
        helper = folder / "penstock_pair_helper.py"
        helper.write_text(f"FACTOR = {factor}\n")
        with pytest.MonkeyPatch.context() as patch:
            patch.syspath_prepend(folder)
            made = save(CODE, inputs, code_paths=[str(helper)])
            sys.modules.pop(helper.stem, None)
        return made

    return saved(2, CHAMPION_INPUTS), saved(3, CANDIDATE_INPUTS), saved(0, CANDIDATE_INPUTS)


def test_each_has_the_modules_that_it_brings_along(with_code, champion):
    doubles, triples, _ = with_code
    both = Pair(doubles, triples)
    for _ in range(2):
        answers = both.answer(batch_of([1.0]))
        assert (answers["champion_0"][0], answers["candidate_0"][0]) == (2.0, 3.0)
        # A champion without modules of its own would find the candidate's.
        assert not [entry for entry in sys.path if entry.startswith(triples)]


def test_one_that_hangs_with_the_lock_on_modules_does_not_block_the_champion(with_code):
    doubles, _, hangs = with_code
    both = Pair(doubles, hangs, limits=SHORT)
    for _ in range(2):
        answers = both.answer(batch_of([1.0]))
        assert answers["champion_0"][0] == 2.0
        assert "did not answer" in errors_of(answers, CANDIDATE)[0]


def test_its_own_state_is_kept_for_it(champion, save):
    """What a model sets when it is loaded is there when it is asked, and the champion never sees it."""
    code = (
        "import os\nimport random\nimport mlflow\n\n\nclass M(mlflow.pyfunc.PythonModel):\n"
        "    def load_context(self, context):\n        random.seed(5)\n        os.environ['PENSTOCK_SPOILED'] = '1'\n\n"
        "    def predict(self, context, model_input, params=None):\n"
        "        assert os.environ['PENSTOCK_SPOILED']\n"
        "        return [random.random() for _ in model_input['x']]\n\n\n"
        "mlflow.models.set_model(M())\n"
    )
    both = Pair(champion, save(code))
    found = [both.answer(batch_of([1.0])) for _ in range(3)]
    assert [errors_of(answers, CANDIDATE) for answers in found] == [[""]] * 3
    expected = random.Random(5)
    assert [answers["candidate_0"][0] for answers in found] == [expected.random() for _ in range(3)]


def test_one_that_keeps_pythons_lock_ends_its_worker(champion, hostile_model, capfd):
    """No thread of the worker runs any more: the process ends, and with it its task."""
    limits = CandidateLimits(load_seconds=60, least_seconds=0.2, factor=0, grace_seconds=0.2)
    both = Pair(champion, hostile_model, limits=limits)
    pid = os.fork()
    if pid == 0:
        both.answer(batch_of([hostile.KEEPS_LOCK]))
        os._exit(0)
    ending = threading.Timer(30, os.kill, (pid, signal.SIGKILL))
    ending.start()
    _, status = os.waitpid(pid, 0)
    ending.cancel()
    assert os.waitstatus_to_exitcode(status) == 1
    assert "Timeout" in capfd.readouterr().err


def test_a_worker_lets_go_of_candidates(champion, hostile_model, save):
    folders = [hostile_model, *[save("hostile") for _ in range(2)]]
    threads = []
    for folder in folders:
        both = Pair(champion, folder)
        both.answer(batch_of([1.0]))
        threads.append(pair.candidate_of(folder, None)._thread.thread)
    threads[0].join(10)
    assert [thread.is_alive() for thread in threads] == [False, True, True]
    assert list(pair._candidates) == folders[1:]

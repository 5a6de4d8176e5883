"""Whatever building, loading or probing a version raises refuses that version, with its cause in one line."""

import errno
import re
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path

import mlflow
import pandas as pd
import pytest
from mlflow.exceptions import MlflowException
from mlflow.models import ModelSignature, infer_signature
from mlflow.types import ColSpec, DataType, ParamSchema, ParamSpec, Schema
from mlflow.types.schema import Array, Map, Object, Property
from py4j.protocol import Py4JNetworkError
from pyspark.sql import DataFrame, SparkSession
from sample_models.deadly import CRASHES, EXITS, HANGS, HUNG, RAISES
from sandbox import MODELS, WINE, WINE_SCORE, TestRegistry, wine

from penstock.config.model import ModelConfig
from penstock.errors import ModelRefusedError, RegistryUnavailableError, StorageError
from penstock.models.probe import loading_problem
from penstock.models.refusal import refused_if_it_fails
from penstock.models.registry import ModelVersion, Registry, model_metadata
from penstock.models.resolved import ResolvedModel, named_version
from penstock.models.scoring import checked_columns
from penstock.models.selection import ModelSelector, Selection, pinned_model
from penstock.schemas.tables import contract_columns
from penstock.schemas.wine import CONTRACT, MEASUREMENTS
from penstock.udfs.scoring.model_cache import ModelLoadError, open_model

ONE = pd.DataFrame([WINE])
NAME = "wine-refusals"
#: A version that is slow to load on a busy machine is still far below it.
PROBE_SECONDS = 20.0
Change = Callable[[Path], None]


def frame(spark: SparkSession, *rows: dict[str, float]) -> DataFrame:
    names = [field.name for field in contract_columns(CONTRACT)]
    values = [tuple(float(row[name]) for name in MEASUREMENTS) for row in rows]
    return spark.createDataFrame(values, ", ".join(f"{name} double" for name in names))


def saved(folder: Path, code: str = "linear", *, signature: ModelSignature | None = None, **options: object) -> Path:
    mlflow.pyfunc.save_model(
        folder / "model",
        python_model=str(MODELS / f"{code}.py"),
        signature=signature or infer_signature(ONE, pd.Series([1.5])),
        **{"pip_requirements": ["mlflow"], **options},
    )
    return folder / "model"


@pytest.fixture
def selector(spark: SparkSession, registry: TestRegistry) -> ModelSelector:
    model = ModelConfig(name=NAME, probe_timeout=PROBE_SECONDS)
    return ModelSelector(
        spark=spark,
        registry=Registry(tracking_uri=registry.uri),
        model=model,
        contract=CONTRACT,
        incompatibility=lambda scorer: None,
    )


@pytest.fixture(scope="module")
def first(registry: TestRegistry) -> Iterator[Selection]:
    """What the batch before used: a version that is fit."""
    registry.use()
    registry.register(NAME, "linear", example=ONE, outputs=pd.Series([1.5]))
    version = named_version(Registry(tracking_uri=registry.uri), ModelConfig(name=NAME))
    yield Selection(pinned=pinned_model(version), refused={}, resolved_at=datetime.now(UTC))
    registry.client.delete_registered_model(NAME)


def promote(registry: TestRegistry, folder: Path) -> str:
    version = str(registry.client.create_model_version(NAME, folder.as_uri()).version)
    registry.client.set_registered_model_alias(NAME, "champion", version)
    return version


def text_in(name: str, before: str, after: str) -> Change:
    def change(folder: Path) -> None:
        file = folder / name
        content = file.read_text()
        assert before in content
        file.write_text(content.replace(before, after))

    return change


def code(text: str) -> Change:
    def change(folder: Path) -> None:
        [file] = folder.glob("linear.py")
        file.write_text(text)

    return change


def requirements(text: str, **others: str) -> Change:
    def change(folder: Path) -> None:
        for name, content in {"requirements": text, **others}.items():
            (folder / f"{name}.txt").write_text(content)

    return change


def without_python_function(folder: Path) -> None:
    (folder / "MLmodel").write_text((folder / "MLmodel").read_text().replace("python_function:", "other_flavor:"))


REFUSED: dict[str, tuple[Change, str]] = {
    "missing requirement": (
        requirements("-c constraints.txt\nno-such-package==1\n", constraints="numpy<9\n"),
        "needs no-such-package==1",
    ),
    "missing constraints": (requirements("-c constraints.txt\nmlflow\n"), "No such file .*constraints.txt"),
    "not UTF-8": (
        lambda folder: (folder / "requirements.txt").write_bytes(b"\xff\xfemlflow\n") and None,
        "UnicodeDecodeError",
    ),
    "hashes": (requirements("no-such-package==1 \\\n    --hash=sha256:abc\n"), "needs no-such-package==1, not"),
    "syntax error": (code("def predict(:\n"), "invalid syntax"),
    "raises at import": (code("raise RuntimeError('no weights')\n"), "Error: no weights"),
    "exits at import": (code("import sys\nsys.exit('no licence')\n"), "SystemExit: no licence"),
    "absent library": (code("import no_such_library\n"), "No module named 'no_such_library'"),
    "wrong predict": (
        code(
            "import mlflow\n\nclass M(mlflow.pyfunc.PythonModel):\n    def predict(self):\n        return 1\n\n"
            "mlflow.models.set_model(M())\n"
        ),
        "Failed to run user code",
    ),
    "exits at load": (
        code(
            "import mlflow\n\nclass M(mlflow.pyfunc.PythonModel):\n"
            "    def load_context(self, context):\n        raise SystemExit(7)\n\n"
            "    def predict(self, context, model_input, params=None):\n        return model_input\n\n"
            "mlflow.models.set_model(M())\n"
        ),
        "SystemExit: 7",
    ),
    "missing code": (lambda folder: (folder / "linear.py").unlink(), "(No such file|not found|does not exist)"),
    "no pyfunc": (without_python_function, "(python_function|can't be used)"),
    "loader is a list": (
        text_in("MLmodel", "loader_module: mlflow.pyfunc.loaders.code_model", "loader_module: [1]"),
        ".",
    ),
    "absent flavor": (
        text_in("MLmodel", "loader_module: mlflow.pyfunc.loaders.code_model", "loader_module: mlflow.no_such_flavor"),
        "No module named 'mlflow.no_such_flavor'",
    ),
    "no signature": (text_in("MLmodel", "signature:", "no_signature:"), "no signature"),
}


@pytest.mark.parametrize("kind", REFUSED)
def test_what_a_load_raises_is_its_reason_in_one_line(tmp_path: Path, kind: str) -> None:
    change, said = REFUSED[kind]
    folder = saved(tmp_path)
    change(folder)
    with pytest.raises((ModelLoadError, ModelRefusedError), match=said) as raised:
        open_model(str(folder), allow_pickle=False)
    assert "\n" not in str(raised.value)


@pytest.mark.parametrize("kind", ["exits at load", "absent flavor"])
def test_a_version_is_refused_for_what_it_raises(
    spark: SparkSession, registry: TestRegistry, selector: ModelSelector, first: Selection, tmp_path: Path, kind: str
) -> None:
    change, said = REFUSED[kind]
    folder = saved(tmp_path)
    change(folder)
    version = promote(registry, folder)
    chosen = selector.choose(before=first, probe_rows=lambda: frame(spark, WINE, WINE))
    assert chosen.pinned == first.pinned
    assert list(chosen.refused) == [version]
    assert re.search(f"can't be loaded: .*{said}", chosen.refused[version])
    with pytest.raises(ModelRefusedError, match="no version was used before it"):
        selector.choose(before=None, probe_rows=lambda: frame(spark, WINE))
    # What the doctor says of it.
    scorer = selector.scorer_of(named_version(selector.registry, selector.model))
    assert re.search(f"can't be loaded: .*{said}", loading_problem(scorer, spark, selector.model) or "fine")


FIT: dict[str, Change] = {
    "constraints": requirements("-c constraints.txt\nmlflow\n", constraints="numpy<1\n"),
    "includes": requirements(
        "-r other.txt\n-e .\n--extra-index-url https://example.org\ngit+https://example.org/x.git#egg=x\n./x.whl\n"
        'mlflow ; python_version > "3"\nno-such ; python_version < "3"\npandas[parquet]\n\xe4\xf6 what is this?\n',
        other="pandas>1\n",
    ),
}


@pytest.mark.parametrize("kind", FIT)
def test_requirements_of_other_forms_refuse_nothing(tmp_path: Path, kind: str) -> None:
    folder = saved(tmp_path)
    FIT[kind](folder)
    assert list(open_model(str(folder), allow_pickle=False).predict(ONE)) == pytest.approx([WINE_SCORE])


def test_constraints_as_mlflow_writes_them_are_no_obstacle(
    spark: SparkSession, registry: TestRegistry, selector: ModelSelector, first: Selection, tmp_path: Path
) -> None:
    folder = saved(tmp_path)
    FIT["constraints"](folder)
    version = promote(registry, folder)
    chosen = selector.choose(before=first, probe_rows=lambda: frame(spark, WINE, WINE))
    assert (chosen.pinned.version, chosen.refused) == (version, {})


NUMBERS = [ColSpec(DataType.double, name) for name in MEASUREMENTS]
SIGNATURES = {
    "array output": (NUMBERS, [ColSpec(Array(DataType.double), "y")], "output 'y' is of type"),
    "map output": (NUMBERS, [ColSpec(Map(DataType.double), "y")], "output 'y' is of type"),
    "object input": (
        [*NUMBERS, ColSpec(Object([Property("a", DataType.long)]), "o")],
        [ColSpec("double")],
        "input 'o'",
    ),
    "array input": ([*NUMBERS, ColSpec(Array(DataType.long), "o")], [ColSpec("double")], "input 'o' is of type"),
    "binary input": ([*NUMBERS, ColSpec(DataType.binary, "o")], [ColSpec("double")], "input 'o' is of type"),
    "parenthesis": (NUMBERS, [ColSpec("double", "P(good)"), ColSpec("double", "b")], r"output 'P\(good\)' can't be"),
    "space": (NUMBERS, [ColSpec("double", "class label"), ColSpec("double", "b")], "output 'class label' can't be"),
    "case": (NUMBERS, [ColSpec("double", "Good"), ColSpec("double", "good")], "outputs 'Good', 'good' have one name"),
    "Error": (NUMBERS, [ColSpec("double", "Error"), ColSpec("double", "b")], "output 'Error' has the name of"),
}


def resolved(folder: Path) -> ResolvedModel:
    version = ModelVersion(name=NAME, version="1", source="", created_milliseconds=0)
    found = model_metadata(folder)
    return ResolvedModel(version=version, folder=folder, signature=found.signature, metadata={}, flavors={})


@pytest.mark.parametrize("kind", SIGNATURES)
def test_a_signature_that_has_no_place_in_the_tables_is_refused(tmp_path: Path, kind: str) -> None:
    inputs, outputs, said = SIGNATURES[kind]
    folder = saved(tmp_path, signature=ModelSignature(inputs=Schema(inputs), outputs=Schema(outputs)))
    with pytest.raises(ModelRefusedError, match=said):
        checked_columns(resolved(folder), CONTRACT)


def test_the_name_of_a_single_output_is_free_and_params_have_their_defaults(
    spark: SparkSession, registry: TestRegistry, selector: ModelSelector, first: Selection, tmp_path: Path
) -> None:
    params = ParamSchema([ParamSpec("a", DataType.double, float("nan")), ParamSpec("b", DataType.string, None)])
    signature = ModelSignature(inputs=Schema(NUMBERS), outputs=Schema([ColSpec("double", "P(`good`)")]), params=params)
    version = promote(registry, saved(tmp_path, signature=signature))
    chosen = selector.choose(before=first, probe_rows=lambda: frame(spark, WINE))
    assert (chosen.pinned.version, chosen.refused) == (version, {})
    scored = selector.scorer(chosen.pinned).score(frame(spark, WINE), CONTRACT)
    assert [row.prediction for row in scored.collect()] == pytest.approx([WINE_SCORE])


@pytest.mark.parametrize(
    ("alcohol", "said"),
    [
        (EXITS, "the probe failed 2 times, and its rows can be read without the model: Python worker exited unexp"),
        (CRASHES, "the probe failed 2 times, and its rows can be read without the model: Python worker exited unexp"),
        (RAISES, "it failed on 2 of 2 probe rows .*SystemExit: no more wine"),
        (HANGS, "its probe took longer than 15 s .model.probe_timeout. and was cancelled"),
    ],
)
def test_a_predict_that_ends_or_stops_its_worker_is_refused(
    spark: SparkSession,
    registry: TestRegistry,
    selector: ModelSelector,
    first: Selection,
    tmp_path: Path,
    alcohol: float,
    said: str,
) -> None:
    selector.model = selector.model.model_copy(update={"probe_timeout": 15.0 if alcohol == HANGS else PROBE_SECONDS})
    version = promote(registry, saved(tmp_path, "deadly"))
    rows = frame(spark, wine(alcohol=alcohol), wine(alcohol=alcohol)).coalesce(1)
    chosen = selector.choose(before=first, probe_rows=lambda: rows)
    assert chosen.pinned == first.pinned
    assert re.search(said, chosen.refused[version])
    if alcohol == HANGS:
        assert is_gone(int(HUNG.read_text())), "a worker sleeps on, and keeps its memory"


def is_gone(pid: int) -> bool:
    """Whether a process ends within moments."""
    deadline = time.monotonic() + 20
    while is_running(pid) and time.monotonic() < deadline:
        time.sleep(0.2)
    return not is_running(pid)


def is_running(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"
    except (FileNotFoundError, ProcessLookupError):
        return False


@pytest.mark.parametrize(
    ("raised", "expected", "said"),
    [
        (
            FileNotFoundError(errno.ENOENT, "No such file", "weights.bin"),
            ModelRefusedError,
            "FileNotFoundError: .*weights",
        ),
        (
            OSError(errno.ENOSPC, "No space left on device", "/cache"),
            StorageError,
            "/cache: can't be read: No space left",
        ),
        (PermissionError(errno.EACCES, "Permission denied", "/cache"), StorageError, "Permission denied"),
        (ConnectionError("reset"), RegistryUnavailableError, "did not answer: reset"),
        (MlflowException("no such flavor"), ModelRefusedError, "MlflowException: no such flavor"),
        (ZeroDivisionError("two\nlines"), ModelRefusedError, "models:/m/1 can't be used: ZeroDivisionError: two lines"),
        (RegistryUnavailableError("away"), RegistryUnavailableError, "^away$"),
        (Py4JNetworkError("gone"), Py4JNetworkError, "gone"),
    ],
)
def test_trouble_stays_trouble_and_all_else_refuses_the_version(
    raised: Exception, expected: type[Exception], said: str
) -> None:
    version = ModelVersion(name="m", version="1", source="", created_milliseconds=0)
    with pytest.raises(expected, match=said), refused_if_it_fails(version, Registry(tracking_uri="sqlite:///x")):
        raise raised

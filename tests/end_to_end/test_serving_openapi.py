"""The service does what its own OpenAPI document says, for requests that schemathesis makes up."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
import schemathesis
from hypothesis import HealthCheck, given, settings
from pyspark.sql import SparkSession
from sandbox import WINE, Sandbox, TestRegistry
from schemathesis.generation import GenerationMode
from series_sandbox import SeriesSandbox, two_series_model
from service import PATIENCE_SECONDS, service

EXAMPLES = 20


@pytest.fixture(scope="module")
def openapi(spark: SparkSession, registry: TestRegistry, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    folder: Path = tmp_path_factory.mktemp("openapi")
    example = pd.DataFrame([WINE])
    outputs = pd.DataFrame({"score": [1.5], "is_strong": [True], "label": ["strong"]})
    registry.register("api-wine", "several", example=example, outputs=outputs)
    wines = Sandbox(root=folder, spark=spark, registry=registry, changes={"model": {"name": "api-wine"}})
    macro = SeriesSandbox(Sandbox(root=folder, spark=spark, registry=registry), two_series_model(registry))
    with service(spark, wines.config(), macro.sandbox.config()) as client:
        yield schemathesis.openapi.from_url(f"{client.base_url}/openapi.json")


OPERATIONS = (
    ("/models", "get"),
    ("/models/{name}", "get"),
    ("/models/{name}/versions", "get"),
    ("/models/api-wine/predict", "post"),
    ("/models/macro-two/predict", "post"),
    ("/healthz", "get"),
    ("/readyz", "get"),
    ("/metrics", "get"),
)


def test_the_document_has_all_operations(openapi: Any) -> None:
    found = [operation.ok() for operation in openapi.get_all_operations()]
    assert {(operation.path, operation.method.lower()) for operation in found} == set(OPERATIONS)


@pytest.mark.parametrize("mode", GenerationMode, ids=lambda mode: mode.value)
@pytest.mark.parametrize(("path", "method"), OPERATIONS)
def test_requests_and_answers_are_as_the_document_says(
    openapi: Any, path: str, method: str, mode: GenerationMode
) -> None:
    """positive: what the document allows. negative: what it does not; there is none for a path without input."""
    if mode is GenerationMode.NEGATIVE and method == "get":
        pytest.skip("takes nothing that could be wrong")
    seen: list[int] = []

    @settings(max_examples=EXAMPLES, deadline=None, suppress_health_check=list(HealthCheck), derandomize=True)
    @given(case=openapi[path][method].as_strategy(generation_mode=mode))
    def ask(case: schemathesis.Case) -> None:
        seen.append(case.call_and_validate(timeout=PATIENCE_SECONDS).status_code)

    ask()
    assert seen
    if mode is GenerationMode.NEGATIVE:
        assert 422 in seen
    elif path.endswith("predict"):
        assert 200 in seen

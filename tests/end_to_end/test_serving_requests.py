"""The service over HTTP: what requests get, right and wrong ones, and what it tells about itself."""

import socket
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import httpx
import pandas as pd
import pytest
from prometheus_client.parser import text_string_to_metric_families
from pyspark.sql import SparkSession
from sandbox import WINE, WINE_SCORE, Sandbox, TestRegistry, wine
from service import predict, service, until

from penstock.config.pipeline import PipelineConfig
from penstock.errors import ConfigError
from penstock.interfaces.rest.error_responses import MAX_BODY_BYTES
from penstock.interfaces.rest.schemas import MAX_ROWS
from penstock.interfaces.rest.served import served_models

JSON = {"content-type": "application/json"}
WINE_PATH = "/models/req-wine/predict"


def config_of(root: Path, spark: SparkSession, registry: TestRegistry, **changes: Any) -> PipelineConfig:
    return Sandbox(root=root, spark=spark, registry=registry, changes=changes).config()


@pytest.fixture(scope="module")
def client(
    spark: SparkSession, registry: TestRegistry, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[httpx.Client]:
    """Wine, and a pipeline whose contract refuses other columns."""
    root = tmp_path_factory.mktemp("requests")
    registry.register("req-wine", "linear", example=pd.DataFrame([WINE]), outputs=pd.Series([1.5]))
    registry.register("req-wine", "fussy", example=pd.DataFrame([WINE]), outputs=pd.Series([1.5]), alias="candidate")
    registry.register("req-ratio", "echo", example=pd.DataFrame({"x": [1.5]}), outputs=pd.Series([1.5]))
    wines = config_of(root, spark, registry, model={"name": "req-wine"})
    ratio = config_of(
        root,
        spark,
        registry,
        pipeline="ratio-of-two",
        model={"name": "req-ratio"},
        contract="sample_contracts:DIVIDING",
    )
    with service(spark, wines, ratio) as running:
        yield running


def error_of(response: httpx.Response, status: int) -> str:
    assert response.status_code == status, response.text
    assert set(response.json()) == {"error"}
    return str(response.json()["error"])


def test_an_answer(client: httpx.Client) -> None:
    response = client.post(WINE_PATH, json={"rows": [WINE, {"alcohol": 9}]})
    assert response.headers["content-type"] == "application/json"
    answer = response.json()
    assert (answer["model_name"], answer["model_version"]) == ("req-wine", "1")
    first, second = answer["rows"]
    assert first == {"prediction": pytest.approx(WINE_SCORE), "error": None, "reasons": None}
    assert second["prediction"] is None
    assert "density: is null, and the contract wants a value" in second["reasons"]
    assert len(second["reasons"]) == 10


def test_another_alias_or_version(client: httpx.Client) -> None:
    assert predict(client, "req-wine", WINE, alias="candidate") == [{"prediction": 9.4}]
    assert predict(client, "req-wine", WINE, version="2") == [{"prediction": 9.4}]
    assert predict(client, "req-wine", WINE, version="1") == [{"prediction": pytest.approx(WINE_SCORE)}]


@pytest.mark.parametrize(
    ("query", "status", "said"),
    [
        ({"alias": "nobody"}, 404, "has no model 'req-wine' with the alias 'nobody'"),
        ({"version": "77"}, 404, "the registry has no version 77 of 'req-wine'"),
        ({"version": "1", "alias": "candidate"}, 409, "alias and version: give one of them"),
        ({"version": "latest"}, 422, "query.version: "),
        ({"alias": ""}, 422, "query.alias: "),
    ],
)
def test_a_wrong_name(client: httpx.Client, query: dict[str, str], status: int, said: str) -> None:
    assert said in error_of(client.post(WINE_PATH, json={"rows": [WINE]}, params=query), status)


def test_an_unknown_model(client: httpx.Client) -> None:
    said = "there is no model 'beer' here; the models are req-ratio, req-wine"
    assert error_of(client.post("/models/beer/predict", json={"rows": [WINE]}), 404) == said
    assert error_of(client.get("/models/beer"), 404) == said
    assert error_of(client.get("/beer"), 404) == "there is nothing at /beer; see /docs"
    assert error_of(client.get(WINE_PATH), 405) == "Method Not Allowed"


@pytest.mark.parametrize(
    ("body", "said"),
    [
        (b"", 'body: expected {"rows": [...]}'),
        (b"alcohol=9", "body: is not JSON: Expecting value at character 0"),
        (b'{"rows": [', "body: is not JSON"),
        (b"[" * 100_000, "the body is not JSON that can be read"),
        (b'{"rows": ["\xff"]}', "the body is not JSON that can be read"),
        (b'{"rows": [{"alcohol": ' + b"1" * 5000 + b"}]}", "the body is not JSON that can be read"),
        (b"[]", 'body: expected {"rows": [...]}'),
        (b"{}", "body.rows: is missing"),
        (b'{"rows": []}', "body.rows: has 0 rows, expected 1 to 10,000"),
        (b'{"rows": [1]}', "body.rows.0: "),
        (b'{"rows": [{}], "row": 1}', "body.row: is not in the contract"),
        (b'{"rows": [{}, {"pH": true}]}', "body.rows.1.pH: expected a number, a text or null"),
        (b'{"rows": [{"pH": [1]}]}', "body.rows.0.pH: expected a number, a text or null"),
    ],
)
def test_a_malformed_body(client: httpx.Client, body: bytes, said: str) -> None:
    assert error_of(client.post(WINE_PATH, content=body, headers=JSON), 422).startswith(said)


def test_a_body_of_another_type(client: httpx.Client) -> None:
    answer = client.post(WINE_PATH, content=b'{"rows": [{}]}', headers={"content-type": "text/csv"})
    assert "with the content type application/json" in error_of(answer, 422)


def test_many_wrong_values_are_told_shortly(client: httpx.Client) -> None:
    said = error_of(client.post(WINE_PATH, json={"rows": [{"pH": []}] * 20}), 422)
    assert said.count("expected a number") == 5
    assert said.endswith("; and 15 more")


def test_too_much(client: httpx.Client) -> None:
    said = error_of(client.post(WINE_PATH, json={"rows": [{}] * (MAX_ROWS + 1)}), 422)
    assert said == "body.rows: has 10,001 rows, expected 1 to 10,000"
    long = b'{"rows": [{"pH": "' + b"1" * MAX_BODY_BYTES + b'"}]}'
    in_parts = (long[at : at + 2**20] for at in range(0, len(long), 2**20))
    for content in (long, in_parts):
        assert error_of(client.post(WINE_PATH, content=content, headers=JSON), 413) == (
            "the body has more than 33,554,432 bytes; send fewer rows in a request"
        )


def test_half_a_character_rejects_its_row(client: httpx.Client) -> None:
    body = b'{"rows": [{"alcohol": "\\ud800", "\\ud800": 1}]}'
    [row] = client.post(WINE_PATH, content=body, headers=JSON).json()["rows"]
    assert row["reasons"] == ["row: text that is not valid UTF-8"]


def test_a_contract_that_refuses_other_columns(client: httpx.Client) -> None:
    path = "/models/req-ratio/predict"
    said = error_of(client.post(path, json={"rows": [{"x": 1, "y": 2, "z": 3}]}), 422)
    assert said == "body.rows.0.z: is not in the contract"
    rows = predict(client, "req-ratio", {"x": 1.5, "y": 2}, {"x": 1.5, "y": 0}, {"x": 1.5, "y": 2.5})
    assert rows == [
        {"prediction": 3.0},
        {"reasons": ["rule ratio: not true: x / y < 10", "rule remainder: not true: 10 % y >= 0"]},
        {"reasons": ["y: '2.5' is not an integer"]},
    ]


def test_the_largest_request(client: httpx.Client) -> None:
    rows = [wine(alcohol=number / 1000) for number in range(MAX_ROWS)]
    found = predict(client, "req-wine", *rows)
    assert [row["prediction"] for row in found] == pytest.approx([number / 100 + 3.51 for number in range(MAX_ROWS)])


def test_what_it_tells_of_its_models(client: httpx.Client) -> None:
    wines, ratio = client.get("/models").json()["models"]
    assert wines == {
        "name": "req-wine",
        "pipeline": "wine",
        "workload": "rows",
        "alias": "champion",
        "version": "1",
        "problem": None,
        "canary": None,
    }
    assert (ratio["name"], ratio["pipeline"]) == ("req-ratio", "ratio-of-two")
    description = client.get("/models/req-ratio").json()
    assert description["inputs"] == [{"name": "x", "type": "double", "required": True}]
    assert description["outputs"] == [{"name": "prediction", "type": "double", "required": True}]
    assert [(field["source"], field["type"]) for field in description["fields"]] == [("x", "double"), ("y", "integer")]
    assert description["rules"][0] == {"name": "ratio", "sql": "x / y < 10"}


def test_the_versions_of_a_model(client: httpx.Client, registry: TestRegistry) -> None:
    """As `penstock models --json` prints them; for some seconds what was found last."""
    answer = client.get("/models/req-wine/versions")
    assert answer.status_code == 200
    found = answer.json()
    assert [(one["version"], one["aliases"]) for one in found["versions"]] == [
        ("2", ["candidate"]),
        ("1", ["champion"]),
    ]
    assert (found["name"], found["pipeline"], found["loss"], found["problem"]) == ("req-wine", "wine", "absolute", None)
    assert (found["versions"][0]["live"], found["versions"][0]["training"]["data"]) == (None, [])
    registry.client.set_registered_model_alias("req-wine", "blue", "2")
    assert client.get("/models/req-wine/versions").json() == found
    said = error_of(client.get("/models/req-beer/versions"), 404)
    assert said == "there is no model 'req-beer' here; the models are req-ratio, req-wine"
    assert error_of(client.post("/models/req-wine/versions"), 405) == "Method Not Allowed"


def test_a_registry_that_hangs_holds_up_nobody_else(sandbox: Sandbox) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent, ThreadPoolExecutor(60) as others:
        sandbox.changes = {"model": {"name": "req-away"}}
        sandbox.changes["mlflow"] = {"tracking_uri": f"http://127.0.0.1:{silent.getsockname()[1]}"}
        with service(sandbox.spark, sandbox.config(), wait=False) as running:
            asked = [others.submit(running.get, "/models/req-away/versions") for _ in range(60)]
            begun = time.monotonic()
            # More than the threads of the service, which predictions need too.
            assert running.get("/models/req-away").status_code == 200
            assert not any(one.done() for one in asked)
            assert time.monotonic() - begun < 3
            assert "did not answer" in error_of(asked[0].result(), 503)
            assert {one.result().status_code for one in asked} == {503}


def test_each_model_has_its_own_schema(client: httpx.Client) -> None:
    document = client.get("/openapi.json").json()
    assert {WINE_PATH, "/models/req-ratio/predict"} <= set(document["paths"])
    row = document["components"]["schemas"]["WineRow"]["properties"]
    assert len(row) == 11
    assert row["free sulfur dioxide"]["description"] == "double, a null is rejected"
    assert {"type": "number"} in row["free sulfur dioxide"]["anyOf"]
    assert {"type": "boolean"} not in row["free sulfur dioxide"]["anyOf"]
    answer = document["components"]["schemas"]["RatioOfTwoRowAnswer"]["properties"]
    assert answer["prediction"]["anyOf"] == [{"type": "number"}, {"type": "null"}]
    assert client.get("/docs").status_code == 200


def samples(client: httpx.Client) -> dict[tuple[str, ...], float]:
    families = text_string_to_metric_families(client.get("/metrics").text)
    return {(s.name, *s.labels.values()): s.value for family in families for s in family.samples}


def test_health_and_metrics(client: httpx.Client) -> None:
    assert client.get("/healthz").json() == {"status": "ok"}
    assert len(client.get("/readyz").json()["models"]) == 2
    before = samples(client)
    client.post(WINE_PATH, json={"rows": [WINE, WINE, {}]})
    client.post(WINE_PATH, params={"version": "2"}, json={"rows": [wine(alcohol=14.5)]})
    client.post(WINE_PATH, content=b"")
    after = samples(client)

    def grown(*key: str) -> float:
        return after[key] - before.get(key, 0.0)

    requests, rows = "penstock_serving_requests_total", "penstock_serving_rows_total"
    assert [grown(requests, "req-wine", status) for status in ("200", "422")] == [2, 1]
    assert [grown(rows, "req-wine", outcome) for outcome in ("answered", "rejected", "failed")] == [2, 1, 1]
    assert grown("penstock_serving_seconds_count", "req-wine") == 3
    assert after["penstock_serving_model_version", "req-wine", "1"] == 1
    assert after["penstock_serving_model_problem", "req-wine"] == 0


def test_an_alias_moves_without_a_restart(sandbox: Sandbox) -> None:
    example, answer = pd.DataFrame([WINE]), pd.Series([1.5])
    sandbox.registry.register("req-moves", "linear", example=example, outputs=answer)
    sandbox.changes = {"model": {"name": "req-moves"}}
    with service(sandbox.spark, sandbox.config()) as running:
        assert predict(running, "req-moves", WINE) == [{"prediction": pytest.approx(WINE_SCORE)}]
        sandbox.registry.register("req-moves", "fussy", example=example, outputs=answer)
        until(lambda: predict(running, "req-moves", WINE) == [{"prediction": 9.4}], "version 2 answers")
        assert ("penstock_serving_model_version", "req-moves", "1") not in samples(running)
        sandbox.registry.register("req-moves", "unloadable", example=example, outputs=answer)
        problem = until(lambda: running.get("/models/req-moves").json()["problem"], "version 3 is refused")
        assert problem == "models:/req-moves/3 can't be loaded: OSError: there are no weights here"
        assert running.get("/readyz").json()["models"][0]["problem"] == problem
        assert running.get("/readyz").status_code == 200
        assert samples(running)["penstock_serving_model_problem", "req-moves"] == 1
        assert predict(running, "req-moves", WINE) == [{"prediction": 9.4}]
        refused = running.post("/models/req-moves/predict", params={"version": "3"}, json={"rows": [WINE]})
        assert error_of(refused, 409) == problem


def test_before_anything_is_loaded(sandbox: Sandbox) -> None:
    sandbox.changes = {"model": {"name": "req-later"}}
    with service(sandbox.spark, sandbox.config(), wait=False) as running:
        until(lambda: running.get("/models").json()["models"][0]["problem"], "the registry has been asked")
        assert running.get("/readyz").status_code == 503
        assert running.get("/healthz").status_code == 200
        said = error_of(running.post("/models/req-later/predict", json={"rows": [WINE]}), 503)
        assert "req-later@champion is not loaded: the registry sqlite:" in said
        assert "/models/req-later/predict" not in running.get("/openapi.json").json()["paths"]
        sandbox.registry.register("req-later", "linear", example=pd.DataFrame([WINE]), outputs=pd.Series([1.5]))
        until(lambda: running.get("/readyz").status_code == 200, "it is ready")
        assert len(predict(running, "req-later", WINE)) == 1
        assert "/models/req-later/predict" in running.get("/openapi.json").json()["paths"]


def test_two_pipelines_can_not_have_one_model(sandbox: Sandbox) -> None:
    configs = [sandbox.config(), sandbox.config().model_copy(update={"pipeline": "other"})]
    with pytest.raises(ConfigError, match="the pipelines wine and other have the same model 'wine-linear'"):
        served_models(sandbox.spark, configs)

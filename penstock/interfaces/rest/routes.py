"""The routes of the service: models, predictions, health, metrics."""

from collections.abc import Callable
from typing import Annotated, Any

from fastapi import FastAPI, Query, Response
from pydantic import BaseModel

from penstock.interfaces.rest.descriptions import ModelDescription, Models, description, summary
from penstock.interfaces.rest.error_responses import json_response, unknown_model
from penstock.interfaces.rest.errors import RequestRefusedError, UnknownNameError
from penstock.interfaces.rest.metrics import Metrics
from penstock.interfaces.rest.model_versions import VersionsOfModel
from penstock.interfaces.rest.row_results import RowResult
from penstock.interfaces.rest.schemas import ErrorBody, bodies_of, value_name, values_of
from penstock.interfaces.rest.served import Served
from penstock.models.in_process import LoadedModel
from penstock.operations.model_store.versions import ModelVersions

Alias = Annotated[str | None, Query(min_length=1, max_length=255, description="an alias other than the configured one")]
Version = Annotated[str | None, Query(pattern="^[1-9][0-9]{0,8}$", description="a version, in place of an alias")]
ERRORS: dict[int | str, dict[str, Any]] = {
    401: {"model": ErrorBody, "description": "the service asks for a token, and this is none of its own"},
    404: {"model": ErrorBody, "description": "no such model, alias or version"},
    409: {"model": ErrorBody, "description": "the version can't be used, or an alias and a version are given"},
    413: {"model": ErrorBody, "description": "the body is too large"},
    422: {"model": ErrorBody, "description": "the request is malformed"},
    429: {"model": ErrorBody, "description": "too many other aliases or versions were asked for"},
    503: {"model": ErrorBody, "description": "no version is loaded, or the registry has been unavailable for too long"},
}


def add_models(app: FastAPI, models: dict[str, Served]) -> None:
    @app.get("/models", tags=["models"])
    def all_models() -> Models:
        """The served models, and the version of each in use."""
        return Models(models=[summary(served) for served in models.values()])

    @app.get("/models/{name}", tags=["models"], responses={404: ERRORS[404]})
    def one_model(name: str) -> ModelDescription:
        """Signature and contract of one model."""
        if name not in models:
            raise UnknownNameError(unknown_model(name, models))
        return description(models[name])

    stores = {name: VersionsOfModel(config=served.config) for name, served in models.items()}
    away = {"model": ErrorBody, "description": "the registry is unavailable, or a table can't be read"}

    @app.get("/models/{name}/versions", tags=["models"], responses={404: ERRORS[404], 503: away})
    async def all_versions(name: str) -> ModelVersions:
        """All versions of one model: aliases, training data, hold-out metrics, when each answered, and how right its
        answers were, as far as they are evaluated. As of at most 10 seconds ago."""
        if name not in stores:
            raise UnknownNameError(unknown_model(name, models))
        return await stores[name].get()


def add_health(app: FastAPI, models: dict[str, Served], metrics: Metrics) -> None:
    @app.get("/healthz", tags=["health"])
    def healthz() -> dict[str, str]:
        """The process is alive."""
        return {"status": "ok"}

    @app.get("/readyz", tags=["health"], response_model=Models, responses={503: {"model": Models}})
    def readyz() -> Response:
        """200 when every model is loaded, else 503; both with the status of each model."""
        # The route is added a moment after its model is loaded.
        paths = {getattr(route, "path", "") for route in app.routes}
        is_ready = all(served.loaded is not None and served.predict_path in paths for served in models.values())
        body = Models(models=[summary(served) for served in models.values()])
        return json_response(body.model_dump(), status=200 if is_ready else 503)

    @app.get("/metrics", tags=["health"], response_class=Response, responses={200: {"content": {"text/plain": {}}}})
    def metrics_text() -> Response:
        """For Prometheus."""
        return Response(metrics.as_text(), media_type="text/plain; version=1.0.0; charset=utf-8")


def add_predict(app: FastAPI, served: Served, metrics: Metrics) -> None:
    """Add the model's predict route, typed by its contract and by the signature of the loaded version."""
    loaded = served.loaded
    if loaded is None:
        raise ValueError(f"{served.name} is not loaded")
    bodies = bodies_of(served, loaded.outputs)
    app.add_api_route(
        served.predict_path,
        predict_endpoint(served, bodies.request, metrics),
        methods=["POST"],
        name=f"predict {served.name}",
        operation_id=f"predict_{served.config.pipeline}",
        summary=f"Predict by {served.name}",
        description=f"The predictions of the pipeline {served.config.pipeline}, row by row. An accepted row has "
        f"`{value_name(served)}` or `error`, a rejected one all its `reasons`.",
        tags=["predictions"],
        response_model=bodies.response,
        responses=ERRORS,
    )
    app.openapi_schema = None  # generated again on the next request


def predict_endpoint(served: Served, request: type[BaseModel], metrics: Metrics) -> Callable[..., Response]:
    def predict(body: BaseModel, alias: Alias = None, version: Version = None) -> Response:
        if alias is not None and version is not None:
            raise RequestRefusedError("alias and version: give one of them")
        loaded = served.versions.choose(alias=alias, version=version)
        is_asked_for = alias is not None or version is not None
        results = served.predict(values_of(body, served.contract), loaded, is_asked_for=is_asked_for)
        metrics.count_rows(served.name, results)
        return json_response(response_body(served, loaded, results))

    predict.__annotations__["body"] = request
    return predict


def response_body(served: Served, loaded: LoadedModel, results: list[RowResult]) -> dict[str, Any]:
    what = value_name(served)
    rows: list[dict[str, Any]] = [
        {what: result.value, "error": result.error, "reasons": result.reasons} for result in results
    ]
    if served.experiment is not None:
        rows = [
            row | {"role": result.role, "model_version": result.model_version}
            for row, result in zip(rows, results, strict=True)
        ]
    return {"model_name": served.name, "model_version": loaded.version.version, "rows": rows}

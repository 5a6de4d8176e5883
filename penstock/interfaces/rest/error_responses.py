"""Responses to failed requests: {"error": "..."}, a sentence with what was found, what was expected, what to do."""

import json
import logging
import math
from collections.abc import Sequence
from typing import Any

from fastapi import FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException

from penstock.errors import PenstockError
from penstock.interfaces.rest.errors import TooOftenError, status_of
from penstock.interfaces.rest.schemas import MAX_ROWS
from penstock.interfaces.rest.served import Served
from penstock.redaction import without_credentials
from penstock.spark.errors import SPARK_ERRORS

#: Enough for MAX_ROWS rows of a wide contract.
MAX_BODY_BYTES = 32 * 1024 * 1024
MAX_SHOWN = 5
INTERNAL = 500
TOO_LARGE = 413
BUSY = 503
#: JSON terms for pydantic's type names.
JSON_NAMES = {"float": "a number", "int": "a number", "str": "a text", "bool": "true or false"}
log = logging.getLogger(__name__)


def json_response(content: Any, *, status: int = 200) -> Response:
    """ASCII-only, since echoed input may contain unpaired surrogates."""
    body = json.dumps(content, allow_nan=False, separators=(",", ":"))
    return Response(body, status_code=status, media_type="application/json")


def add_error_handlers(app: FastAPI, models: dict[str, Served]) -> None:
    def handle_known(_: Request, error: Exception) -> Response:
        status = status_of(error) if isinstance(error, PenstockError) else INTERNAL
        response = json_response({"error": without_credentials(str(error))}, status=status)
        if isinstance(error, TooOftenError):
            response.headers["Retry-After"] = str(math.ceil(error.wait_seconds))
        return response

    def handle_unexpected(_: Request, error: Exception) -> Response:
        log.error("a request failed", exc_info=error)
        return json_response({"error": "internal error; the service's log has the cause"}, status=INTERNAL)

    def handle_malformed(_: Request, error: Exception) -> Response:
        details = error.errors() if isinstance(error, RequestValidationError) else []
        return json_response({"error": "; ".join(sentences(details))}, status=422)

    def handle_http_error(request: Request, error: Exception) -> Response:
        status = error.status_code if isinstance(error, HTTPException) else INTERNAL
        detail = str(error.detail) if isinstance(error, HTTPException) else str(error)
        if status == 404:
            detail = missing(request.url.path, models)
            status = 503 if request.url.path in {served.predict_path for served in models.values()} else 404
        elif status == TOO_LARGE:
            detail = too_large()
        elif status == BUSY:
            detail = "the service holds as many bytes of other requests as it may; send it again in a moment"
        elif status == 400:
            status, detail = 422, "the body is not JSON that can be read"
        response = json_response({"error": detail}, status=status)
        response.headers.update(getattr(error, "headers", None) or {})
        return response

    app.add_exception_handler(PenstockError, handle_known)
    for kind in (*SPARK_ERRORS, Exception):
        app.add_exception_handler(kind, handle_unexpected)
    app.add_exception_handler(RequestValidationError, handle_malformed)
    app.add_exception_handler(HTTPException, handle_http_error)


def missing(path: str, models: dict[str, Served]) -> str:
    """The error message for an unknown path."""
    for served in models.values():
        if path == served.predict_path:
            problem = served.versions.default.problem or "it will be in a moment"
            return f"{served.config.the_model.described} is not loaded: {problem}"
    parts = path.strip("/").split("/")
    if parts[0] == "models" and len(parts) > 1:
        return unknown_model(parts[1], models)
    return f"there is nothing at {path}; see /docs"


def too_large() -> str:
    return f"the body has more than {MAX_BODY_BYTES:,} bytes; send fewer rows in a request"


def unknown_model(name: str, models: dict[str, Served]) -> str:
    return f"there is no model {name!r} here; the models are {', '.join(sorted(models))}"


def sentences(details: Sequence[Any]) -> list[str]:
    """One for each location, without the value, which may be a secret. At most MAX_SHOWN."""
    expected: dict[str, list[str]] = {}
    for detail in details:
        where, what = place_and_problem(detail)
        known = expected.setdefault(where, [])
        if what not in known:
            known.append(what)
    lines = [sentence(where, whats) for where, whats in expected.items()]
    more = len(lines) - MAX_SHOWN
    return [*lines[:MAX_SHOWN], f"and {more} more"] if more > 0 else lines


def sentence(where: str, whats: Sequence[str]) -> str:
    if all(what in JSON_NAMES.values() for what in whats):
        return f"{where}: expected {', '.join(whats)} or null"
    return f"{where}: {'; '.join(whats)}"


def place_and_problem(detail: Any) -> tuple[str, str]:
    place, kind = [str(part) for part in detail["loc"]], detail["type"]
    if kind == "json_invalid":
        return "body", f"is not JSON: {detail['ctx']['error']} at character {place[-1]}"
    if kind in ("too_long", "too_short"):
        return ".".join(place), f"has {detail['ctx']['actual_length']:,} rows, expected 1 to {MAX_ROWS:,}"
    if place[-1] in JSON_NAMES and len(place) > 4:
        return ".".join(place[:-1]), JSON_NAMES[place[-1]]
    if place == ["body"]:
        return "body", 'expected {"rows": [...]} with the content type application/json'
    if kind == "extra_forbidden":
        return ".".join(place), "is not in the contract"
    if kind == "missing":
        return ".".join(place), "is missing"
    return ".".join(place), str(detail["msg"]).removeprefix("Input should be ").replace("Value error, ", "")

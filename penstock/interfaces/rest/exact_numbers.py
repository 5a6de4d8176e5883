"""The numbers of a request as they are written there: a float would lose digits of a decimal, and 1e5 is no integer."""

import json
from collections.abc import Callable, Coroutine
from typing import Any

from fastapi import Request, Response
from fastapi.concurrency import run_in_threadpool
from fastapi.routing import APIRoute

#: Of a body that is parsed at once.
SMALL_BYTES = 64 * 1024


class WrittenFloat(float):
    """A float that knows its text."""

    text: str

    def __new__(cls, text: str) -> "WrittenFloat":
        made = super().__new__(cls, text)
        made.text = text
        return made


class WrittenInt(int):
    """An integer that knows its text: -0 is another double than 0."""

    text: str

    def __new__(cls, text: str) -> "WrittenInt":
        made = super().__new__(cls, text)
        made.text = text
        return made


def bare(value: Any) -> Any:
    """A number that stands where an object is expected, as Python's own: pydantic would read the attributes of ours."""
    if isinstance(value, WrittenFloat):
        return float(value)
    return int(value) if isinstance(value, WrittenInt) else value


def parsed_float(text: str) -> float:
    """One of ours only where Python would write it otherwise: they take a hundred times the memory."""
    value = float(text)
    return value if repr(value) == text else WrittenFloat(text)


def parsed_int(text: str) -> int:
    value = int(text)
    return value if str(value) == text else WrittenInt(text)


def parsed(body: bytes) -> Any:
    """Raises ValueError where the body is no JSON."""
    return bare(json.loads(body, parse_float=parsed_float, parse_int=parsed_int))


class ExactRequest(Request):
    async def json(self) -> Any:
        """Raises ValueError where the body is no JSON."""
        body = await self.body()
        # A large one would keep all other requests waiting.
        return await run_in_threadpool(parsed, body) if len(body) > SMALL_BYTES else parsed(body)


class ExactRoute(APIRoute):
    """A route whose body keeps the text of its numbers."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        handle = super().get_route_handler()

        async def handle_exactly(request: Request) -> Response:
            return await handle(ExactRequest(request.scope, request.receive))

        return handle_exactly


def as_written(value: Any, check: Callable[[Any], Any]) -> Any:
    """For pydantic: the value as it came, if it is of a type that the field takes."""
    check(value)
    return value

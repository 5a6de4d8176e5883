"""Limits the size of request bodies before they are parsed."""

from dataclasses import dataclass

from starlette.datastructures import Headers
from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from penstock.interfaces.rest.error_responses import MAX_BODY_BYTES, TOO_LARGE, json_response, too_large

REQUEST = "http.request"


@dataclass(frozen=True)
class LimitedBody:
    """ASGI middleware: responds with 413 if the Content-Length or the received body exceeds the limit."""

    app: ASGIApp

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        announced = Headers(scope=scope).get("content-length", "")
        if announced.isdecimal() and int(announced) > MAX_BODY_BYTES:
            await json_response({"error": too_large()}, status=TOO_LARGE)(scope, receive, send)
            return
        received = 0

        async def counted() -> Message:
            nonlocal received
            message = await receive()
            if message["type"] == REQUEST:
                received += len(message.get("body", b""))
                if received > MAX_BODY_BYTES:
                    raise HTTPException(TOO_LARGE)
            return message

        await self.app(scope, counted, send)

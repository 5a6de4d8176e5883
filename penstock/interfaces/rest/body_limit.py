"""Limits the size of request bodies before they are parsed: of each, and of all that are being answered."""

from dataclasses import dataclass, field

from starlette.datastructures import Headers
from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from penstock.interfaces.rest.error_responses import BUSY, MAX_BODY_BYTES, TOO_LARGE, json_response, too_large

REQUEST = "http.request"
#: Of all requests that are being answered. A parsed body takes several times its bytes.
MAX_BYTES_IN_FLIGHT = 4 * MAX_BODY_BYTES
RETRY_SECONDS = 1


@dataclass
class InFlight:
    """How many bytes of bodies are held. Of one event loop, so without a lock."""

    bytes: int = 0


@dataclass(frozen=True)
class LimitedBody:
    """ASGI middleware: responds with 413 if the Content-Length or the received body exceeds the limit, with 503 if all
    bodies together would exceed theirs."""

    app: ASGIApp
    in_flight: InFlight = field(default_factory=InFlight)

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
                size = len(message.get("body", b""))
                received += size
                self.in_flight.bytes += size
                if received > MAX_BODY_BYTES:
                    raise HTTPException(TOO_LARGE)
                if self.in_flight.bytes > MAX_BYTES_IN_FLIGHT:
                    raise HTTPException(BUSY, headers={"Retry-After": str(RETRY_SECONDS)})
            return message

        try:
            await self.app(scope, counted, send)
        finally:
            self.in_flight.bytes -= received

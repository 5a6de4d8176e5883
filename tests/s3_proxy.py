"""A proxy on 127.0.0.1 between a client and an S3 server, with the faults of a network.

A request is forwarded unchanged, Host included, since that is signed; the server must accept the proxy's name as its
own.
"""

import http.client
import random
import re
import socket
import struct
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

#: Between two neighbours only. Expect has been answered by then; no signature covers these.
HOP_BY_HOP = {"connection", "expect", "keep-alive", "transfer-encoding"}


@dataclass(frozen=True, kw_only=True)
class Request:
    method: str
    path: str
    headers: list[tuple[str, str]] = field(repr=False)
    body: bytes = field(repr=False)

    def matches(self, method: str, pattern: str) -> bool:
        return self.method == method and re.search(pattern, self.path) is not None


@dataclass(frozen=True, kw_only=True)
class Answer:
    """sent: so many bytes of the body are sent before the connection ends; None is all of them."""

    status: int
    headers: list[tuple[str, str]]
    body: bytes
    sent: int | None = None


Forward = Callable[[Request], Answer]
#: Gives the answer, or None where the connection is to break without one.
Fault = Callable[[Request, Forward], Answer | None]
#: What servers say that can't answer now: AWS with any of them, others with the first two.
UNAVAILABLE = ((500, "InternalError"), (503, "ServiceUnavailable"), (503, "SlowDown"))


def no_fault(request: Request, forward: Forward) -> Answer | None:
    return forward(request)


class Countdown:
    """True the first `times` times, in whatever thread."""

    def __init__(self, times: int) -> None:
        self.left = times
        self.lock = threading.Lock()

    def __call__(self) -> bool:
        with self.lock:
            self.left -= 1
            return self.left >= 0


def drop_answer(pattern: str, *, method: str = "PUT", times: int = 1) -> Fault:
    """The server does as asked, and the client never hears of it."""
    due = Countdown(times)

    def fault(request: Request, forward: Forward) -> Answer | None:
        answer = forward(request)
        return None if request.matches(method, pattern) and due() else answer

    return fault


def refuse(pattern: str, *, status: int, code: str, method: str = "PUT", times: int = 1) -> Fault:
    """The request does not reach the server, and an S3 error answers it."""
    due = Countdown(times)

    def fault(request: Request, forward: Forward) -> Answer | None:
        return error(status, code) if request.matches(method, pattern) and due() else forward(request)

    return fault


def flaky(*, unavailable: float, reset: float, seed: int = 0) -> Fault:
    """500 or 503 to that part of the requests; of another part the connection breaks, for half of them after the
    server did as asked."""
    dice = random.Random(seed)

    def fault(request: Request, forward: Forward) -> Answer | None:
        thrown = dice.random()
        if thrown < unavailable:
            return error(*dice.choice(UNAVAILABLE))
        if thrown < unavailable + reset:
            if thrown < unavailable + reset / 2:
                forward(request)
            return None
        return forward(request)

    return fault


def break_off(pattern: str, *, method: str = "GET", times: int = 1) -> Fault:
    """Half of the answer's body comes, then the connection ends."""
    due = Countdown(times)

    def fault(request: Request, forward: Forward) -> Answer | None:
        answer = forward(request)
        is_due = request.matches(method, pattern) and due()
        return replace(answer, sent=len(answer.body) // 2) if is_due else answer

    return fault


def outage(seconds: float, status: int | None = None, code: str = "") -> Fault:
    """From now on, so long, no request reaches the server: its connection breaks, or an S3 error answers it."""
    end = time.monotonic() + seconds

    def fault(request: Request, forward: Forward) -> Answer | None:
        if time.monotonic() >= end:
            return forward(request)
        return None if status is None else error(status, code)

    return fault


def careless(request: Request, forward: Forward) -> Answer:
    """As a server that knows no If-None-Match answers: every PUT is taken."""
    answer = forward(request)
    return replace(answer, status=200, body=b"") if request.method == "PUT" and answer.status == 412 else answer


def stall(seconds: float, pattern: str = "", *, method: str = "PUT", times: int = 1) -> Fault:
    """The request is delayed in the proxy before it is forwarded."""
    due = Countdown(times)

    def fault(request: Request, forward: Forward) -> Answer | None:
        if request.matches(method, pattern) and due():
            time.sleep(seconds)
        return forward(request)

    return fault


def error(status: int, code: str) -> Answer:
    body = f"<?xml version='1.0'?><Error><Code>{code}</Code><Message>{code}</Message></Error>".encode()
    return Answer(status=status, headers=[("Content-Type", "application/xml")], body=body)


class S3Proxy:
    """`fault` may be exchanged at any time; `requests` are those that came, in order, until `forget`.

    port: 0 is any free one. Before the proxy is made, and after `stop`, connections to it are refused.
    """

    def __init__(self, address: str, port: int = 0) -> None:
        self.address = address
        self.fault: Fault = no_fault
        self.requests: list[Request] = []
        self.server = ThreadingHTTPServer(("127.0.0.1", port), handler_of(self))
        self.server.daemon_threads = True
        self.endpoint = f"http://127.0.0.1:{self.server.server_port}"
        threading.Thread(target=self.server.serve_forever, daemon=True, name="s3-proxy").start()

    def forward(self, request: Request) -> Answer:
        connection = http.client.HTTPConnection(self.address, timeout=60)
        try:
            connection.putrequest(request.method, request.path, skip_host=True, skip_accept_encoding=True)
            for name, value in request.headers:
                connection.putheader(name, value)
            connection.endheaders(request.body)
            answer = connection.getresponse()
            return Answer(status=answer.status, headers=answer.getheaders(), body=answer.read())
        finally:
            connection.close()

    def forget(self) -> None:
        self.requests.clear()

    def stop(self) -> None:
        self.server.shutdown()
        self.server.server_close()


def handler_of(proxy: S3Proxy) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        # Else the last bytes of each answer wait for the client to confirm the ones before.
        disable_nagle_algorithm = True

        def handle_request(self) -> None:
            request = Request(
                method=self.command,
                path=self.path,
                headers=[(name, value) for name, value in self.headers.items() if name.lower() not in HOP_BY_HOP],
                body=self.rfile.read(int(self.headers.get("Content-Length") or 0)),
            )
            proxy.requests.append(request)
            answer = proxy.fault(request, proxy.forward)
            if answer is None:
                self.reset()
            else:
                self.answer(answer)

        do_GET = do_PUT = do_POST = do_HEAD = do_DELETE = handle_request  # noqa: N815

        def answer(self, answer: Answer) -> None:
            self.send_response_only(answer.status)
            for name, value in answer.headers:
                if name.lower() not in HOP_BY_HOP and (name.lower() != "content-length" or self.command == "HEAD"):
                    self.send_header(name, value)
            if self.command != "HEAD" and answer.status != 204:
                self.send_header("Content-Length", str(len(answer.body)))
            self.end_headers()
            # The answer to a HEAD has no body, not even an error's: the client would take it for the next answer.
            if self.command != "HEAD":
                self.wfile.write(answer.body[: answer.sent])
            self.close_connection = self.close_connection or answer.sent is not None

        def reset(self) -> None:
            self.close_connection = True
            # Lingering for zero seconds makes the closing a reset.
            self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            self.connection.close()

        def log_message(self, format: str, *args: Any) -> None:
            """Nothing: the tests look at `requests`."""

    return Handler

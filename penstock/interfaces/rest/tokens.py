"""Bearer tokens (RFC 6750), where `serve.tokens_file` names a file with them."""

import hashlib
import logging
from dataclasses import dataclass, field
from pathlib import Path

from starlette.concurrency import run_in_threadpool
from starlette.datastructures import Headers
from starlette.types import ASGIApp, Receive, Scope, Send

from penstock.errors import ConfigError
from penstock.interfaces.rest.error_responses import json_response

UNAUTHORIZED = 401
#: What is asked by those who have no token: a load balancer, Kubernetes.
OPEN_PATHS = ("/healthz", "/readyz")
MIN_CHARACTERS = 16
log = logging.getLogger(__name__)


@dataclass
class Tokens:
    """The tokens of a file, one a line; lines that begin with # are comments. It is read again when it has changed; as
    long as it can't be read then, the tokens before hold."""

    path: str
    _hashes: frozenset[bytes] = frozenset()
    _seen: tuple[int, int, int] | None = None

    @classmethod
    def of(cls, path: str) -> "Tokens":
        """Raises ConfigError where the file can't be read, or has no token that is long enough."""
        tokens = cls(path)
        tokens.read()
        return tokens

    def read(self) -> None:
        try:
            file = Path(self.path)
            status = file.stat()
            seen = (status.st_mtime_ns, status.st_size, status.st_ino)
            if seen == self._seen:
                return
            lines = [line.strip() for line in file.read_text(encoding="utf-8").splitlines()]
        except (OSError, UnicodeDecodeError) as error:
            raise ConfigError(f"serve.tokens_file {self.path} can't be read: {error}") from None
        tokens = [line for line in lines if line and not line.startswith("#")]
        short = [str(number) for number, line in enumerate(lines, 1) if line in tokens and len(line) < MIN_CHARACTERS]
        if short or not tokens:
            found = f"the token of line {', '.join(short)} is too short" if short else "it has none"
            raise ConfigError(
                f"serve.tokens_file {self.path}: {found}; expected one token a line, of at least {MIN_CHARACTERS} "
                "characters (`openssl rand -hex 32` makes one)"
            )
        self._hashes, self._seen = frozenset(map(hashed, tokens)), seen

    def has(self, token: str) -> bool:
        try:
            self.read()
        except ConfigError as error:
            log.warning("%s; the tokens before hold", error)
        return hashed(token) in self._hashes


def hashed(token: str) -> bytes:
    """What is compared: how long that takes tells nothing about a token."""
    return hashlib.sha256(token.encode("utf-8", "surrogateescape")).digest()


@dataclass(frozen=True)
class Authenticated:
    """ASGI middleware: responds with 401 to requests without one of the tokens."""

    app: ASGIApp
    tokens: Tokens = field(kw_only=True)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or scope["path"] in OPEN_PATHS:
            await self.app(scope, receive, send)
            return
        scheme, _, token = Headers(scope=scope).get("authorization", "").partition(" ")
        if scheme.lower() == "bearer" and await run_in_threadpool(self.tokens.has, token.strip()):
            await self.app(scope, receive, send)
            return
        problem = "the token is not known" if token else "the request has no token"
        response = json_response(
            {"error": f"{problem}; send one of serve.tokens_file as `Authorization: Bearer TOKEN`"}, status=UNAUTHORIZED
        )
        response.headers["WWW-Authenticate"] = 'Bearer error="invalid_token"' if token else "Bearer"
        await response(scope, receive, send)

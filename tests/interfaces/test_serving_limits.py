"""What the REST service lets in: tokens, bytes, and how often another version is loaded. Without models and Spark."""

import asyncio
import os
import threading
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from batch_records import CONFIG
from fastapi import FastAPI, Request
from service import running

from penstock.config.pipeline import PipelineConfig
from penstock.errors import ConfigError
from penstock.interfaces.rest import body_limit
from penstock.interfaces.rest.app import create_app
from penstock.interfaces.rest.rate_limit import RateLimit
from penstock.interfaces.rest.server import tokens_of
from penstock.interfaces.rest.tokens import Tokens

TOKEN, OTHER = "0123456789abcdef", "fedcba9876543210"


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "tokens"
    path.write_text(f"# of the dashboard\n{TOKEN}\n\n")
    return path


@pytest.fixture
def client(file: Path) -> Iterator[httpx.Client]:
    with running(create_app({}, tokens=Tokens.of(str(file)))) as client:
        yield client


def bearer(token: str, scheme: str = "Bearer") -> dict[str, str]:
    return {"Authorization": f"{scheme} {token}"}


def test_who_asks_needs_a_token(client: httpx.Client) -> None:
    for path in ("/models", "/metrics", "/docs", "/openapi.json", "/nothing"):
        answer = client.get(path)
        assert (answer.status_code, answer.headers["WWW-Authenticate"]) == (401, "Bearer"), path
        assert answer.json()["error"].startswith("the request has no token; send one of serve.tokens_file")
    for headers in (bearer(OTHER), bearer(TOKEN[:-1])):
        assert client.get("/models", headers=headers).status_code == 401
    assert client.get("/models", headers=bearer(TOKEN, scheme="Basic")).status_code == 401
    assert client.get("/models", headers=bearer(TOKEN)).json() == {"models": []}
    assert client.get("/models", headers=bearer(TOKEN, scheme="bearer")).status_code == 200
    assert [client.get(path).status_code for path in ("/healthz", "/readyz")] == [200, 200]


def test_a_token_may_be_changed_while_the_service_runs(client: httpx.Client, file: Path) -> None:
    assert client.get("/models", headers=bearer(TOKEN)).status_code == 200
    file.write_text(f"{OTHER}\n")
    os.utime(file, (1, 1))
    assert client.get("/models", headers=bearer(TOKEN)).status_code == 401
    assert client.get("/models", headers=bearer(OTHER)).status_code == 200
    file.unlink()
    assert client.get("/models", headers=bearer(OTHER)).status_code == 200


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", "it has none"),
        (b"# nothing\n", "it has none"),
        (f"{TOKEN}\nshort\n".encode(), "the token of line 2 is too short"),
        (b"\xff" * 20, "can't be read"),
    ],
)
def test_a_file_without_tokens_is_refused(file: Path, content: bytes, said: str) -> None:
    file.write_bytes(content)
    with pytest.raises(ConfigError, match=said):
        Tokens.of(str(file))


def test_a_service_has_one_file_of_tokens(file: Path) -> None:
    with_file, without = (
        PipelineConfig.model_validate(CONFIG | {"serve": {"tokens_file": path}}) for path in (str(file), None)
    )
    assert tokens_of([without, without]) is None
    tokens = tokens_of([with_file, with_file])
    assert tokens is not None
    assert tokens.has(TOKEN)
    with pytest.raises(ConfigError, match=r"serve\.tokens_file differs"):
        tokens_of([with_file, without])


def test_all_bodies_together_have_a_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    """One is held while others come; when it is answered, there is room again."""
    monkeypatch.setattr(body_limit, "MAX_BYTES_IN_FLIGHT", 1_000)
    app, held, go_on = FastAPI(), threading.Event(), threading.Event()
    create = create_app({})
    app.user_middleware, app.exception_handlers = create.user_middleware, create.exception_handlers

    @app.post("/hold")
    async def hold(request: Request) -> int:
        size = len(await request.body())
        held.set()
        while size == 800 and not go_on.is_set():
            await asyncio.sleep(0.01)
        return size

    with running(app) as client:
        answers: list[int] = []
        thread = threading.Thread(target=lambda: answers.append(client.post("/hold", content=b"a" * 800).json()))
        thread.start()
        assert held.wait(30)
        busy = client.post("/hold", content=b"b" * 300)
        assert (busy.status_code, busy.headers["Retry-After"]) == (503, "1")
        assert "holds as many bytes of other requests as it may" in busy.json()["error"]
        assert client.post("/hold", content=b"c" * 100).json() == 100
        go_on.set()
        thread.join(30)
        assert answers == [800]
        assert client.post("/hold", content=b"d" * 900).json() == 900


def test_a_rate_is_over_any_so_many_seconds() -> None:
    seconds = 0.0
    limit = RateLimit(times=2, seconds=60.0, clock=lambda: seconds)
    assert [limit.wait_seconds(), limit.wait_seconds(), limit.wait_seconds()] == [0.0, 0.0, 60.0]
    seconds = 59.0
    assert limit.wait_seconds() == 1.0
    seconds = 60.0
    assert [limit.wait_seconds(), limit.wait_seconds(), limit.wait_seconds()] == [0.0, 0.0, 60.0]

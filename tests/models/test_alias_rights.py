"""A registry that refuses this user, as MLflow's own authentication does: its answers are those of its Flask app."""

from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread

import pytest

from penstock.errors import RegistryUnavailableError
from penstock.models.aliases import ModelAliases
from penstock.models.registry import Registry


class Refuses(BaseHTTPRequestHandler):
    """Requests without credentials with 401, all others with 403; in plain text."""

    def answer(self) -> None:
        self.rfile.read(int(self.headers.get("Content-Length") or 0))
        status, body = (403, b"Permission denied") if "Authorization" in self.headers else (401, b"not authenticated")
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    do_GET = do_POST = do_DELETE = answer  # noqa: N815 - names of the library

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture(scope="module")
def aliases() -> Iterator[ModelAliases]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), Refuses)
    Thread(target=server.serve_forever, daemon=True).start()
    yield ModelAliases(registry=Registry(tracking_uri=f"http://127.0.0.1:{server.server_port}"), name="wine")
    server.shutdown()
    server.server_close()


@pytest.mark.parametrize(
    ("ask", "right"),
    [
        (lambda aliases: aliases.read("champion"), "READ"),
        (lambda aliases: aliases.set("champion", "2"), "EDIT"),
        (lambda aliases: aliases.set_tags("2", {"penstock.decision": "0"}), "EDIT"),
        (lambda aliases: aliases.delete("candidate"), "MANAGE"),
    ],
)
@pytest.mark.parametrize("user", ["anna", None])
def test_a_refusal_says_which_right_is_missing(
    aliases: ModelAliases,
    ask: Callable[[ModelAliases], object],
    right: str,
    user: str | None,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for name in ("MLFLOW_TRACKING_USERNAME", "MLFLOW_TRACKING_PASSWORD"):
        monkeypatch.setenv(name, user) if user else monkeypatch.delenv(name, raising=False)
    with pytest.raises(RegistryUnavailableError) as caught:
        ask(aliases)
    said = str(caught.value)
    assert " refused it: " in said
    assert ("Permission denied" if user else "not authenticated") in said
    assert said.endswith(f"the right {right} on the registered model")
    assert "did not answer" not in said

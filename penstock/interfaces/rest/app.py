"""The service as an ASGI application."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from importlib.metadata import PackageNotFoundError, version

from fastapi import FastAPI

from penstock.interfaces.rest.alias_watcher import RENEW_SECONDS, AliasWatcher
from penstock.interfaces.rest.body_limit import LimitedBody
from penstock.interfaces.rest.error_responses import add_error_handlers
from penstock.interfaces.rest.exact_numbers import ExactRoute
from penstock.interfaces.rest.metrics import MeasuredApp, Metrics
from penstock.interfaces.rest.routes import add_health, add_models, add_predict
from penstock.interfaces.rest.served import Served
from penstock.interfaces.rest.tokens import Authenticated, Tokens


def create_app(
    models: dict[str, Served], *, renew_seconds: float = RENEW_SECONDS, tokens: Tokens | None = None
) -> FastAPI:
    """A model's predict route is added once its first version is loaded, after the start. tokens: each request
    needs one of them."""
    metrics = Metrics(models)

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        watcher = AliasWatcher(
            models=models.values(),
            on_loaded=lambda served: add_predict(app, served, metrics),
            renew_seconds=renew_seconds,
        )
        watcher.start()
        yield
        watcher.stop()

    app = FastAPI(
        title="Penstock",
        version=installed_version(),
        description="Predictions of registered models, with the same contract and results as the stream.",
        lifespan=lifespan,
    )
    app.router.route_class = ExactRoute
    app.add_middleware(LimitedBody)
    if tokens is not None:
        app.add_middleware(Authenticated, tokens=tokens)
    app.add_middleware(MeasuredApp, metrics=metrics)
    add_error_handlers(app, models)
    add_models(app, models)
    add_health(app, models, metrics)
    return app


def installed_version() -> str:
    try:
        return version("penstock")
    except PackageNotFoundError:
        return "0"

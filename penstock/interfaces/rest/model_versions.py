"""The versions of the served models, for `GET /models/{name}/versions`: read in a thread, one at a time for a model,
and kept for some seconds, so that requests for them never hold up predictions."""

import asyncio
import time
from collections.abc import Callable
from dataclasses import dataclass, field

from starlette.concurrency import run_in_threadpool

from penstock.config.pipeline import PipelineConfig
from penstock.errors import ModelRefusedError, PenstockError
from penstock.interfaces.rest.errors import UnknownNameError
from penstock.operations.model_store.versions import ModelVersions, read_model_versions

CACHE_SECONDS = 10.0


@dataclass(kw_only=True)
class VersionsOfModel:
    """Of one pipeline. A request that comes while another one reads waits for what that finds, without a thread."""

    config: PipelineConfig
    clock: Callable[[], float] = time.monotonic
    _found: ModelVersions | PenstockError | None = None
    _found_at: float = 0.0
    _reading: asyncio.Lock = field(default_factory=asyncio.Lock)

    async def get(self) -> ModelVersions:
        """Raises RegistryUnavailableError, UnknownNameError if neither registry nor tables have a version,
        EnvironmentCheckError if a table can't be read, OSError."""
        async with self._reading:
            if self._found is None or self.clock() - self._found_at > CACHE_SECONDS:
                self._found = await run_in_threadpool(self._read)
                self._found_at = self.clock()
        if isinstance(self._found, PenstockError):
            raise self._found.with_traceback(None)
        return self._found

    def _read(self) -> ModelVersions | PenstockError:
        """Errors too are kept: a registry that is away is waited for once."""
        try:
            return read_model_versions(self.config, needs_registry=True)
        except ModelRefusedError as error:
            return UnknownNameError(str(error))
        except PenstockError as error:
            return error

"""Polls registry and plans in a background thread and loads new versions of a service's models."""

import logging
import threading
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

from penstock.errors import PenstockError
from penstock.interfaces.rest.served import Served

#: The polling interval, by which a moved alias is noticed.
RENEW_SECONDS = 3.0
log = logging.getLogger(__name__)


@dataclass(kw_only=True)
class AliasWatcher:
    """on_loaded: called once for each model, when its first version is loaded."""

    models: Iterable[Served]
    on_loaded: Callable[[Served], None]
    renew_seconds: float = RENEW_SECONDS
    _published: set[str] = field(default_factory=set)
    _stopped: threading.Event = field(default_factory=threading.Event)
    _thread: threading.Thread | None = None

    def start(self) -> None:
        self._thread = threading.Thread(target=self.run, name="alias-watcher", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        self._stopped.set()

    def run(self) -> None:
        while not self._stopped.is_set():
            for served in self.models:
                self.renew(served)
            self._stopped.wait(self.renew_seconds)

    def renew(self, served: Served) -> None:
        try:
            served.renew()
        except PenstockError as error:
            log.warning("%s: %s", served.name, error)
        except Exception:
            # The thread must survive any error: without it no alias would be resolved again.
            log.exception("%s could not be renewed", served.name)
        if served.loaded is not None and served.name not in self._published:
            self._published.add(served.name)
            self.on_loaded(served)

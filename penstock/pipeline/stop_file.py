"""The stop file: asks a running stream, wherever it runs, to end after its micro-batch."""

import time
from dataclasses import dataclass

from penstock.config.pipeline import PipelineConfig
from penstock.pipeline.lease import Holder, lease_path, read_holder
from penstock.storage.files import Storage


@dataclass(frozen=True, kw_only=True)
class StopFile:
    storage: Storage
    path: str

    @classmethod
    def of(cls, config: PipelineConfig, storage: Storage) -> "StopFile":
        return cls(storage=storage, path=f"{config.checkpoint}/stop")

    def write(self, holder: Holder) -> None:
        """Ask the process that holds the lease to stop; it may still be starting."""
        self.storage.replace(self.path, f"{holder.token}\n".encode())

    def is_there(self) -> bool:
        return self.storage.status(self.path) is not None

    def clear(self, *, token: str) -> None:
        """A stop that was asked of an earlier run does not count for this one, whose lease has the token."""
        content = self.storage.read(self.path)
        if content is not None and content.decode(errors="replace").strip() != token:
            self.storage.delete(self.path)


def running_writer(config: PipelineConfig, storage: Storage) -> Holder | None:
    """Who holds the pipeline's lease, if anyone who is alive."""
    holder = read_holder(storage, lease_path(config.tables.root))
    if holder and holder.is_alive(now=time.time(), seen_from=Holder.this_process("stop")):
        return holder
    return None

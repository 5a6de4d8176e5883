"""A pipeline's folder as it was at a moment, to which the tests of a file go back: each of them in place of a run."""

import shutil
import tempfile
from copy import deepcopy
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from sandbox import Sandbox


@dataclass(frozen=True)
class Snapshot:
    sandbox: Sandbox
    kept: Path

    @classmethod
    def of(cls, sandbox: Sandbox) -> "Snapshot":
        """There may be several of one sandbox."""
        kept = Path(tempfile.mkdtemp(dir=sandbox.root.parent, prefix="kept-"))
        shutil.copytree(sandbox.root, kept, dirs_exist_ok=True)
        return cls(sandbox=replace(sandbox, changes=deepcopy(sandbox.changes)), kept=kept)

    def restored(self) -> Sandbox:
        """In the same place: paths are in the tables and in the checkpoint."""
        shutil.rmtree(self.sandbox.root)
        shutil.copytree(self.kept, self.sandbox.root)
        forget_tables(self.sandbox)
        return replace(self.sandbox, changes=deepcopy(self.sandbox.changes))


def forget_tables(sandbox: Sandbox) -> None:
    """As in a new process: what is known of a table is read from its log."""
    java: Any = sandbox.spark._jvm
    java.org.apache.spark.sql.delta.DeltaLog.clearCache()

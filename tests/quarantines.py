"""What waits in the quarantine of a pipeline, and what of it is scored."""

from typing import Any

import pandas as pd
from sandbox import Sandbox


def use_echo(sandbox: Sandbox) -> None:
    """A model of one column under LIMITED, which accepts what is below 10; SMALL accepts all that is a number."""
    sandbox.registry.register("echo", "echo", example=pd.DataFrame({"x": [1.5]}), outputs=pd.Series([3.0]))
    sandbox.changes = {"contract": "sample_contracts:LIMITED", "model": {"name": "echo"}}


def scored(sandbox: Sandbox) -> list[tuple[Any, ...]]:
    return sorted((row.source_file.rsplit("/", 1)[1], row.x, row.note or "") for row in sandbox.rows("predictions"))


def waiting(sandbox: Sandbox) -> list[tuple[str, str]]:
    rows = [row for row in sandbox.rows("quarantine") if row.replayed_in is None]
    return sorted((row.source_file.rsplit("/", 1)[1], row.reasons[0]) for row in rows)

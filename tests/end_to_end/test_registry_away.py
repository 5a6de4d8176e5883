"""An unavailable registry: the version before stays in use for a while, with a warning."""

from pathlib import Path

import pandas as pd
import pytest
from sandbox import WINE, Sandbox, csv_file
from served_registry import ServedRegistry, Server

from penstock.errors import EnvironmentCheckError, RegistryUnavailableError
from penstock.pipeline.shadow_counts import ShadowCount


def test_the_version_before_goes_on_while_the_registry_is_away(sandbox: Sandbox, registry_server: Server) -> None:
    server, registry = registry_server, ServedRegistry(registry_server)
    sandbox.registry = registry
    example = pd.DataFrame([WINE])
    first = registry.register("wine-served", "linear", example=example, outputs=pd.Series([1.5]))
    candidate = registry.register("wine-served", "fussy", example=example, outputs=pd.Series([1.5]), alias="candidate")
    sandbox.changes = {"model": {"name": "wine-served"}, "experiment": {}}
    sandbox.drop("a.csv", csv_file(WINE))
    sandbox.run()

    # Each run is a process of its own as far as the pipeline knows: this one starts without a registry.
    server.stop()
    sandbox.drop("b.csv", csv_file(WINE, WINE), age_seconds=50)
    [record] = sandbox.run()
    assert (record.accepted, record.plan.champion.version) == (2, first)
    # The pair is that of the batch before.
    assert record.plan.candidate is not None
    assert (record.plan.candidate.version, record.shadow) == (candidate, ShadowCount(rows=2, failed=0))
    resolved = {row.batch_id: row.resolved_at for row in sandbox.rows("batches")}
    assert resolved[1] == resolved[0]

    for other in ({"name": "wine-served", "version": "7"}, {"name": "wine-other"}):
        sandbox.changes = {"model": other}
        sandbox.drop("c.csv", csv_file(WINE), age_seconds=40)
        with pytest.raises(RegistryUnavailableError, match="did not answer"):
            sandbox.run()
    assert sandbox.count("predictions") == 3

    sandbox.changes = {"model": {"name": "wine-served", "max_staleness": 1}}
    sandbox.drop("c.csv", csv_file(WINE), age_seconds=40)
    with pytest.raises(RegistryUnavailableError, match=r"version 1, and model\.max_staleness allows 1 s"):
        sandbox.run()
    assert sandbox.count("predictions") == 3

    server.start()
    second = registry.register("wine-served", "fussy", example=example, outputs=pd.Series([1.5]))
    sandbox.run()
    versions = sorted((row.source_file[-5:], row.model_version) for row in sandbox.rows("predictions"))
    assert versions == [("a.csv", first), ("b.csv", first), ("b.csv", first), ("c.csv", second)]
    assert sandbox.rows("batches")[0].resolved_at is not None


def test_a_first_start_needs_the_registry(sandbox: Sandbox, tmp_path: Path) -> None:
    server = Server(tmp_path)
    sandbox.registry = ServedRegistry(server)
    sandbox.changes = {"model": {"name": "wine-served"}}
    with pytest.raises(EnvironmentCheckError, match=r"the registry http://127\.0\.0\.1:\d+ did not answer"):
        sandbox.run()

"""A stream that ends leaves no query behind, for its lease is given back and another process may write."""

from collections.abc import Iterator

import pytest
from faults.bench import stream
from sandbox import Sandbox

from penstock.lease import Lease, lease_path, read_holder
from penstock.stopping import StopFile


@pytest.fixture
def quiet(sandbox: Sandbox) -> Iterator[Sandbox]:
    """A pipeline without files; a query of it that a test leaves behind is not left to the tests after it."""
    yield sandbox
    for query in sandbox.spark.streams.active:
        query.stop()


def out_of_reach(thing: object) -> bool:
    raise OSError("the storage is out of reach")


@pytest.mark.parametrize(("asked", "method"), [(StopFile, "is_there"), (Lease, "check")])
def test_an_error_beside_the_batches_stops_the_query(
    quiet: Sandbox, monkeypatch: pytest.MonkeyPatch, asked: type, method: str
) -> None:
    monkeypatch.setattr(asked, method, out_of_reach)
    with pytest.raises(OSError, match="out of reach"):
        stream(quiet)
    assert quiet.spark.streams.active == []
    assert read_holder(quiet.storage, lease_path(quiet.config().tables.root)) is None

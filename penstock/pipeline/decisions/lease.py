"""One controller at a time: `_decisions_lease` beside the tables."""

import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

from penstock.errors import LeaseError
from penstock.pipeline.lease import Lease
from penstock.storage.files import Storage

POLL_SECONDS = 0.2


def decisions_lease_path(tables_root: str) -> str:
    return f"{tables_root}/_decisions_lease"


@contextmanager
def held_lease(storage: Storage, root: str, *, job: str, wait_seconds: float = 0.0) -> Iterator[Lease]:
    """The lease, waited for while another process holds it. Raises LeaseError, which says who does."""
    deadline = time.monotonic() + wait_seconds
    with ExitStack() as stack:
        while True:
            lease = Lease(
                storage=storage,
                path=decisions_lease_path(root),
                job=job,
                conflict="a decision is being carried out by {other}; one at a time: try again",
            )
            try:
                stack.enter_context(lease)
            except LeaseError:
                if time.monotonic() >= deadline:
                    raise
                time.sleep(POLL_SECONDS)
            else:
                break
        yield lease

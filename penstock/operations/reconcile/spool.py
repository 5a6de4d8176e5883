"""Facts about files, kept on disk and given back in parts: all facts of a file are in one part.

Of ten million files the objects that a comparison needs would take tens of gigabytes; of a part they take some.
"""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from enum import StrEnum
from itertools import islice
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import duckdb
import pyarrow as pa

#: A path belongs to one of these by its hash; a part is a range of them.
BUCKETS = 4096
#: About 3 KB a file while a part is compared.
FILES_A_PART = 50_000
ROWS_AT_A_TIME = 50_000
MEMORY = "200MB"
NUMBER = pa.int64()


class Facts(StrEnum):
    """Where the facts come from, each a table of the spool."""

    INBOX = "inbox"
    LOG = "log"
    ENTRIES = "entries"
    TALLIES = "tallies"


#: Their columns after the path. number: the row of `batches` that has the entry.
COLUMNS: dict[Facts, tuple[tuple[str, pa.DataType], ...]] = {
    Facts.INBOX: (("length", NUMBER), ("modified", NUMBER)),
    Facts.LOG: (("modified", NUMBER), ("place", NUMBER)),
    Facts.ENTRIES: (("number", NUMBER), ("length", NUMBER), ("modified", NUMBER), ("rows", NUMBER)),
    Facts.TALLIES: (
        ("query_id", pa.string()),
        ("batch_id", NUMBER),
        ("replayed_in", NUMBER),
        ("accepted", NUMBER),
        ("quarantined", NUMBER),
        ("refused", NUMBER),
        ("made", NUMBER),
    ),
}


@dataclass
class Spool:
    """Rows of facts, a path first in each. inboxes: today's path of the inbox and its earlier ones; what has the same
    path within them is in the same part. files_a_part: about as many files are in a part."""

    database: duckdb.DuckDBPyConnection
    inboxes: tuple[str, ...] = ()
    files_a_part: int = FILES_A_PART

    def add(self, facts: Facts, rows: Iterable[tuple[Any, ...]]) -> None:
        """Rows of a path and the columns of these facts."""
        remaining = iter(rows)
        types = [pa.binary(), *[kind for _, kind in COLUMNS[facts]]]
        names = ["path", *[name for name, _ in COLUMNS[facts]]]
        while some := list(islice(remaining, ROWS_AT_A_TIME)):
            paths, *others = zip(*some, strict=True)
            columns = [list(map(as_bytes, paths)), *others]
            arrays = [pa.array(column, kind) for column, kind in zip(columns, types, strict=True)]
            within = pa.array([as_bytes(self.within_inbox(path)) for path in paths], pa.binary())
            self.database.register("added", pa.table([*arrays, within], names=[*names, "within"]))
            bucket = f"(hash(within) % {BUCKETS})::USMALLINT"
            self.database.execute(f"INSERT INTO {facts} SELECT {bucket}, * EXCLUDE within FROM added")
            self.database.unregister("added")

    def within_inbox(self, path: str) -> str:
        inbox = next((inbox for inbox in self.inboxes if path.startswith(f"{inbox}/")), "")
        return path.removeprefix(inbox)

    def parts(self) -> Iterator[range]:
        """Ranges of buckets which together have every file; one for a pipeline of few files."""
        most = max(self.count(facts) for facts in Facts)
        parts = min(BUCKETS, 1 + most // self.files_a_part)
        for part in range(parts):
            yield range(part * BUCKETS // parts, (part + 1) * BUCKETS // parts)

    def count(self, facts: Facts) -> int:
        [(rows,)] = self.database.execute(f"SELECT count(*) FROM {facts}").fetchall()
        return int(rows)

    def rows(self, facts: Facts, part: range) -> list[tuple[Any, ...]]:
        """The rows of a part, each a path and the columns, in the order in which they were added."""
        condition = f"bucket BETWEEN {part[0]} AND {part[-1]}"
        found = self.database.execute(f"SELECT * EXCLUDE bucket FROM {facts} WHERE {condition}").fetchall()
        return [(path.decode("utf-8", "surrogateescape"), *others) for path, *others in found]

    def highest(self, facts: Facts, column: str) -> int | None:
        [(highest,)] = self.database.execute(f"SELECT max({column}) FROM {facts}").fetchall()
        return None if highest is None else int(highest)


def as_bytes(path: str) -> bytes:
    """A file's name may not be valid UTF-8."""
    return path.encode("utf-8", "surrogateescape")


@contextmanager
def opened_spool(*, inboxes: tuple[str, ...] = ()) -> Iterator[Spool]:
    """An empty spool in a temporary folder, which goes with it."""
    with TemporaryDirectory(prefix="penstock-reconcile-") as folder:
        path = str(Path(folder) / "facts.duckdb")
        with duckdb.connect(path, config={"memory_limit": MEMORY, "threads": 2}) as database:
            for facts, columns in COLUMNS.items():
                kinds = ", ".join(f"{name} {'VARCHAR' if kind == pa.string() else 'BIGINT'}" for name, kind in columns)
                database.execute(f"CREATE TABLE {facts} (bucket USMALLINT, path BLOB, {kinds})")
            yield Spool(database, inboxes=inboxes)

"""Queries a pipeline's tables: each query in its own DuckDB of bounded memory, each failure as one sentence."""

import re
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Concatenate, ParamSpec, TypeVar

import duckdb
import streamlit as st

from penstock.config.pipeline import PipelineConfig
from penstock.errors import EnvironmentCheckError, PenstockError
from penstock.redaction import without_credentials
from penstock.storage.duckdb_tables import QUERY_ERRORS, connect_tables, registered

MEMORY_LIMIT = "1GB"
CACHE_SECONDS = 30
MAX_CACHED_RESULTS = 100
SHOWN_CHARACTERS = 300
#: The error body of an S3 server, which contains the access key.
S3_ANSWER = re.compile(r"<\?xml.*|<Error>.*", re.DOTALL)
S3_CODE = re.compile(r"<Code>(\w+)</Code>")
TERMINAL_COLOUR = re.compile(r"\x1b\[[0-9;]*m")

Params = ParamSpec("Params")
Result = TypeVar("Result")


class MissingTableError(PenstockError):
    """A table does not exist, as before the first run."""


@dataclass(frozen=True, kw_only=True)
class Tables:
    """Some tables of a pipeline. Results are cached for CACHE_SECONDS, across sessions."""

    config: PipelineConfig
    names: tuple[str, ...]

    def query(
        self,
        function: Callable[Concatenate[duckdb.DuckDBPyConnection, Params], Result],
        *args: Params.args,
        **parameters: Params.kwargs,
    ) -> Result:
        """Raises MissingTableError, EnvironmentCheckError if a table can't be read."""

        def run() -> Result:
            with connected(self.config, self.names) as connection:
                return function(connection, *args, **parameters)

        key = (self.config.tables.root, self.names, function.__module__, function.__name__, args, parameters)
        return cached(key, run)


@st.cache_data(ttl=CACHE_SECONDS, max_entries=MAX_CACHED_RESULTS, show_spinner="Reading the tables …")
def cached(key: tuple[object, ...], _run: Callable[[], Result]) -> Result:  # noqa: ARG001
    """Cached by `key`."""
    return _run()


@contextmanager
def connected(config: PipelineConfig, names: Sequence[str]) -> Iterator[duckdb.DuckDBPyConnection]:
    """A DuckDB with these tables registered. Read errors are raised as PenstockError."""
    try:
        # Spill to the system's temporary folder, not to the current one.
        folder = tempfile.gettempdir()
        settings: dict[str, str | bool] = {
            "memory_limit": MEMORY_LIMIT,
            "preserve_insertion_order": False,
            "temp_directory": folder,
        }
        with connect_tables(config, names, settings=settings) as connection:
            refuse_missing(connection, config, names)
            yield connection
    except (OSError, *QUERY_ERRORS) as error:
        raise EnvironmentCheckError(
            f"The tables in {config.tables.root} can't be read: {reason(error)}. Look whether the place, its "
            "credentials and tables.root in the config are right; jobs/doctor.py checks them"
        ) from None


def refuse_missing(connection: duckdb.DuckDBPyConnection, config: PipelineConfig, names: Sequence[str]) -> None:
    known = registered(connection)
    for name in names:
        if name not in known:
            raise MissingTableError(
                f"There is no table `{name}` at {config.table_path(name)} yet, or this user may not look there. The "
                "first run of jobs/backfill.py or jobs/score_stream.py makes it"
            )


def reason(error: Exception) -> str:
    """The error message in one line, without credentials."""
    text = TERMINAL_COLOUR.sub("", str(error))
    code = S3_CODE.search(text)
    line = " ".join(S3_ANSWER.sub(code[1] if code else "", text).split())
    return without_credentials(line[:SHOWN_CHARACTERS]).rstrip(". ")


def just_now() -> datetime:
    """The time, rounded down, so that queries of the same window share a cached result."""
    seconds = datetime.now(UTC).timestamp()
    return datetime.fromtimestamp(seconds - seconds % CACHE_SECONDS, tz=UTC)

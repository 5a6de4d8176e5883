"""Reads the files of queries/, each one question: its SQL, and the views and tables that it needs."""

import difflib
from collections.abc import Collection
from dataclasses import dataclass

from penstock.config.pipeline import PipelineConfig
from penstock.errors import ConfigError, EnvironmentCheckError
from penstock.interfaces.sql.views import QUERIES, VIEWS_FILE, View, names_read, possible_tables, views_of
from penstock.schemas.catalog import BY_NAME


@dataclass(frozen=True, kw_only=True)
class Query:
    """sql: Spark SQL over names of views and tables. tables: those it reads, directly or by views."""

    name: str
    sql: str
    views: tuple[View, ...]
    tables: frozenset[str]

    def require(self, config: PipelineConfig, existing: Collection[str]) -> None:
        """Raises EnvironmentCheckError if a table does not exist yet."""
        missing = sorted(self.tables - set(existing))
        if missing:
            maker = BY_NAME[missing[0]].made_by
            what_to_do = f"{maker} makes it" if maker else f"run the pipeline {config.pipeline} first"
            raise EnvironmentCheckError(
                f"the query {self.name} needs the table {missing[0]}, which is not in {config.tables.root} yet; "
                f"{what_to_do}"
            )


def query_names() -> list[str]:
    names = {file.name for file in QUERIES.iterdir() if file.name.endswith(".sql")} - {VIEWS_FILE.name}
    return sorted(name.removesuffix(".sql") for name in names)


def read_query(config: PipelineConfig, name: str) -> Query:
    """queries/<name>.sql. Raises ConfigError if there is none, or if it is for the other workload."""
    if name not in query_names():
        nearest = difflib.get_close_matches(name, query_names(), n=1, cutoff=0.5)
        hint = f"did you mean {nearest[0]!r}?" if nearest else f"there are: {', '.join(query_names())}"
        raise ConfigError(f"there is no query {name!r} in queries/; {hint}")
    sql = (QUERIES / f"{name}.sql").read_text(encoding="utf-8")
    possible = possible_tables(config)
    read = names_read(sql)
    views = tuple(view for view in views_of(config, possible) if view.name in read)
    tables = (read - {view.name for view in views}).union(*[view.tables for view in views])
    strange = sorted(tables - set(possible))
    if strange:
        raise ConfigError(
            f"the query {name} asks for {strange[0]}, which a pipeline of {config.workload} has not; "
            f"{config.pipeline} has {', '.join(possible)}"
        )
    return Query(name=name, sql=sql, views=views, tables=tables)

"""The views of queries/views.sql for a pipeline, and the statements that create them in a Spark catalog.

Nothing here needs Spark; DuckDB has the same views (penstock.interfaces.sql.duckdb_queries).
"""

import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from importlib.resources import files
from types import MappingProxyType

import sqlglot
from sqlglot import exp

from penstock.config.pipeline import PipelineConfig
from penstock.errors import ConfigError
from penstock.schemas import catalog
from penstock.series.reasons import NOT_IN_USE, as_sql
from penstock.series.roles import CAPACITY, IN_SAMPLE

#: The folder queries/, as it comes with the package, which may be in a zip.
QUERIES = files("penstock.interfaces.sql") / "queries"
VIEWS_FILE = QUERIES / "views.sql"
STATEMENT = re.compile(
    r"^-- (?P<question>.+)\nCREATE OR REPLACE VIEW (?P<name>\w+) AS\n(?P<select>[^;]+);$", re.MULTILINE
)
VARIABLES = "{variables}"
#: What stands in the file for an expression, but for the variables of a pipeline.
EXPRESSIONS = {"{not_in_use}": as_sql(NOT_IN_USE), "{capacity}": CAPACITY, "{in_sample}": IN_SAMPLE}


@dataclass(frozen=True, kw_only=True)
class EarlierColumns:
    """Of a table of an earlier version. columns: those that it has. nulls: those that it does not have yet, with their
    types. By name, so that a view stays right when the columns have come."""

    columns: tuple[str, ...]
    nulls: Mapping[str, str]


NONE_EARLIER: Mapping[str, EarlierColumns] = MappingProxyType({})


@dataclass(frozen=True, kw_only=True)
class View:
    """select: Spark SQL over table names. tables: those it reads."""

    name: str
    question: str
    select: str
    tables: frozenset[str]

    def select_from(self, schema: str, earlier: Mapping[str, EarlierColumns]) -> str:
        """`select` over qualified table names, so that temporary views of a session do not shadow them. earlier: see
        `catalog_statements`."""

        def qualified(found: re.Match[str]) -> str:
            table, given = f"{schema}.{quoted(found[2])}", earlier.get(found[2])
            if given is None:
                return f"{found[1]} {table}"
            nulls = [f"CAST(NULL AS {kind}) AS {quoted(name)}" for name, kind in given.nulls.items()]
            return f"{found[1]} (SELECT {', '.join([*map(quoted, given.columns), *nulls])} FROM {table})"

        return re.sub(rf"\b(FROM|JOIN) ({'|'.join(sorted(self.tables))})\b", qualified, self.select)


def possible_tables(config: PipelineConfig) -> tuple[str, ...]:
    """All that a pipeline of this workload may have, whether micro-batches write them or not."""
    return tuple(table.name for table in catalog.possible_tables(config.workload))


def views_of(config: PipelineConfig, tables: Collection[str]) -> tuple[View, ...]:
    """The views whose tables are among `tables`, in the order of the file."""
    variables = ", ".join(map(quoted, config.series.variables)) if config.series else ""
    found = []
    text = VIEWS_FILE.read_text(encoding="utf-8")
    for placeholder, expression in EXPRESSIONS.items():
        text = text.replace(placeholder, expression)
    for written in STATEMENT.finditer(text):
        read = names_read(written["select"].replace(VARIABLES, "variable"))
        if read <= set(tables):
            select = written["select"].replace(VARIABLES, variables)
            found.append(View(name=written["name"], question=written["question"], select=select, tables=read))
    return tuple(found)


def names_read(sql: str) -> frozenset[str]:
    """The tables and views that a statement of Spark SQL reads."""
    tree = sqlglot.parse_one(sql, read="spark")
    own = {part.alias for part in tree.find_all(exp.CTE)}
    return frozenset({table.name for table in tree.find_all(exp.Table)} - own)


def schema_name(config: PipelineConfig) -> str:
    """The schema of a pipeline. A Spark catalog accepts no hyphen in a schema's name, not even quoted."""
    return config.pipeline.replace("-", "_")


def require_own_schemas(configs: Collection[PipelineConfig]) -> None:
    """Raises ConfigError if two pipelines would share a schema."""
    owners: dict[str, str] = {}
    for config in configs:
        schema = schema_name(config)
        if schema in owners:
            raise ConfigError(
                f"the pipelines {owners[schema]!r} and {config.pipeline!r} would both be the schema {schema!r}; give "
                "each config once, or rename one of them"
            )
        owners[schema] = config.pipeline


def catalog_statements(
    config: PipelineConfig, tables: Collection[str], *, earlier: Mapping[str, EarlierColumns] = NONE_EARLIER
) -> list[str]:
    """Spark SQL that creates the pipeline's schema with its existing tables (`tables`) and their views.

    earlier: by name the tables of an earlier version; views have nulls for the columns that they do not have yet.
    Idempotent; run it again when there are more tables.
    """
    schema = quoted(schema_name(config))
    return [
        f"CREATE SCHEMA IF NOT EXISTS {schema}",
        *[
            f"CREATE TABLE IF NOT EXISTS {schema}.{quoted(table)} USING delta LOCATION "
            f"{literal(config.table_path(table))}"
            for table in possible_tables(config)
            if table in tables
        ],
        *[
            f"CREATE OR REPLACE VIEW {schema}.{quoted(view.name)} COMMENT {literal(view.question)} AS\n"
            f"{view.select_from(schema, earlier)}"
            for view in views_of(config, tables)
        ],
    ]


def quoted(name: str) -> str:
    """As an identifier of Spark SQL."""
    return "`" + name.replace("`", "``") + "`"


def literal(text: str) -> str:
    """As a string of Spark SQL."""
    return "'" + text.replace("\\", "\\\\").replace("'", "\\'") + "'"

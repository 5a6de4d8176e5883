"""Rules that Spark understands, and that judge a row alike whenever they are asked."""

import pytest
from pyspark.sql import SparkSession

from penstock.errors import ConfigError
from penstock.schemas.contract import Contract, Field, Rule
from penstock.sources.rules import check_rules

FIELDS = (Field(name="x", type="double"), Field(name="at", type="timestamp"), Field(name="note", type="string"))


def contract(sql: str) -> Contract:
    return Contract(fields=FIELDS, rules=(Rule(name="asked", sql=sql),))


@pytest.mark.parametrize("sql", ["x < 10", "at < timestamp'2030-01-01'", "length(note) > 1 or note is null"])
def test_conditions(spark: SparkSession, sql: str) -> None:
    check_rules(spark, contract(sql))


@pytest.mark.parametrize(
    ("sql", "said"),
    [
        ("x + 1", "rule 'asked'"),
        ("sum(x) > 1", "rule 'asked'"),
        ("x <", "rule 'asked'"),
        ("nobody > 1", "nobody"),
        *[
            (sql, "depends on the clock, on chance or on the user")
            for sql in (
                "at <= current_timestamp()",
                "at <= now()",
                "cast(at as date) <= current_date()",
                "x < unix_timestamp()",
                "at <= localtimestamp()",
                "x < rand()",
                "note = uuid()",
                "note = current_user()",
            )
        ],
    ],
)
def test_what_is_none(spark: SparkSession, sql: str, said: str) -> None:
    with pytest.raises(ConfigError, match=said):
        check_rules(spark, contract(sql))

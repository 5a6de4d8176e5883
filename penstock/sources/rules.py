"""Are a contract's rules conditions that Spark understands over the contract's columns?"""

from typing import Any

from pyspark.errors import AnalysisException, ParseException
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F
from pyspark.sql.types import BooleanType, StructType

from penstock.errors import ConfigError
from penstock.schemas.contract import Contract
from penstock.schemas.tables import contract_columns


def check_rules(spark: SparkSession, contract: Contract) -> None:
    """Raises ConfigError with every rule that is not a condition on one row."""
    empty = spark.createDataFrame([], StructType(contract_columns(contract)))
    problems = []
    for rule in contract.rules:
        try:
            # `where` refuses aggregates, which `select` would take.
            kind = empty.where(F.expr(rule.sql)).select(F.expr(rule.sql).alias("rule")).schema["rule"].dataType
        except (AnalysisException, ParseException) as error:
            message = " ".join(str(error).split("\n")[0].split())
            problems.append(f"rule {rule.name!r} ({rule.sql}): {message}")
            continue
        if kind != BooleanType():
            problems.append(f"rule {rule.name!r} ({rule.sql}): is {kind.simpleString()}, expected a condition")
        elif is_fickle(empty, rule.sql):
            problems.append(
                f"rule {rule.name!r} ({rule.sql}): depends on the clock, on chance or on the user, so a batch that "
                "runs again could decide otherwise; compare with columns and constants"
            )
    if problems:
        raise ConfigError("contract: " + "; ".join(problems))


def is_fickle(empty: DataFrame, sql: str) -> bool:
    """Whether the same row may have another verdict tomorrow, by rand(), current_timestamp() and the like."""
    jvm: Any = empty.sparkSession._jvm
    plan: Any = empty.select(F.expr(sql))._jdf.queryExecution().analyzed()
    of_the_moment = jvm.org.apache.spark.sql.catalyst.trees.TreePattern.CURRENT_LIKE()
    return bool(plan.containsPattern(of_the_moment)) or not plan.deterministic()

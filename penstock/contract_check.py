"""Are a contract's rules conditions that Spark understands over the contract's columns?"""

from pyspark.errors import AnalysisException, ParseException
from pyspark.sql import SparkSession
from pyspark.sql import functions as F
from pyspark.sql.types import BooleanType, StructType

from penstock.errors import ConfigError
from schemas.contract import Contract
from schemas.tables import contract_columns


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
    if problems:
        raise ConfigError("contract: " + "; ".join(problems))

"""Spark's expressions for some rows at once: planned and compiled one time, then evaluated without a query."""

import base64
import json
import pickle
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from pyspark.sql import DataFrame, SparkSession

from penstock.spark.functions import quoted, rows_package

Texts = Sequence[str | None]
#: Of the rows that are evaluated by one call: values take up to twice as many as their texts, and a packet has 8,192.
CHARACTERS_OF_A_CALL = 3000


@dataclass(frozen=True)
class CompiledRows:
    """What `of` was given, as a function of rows of text. Its expressions are Spark's, so that a row gets the values
    that a query would give it."""

    _compiled: Any

    @classmethod
    def of(
        cls, spark: SparkSession, names: Sequence[str], projected: Callable[[DataFrame], DataFrame]
    ) -> "CompiledRows":
        """names: of the columns of text. projected: by projections alone; any other step raises Spark's
        IllegalArgumentException."""
        schema = ", ".join(f"{quoted(name)} string" for name in names)
        # A frame of local rows would be computed by the optimizer.
        frame = projected(spark.createDataFrame(spark.sparkContext.emptyRDD(), schema))
        return cls(rows_package().CompiledRows.of(frame._jdf))

    def __call__(self, rows: Sequence[Texts]) -> list[tuple[Any, ...]]:
        """For each row, in order, the values of the columns of the projected frame as `collect` gives them, but dates
        and timestamps, which are numbers here."""
        if not rows:
            return []
        # An answer of more than a packet would wait 40 ms until the first one is acknowledged.
        size = max(1, CHARACTERS_OF_A_CALL // len(json.dumps(rows[0])))
        parts = [rows[start : start + size] for start in range(0, len(rows), size)]
        # As texts: bytes go through py4j one by one.
        answers = [base64.b64decode(self._compiled.evaluate(json.dumps(part))) for part in parts]
        return [row for answer in answers for row in pickle.loads(answer)]

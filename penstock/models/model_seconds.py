"""Seconds that Python workers spent in each version of a pair, read from the pass that scores the rows."""

from dataclasses import dataclass, field
from typing import Any

from pyspark.sql import DataFrame, Observation
from pyspark.sql import functions as F


@dataclass
class ModelSeconds:
    """Of one micro-batch. Spark observes the first pass over a frame that it makes."""

    _observations: list[tuple[Observation, dict[str, str]]] = field(default_factory=list)

    def observed(self, frame: DataFrame, columns: dict[str, str]) -> DataFrame:
        """`frame`, whose sums of these columns are observed. columns: by role."""
        observation = Observation()
        self._observations.append((observation, columns))
        return frame.observe(observation, *[F.sum(column).alias(role) for role, column in columns.items()])

    def by_role(self) -> dict[str, float] | None:
        """Of the last pass that has ended; None where there was none, or Spark says nothing of it."""
        for observation, columns in reversed(self._observations):
            observed_by_spark: Any = observation._jo
            # Asked for what is not there, it would wait for ever.
            if observed_by_spark.future().isCompleted() and observed_by_spark.getRow().length():
                found = observation.get
                return {role: float(found[role] or 0.0) for role in columns}
        return None

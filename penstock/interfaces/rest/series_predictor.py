"""Forecasts for the workload series: a request is processed like the first file of a pipeline with empty tables."""

import math
import threading
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any

import pyarrow as pa
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import Row as SparkRow
from pyspark.sql import functions as F

from penstock.config.pipeline import PipelineConfig
from penstock.interfaces.rest.exogenous import NewestLeads
from penstock.interfaces.rest.request_rows import Row, checked_request
from penstock.interfaces.rest.row_predictor import argument
from penstock.interfaces.rest.row_results import RowResult
from penstock.models.fleet_check import refused_reasons
from penstock.models.in_process import LoadedModel
from penstock.schemas.contract import Contract
from penstock.schemas.tables import lags
from penstock.series.exogenous_leads import with_leads
from penstock.series.forecasts import forecast_steps, window_contract
from penstock.series.missing_forecasts import Answers, reason
from penstock.series.revisions import batch_windows
from penstock.series.windows import observations_of
from penstock.sources.casts import ACCEPTED, REASONS
from penstock.sources.reading import accepted_rows
from penstock.sources.row_columns import SOURCE_FILE
from penstock.spark.local_frames import local_frame
from penstock.udfs.scoring.outputs import SCORED
from penstock.udfs.var.fleet_forecast import BOUNDS

#: A timestamp in UTC in JSON.
ISO_FORMAT = "yyyy-MM-dd'T'HH:mm:ss.SSSSSS'Z'"
INPUT = "_input_"


@dataclass(frozen=True)
class SeriesPredictor:
    spark: SparkSession
    config: PipelineConfig
    contract: Contract
    loaded: LoadedModel
    #: A request runs several Spark jobs; concurrent ones would only be slower.
    _alone: threading.Lock = field(default_factory=threading.Lock)

    @cached_property
    def newest_leads(self) -> NewestLeads:
        return NewestLeads(spark=self.spark, config=self.config)

    def predict(self, rows: Sequence[Row]) -> list[RowResult]:
        """In the order of the rows. rows: JSON values in the order of the contract's fields."""
        with self._alone:
            # `source_file` is the row's number, which the windows keep with the observation.
            checked = checked_request(self.spark, rows, self.contract, self.config.source)
            verdicts = checked.select(ACCEPTED, REASONS).collect()
            results = [RowResult(reasons=tuple(reasons) if reasons else None) for _, reasons in verdicts]
            if not any(is_accepted for is_accepted, _ in verdicts):
                return results
            scored = self.scored(accepted_rows(checked, self.contract))
            for number, error in scored.select(SOURCE_FILE, "error").collect():
                results[int(number)] = RowResult(value=[], error=error)
            for number, *step in self.steps(scored).collect():
                results[int(number)].value.append(self.answered_step(*step))
        return [replace(result, value=result.value or None) if result.error else result for result in results]

    def scored(self, accepted: DataFrame) -> DataFrame:
        """The observations with the model's output and `error`, as in the stream."""
        series = self.config.the_series
        observed = observations_of(accepted, series)
        made = batch_windows(self.spark, observed, self.no_lags(), series=series, files=())
        made = with_leads(made, self.newest_leads.get(), series, of=observed)
        inputs = window_contract(self.contract, series)
        columns = [argument(column, inputs).alias(INPUT + column.name) for column in self.loaded.inputs]
        # One Spark job; the rest runs on the driver.
        windows = made.select("*", *columns).toArrow()
        arguments = windows.select([INPUT + column.name for column in self.loaded.inputs])
        scored = self.loaded.model.score(list(zip(*(column.to_pylist() for column in arguments.columns), strict=True)))
        outputs = pa.StructArray.from_arrays(
            [pa.array(scored[name], from_pandas=True) for name in scored.columns], names=list(scored.columns)
        )
        known = self.spark.createDataFrame(windows.drop_columns(arguments.column_names).append_column(SCORED, outputs))
        answers = Answers.of(known, refused_reasons=refused_reasons(self.loaded.metadata))
        return known.withColumn("error", reason(series, answers, latest_only=self.config.forecast.at == "latest"))

    def steps(self, scored: DataFrame) -> DataFrame:
        made = forecast_steps(scored, self.config.the_series, carried=(SOURCE_FILE,))
        return made.select(SOURCE_FILE, F.date_format("ds", ISO_FORMAT), "step", "variable", "intervals", *BOUNDS)

    def answered_step(
        self, ds: str, step: int, variable: str, intervals: Sequence[SparkRow] | None, *bounds: float | None
    ) -> dict[str, Any]:
        """As the schema `ForecastStep` has it; with several levels, `ForecastStepOfLevels`."""
        found = {"ds": ds, "step": step, "variable": variable, **dict(zip(BOUNDS, map(finite, bounds), strict=True))}
        if intervals is None:
            return found
        return found | {
            "intervals": [
                {"level": one.level, "lower": finite(one.lower), "upper": finite(one.upper)} for one in intervals
            ]
        }

    def no_lags(self) -> DataFrame:
        """The empty state of a new pipeline."""
        series = self.config.the_series
        schema = lags(series.variables, keep_lags=series.keep_lags, frequency=series.frequency).schema
        return local_frame(self.spark, [], schema)


def finite(bound: float | None) -> float | None:
    """Null for an infinite bound, which JSON can't represent."""
    return bound if bound is not None and math.isfinite(bound) else None

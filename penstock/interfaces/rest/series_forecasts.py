"""Answers for the workload series: a request is a first file, and each of its observations gets what it would get
from a pipeline whose tables are empty."""

import math
import threading
from collections.abc import Sequence
from dataclasses import dataclass, field

import pyarrow as pa
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F

from penstock.config.pipeline import PipelineConfig
from penstock.interfaces.rest.loading import LoadedModel
from penstock.interfaces.rest.request_rows import Row, checked_request
from penstock.interfaces.rest.row_answers import argument
from penstock.interfaces.rest.row_results import RowAnswer
from penstock.schemas.contract import Contract
from penstock.schemas.tables import lags
from penstock.series.forecasts import BOUNDS, forecast_steps, reason, window_contract
from penstock.series.windows import arrange, observations_of, windowed
from penstock.sources.casts import ACCEPTED, REASONS
from penstock.sources.reading import accepted_rows
from penstock.sources.row_columns import SOURCE_FILE
from penstock.spark.local_frames import local_frame
from penstock.udfs.scoring.outputs import SCORED

#: A moment in UTC, as JSON has it.
ISO_FORMAT = "yyyy-MM-dd'T'HH:mm:ss.SSSSSS'Z'"
INPUT = "_input_"


@dataclass(frozen=True)
class SeriesAnswerer:
    spark: SparkSession
    config: PipelineConfig
    contract: Contract
    loaded: LoadedModel
    #: A request is some Spark jobs; side by side they would only be slower.
    _alone: threading.Lock = field(default_factory=threading.Lock)

    def answer(self, rows: Sequence[Row]) -> list[RowAnswer]:
        """In the order of the rows. Values as JSON had them, in the order of the contract's fields."""
        with self._alone:
            # `source_file` is the row's number: it goes through the windows beside the observation.
            checked = checked_request(self.spark, rows, self.contract)
            verdicts = checked.select(ACCEPTED, REASONS).collect()
            answers = [RowAnswer(reasons=tuple(reasons) if reasons else None) for _, reasons in verdicts]
            if not any(is_accepted for is_accepted, _ in verdicts):
                return answers
            asked = self.asked(accepted_rows(checked, self.contract))
            for number, error in asked.select(SOURCE_FILE, "error").collect():
                answers[int(number)] = RowAnswer(value=[], error=error)
            for number, ds, step, variable, *bounds in self.steps(asked).collect():
                told = dict(zip(BOUNDS, map(finite, bounds), strict=True))
                answers[int(number)].value.append({"ds": ds, "step": step, "variable": variable} | told)
        return [answer if not answer.error else RowAnswer(error=answer.error) for answer in answers]

    def asked(self, accepted: DataFrame) -> DataFrame:
        """The observations with the model's answer and `error`, the reason of the stream."""
        series = self.config.the_series
        arranged = arrange(self.spark, observations_of(accepted, series), self.no_lags(), series=series, files=())
        inputs = window_contract(self.contract, series)
        columns = [argument(port, inputs).alias(INPUT + port.name) for port in self.loaded.inputs]
        # One Spark job; what follows is on the driver again.
        windows = windowed(arranged, series).select("*", *columns).toArrow()
        arguments = windows.select([INPUT + port.name for port in self.loaded.inputs])
        scored = self.loaded.model.score(list(zip(*(column.to_pylist() for column in arguments.columns), strict=True)))
        answer = pa.StructArray.from_arrays(
            [pa.array(scored[name], from_pandas=True) for name in scored.columns], names=list(scored.columns)
        )
        known = windows.drop_columns(arguments.column_names).append_column(SCORED, answer)
        latest_only = self.config.forecast.at == "latest"
        return self.spark.createDataFrame(known).withColumn("error", reason(series, latest_only=latest_only))

    def steps(self, asked: DataFrame) -> DataFrame:
        made = forecast_steps(asked, self.config.the_series, carried=(SOURCE_FILE,))
        return made.select(SOURCE_FILE, F.date_format("ds", ISO_FORMAT), "step", "variable", *BOUNDS)

    def no_lags(self) -> DataFrame:
        """The state of a pipeline that has seen nothing."""
        series = self.config.the_series
        schema = lags(series.variables, keep_lags=series.keep_lags, frequency=series.frequency).schema
        return local_frame(self.spark, [], schema)


def finite(bound: float | None) -> float | None:
    """JSON has no other numbers: a bound beyond all of them is null."""
    return bound if bound is not None and math.isfinite(bound) else None

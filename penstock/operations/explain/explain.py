"""Explains one answer of a pipeline: a row of `predictions`, or the forecasts from one cutoff of a series."""

from dataclasses import dataclass
from datetime import UTC, datetime

from penstock.config.pipeline import PipelineConfig
from penstock.config.series_contract import SINGLE_SERIES
from penstock.errors import ConfigError
from penstock.operations.explain.forecasts import explain_forecast
from penstock.operations.explain.predictions import explain_prediction
from penstock.operations.explain.report import ForecastReport, PredictionReport


@dataclass(frozen=True, kw_only=True)
class Question:
    """Which answer is meant. cutoff: in UTC; None for the newest of the series."""

    row_id: str | None = None
    where: str | None = None
    series: str | None = None
    cutoff: datetime | None = None
    variable: str | None = None


def explain(config: PipelineConfig, question: Question) -> PredictionReport | ForecastReport:
    """Raises ConfigError for a question that does not go with the pipeline, AnswerNotFoundError,
    EnvironmentCheckError."""
    match config.workload:
        case "rows":
            check_rows_question(question)
            return explain_prediction(config, row_id=question.row_id, where=question.where)
        case "series":
            series, cutoff = checked_series(config, question), question.cutoff
            in_utc = cutoff.replace(tzinfo=cutoff.tzinfo or UTC) if cutoff else None
            return explain_forecast(config, series=series, cutoff=in_utc, variable=question.variable)
        case other:
            raise ConfigError(
                f"explain: {config.pipeline} is a pipeline of {other}, which gives no answers; name the config of the "
                "pipeline of rows whose labels they are"
            )


def check_rows_question(question: Question) -> None:
    if question.series is not None or question.cutoff is not None or question.variable is not None:
        raise ConfigError(
            "explain: --series, --cutoff and --variable are of pipelines of series, and this one is of rows; name a "
            "row_id, or a condition with --where"
        )
    if (question.row_id is None) == (question.where is None):
        raise ConfigError(
            "explain: expected either a row_id (column row_id of predictions) or a condition that one row meets, such "
            'as --where "order_id = 17"'
        )


def checked_series(config: PipelineConfig, question: Question) -> str:
    if question.row_id is not None or question.where is not None:
        raise ConfigError(
            "explain: a row_id or --where means a row of predictions, and this pipeline is of series; name a forecast "
            "with --series and --cutoff"
        )
    variables = config.the_series.variables
    if question.variable is not None and question.variable not in variables:
        raise ConfigError(f"--variable {question.variable}: is none of the variables {', '.join(variables)}")
    if question.series is None and config.the_series.id is not None:
        raise ConfigError("explain: name the series with --series; only with series.id: null it is not needed")
    return SINGLE_SERIES if question.series is None else question.series

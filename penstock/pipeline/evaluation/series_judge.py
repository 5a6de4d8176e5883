"""Judges forecasts by the observations that came for them."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime

from penstock.pipeline.batch_ranges import later_than
from penstock.pipeline.evaluation.judge import Evaluated, Judged, Versions, draft_of
from penstock.pipeline.evaluation.plans import EvaluationPlan
from penstock.pipeline.evaluation.series import forecast_pairs, span_of
from penstock.pipeline.ledger import finished_batches_by_query
from penstock.spark.tables import table_at


@dataclass(frozen=True)
class SeriesJudge:
    evaluated: Evaluated

    @property
    def table_paths(self) -> tuple[str, str]:
        config = self.evaluated.config
        return config.table_path("observations"), config.table_path("forecasts")

    def draft(self, last: EvaluationPlan | None, *, is_final: bool) -> EvaluationPlan | None:
        config = self.evaluated.config
        # Before the tables' versions are: those have all rows of these batches.
        until = finished_batches_by_query(config, self.evaluated.storage)
        if not (until if is_final else later_than(last.taken if last else {}, until)):
            return None
        draft = draft_of(self.evaluated, self, last, until=until, is_final=is_final)
        observations = table_at(self.evaluated.spark, self.table_paths[0], draft.actuals_version)
        actuals, span = span_of(observations, draft, config.the_series)
        return draft.model_copy(update={"actuals": actuals, "series": span}) if span else None

    @contextmanager
    def judged(self, plan: EvaluationPlan, versions: Versions) -> Iterator[Judged]:
        spark, (observations, forecasts) = self.evaluated.spark, self.table_paths
        pairs = forecast_pairs(
            table_at(spark, observations, versions.actuals),
            table_at(spark, forecasts, versions.answers),
            plan,
            self.evaluated.config.the_series,
        )
        yield Judged(plan=plan, pairs=pairs)

    def unlabelled(self, at: datetime) -> None:
        """An observation comes for each forecast, or is missing in `observations`."""

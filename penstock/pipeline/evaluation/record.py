"""What an evaluation found, as counts: for the log, status, metrics and the file that says that it is done."""

from datetime import datetime

from penstock.config.sections import FrozenModel


class EvaluationRecord(FrozenModel):
    """number: of the evaluation, from 0. is_final: of revised data; such a one takes nothing new. actuals: new
    observations or labels that it took. pairs, scored (those with a loss), within, failed: sums over its rows of
    `evaluations`. unmatched: labels without a prediction. waiting: labels of rows that have not
    matured yet. unlabelled: predictions within look_back, and old enough, that no label came for; null for series."""

    number: int
    evaluated_at: datetime
    is_final: bool = False
    actuals: int
    pairs: int
    scored: int = 0
    within: int = 0
    failed: int = 0
    unmatched: int = 0
    waiting: int = 0
    unlabelled: int | None = None

    @property
    def coverage(self) -> float | None:
        """Share of the actuals within their interval, of the forecasts that have one; of rows it has no meaning."""
        return self.within / self.scored if self.scored > 0 else None

    @property
    def summary(self) -> str:
        """One line."""
        parts = [f"evaluation {self.number}: {self.actuals:,} actuals, {self.pairs:,} pairs"]
        for count, what in (
            (self.failed, "of them without an answer"),
            (self.waiting, "labels wait for their row to mature"),
            (self.unmatched, "labels without a prediction"),
            (self.unlabelled, "predictions without a label"),
        ):
            parts += [f"{count:,} {what}"] if count else []
        return ", ".join(parts)


class EvaluationLook(FrozenModel):
    """That the stream looked for what has come true, and failed at nothing. unlabelled: as in EvaluationRecord, also
    where there was nothing to evaluate."""

    looked_at: datetime
    unlabelled: int | None = None


def evaluation_folder(root: str) -> str:
    """Of `<n>.json`, the plan of an evaluation, and `<n>.done`, its record."""
    return f"{root}/_evaluations"

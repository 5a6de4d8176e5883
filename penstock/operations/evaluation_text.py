"""What an evaluation found, as lines for a person."""

from penstock.operations.model_store.measures import VersionMeasures
from penstock.operations.run_evaluation import EvaluationReport
from penstock.pipeline.decisions.text import text_of

HEADER = ("version", "variable", "step", "pairs", "loss", "MAE", "/ naive", "coverage")
#: Left-aligned; the others are numbers.
TEXT_COLUMNS = 2


def as_text(report: EvaluationReport) -> str:
    lines = [record.summary for record in report.evaluations] or ["nothing new has come true"]
    lines += [text_of(one) for one in report.decisions]
    if report.summary:
        lines += ["", *table([HEADER, *map(cells, report.summary)])]
    return "\n".join(lines)


def cells(row: VersionMeasures) -> tuple[str, ...]:
    numbers = (row.loss, row.mae, row.ratio_to_naive, row.coverage)
    step = "" if row.step is None else str(row.step)
    return (
        row.version,
        row.variable or "",
        step,
        f"{row.pairs:,}",
        *["" if n is None else f"{n:.4g}" for n in numbers],
    )


def table(rows: list[tuple[str, ...]]) -> list[str]:
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return [
        "  ".join(
            text.ljust(width) if place < TEXT_COLUMNS else text.rjust(width)
            for place, (text, width) in enumerate(zip(row, widths, strict=True))
        ).rstrip()
        for row in rows
    ]

"""View: how right each version of the model was, by its evaluations: loss, error and coverage over time, and in all."""

from collections.abc import Sequence
from typing import Any

import altair as alt
import pandas as pd
import streamlit as st

from penstock.config.evaluation_defaults import loss_of, steps_of
from penstock.config.pipeline import PipelineConfig
from penstock.interfaces.dashboard.charts import HEIGHT_PIXELS, time_axis, version_colour
from penstock.interfaces.dashboard.experiment import decisions_of, show_decisions, show_experiment, show_pairs
from penstock.interfaces.dashboard.queries import evaluations as queries
from penstock.interfaces.dashboard.queries.evaluations import Evaluated
from penstock.interfaces.dashboard.reading import MissingTableError, Tables, cached, just_now
from penstock.interfaces.dashboard.windows import Window, bucket_seconds
from penstock.operations.model_store.decided import VersionDecision
from penstock.operations.monitoring.status_text import age_text

#: Its name, in links as well.
VIEW = "Models"
HOW = "`penstock evaluate --conf …` judges what has come true; a stream does it by itself, every `evaluate.every`"
REFERENCE = "#9a9fa8"
#: Of rows with one prediction, which has no name.
NAMELESS = "prediction"


def show(config: PipelineConfig, window: Window) -> None:
    show_experiment(config)
    decisions = decisions_of(config)
    show_evaluations(config, window, decisions)
    show_decisions(decisions)


def show_evaluations(config: PipelineConfig, window: Window, decisions: Sequence[VersionDecision]) -> None:
    tables = Tables(config=config, names=("evaluations",))
    since, loss = window.since(just_now()), loss_of(config)
    try:
        found = tables.query(queries.evaluated, loss=loss, since=since)
    except MissingTableError:
        st.info(f"There are no evaluations yet. {HOW} (docs/model-performance.md).")
        return
    if found is None:
        st.info(
            f"Nothing was evaluated by the loss {loss} in this window ({window.title}); select a longer one. {HOW}."
        )
        return
    variable, steps = choose(config, found)
    if found.steps and not steps:
        st.info("Select at least one step.")
        return
    asked: dict[str, Any] = {"loss": loss, "variable": variable, "steps": steps, "since": since}
    versions = tables.query(queries.versions, **asked)
    if versions.empty:
        st.info("There is no evaluation of this variable and these steps in the window.")
        return
    width_seconds = bucket_seconds(found.first_unit, found.last_unit)
    rows = tables.query(queries.over_time, **asked, width_seconds=width_seconds)
    show_newest(versions)
    names = list(versions["version"])
    st.caption(
        f"By the time that was predicted (series) or the label came (rows), one point per {age_text(width_seconds)}; "
        f"the window is of when that was evaluated. Loss: {loss_text(config)}."
    )
    show_charts(config, rows, names)
    show_pairs(tables, asked, width_seconds=width_seconds, decisions=decisions)
    st.subheader("Versions")
    show_versions(versions)
    show_registry(config)


def choose(config: PipelineConfig, found: Evaluated) -> tuple[str | None, list[int]]:
    left, right = st.columns(2)
    places = {name: number for number, name in enumerate(config.series.variables)} if config.series else {}
    names = {name or NAMELESS: name for name in sorted(found.variables, key=lambda name: places.get(name or "", 0))}
    chosen = left.selectbox("Variable", list(names), key="variable", bind="query-params")
    if not found.steps:
        return names[chosen], []
    meant = steps_of(config)
    default = [step for step in found.steps if step in meant] or list(found.steps[:1])
    steps = right.multiselect("Steps", list(found.steps), default=default, help="How many periods ahead")
    return names[chosen], steps


def loss_text(config: PipelineConfig) -> str:
    if config.workload == "series":
        return "weighted interval score over the half-width of the champion's interval (docs/evaluation.md)"
    return loss_of(config).replace("_", "-") + " error"


def show_newest(versions: pd.DataFrame) -> None:
    newest = versions.iloc[0]
    columns = st.columns(5)
    columns[0].metric("Newest version", newest["version"])
    columns[1].metric("Pairs", f"{newest['pairs']:,}", help="Answers whose actual or label came")
    columns[2].metric("Mean loss", shown(newest["loss"]))
    columns[3].metric("Error / naive", shown(newest["ratio_to_naive"]), help="Below 1 is better than no model")
    columns[4].metric("Coverage", shown(newest["coverage"], ".1%"), help="Actuals within the interval")


def shown(value: float | None, form: str = ".3g") -> str:
    return "–" if value is None or pd.isna(value) else format(value, form)


def show_charts(config: PipelineConfig, rows: pd.DataFrame, versions: Sequence[str]) -> None:
    has_naive, has_coverage = rows["ratio_to_naive"].notna().any(), rows["coverage"].notna().any()
    places = st.columns(1 + int(has_naive) + int(has_coverage))
    with places[0]:
        st.markdown("**Mean loss**")
        st.altair_chart(measure_chart(rows, "loss", versions, form=".3g"))
    if has_naive:
        with places[1]:
            st.markdown("**Mean absolute error over the naive forecast's**, which is the line at 1")
            st.altair_chart(measure_chart(rows, "ratio_to_naive", versions, form=".3g", reference=1.0))
    if has_coverage:
        level = config.the_series.main_level
        with places[-1]:
            st.markdown(f"**Coverage** of the intervals, whose level is the line at {level:.6g}")
            st.altair_chart(measure_chart(rows, "coverage", versions, form=".1%", reference=level))


def measure_chart(
    rows: pd.DataFrame, column: str, versions: Sequence[str], *, form: str, reference: float | None = None
) -> alt.LayerChart:
    """A line a version. rows: as `over_time` gives them. reference: what it is to be compared with."""
    known = rows[rows[column].notna()]
    axis = alt.Axis(format="%") if form.endswith("%") else alt.Axis()
    lines = (
        alt.Chart(known, height=HEIGHT_PIXELS)
        .mark_line(point=True)
        .encode(
            x=time_axis(),
            y=alt.Y(f"{column}:Q", title="", scale=alt.Scale(zero=False), axis=axis),
            color=version_colour(versions),
            tooltip=["version", "starts_at", alt.Tooltip(column, format=form), alt.Tooltip("pairs", format=",")],
        )
    )
    if reference is None:
        return alt.LayerChart(layer=[lines])
    rule = alt.Chart(pd.DataFrame({column: [reference]})).mark_rule(color=REFERENCE, strokeDash=[6, 3])
    return alt.LayerChart(layer=[rule.encode(y=alt.YDatum(reference)), lines])


def show_versions(versions: pd.DataFrame) -> None:
    number = st.column_config.NumberColumn
    st.dataframe(
        versions.assign(coverage=100 * versions["coverage"]),
        hide_index=True,
        column_config={
            "pairs": number(format="localized"),
            "loss": number("mean loss", format="%.4g"),
            "mae": number("mean absolute error", format="%.4g"),
            "ratio_to_naive": number("error / naive", format="%.3g"),
            "coverage": number("coverage, %", format="%.1f"),
            "failed": number(format="localized"),
            "mean_delay_seconds": number("mean delay, s", format="%.0f"),
            "first_unit": st.column_config.DatetimeColumn("first", format="YYYY-MM-DD HH:mm:ss"),
            "last_unit": st.column_config.DatetimeColumn("last", format="YYYY-MM-DD HH:mm:ss"),
        },
    )


def show_registry(config: PipelineConfig) -> None:
    """Asked for by a click: the other views need no registry, and MLflow takes seconds to import."""
    if not st.toggle("With the registry", help="Aliases, training data and hold-out, as of `penstock models`"):
        st.caption("Aliases, training data and hold-out metrics: the switch above, or `penstock models`.")
        return

    def run() -> str:
        from penstock.operations.model_store.text import as_text
        from penstock.operations.model_store.versions import read_model_versions

        return as_text(read_model_versions(config))

    st.code(cached((config.tables.root, "models"), run), language=None)

"""View: pipeline health: writer, last batch, rows by outcome, and seconds by phase."""

from datetime import UTC, datetime

import altair as alt
import duckdb
import pandas as pd
import streamlit as st

from penstock.config.pipeline import PipelineConfig
from penstock.errors import PenstockError
from penstock.interfaces.dashboard.charts import (
    HEIGHT_PIXELS,
    OUTCOMES,
    SERIES_OUTCOMES,
    bars_over_time,
    outcome_colour,
    top_legend,
)
from penstock.interfaces.dashboard.queries import batches as queries
from penstock.interfaces.dashboard.queries import outcomes
from penstock.interfaces.dashboard.reading import Tables, just_now
from penstock.interfaces.dashboard.windows import Window, bucket_seconds
from penstock.operations.monitoring.status import LAST_BATCH, LastBatch, ModelInUse, first, last_batch, model_in_use
from penstock.operations.monitoring.status_text import age_text, moment, series_text
from penstock.pipeline.stop_file import running_writer
from penstock.storage.routing import storage_of

SHOWN_BATCHES = 60


def show(config: PipelineConfig, window: Window) -> None:
    tables = Tables(config=config, names=("batches",))
    now = just_now()
    since = window.since(now)
    newest = tables.query(newest_batch, config=config)
    if newest is None:
        st.info("No batch has finished yet. A batch needs files in the inbox and a running stream or backfill.")
        return
    show_newest(config, *newest)
    st.subheader(f"Window: {window.title}")
    totals = tables.query(queries.totals, since=since)
    if totals.first_at is None:
        st.info("No batch finished in this window; select a longer one to see earlier batches.")
        return
    is_series = config.workload == "series"
    observations = tables.query(outcomes.by_outcome, since=since) if is_series else None
    show_totals(totals, observations, accepted="Scored" if config.model else "Accepted")
    width_seconds = bucket_seconds(max(since, totals.first_at), now)
    left, right = st.columns(2)
    with left:
        st.markdown(f"**Rows by outcome**, one bar per {age_text(width_seconds)}")
        is_scored = config.workload == "rows"
        over_time = queries.rows_over_time if is_scored else outcomes.observations_over_time
        rows = tables.query(over_time, since=since, width_seconds=width_seconds)
        colour = outcome_colour(OUTCOMES if is_scored else SERIES_OUTCOMES)
        st.altair_chart(bars_over_time(rows, "outcome", colour, width_seconds=width_seconds))
    with right:
        st.markdown(f"**Seconds by phase** of the last batches, at most {SHOWN_BATCHES}")
        st.altair_chart(phases_chart(tables, since=since))
    if observations is not None:
        show_outcomes(observations)


def newest_batch(
    tables: duckdb.DuckDBPyConnection, *, config: PipelineConfig
) -> tuple[LastBatch, ModelInUse | None] | None:
    row = first(tables, LAST_BATCH)
    return (last_batch(row, now=datetime.now(UTC)), model_in_use(tables, config, row)) if row else None


def show_newest(config: PipelineConfig, batch: LastBatch, model: ModelInUse | None) -> None:
    age_seconds = (datetime.now(UTC) - batch.finished_at).total_seconds()
    rate = "–" if batch.rows_per_second is None else f"{batch.rows_per_second:,.0f}"
    columns = st.columns(5)
    columns[0].metric("Writer", writer(config), help="The process that holds the pipeline's lease")
    columns[1].metric("Age of last batch", age_text(age_seconds), help="A batch is processed when files have arrived")
    columns[2].metric("Rows in it", f"{batch.rows_in:,}", help=f"{batch.quarantined:,} of them quarantined")
    columns[3].metric("Rows/s in it", rate, help=f"over all of its {batch.seconds:g} s")
    columns[4].metric("Model version", model.version if model else "none")
    since = f"; version {model.version} of {model.name} since {moment(model.since)}" if model else ""
    series = f" Series: {series_text(batch)}." if config.workload == "series" else ""
    st.caption(f"Batch {batch.batch_id} finished {moment(batch.finished_at)}{since}.{series}")
    for version, reason in model.refused.items() if model else ():
        st.warning(f"Version {version} was refused, and the previous one stays in use: {reason}")


def writer(config: PipelineConfig) -> str:
    try:
        return "running" if running_writer(config, storage_of(config)) else "none"
    except (PenstockError, OSError):
        return "unknown"


def show_totals(totals: queries.Totals, observations: pd.DataFrame | None, *, accepted: str) -> None:
    """observations: by outcome, of a pipeline of series. accepted: the title of accepted rows without a failure."""
    rate = totals.rows_per_second
    columns = st.columns(6)
    columns[0].metric("Batches", f"{totals.batches:,}")
    columns[1].metric("Rows in", f"{totals.rows_in:,}")
    if observations is None:
        columns[2].metric(accepted, f"{totals.scored:,}")
    else:
        forecast = int(observations.loc[observations["outcome"] == "forecast", "observations"].sum())
        columns[2].metric("With a forecast", f"{forecast:,}", help="Accepted observations; the others are listed below")
    columns[3].metric("Quarantined", f"{totals.quarantined:,}", help=f"and {totals.files_refused:,} refused files")
    columns[4].metric("Failed", f"{totals.failed:,}", help="Accepted, but the model raised an error")
    columns[5].metric("Rows/s", "–" if rate is None else f"{rate:,.0f}", help="While a batch was running")


def show_outcomes(observations: pd.DataFrame) -> None:
    st.markdown("**Accepted observations by outcome**")
    st.caption(
        "`forecast`, or why there is none (docs/series.md); `accepted` where a batch of an earlier version did not "
        "count its forecasts."
    )
    st.dataframe(
        observations, hide_index=True, column_config={"observations": st.column_config.NumberColumn(format="localized")}
    )


def phases_chart(tables: Tables, *, since: datetime) -> alt.Chart:
    timings = tables.query(queries.phase_seconds, since=since, limit=SHOWN_BATCHES)
    timings["finished"] = timings["finished_at"].map(moment)
    chart: alt.Chart = (
        alt.Chart(timings, height=HEIGHT_PIXELS)
        .mark_bar()
        .encode(
            x=alt.X("batch:O", title="batch", sort=alt.SortField("position")),
            y=alt.Y("seconds:Q", title="seconds"),
            color=alt.Color("phase:N", title=None, scale=alt.Scale(scheme="tableau10"), legend=top_legend()),
            tooltip=["batch", "phase", alt.Tooltip("seconds", format=".2f"), "finished"],
        )
    )
    return chart

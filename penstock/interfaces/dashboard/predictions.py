"""View: the predictions of a rows pipeline by model version: counts and distributions."""

from collections.abc import Sequence

import altair as alt
import pandas as pd
import streamlit as st

from penstock.config.pipeline import PipelineConfig
from penstock.interfaces.dashboard.charts import HEIGHT_PIXELS, bars_over_time, time_axis, version_colour
from penstock.interfaces.dashboard.queries import predictions as queries
from penstock.interfaces.dashboard.queries.predictions import PredictionField
from penstock.interfaces.dashboard.reading import Tables, just_now
from penstock.interfaces.dashboard.windows import Window, bucket_seconds
from penstock.operations.monitoring.status_text import age_text

SHOWN_VERSIONS = 50
CHOSEN_VERSIONS = 5
SHOWN_WORDS = 20


def show(config: PipelineConfig, window: Window) -> None:
    tables = Tables(config=config, names=("predictions",))
    since = window.since(just_now())
    versions = tables.query(queries.versions, since=since, limit=SHOWN_VERSIONS)
    if versions.empty:
        st.info(f"Nothing was scored in this window ({window.title}); select a longer one to see earlier predictions.")
        return
    show_versions(versions)
    offered = list(versions["version"])
    chosen = st.multiselect("Versions in the charts", offered, default=offered[:CHOSEN_VERSIONS])
    fields = tables.query(queries.prediction_fields)
    field = field_of(fields)
    if not chosen:
        st.info("Select a version.")
        return
    start = max(since, versions["first_at"].min().to_pydatetime())
    width_seconds = bucket_seconds(start, versions["last_at"].max().to_pydatetime())
    left, right = st.columns(2)
    with left:
        st.markdown(f"**Rows by version**, one bar per {age_text(width_seconds)}")
        rows = tables.query(queries.rows_over_time, versions=chosen, since=since, width_seconds=width_seconds)
        st.altair_chart(bars_over_time(rows, "version", version_colour(chosen), width_seconds=width_seconds))
    with right:
        if field is None:
            st.info("This model's predictions contain neither numbers nor strings to plot.")
        elif field.kind == "number":
            st.markdown(f"**{field.title}**: share of each version's rows")
            st.altair_chart(
                histogram_chart(tables.query(queries.histogram, field, versions=chosen, since=since), chosen)
            )
        else:
            st.markdown(f"**{field.title}**: the {SHOWN_WORDS} most frequent, share of each version's rows")
            words = tables.query(queries.words, field, versions=chosen, since=since, limit=SHOWN_WORDS)
            st.altair_chart(words_chart(words, chosen))
    if field is not None and field.kind == "number":
        st.markdown(f"**{field.title} over time**: the median, and the central 80%")
        spread = tables.query(
            queries.spread_over_time, field, versions=chosen, since=since, width_seconds=width_seconds
        )
        st.altair_chart(spread_chart(spread, chosen))


def show_versions(versions: pd.DataFrame) -> None:
    newest = versions.iloc[0]
    columns = st.columns(4)
    columns[0].metric("Newest version", newest["version"])
    columns[1].metric("Rows", f"{versions['rows'].sum():,}")
    columns[2].metric("Failed", f"{versions['failed'].sum():,}", help="Rows for which the model raised an error")
    columns[3].metric("Versions", len(versions))
    st.dataframe(
        versions,
        hide_index=True,
        column_config={
            "model_name": "model",
            "rows": st.column_config.NumberColumn(format="localized"),
            "failed": st.column_config.NumberColumn(format="localized"),
            "first_at": st.column_config.DatetimeColumn("first", format="YYYY-MM-DD HH:mm:ss"),
            "last_at": st.column_config.DatetimeColumn("last", format="YYYY-MM-DD HH:mm:ss"),
        },
    )


def field_of(fields: Sequence[PredictionField]) -> PredictionField | None:
    if len(fields) < 2:
        return fields[0] if fields else None
    titles = {field.title: field for field in fields}
    return titles[st.selectbox("Field of the prediction", list(titles))]


def histogram_chart(bins: pd.DataFrame, versions: Sequence[str]) -> alt.Chart:
    chart: alt.Chart = (
        alt.Chart(bins, height=HEIGHT_PIXELS)
        .mark_rect(opacity=0.55)
        .encode(
            x=alt.X("low:Q", title="", scale=alt.Scale(zero=False)),
            x2="high:Q",
            y=alt.Y("share:Q", title="share", stack=None, axis=alt.Axis(format="%")),
            y2=alt.Y2Datum(0),
            color=version_colour(versions),
            tooltip=["version", alt.Tooltip("low", format=".4g"), alt.Tooltip("high", format=".4g"), "rows"],
        )
    )
    return chart


def words_chart(words: pd.DataFrame, versions: Sequence[str]) -> alt.Chart:
    chart: alt.Chart = (
        alt.Chart(words, height=HEIGHT_PIXELS)
        .mark_bar()
        .encode(
            x=alt.X("share:Q", title="share", stack=None, axis=alt.Axis(format="%")),
            y=alt.Y("word:N", title="", sort="-x"),
            yOffset="version:N",
            color=version_colour(versions),
            tooltip=["version", "word", "rows"],
        )
    )
    return chart


def spread_chart(spread: pd.DataFrame, versions: Sequence[str]) -> alt.LayerChart:
    base = alt.Chart(spread, height=HEIGHT_PIXELS).encode(x=time_axis())
    value, colour = alt.Scale(zero=False), version_colour(versions)
    band = base.mark_area(opacity=0.2).encode(
        y=alt.Y("tenth:Q", title="", scale=value), y2="ninetieth:Q", color=alt.Color("version:N", legend=None)
    )
    line = base.mark_line(point=True).encode(
        y=alt.Y("median:Q", scale=value),
        color=colour,
        tooltip=["version", *(alt.Tooltip(name, format=".4g") for name in ("tenth", "median", "ninetieth"))],
    )
    return alt.LayerChart(layer=[band, line])

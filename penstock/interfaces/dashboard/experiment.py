"""Part of the view Models: the experiment that runs, what two versions answered to the same rows, and decisions."""

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

import altair as alt
import pandas as pd
import streamlit as st

from penstock.config.pipeline import PipelineConfig
from penstock.errors import PenstockError
from penstock.interfaces.dashboard.charts import HEIGHT_PIXELS, time_axis
from penstock.interfaces.dashboard.queries import experiment as queries
from penstock.interfaces.dashboard.reading import Tables, cached
from penstock.operations.model_store.decided import VersionDecision, read_decisions
from penstock.operations.monitoring.experiment_status import (
    ExperimentStatus,
    decision_texts,
    experiment_text,
    read_experiment,
)
from penstock.pipeline.decisions.record import Standing
from penstock.storage.routing import storage_of

EVEN = "#9a9fa8"


def show_experiment(config: PipelineConfig) -> None:
    """How it stands, and what waits; nothing where there is none. An error is shown in its place."""

    def run() -> ExperimentStatus | None:
        return read_experiment(config, storage_of(config), now=datetime.now(UTC))

    try:
        found = cached((config.tables.root, "experiment"), run)
    except (PenstockError, OSError) as error:
        st.warning(f"How the experiment stands is not known: {error}")
        return
    if found is None:
        return
    st.subheader("Experiment")
    if found.standing is not None and found.standing.ratio is not None:
        show_standing(found.standing)
    st.caption(experiment_text(found))
    for text in decision_texts(found):
        st.info(text)


def show_standing(standing: Standing) -> None:
    columns = st.columns(5)
    columns[0].metric("Candidate", standing.candidate, help=f"beside champion {standing.champion}")
    columns[1].metric("Share of the keys", f"{standing.fraction:.1%}")
    columns[2].metric("Loss / champion's", ratio_text(standing), help="Below 1 the candidate is better")
    columns[3].metric("Units", f"{standing.units:,}", help=f"{standing.pairs:,} pairs")
    columns[4].metric("Verdict", standing.verdict)
    if standing.ratio_lower is not None and standing.ratio_upper is not None:
        st.altair_chart(band_chart(standing))


def ratio_text(standing: Standing) -> str:
    return "–" if standing.ratio is None else f"{standing.ratio:.3g}"


def band_chart(standing: Standing) -> alt.LayerChart:
    """The ratio with what it lies between, and the line at 1."""
    rows = pd.DataFrame([standing.model_dump(include={"ratio", "ratio_lower", "ratio_upper", "candidate"})])
    axis = alt.X("ratio_lower:Q", title="loss / champion's, with its confidence band", scale=alt.Scale(zero=False))
    band = alt.Chart(rows, height=60).mark_bar(opacity=0.4).encode(x=axis, x2="ratio_upper:Q", y=alt.Y("candidate:N"))
    point = alt.Chart(rows).mark_point(filled=True, size=80).encode(x="ratio:Q", y="candidate:N")
    even = alt.Chart(pd.DataFrame({"ratio": [1.0]})).mark_rule(color=EVEN, strokeDash=[6, 3]).encode(x="ratio:Q")
    return alt.LayerChart(layer=[band, point, even])


def show_pairs(
    tables: Tables, asked: dict[str, Any], *, width_seconds: int, decisions: Sequence[VersionDecision]
) -> None:
    """Both versions for the same rows; nothing where no candidate was evaluated in the window."""
    rows = tables.query(queries.pairs_over_time, **asked, width_seconds=width_seconds)
    if rows.empty:
        return
    st.subheader("Candidates beside their champions")
    left, right = st.columns(2)
    with left:
        st.markdown("**Loss over the champion's**, for the same pairs; orange: decisions")
        st.altair_chart(ratio_chart(rows, decisions))
    with right:
        st.markdown("**Mean loss of both**")
        st.altair_chart(losses_chart(rows))
    st.dataframe(tables.query(queries.pairs_in_all, **asked), hide_index=True)


def ratio_chart(rows: pd.DataFrame, decisions: Sequence[VersionDecision]) -> alt.LayerChart:
    """rows: as `pairs_over_time` gives them."""
    lines = (
        alt.Chart(rows[rows["ratio"].notna()], height=HEIGHT_PIXELS)
        .mark_line(point=True)
        .encode(
            x=time_axis(),
            y=alt.Y("ratio:Q", title="", scale=alt.Scale(zero=False)),
            color=alt.Color("versions:N", title=""),
            tooltip=["versions", "starts_at", alt.Tooltip("ratio", format=".3g"), "compared_pairs"],
        )
    )
    even = alt.Chart(pd.DataFrame({"ratio": [1.0]})).mark_rule(color=EVEN, strokeDash=[6, 3]).encode(y="ratio:Q")
    first, last = rows["starts_at"].min(), rows["starts_at"].max()
    # Units may be of another time than ours, such as of a backfill of past quarters.
    shown = [one for one in decisions if first <= one.decided_at <= last + (last - first) / 4]
    if not shown:
        return alt.LayerChart(layer=[even, lines])
    made = pd.DataFrame([{"starts_at": one.decided_at, "decision": one.summary} for one in shown])
    marks = alt.Chart(made).mark_rule(color="orange").encode(x="starts_at:T", tooltip=["starts_at", "decision"])
    return alt.LayerChart(layer=[even, marks, lines])


def losses_chart(rows: pd.DataFrame) -> alt.Chart:
    longer = rows.melt(
        id_vars=["starts_at", "versions"],
        value_vars=["champion_loss", "candidate_loss"],
        var_name="role",
        value_name="loss",
    ).assign(role=lambda frame: frame["role"].str.removesuffix("_loss"))
    chart: alt.Chart = (
        alt.Chart(longer[longer["loss"].notna()], height=HEIGHT_PIXELS)
        .mark_line(point=True)
        .encode(
            x=time_axis(),
            y=alt.Y("loss:Q", title="", scale=alt.Scale(zero=False)),
            color=alt.Color("role:N", title=""),
            strokeDash=alt.StrokeDash("versions:N", title=""),
            tooltip=["versions", "role", "starts_at", alt.Tooltip("loss", format=".3g")],
        )
    )
    return chart


def decisions_of(config: PipelineConfig) -> list[VersionDecision]:
    """Empty where their files can't be read, which `show_experiment` says."""
    try:
        return cached((config.tables.root, "decisions"), lambda: read_decisions(config))
    except (PenstockError, OSError):
        return []


def show_decisions(decisions: Sequence[VersionDecision]) -> None:
    """The newest first; nothing where nothing was decided."""
    if not decisions:
        return
    st.subheader("Decisions")
    rows = [one.model_dump(exclude={"summary"}) for one in reversed(decisions)]
    st.dataframe(
        pd.DataFrame(rows),
        hide_index=True,
        column_config={
            "ratio": st.column_config.NumberColumn("loss ratio", format="%.3g"),
            "decided_at": st.column_config.DatetimeColumn(format="YYYY-MM-DD HH:mm:ss"),
            "done_at": st.column_config.DatetimeColumn(format="YYYY-MM-DD HH:mm:ss"),
        },
    )

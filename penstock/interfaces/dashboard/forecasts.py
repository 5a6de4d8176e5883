"""View: fan chart of a series' forecasts from a selected cutoff, with the actual values."""

from collections import Counter
from datetime import datetime
from urllib.parse import urlencode

import altair as alt
import pandas as pd
import streamlit as st
from streamlit.delta_generator import DeltaGenerator

from penstock.config.pipeline import PipelineConfig
from penstock.config.series import SeriesConfig
from penstock.interfaces.dashboard.charts import FORECAST, TRUTH, time_axis, top_legend
from penstock.interfaces.dashboard.queries import forecasts as queries
from penstock.interfaces.dashboard.queries.forecasts import Made
from penstock.interfaces.dashboard.reading import Tables
from penstock.interfaces.dashboard.windows import Window
from penstock.operations.monitoring.status_text import moment

OFFERED_SERIES = 200
OFFERED_CUTOFFS = 500
#: History shown before the cutoff, in multiples of the horizon.
HORIZONS_BEFORE = 3
FAN_PIXELS = 420
#: The transforms whose forecasts are made in logs, so that their median is not their mean.
LOGGED = ("log", "dlog")


def show(config: PipelineConfig, _window: Window) -> None:
    tables = Tables(config=config, names=("forecasts", "observations"))
    places = st.columns([1, 1, 1, 1])
    series_id = choose_series(tables, *places[:2])
    if series_id is None:
        return
    st.markdown(link_to_model(series_id))
    made = choose_cutoff(tables, places[2], series_id)
    variable = places[3].selectbox("Variable", config.the_series.variables, key="variable", bind="query-params")
    if made is None:
        why = tables.query(queries.last_error, series_id=series_id)
        st.info(f"Series {series_id} has no forecast yet." + (f" Its last observation says: {why}." if why else ""))
        return
    show_fan(tables, made, variable, config.the_series)
    accuracy = tables.query(queries.accuracy, series_id=series_id, variables=config.the_series.variables)
    show_accuracy(accuracy, made.level)


def link_to_model(series_id: str) -> str:
    """The view of this series' model (model.py), as Markdown."""
    return f"[Model of this series](?{urlencode({'view': 'Model', 'series': series_id})})"


def choose_series(tables: Tables, typed: DeltaGenerator, place: DeltaGenerator) -> str | None:
    beginning = typed.text_input("Series that begin with", key="series", bind="query-params") or ""
    offered = tables.query(queries.series_like, beginning=beginning, limit=OFFERED_SERIES)
    if not offered:
        st.info(f"No series begins with {beginning!r}." if beginning else "There are no observations yet.")
        return None
    if len(offered) == OFFERED_SERIES:
        typed.caption(f"The first {OFFERED_SERIES}; type more of the name to narrow them down.")
    return place.selectbox("Series", offered)


def choose_cutoff(tables: Tables, place: DeltaGenerator, series_id: str) -> Made | None:
    offered = tables.query(queries.cutoffs, series_id=series_id, limit=OFFERED_CUTOFFS)
    if not offered:
        return None
    texts = {short(cutoff): cutoff for cutoff in offered}
    text = place.selectbox(
        "Cutoff", list(texts), key="cutoff", bind="query-params", help="The last observation that the forecast has seen"
    )
    made = tables.query(queries.made_at, series_id=series_id, cutoff=texts[text])
    if len(made) == 1:
        return made[0]
    by_name = names_of(made)
    return by_name[place.selectbox("Model version", list(by_name))]


def names_of(made: list[Made]) -> dict[str, Made]:
    """The forecasts by their model version; where one has made several, also by the time."""
    counts = Counter(one.version for one in made)
    return {
        one.version if counts[one.version] == 1 else f"{one.version}, made {moment(one.scored_at)}": one for one in made
    }


def short(time: datetime) -> str:
    """The date alone if the time is midnight."""
    return f"{time:%Y-%m-%d}" if time == time.replace(hour=0, minute=0, second=0, microsecond=0) else f"{time:%F %T}"


def show_fan(tables: Tables, made: Made, variable: str, series: SeriesConfig) -> None:
    fan = tables.query(queries.fan, made, variable=variable)
    if fan.empty:
        st.info(f"There is no forecast of {variable} from this cutoff.")
        return
    truths = tables.query(
        queries.truths,
        series_id=made.series_id,
        variable=variable,
        cutoff=made.cutoff,
        end=fan["ds"].max().to_pydatetime(),
        before=HORIZONS_BEFORE * series.horizon,
    )
    st.altair_chart(fan_chart(fan, truths, made, variable))
    st.caption(
        f"{made.model_name} version {made.version}, made {moment(made.scored_at)}. The band is the {made.level:.0%} "
        f"forecast interval.{point_text(series, variable)}"
    )


def point_text(series: SeriesConfig, variable: str) -> str:
    """What the line is of a variable in logs. By the config: a model that was fitted otherwise is refused."""
    if series.transform.get(variable, "none") not in LOGGED:
        return ""
    if series.point == "mean":
        return " The line is the mean of what may come (series.point)."
    return " The line is the median of what may come (series.point): sums of medians over series are too low."


def fan_chart(fan: pd.DataFrame, truths: pd.DataFrame, made: Made, variable: str) -> alt.LayerChart:
    before = truths[truths["ds"] <= made.cutoff]
    start = before.tail(1).assign(**dict.fromkeys(("forecast", "lower", "upper"), before["value"]))
    opened = pd.concat([start, fan]) if len(start) else fan
    value, tip = alt.Scale(zero=False), alt.Tooltip("day", title="for")
    base = alt.Chart(opened.assign(what="forecast", day=opened["ds"].map(short))).encode(x=time_axis("ds"))
    band = base.mark_area(opacity=0.25, color=FORECAST).encode(
        y=alt.Y("lower:Q", title=variable, scale=value), y2="upper:Q"
    )
    line = base.mark_line(point=True, strokeDash=[6, 3]).encode(
        y="forecast:Q",
        color=legend(),
        tooltip=[tip, *(alt.Tooltip(name, format=",.5g") for name in ("forecast", "lower", "upper"))],
    )
    known = alt.Chart(truths.assign(what="observed", day=truths["ds"].map(short)))
    actual = known.mark_line(point=alt.OverlayMarkDef(size=22)).encode(
        x=time_axis("ds"), y="value:Q", color=legend(), tooltip=[tip, alt.Tooltip("value", format=",.5g")]
    )
    cutoff = alt.Chart(pd.DataFrame({"ds": [made.cutoff]})).mark_rule(color="gray", strokeDash=[2, 2])
    return alt.LayerChart(layer=[band, cutoff.encode(x="ds:T"), line, actual], height=FAN_PIXELS)


def legend() -> alt.Color:
    return alt.Color(
        "what:N",
        title=None,
        scale=alt.Scale(domain=["observed", "forecast"], range=[TRUTH, FORECAST]),
        legend=top_legend(),
    )


def show_accuracy(accuracy: pd.DataFrame, level: float) -> None:
    if accuracy.empty:
        st.info("None of this series' forecasts can be compared with an actual value yet.")
        return
    st.subheader("Forecast accuracy")
    st.caption(
        "All forecasts of this series with an actual value, over all cutoffs and steps; of those made again after a "
        "revision, the first one from each cutoff, against the value as it is now."
    )
    st.dataframe(
        accuracy.assign(within=accuracy["within"] * 100),
        hide_index=True,
        column_config={
            "mean_absolute_error": st.column_config.NumberColumn("mean absolute error", format="%.4g"),
            "within": st.column_config.NumberColumn(f"in the {level:.0%} interval", format="%.0f %%"),
        },
    )

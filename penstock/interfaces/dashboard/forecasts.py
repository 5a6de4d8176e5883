"""View: fan chart of a series' forecasts from a selected cutoff, with the actual values."""

from collections import Counter
from urllib.parse import urlencode

import pandas as pd
import streamlit as st
from streamlit.delta_generator import DeltaGenerator

from penstock.config.pipeline import PipelineConfig
from penstock.config.series import SeriesConfig
from penstock.interfaces.dashboard.fan import fan_chart, levels_of, percent, short
from penstock.interfaces.dashboard.queries import forecasts as queries
from penstock.interfaces.dashboard.queries.forecasts import Made
from penstock.interfaces.dashboard.reading import Tables
from penstock.interfaces.dashboard.windows import Window
from penstock.operations.monitoring.status_text import moment

OFFERED_SERIES = 200
OFFERED_CUTOFFS = 500
#: History shown before the cutoff, in multiples of the horizon.
HORIZONS_BEFORE = 3
#: The transforms whose forecasts are made in logs, so that their median is not their mean.
LOGGED = ("log", "dlog")


def show(config: PipelineConfig, _window: Window) -> None:
    tables = Tables(config=config, names=("forecasts", "observations", "batches"))
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
    return f"[Model of this series](?{urlencode({'view': 'Inspect', 'series': series_id})})"


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
    st.altair_chart(fan_chart(fan, truths, made.cutoff, variable))
    st.caption(
        f"{made.model_name} version {made.version}, made {moment(made.scored_at)}. {band_text(fan)}"
        f"{point_text(series, variable)}"
    )


def band_text(fan: pd.DataFrame) -> str:
    *inner, widest = map(percent, levels_of(fan))
    if not inner:
        return f"The band is the {widest} forecast interval."
    return f"The bands are the {', '.join(inner)} and {widest} forecast intervals, the darkest the narrowest."


def point_text(series: SeriesConfig, variable: str) -> str:
    """What the line is of a variable in logs. By the config: a model that was fitted otherwise is refused."""
    if series.transform.get(variable, "none") not in LOGGED:
        return ""
    if series.point == "mean":
        return " The line is the mean of what may come (series.point)."
    return " The line is the median of what may come (series.point): sums of medians over series are too low."


def show_accuracy(accuracy: pd.DataFrame, level: float) -> None:
    if accuracy.empty:
        st.info("None of this series' forecasts can be compared with an actual value yet.")
        return
    st.subheader("Forecast accuracy")
    st.caption(
        "All forecasts of this series with an actual value, over all cutoffs and steps; of those made again after a "
        "revision, the first one from each cutoff, against the value as it is now. Cutoffs before the end of the data "
        "that the model was fitted on are in sample: judge it by the later ones."
    )
    st.dataframe(
        accuracy.assign(
            within=accuracy["within"] * 100, in_sample=accuracy["in_sample"].map({True: "in sample", False: "later"})
        ),
        hide_index=True,
        column_config={
            "in_sample": "cutoffs",
            "mean_absolute_error": st.column_config.NumberColumn("mean absolute error", format="%.4g"),
            "within": st.column_config.NumberColumn(f"in the {percent(level)} interval", format="%.0f %%"),
        },
    )

"""Shared by the charts: time axis, stacked bars over time, and a consistent colour scheme."""

from collections.abc import Mapping, Sequence

import altair as alt
import pandas as pd

#: A colour-blind-safe palette.
OUTCOMES = {"scored": "#2f7ebc", "quarantined": "#e59400", "failed": "#c0304a"}
#: Of observations; `accepted` where a batch of an earlier version did not count its forecasts.
SERIES_OUTCOMES = {
    "forecast": "#2f7ebc",
    "fallback": "#5aa37f",
    "no forecast": "#9a9fa8",
    "accepted": "#8cbfe0",
    "quarantined": "#e59400",
    "failed": "#c0304a",
}
TRUTH, FORECAST = "#3b4252", "#2f7ebc"
HEIGHT_PIXELS = 300
#: Opacities of the bands of intervals: of a single one, and from the widest to the narrowest, which lie on each other.
BAND, WIDEST_BAND, NARROWEST_BAND = 0.25, 0.2, 0.4
#: Labels each tick by the largest unit that begins there (year, month, day, hour), in UTC.
TICK_LABEL = (
    "utcFormat(datum.value, utchours(datum.value) + utcminutes(datum.value) > 0 ? '%H:%M' : "
    "utcdate(datum.value) > 1 ? '%b %e' : utcmonth(datum.value) > 0 ? '%b' : '%Y')"
)


def time_axis(column: str = "starts_at") -> alt.X:
    return alt.X(f"{column}:T", title="", scale=alt.Scale(type="utc"), axis=alt.Axis(labelExpr=TICK_LABEL))


def top_legend() -> alt.Legend:
    return alt.Legend(orient="top", titleOrient="left", columns=4)


def outcome_colour(outcomes: Mapping[str, str]) -> alt.Color:
    """outcomes: their colours by name."""
    scale = alt.Scale(domain=list(outcomes), range=list(outcomes.values()))
    return alt.Color("outcome:N", title=None, scale=scale, legend=top_legend())


def version_colour(versions: Sequence[str]) -> alt.Color:
    """The same version has the same colour in all charts of a page."""
    scale = alt.Scale(domain=list(versions), scheme="tableau10")
    return alt.Color("version:N", title="version", scale=scale, legend=top_legend())


def band_opacity(names: Sequence[str]) -> alt.Opacity | alt.OpacityValue:
    """Of intervals that lie on each other, by the column `level`: the narrower the darker. names: of the levels,
    ascending. A single one needs no legend."""
    if len(names) == 1:
        return alt.OpacityValue(BAND)
    step = (NARROWEST_BAND - WIDEST_BAND) / (len(names) - 1)
    scale = alt.Scale(domain=list(names), range=[NARROWEST_BAND - step * number for number in range(len(names))])
    return alt.Opacity("level:N", title="interval", scale=scale, sort=list(names), legend=top_legend())


def bars_over_time(rows: pd.DataFrame, kind: str, colour: alt.Color, *, width_seconds: int) -> alt.Chart:
    """Stacked bars, each as wide as its time bucket. rows: starts_at, rows, and the column `kind`."""
    # Vega-Lite does not stack marks with x and x2.
    top = rows.groupby("starts_at")["rows"].cumsum()
    ends = {"until": rows["starts_at"] + pd.Timedelta(seconds=width_seconds), "top": top, "bottom": top - rows["rows"]}
    chart: alt.Chart = (
        alt.Chart(rows.assign(**ends), height=HEIGHT_PIXELS)
        .mark_rect(stroke="white", strokeWidth=0.5)
        .encode(
            x=time_axis(),
            x2="until:T",
            y=alt.Y("bottom:Q", title="rows"),
            y2="top:Q",
            color=colour,
            tooltip=[kind, alt.Tooltip("rows", format=",")],
        )
    )
    return chart

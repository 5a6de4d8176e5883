"""The fan chart of a forecast: a band for each level of its intervals, the points, and the actual values."""

from collections.abc import Mapping
from datetime import datetime

import altair as alt
import pandas as pd

from penstock.interfaces.dashboard.charts import FORECAST, TRUTH, band_opacity, time_axis, top_legend

HEIGHT_PIXELS = 420


def fan_chart(fan: pd.DataFrame, truths: pd.DataFrame, cutoff: datetime, variable: str) -> alt.LayerChart:
    """fan, truths: as the queries give them."""
    before = truths[truths["ds"] <= cutoff].tail(1)
    names = [percent(level) for level in levels_of(fan)]
    value, tip = alt.Scale(zero=False), alt.Tooltip("day", title="for")
    # The narrower ones lie on the wider ones, so that it is darkest in the middle.
    band = (
        alt.Chart(bands_of(fan, before))
        .mark_area(color=FORECAST)
        .encode(
            x=time_axis("ds"),
            y=alt.Y("lower:Q", title=variable, scale=value),
            y2="upper:Q",
            opacity=band_opacity(names),
        )
    )
    texts = pd.DataFrame([[interval_text(one) for one in row] for row in fan["intervals"]]).add_prefix("interval")
    opened = pd.concat([before.assign(forecast=before["value"]), fan[["ds", "forecast"]].join(texts)])
    intervals = [
        alt.Tooltip(f"{column}:N", title=f"{name} interval") for column, name in zip(texts, names, strict=True)
    ]
    line = (
        alt.Chart(opened.assign(what="forecast", day=opened["ds"].map(short)))
        .mark_line(point=True, strokeDash=[6, 3])
        .encode(
            x=time_axis("ds"),
            y="forecast:Q",
            color=legend(),
            tooltip=[tip, alt.Tooltip("forecast", format=",.5g"), *intervals],
        )
    )
    known = alt.Chart(truths.assign(what="observed", day=truths["ds"].map(short)))
    actual = known.mark_line(point=alt.OverlayMarkDef(size=22)).encode(
        x=time_axis("ds"), y="value:Q", color=legend(), tooltip=[tip, alt.Tooltip("value", format=",.5g")]
    )
    rule = alt.Chart(pd.DataFrame({"ds": [cutoff]})).mark_rule(color="gray", strokeDash=[2, 2]).encode(x="ds:T")
    return alt.LayerChart(layer=[band, rule, line, actual], height=HEIGHT_PIXELS)


def bands_of(fan: pd.DataFrame, start: pd.DataFrame) -> pd.DataFrame:
    """ds, level (as text), lower, upper: a band for each level, the widest first, which opens at the observation of
    `start`, if there is one."""
    opening = [
        {"ds": row.ds, "level": level, "lower": row.value, "upper": row.value}
        for row in start.itertuples()
        for level in levels_of(fan)
    ]
    ahead = [{"ds": ds, **one} for ds, row in zip(fan["ds"], fan["intervals"], strict=True) for one in row]
    found = pd.DataFrame([*opening, *ahead]).sort_values(["level", "ds"], ascending=[False, True], ignore_index=True)
    return found.assign(level=found["level"].map(percent))


def interval_text(bounds: Mapping[str, float | None]) -> str:
    lower, upper = bounds["lower"], bounds["upper"]
    return "unknown" if lower is None or upper is None else f"{lower:,.5g} to {upper:,.5g}"


def legend() -> alt.Color:
    return alt.Color(
        "what:N",
        title=None,
        scale=alt.Scale(domain=["observed", "forecast"], range=[TRUTH, FORECAST]),
        legend=top_legend(),
    )


def percent(level: float) -> str:
    """`95%`, `99.5%`."""
    return f"{level * 100:.6g}%"


def levels_of(fan: pd.DataFrame) -> list[float]:
    """Of all intervals, ascending."""
    return [one["level"] for one in fan["intervals"].iloc[0]]


def short(time: datetime) -> str:
    """The date alone if the time is midnight."""
    return f"{time:%Y-%m-%d}" if time == time.replace(hour=0, minute=0, second=0, microsecond=0) else f"{time:%F %T}"

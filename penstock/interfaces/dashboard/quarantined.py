"""View: rejected rows and refused files with their reasons and raw text."""

import pandas as pd
import streamlit as st

from penstock.config.pipeline import PipelineConfig
from penstock.interfaces.dashboard.queries import quarantine as queries
from penstock.interfaces.dashboard.queries.quarantine import Entries
from penstock.interfaces.dashboard.reading import Tables, just_now
from penstock.interfaces.dashboard.windows import Window

SHOWN_REASONS = 50
OFFERED_FILES = 100
SHOWN_ENTRIES = 200
SHOWN_LINES = 20


def show(config: PipelineConfig, window: Window) -> None:
    tables = Tables(config=config, names=("quarantine",))
    waiting = st.toggle("Only entries not yet replayed", help="jobs/replay_quarantine.py processes entries again")
    everything = Entries(since=window.since(just_now()), waiting=waiting)
    reasons = tables.query(queries.reasons, of=everything, limit=SHOWN_REASONS)
    if reasons.empty:
        st.info(f"Nothing was quarantined in this window ({window.title}).")
        return
    st.caption("An entry is a rejected row or a refused file; it counts under each of its reasons.")
    st.dataframe(reasons, hide_index=True)
    chosen = filters(config, tables, everything, reasons)
    entries = tables.query(queries.newest, of=chosen, limit=SHOWN_ENTRIES)
    st.metric("Entries", f"{tables.query(queries.count, of=chosen):,}")
    if entries.empty:
        st.info("No entry matches all filters.")
        return
    st.caption(f"Newest first, at most {SHOWN_ENTRIES}.")
    st.dataframe(
        entries,
        hide_index=True,
        column_config={
            "quarantined_at": st.column_config.DatetimeColumn("quarantined", format="YYYY-MM-DD HH:mm:ss"),
            "reasons": st.column_config.TextColumn(width="large"),
            "raw": st.column_config.TextColumn(width="large"),
        },
    )
    show_lines(entries)


def filters(config: PipelineConfig, tables: Tables, of: Entries, reasons: pd.DataFrame) -> Entries:
    """The selected filters. Choices are the files with the most entries, and the window's reasons and stages."""
    files = tables.query(queries.files, of=of, limit=OFFERED_FILES)
    folder = config.source.path + "/"
    left, middle, right = st.columns([1, 2, 2])
    stage = left.selectbox("Stage", sorted(reasons["stage"].unique()), index=None, placeholder="all")
    reason = middle.selectbox("Reason", list(dict.fromkeys(reasons["reason"])), index=None, placeholder="all")
    file = right.selectbox(
        "File",
        list(files["source_file"]),
        index=None,
        placeholder="all",
        format_func=lambda path: path.removeprefix(folder),
    )
    return Entries(since=of.since, stage=stage, reason=reason, file=file, waiting=of.waiting)


def show_lines(entries: pd.DataFrame) -> None:
    """The first entries as text, below their header line."""
    lines = entries.loc[entries["raw"].notna(), ["header", "raw"]].head(SHOWN_LINES)
    if lines.empty:
        return
    st.markdown(f"**Raw lines**, at most {SHOWN_LINES}")
    text = []
    for header, group in lines.groupby("header", sort=False, dropna=False):
        text += [*([header] if isinstance(header, str) else []), *group["raw"]]
    st.code("\n".join(text), language=None)

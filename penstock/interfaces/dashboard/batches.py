"""View: the micro-batches, and the files of the selected one."""

import streamlit as st

from penstock.config.pipeline import PipelineConfig
from penstock.interfaces.dashboard.queries import batches as queries
from penstock.interfaces.dashboard.reading import Tables, just_now
from penstock.interfaces.dashboard.windows import Window

SHOWN_BATCHES = 200
SHOWN_FILES = 500
#: Null for a pipeline of rows.
SERIES_COLUMNS = ("with_forecast", "without_forecast", "series", "series_without_forecast")


def show(config: PipelineConfig, window: Window) -> None:
    tables = Tables(config=config, names=("batches",))
    batches = tables.query(queries.last_batches, since=window.since(just_now()), limit=SHOWN_BATCHES)
    if batches.empty:
        st.info(f"No batch finished in this window ({window.title}).")
        return
    st.caption(f"Newest first, at most {SHOWN_BATCHES}. A batch is listed once all its rows are committed.")
    st.dataframe(
        batches.drop(columns=["query_id", "batch_id", *([] if config.workload == "series" else SERIES_COLUMNS)]),
        hide_index=True,
        column_config={
            "started_at": st.column_config.DatetimeColumn("started", format="YYYY-MM-DD HH:mm:ss"),
            "seconds": st.column_config.NumberColumn(format="%.1f"),
            "rows_per_second": st.column_config.NumberColumn("rows/s", format="%.0f"),
            "files_refused": "refused files",
            "rows_in": "rows",
            "refused_versions": "refused versions",
            "with_forecast": "with a VAR forecast",
            "without_forecast": "without, by reason",
            "series_without_forecast": "series without one",
        },
    )
    st.subheader("Files of a batch")
    labels = dict(enumerate(batches["batch"]))
    position = st.selectbox("Batch", list(labels), format_func=labels.__getitem__)
    chosen = batches.iloc[position]
    files = tables.query(
        queries.files_of, query_id=chosen["query_id"], batch_id=int(chosen["batch_id"]), limit=SHOWN_FILES
    )
    st.caption(f"At most {SHOWN_FILES}. A file without a row count was refused.")
    st.dataframe(
        files,
        hide_index=True,
        column_config={
            "length_bytes": st.column_config.NumberColumn("bytes", format="localized"),
            "modification_time": st.column_config.DatetimeColumn("modified", format="YYYY-MM-DD HH:mm:ss"),
        },
    )

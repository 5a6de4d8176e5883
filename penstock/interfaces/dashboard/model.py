"""View: the model of a series, fitted when it is asked for, with what statsmodels says about it."""

import streamlit as st

from penstock.config.pipeline import PipelineConfig
from penstock.interfaces.dashboard.forecasts import choose_series
from penstock.interfaces.dashboard.reading import Tables, cached
from penstock.interfaces.dashboard.windows import Window
from penstock.models.inspection.report import Inspection, ReportTable
from penstock.models.inspection.text import as_text, facts

#: Its name, in links as well.
VIEW = "Inspect"


def show(config: PipelineConfig, _window: Window) -> None:
    series_id = choose_series(Tables(config=config, names=("observations",)), *st.columns(2))
    if series_id is None:
        return
    found, text = inspected(config, series_id)
    st.code("\n".join(facts(found)), language=None)
    if found.refused is not None:
        st.warning(
            f"The fit refuses this series: {found.refused}." + (f" What helps: {found.hint}." * bool(found.hint))
        )
    for problem in found.problems:
        st.info(f"Not computed: {problem}")
    st.download_button("Report as text", text, file_name=f"{config.pipeline}-{series_id}.txt")
    for table in found.tables:
        show_table(table)


def inspected(config: PipelineConfig, series_id: str) -> tuple[Inspection, str]:
    """With the report as text. Raises PenstockError."""

    def run() -> tuple[Inspection, str]:
        # statsmodels takes a second to import, which the other views need not wait for.
        from penstock.models.inspection.inspection import inspect_series
        from penstock.models.inspection.observations import read_from_table

        found = inspect_series(read_from_table(config, series_id), config)
        return found, as_text(found)

    return cached((config.tables.root, "inspection", series_id), run)


def show_table(table: ReportTable) -> None:
    st.subheader(table.title)
    if table.note:
        st.caption(table.note.replace("`", ""))
    parts = table.shown()
    titles = [title for title, _ in parts]
    place = 0
    if table.layout is not None and table.layout.by is not None:
        place = titles.index(st.selectbox(f"{table.title} of", titles, label_visibility="collapsed"))
    frame = parts[place][1]
    numbers = frame.select_dtypes(float).columns
    st.dataframe(
        frame,
        hide_index=True,
        column_config={name: st.column_config.NumberColumn(format="%.5g") for name in numbers},
    )

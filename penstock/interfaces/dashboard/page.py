"""The page that Streamlit runs (jobs/dashboard.py): a pipeline's views for a selected time window."""

import sys
from collections.abc import Callable
from pathlib import Path

import click
import streamlit as st

from penstock.config.pipeline import PipelineConfig
from penstock.errors import PenstockError
from penstock.interfaces.cli.options import config_options, read_config
from penstock.interfaces.dashboard import batches, forecasts, health, model, models, predictions, quarantined
from penstock.interfaces.dashboard.reading import CACHE_SECONDS, MissingTableError
from penstock.interfaces.dashboard.windows import DEFAULT, WINDOWS, Window, window_of

#: Views of one series, which show all of it.
WITHOUT_WINDOW = ("Forecasts", model.VIEW)
View = Callable[[PipelineConfig, Window], None]
#: By workload.
RESULTS: dict[str, dict[str, View]] = {
    "rows": {"Predictions": predictions.show, models.VIEW: models.show},
    "series": {"Forecasts": forecasts.show, model.VIEW: model.show, models.VIEW: models.show},
    "labels": {},
}


def views(config: PipelineConfig) -> dict[str, View]:
    return {"Health": health.show, **RESULTS[config.workload], "Quarantine": quarantined.show, "Batches": batches.show}


def show(config: PipelineConfig) -> None:
    st.set_page_config(page_title=f"{config.pipeline} · Penstock", layout="wide")
    offered = views(config)
    with st.sidebar:
        st.title(config.pipeline)
        st.caption(config.workload + (f", model {config.model.described}" if config.model else ""))
        chosen = st.radio("View", list(offered), key="view", bind="query-params")
        titles = [window.title for window in WINDOWS]
        title = st.selectbox(
            "Window",
            titles,
            index=titles.index(DEFAULT),
            key="window",
            bind="query-params",
            disabled=chosen in WITHOUT_WINDOW,
        )
        follows = st.toggle("Follow", help=f"Read the tables again every {CACHE_SECONDS} seconds")
        if st.button("Refresh"):
            st.cache_data.clear()
        st.caption("All times are UTC.")
    st.header(chosen)
    every = CACHE_SECONDS if follows else None
    st.fragment(guarded, run_every=every)(offered[chosen], config, window_of(title))


def guarded(view: View, config: PipelineConfig, window: Window) -> None:
    """Show a view; a PenstockError is shown as a message."""
    try:
        view(config, window)
    except MissingTableError as missing:
        st.info(str(missing))
    except PenstockError as error:
        st.error(str(error))


@click.command()
@config_options
def command(conf: tuple[Path, ...], overrides: tuple[str, ...]) -> None:
    try:
        show(read_config(conf, overrides))
    except PenstockError as error:
        st.error(str(error))


if __name__ == "__main__":
    command.main(args=sys.argv[1:], standalone_mode=False)

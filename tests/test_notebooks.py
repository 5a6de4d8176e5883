"""The notebooks run from top to bottom, and show what they promise: tables, charts and the numbers named here."""

import os
from collections.abc import Iterator
from pathlib import Path

import jupytext
import pytest
from nbclient import NotebookClient

PROJECT = Path(__file__).parents[1]
#: What Altair's and pandas' outputs of the type text/html have in them.
CHART, TABLE = "vegaEmbed", "<table"


@pytest.fixture(scope="module")
def notebooks(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Where all of them keep their data: the last one reads what the others wrote."""
    folder = tmp_path_factory.mktemp("notebooks")
    changed = {
        "PENSTOCK_NOTEBOOKS": str(folder),
        "PENSTOCK_MODEL_CACHE": str(folder / "models"),
        "PENSTOCK_SPARK_LOG": str(folder / "spark.log"),
        "PYSPARK_SUBMIT_ARGS": "--conf spark.ui.enabled=false --master local[2] "
        "--driver-java-options -XX:TieredStopAtLevel=1 pyspark-shell",
    }
    with pytest.MonkeyPatch.context() as patch:
        for name, value in changed.items():
            patch.setitem(os.environ, name, value)
        yield folder


def outputs(name: str) -> tuple[str, str]:
    """What a notebook's cells show as text/html, and what they print."""
    notebook = jupytext.read(PROJECT / "notebooks" / f"{name}.py")
    NotebookClient(notebook, timeout=900, resources={"metadata": {"path": str(PROJECT / "notebooks")}}).execute()
    shown = [output for cell in notebook.cells if cell.cell_type == "code" for output in cell.outputs]
    html = "".join(output["data"]["text/html"] for output in shown if "text/html" in output.get("data", {}))
    return html, "".join(output.get("text", "") for output in shown)


def test_the_first_pipeline(notebooks: Path) -> None:
    html, text = outputs("first_pipeline")
    assert CHART in html
    assert TABLE in html
    assert "250 and 249 rows" in text
    assert "0 further micro-batches, 497 predictions" in text


def test_var_forecasts(notebooks: Path) -> None:
    html, text = outputs("var_forecasts")
    assert CHART in html
    assert TABLE in html
    assert "11 observations, 0 failed" in text
    [line] = [line for line in text.splitlines() if line.startswith("largest relative difference: ")]
    assert float(line.split(": ")[1]) < 1e-9


def test_tables_for_bi(notebooks: Path) -> None:
    """After the other two, which write what it reads."""
    html, text = outputs("tables_for_bi")
    assert CHART in html
    assert TABLE in html
    assert "2 forecasts have an actual value" in text


def test_was_it_right(notebooks: Path) -> None:
    """After that of VAR forecasts, which writes what it judges."""
    html, text = outputs("was_it_right")
    assert CHART in html
    assert TABLE in html
    assert "macro-var, pipeline macro: version 1 answers" in text
    [line] = [line for line in text.splitlines() if line.startswith("largest difference: ")]
    assert float(line.split(": ")[1]) < 1e-9

"""Impulse responses as a picture."""

from pathlib import Path

import pandas as pd

#: A picture of more would have cells too small to read.
MOST_VARIABLES = 8
CELL_INCHES = 2.2


def save_responses(responses: pd.DataFrame, path: Path) -> bool:
    """A PNG with a row for each response and a column for each impulse. responses: the table `impulse_responses`.
    False, and nothing is written, for more than MOST_VARIABLES."""
    variables = list(responses["impulse"].unique())
    if len(variables) > MOST_VARIABLES:
        return False
    from matplotlib.figure import Figure

    size = CELL_INCHES * len(variables)
    figure = Figure(figsize=(max(size, 4), max(size, 3)), layout="constrained")
    cells = figure.subplots(len(variables), len(variables), sharex=True, squeeze=False)
    for (impulse, response), part in responses.groupby(["impulse", "response"], sort=False):
        cell = cells[variables.index(response), variables.index(impulse)]
        cell.plot(part["step"], part["orthogonalised"], marker=".")
        cell.axhline(0, color="gray", linewidth=0.5)
        cell.set_title(f"{impulse} → {response}", fontsize="small")
        cell.tick_params(labelsize="x-small")
    figure.savefig(path, dpi=100)
    return True

"""The red-wine pipeline: eleven physico-chemical measurements, as in Cortez et al. 2009.

The bounds are physical, not statistical: impossible values are data errors, unusual ones are left to the model.
"""

from penstock.schemas.contract import Contract, Field, Rule

MEASUREMENTS = (
    "fixed acidity",
    "volatile acidity",
    "citric acid",
    "residual sugar",
    "chlorides",
    "free sulfur dioxide",
    "total sulfur dioxide",
    "density",
    "pH",
    "sulphates",
    "alcohol",
)


def measurement(header_name: str) -> Field:
    """A measurement under its header's name, which is the model's name too, as a double."""
    table_name = header_name.lower().replace(" ", "_")
    return Field(name=table_name, source=header_name, model=header_name, type="double")


CONTRACT = Contract(
    fields=tuple(measurement(name) for name in MEASUREMENTS),
    rules=(
        Rule(name="alcohol_in_range", sql="alcohol BETWEEN 0 AND 25"),
        Rule(name="ph_in_range", sql="ph BETWEEN 0 AND 14"),
        Rule(name="density_in_range", sql="density BETWEEN 0.9 AND 1.2"),
        Rule(name="free_within_total", sql="free_sulfur_dioxide <= total_sulfur_dioxide"),
    ),
)

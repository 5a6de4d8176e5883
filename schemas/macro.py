"""US macro data as observations of a series: real GDP, consumption and investment, in billions of chained dollars."""

from penstock.schemas.contract import Contract, Field, Rule

VARIABLES = ("realgdp", "realcons", "realinv")

CONTRACT = Contract(
    fields=(
        Field(name="series_id", type="string"),
        Field(name="ds", type="timestamp"),
        *(Field(name=variable, type="double", nullable=True) for variable in VARIABLES),
    ),
    rules=tuple(Rule(name=f"{name}_positive", sql=f"{name} IS NULL OR {name} > 0") for name in VARIABLES),
)

"""What wines turned out to be: the quality that tasters gave each of them, by the number of its order."""

from penstock.schemas.contract import Contract, Field, Rule

CONTRACT = Contract(
    fields=(Field(name="order_id", type="long"), Field(name="quality", type="double")),
    rules=(Rule(name="quality_in_range", sql="quality BETWEEN 0 AND 10"),),
)

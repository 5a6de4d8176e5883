"""Contracts that the tests name in their configs."""

from schemas.contract import Contract, Field, Rule

TYPES = Contract(
    fields=(
        Field(name="id", type="string"),
        Field(name="x", type="double", nullable=True),
        Field(name="whole", type="integer", nullable=True),
        Field(name="big", type="long", nullable=True),
        Field(name="money", type="decimal(6,2)", nullable=True),
        Field(name="at", type="timestamp", nullable=True),
        Field(name="german_day", type="date", format="dd.MM.yyyy", nullable=True),
        Field(name="day", type="date", nullable=True),
        Field(name="flag", type="boolean", nullable=True),
        Field(name="kept", type="double", nan="keep", nullable=True),
        Field(name="emptied", type="double", nan="null", nullable=True),
    )
)

DIVIDING = Contract(
    fields=(Field(name="x", type="double"), Field(name="y", type="integer")),
    rules=(Rule(name="ratio", sql="x / y < 10"), Rule(name="remainder", sql="10 % y >= 0")),
    extra_columns="refuse",
)

SMALL = Contract(fields=(Field(name="x", type="double"), Field(name="note", type="string", nullable=True)))

LIMITED = Contract(fields=SMALL.fields, rules=(Rule(name="small", sql="x < 10"),))
MORE_LIMITED = Contract(fields=SMALL.fields, rules=(Rule(name="tiny", sql="x < 5"),))

SMALL_AND_MORE = Contract(fields=(*SMALL.fields, Field(name="more", type="integer", nullable=True)))
SMALL_CHANGED = Contract(fields=(Field(name="x", type="double"), Field(name="note", type="integer", nullable=True)))

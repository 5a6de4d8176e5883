"""Contracts that the tests name in their configs."""

from penstock.schemas.contract import Contract, Field, Rule

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

#: Every type that an experiment's key may have.
KEYED = Contract(
    fields=(
        Field(name="x", type="double"),
        Field(name="name", type="string"),
        Field(name="whole", type="integer"),
        Field(name="big", type="long"),
        Field(name="day", type="date"),
        Field(name="flag", type="boolean"),
    )
)

ONE = Contract(fields=(Field(name="x", type="double"),))
SMALL = Contract(fields=(Field(name="x", type="double"), Field(name="note", type="string", nullable=True)))

LIMITED = Contract(fields=SMALL.fields, rules=(Rule(name="small", sql="x < 10"),))
MORE_LIMITED = Contract(fields=SMALL.fields, rules=(Rule(name="tiny", sql="x < 5"),))
LESS_LIMITED = Contract(fields=SMALL.fields, rules=(Rule(name="large", sql="x < 50"),))

LABELS = Contract(
    fields=(
        Field(name="order_id", type="long"),
        Field(name="quality", type="double"),
        Field(name="taster", type="string", nullable=True),
    ),
    rules=(Rule(name="quality_in_range", sql="quality BETWEEN 0 AND 10"),),
)
LABELS_OF_ANY_QUALITY = Contract(fields=LABELS.fields)

#: What a value may lose on its way through the text that the quarantine keeps.
EXACT = Contract(
    fields=(
        Field(name="x", type="double"),
        Field(name="widened", type="double"),
        Field(name="narrow", type="float"),
        Field(name="kept", type="double", nan="keep"),
        Field(name="emptied", type="double", nan="null", nullable=True),
        Field(name="at", type="timestamp"),
        Field(name="local_at", type="timestamp"),
        Field(name="day", type="date"),
        Field(name="small", type="decimal(18,8)"),
        Field(name="smallest", type="decimal(38,38)"),
        Field(name="large", type="decimal(38,0)"),
        Field(name="divided", type="double"),
        Field(name="big", type="long"),
        Field(name="note", type="string"),
        Field(name="released", type="boolean"),
    )
)
EXACT_HELD = Contract(fields=EXACT.fields, rules=(Rule(name="hold", sql="released"),))

#: A column for each type that Parquet has in several ways.
PARQUET = Contract(
    fields=(
        Field(name="id", type="string"),
        Field(name="x", type="double", nullable=True),
        Field(name="whole", type="long", nullable=True),
        Field(name="big", type="decimal(20,0)", nullable=True),
        Field(name="money", type="decimal(12,3)", nullable=True),
        Field(name="at", type="timestamp", nullable=True),
        Field(name="day", type="date", nullable=True),
        Field(name="note", type="string", source="note.text", nullable=True),
        Field(name="flag", type="boolean", nullable=True),
    )
)

#: Numbers with a decimal comma.
COMMAS = Contract(
    fields=(
        Field(name="x", type="double", decimal=","),
        Field(name="n", type="integer", decimal=","),
        Field(name="note", type="string", nullable=True),
    ),
    rules=(Rule(name="small", sql="x < 100"),),
)
COMMAS_OF_ANY_SIZE = Contract(fields=COMMAS.fields)

SMALL_AND_MORE = Contract(fields=(*SMALL.fields, Field(name="more", type="integer", nullable=True)))
SMALL_CHANGED = Contract(fields=(Field(name="x", type="double"), Field(name="note", type="integer", nullable=True)))

#: Distinguishable rows, for tests that none is lost or duplicated.
LEDGER = Contract(
    fields=(
        Field(name="row_id", type="long"),
        Field(name="x", type="double"),
        Field(name="note", type="string", nullable=True),
    )
)

FUZZ = Contract(
    fields=(
        Field(name="row_id", type="long"),
        Field(name="name", type="string"),
        Field(name="x", type="double"),
        Field(name="n", type="integer", nullable=True),
        Field(name="note", type="string", nullable=True),
    )
)

#: With times that its model takes.
TIMED = Contract(
    fields=(
        Field(name="x", type="double"),
        Field(name="at", type="timestamp", nullable=True),
        Field(name="day", type="date", nullable=True),
        Field(name="note", type="string", nullable=True),
    )
)

#: Of a model with optional inputs; one of them is in no field.
OPTIONAL = Contract(
    fields=(
        Field(name="id", type="string"),
        Field(name="n", type="long", nullable=True),
        Field(name="flag", type="boolean", nullable=True),
    )
)

#: Rows that get labels later, and those labels.
ORDERS = Contract(
    fields=(
        Field(name="order_id", type="long"),
        Field(name="placed_at", type="timestamp"),
        Field(name="x", type="double"),
        Field(name="note", type="string", nullable=True),
    )
)
SMALL_ORDERS = Contract(fields=ORDERS.fields, rules=(Rule(name="small", sql="x < 1000"),))
ORDER_LABELS = Contract(
    fields=(Field(name="order_id", type="long"), Field(name="quality", type="double", nullable=True)),
)
TEXT_ORDER_LABELS = Contract(
    fields=(Field(name="order_id", type="long"), Field(name="quality", type="string")),
)
TEXT_KEYS = Contract(fields=(Field(name="order_id", type="string"), Field(name="quality", type="double")))

#: A row has a column that a forecast has too, and a date of its own.
STEPS = Contract(
    fields=(
        Field(name="order_id", type="long"),
        Field(name="step", type="integer"),
        Field(name="made_on", type="date"),
    )
)

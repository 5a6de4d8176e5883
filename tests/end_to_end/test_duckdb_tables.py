"""DuckDB sees the rows that Spark sees, also where retention has marked some as deleted."""

from delta.tables import DeltaTable
from sandbox import WINE, Sandbox, csv_file, wine

from penstock.storage.duckdb_tables import connect_tables


def test_deleted_rows_are_not_seen(sandbox: Sandbox) -> None:
    for number in range(2):
        sandbox.drop(f"{number}.csv", csv_file(*[wine(alcohol=10 * number + row) for row in range(4)]), age_seconds=90)
        sandbox.run()
    path = f"{sandbox.location}/tables/predictions"
    sandbox.spark.sql(f"ALTER TABLE delta.`{path}` SET TBLPROPERTIES ('delta.enableDeletionVectors' = true)")
    DeltaTable.forPath(sandbox.spark, path).delete("alcohol IN (0, 2)")
    seen = connect_tables(sandbox.config()).sql("SELECT alcohol FROM predictions ORDER BY 1").fetchall()
    assert [alcohol for (alcohol,) in seen] == [1, 3, 10, 11, 12, 13]
    assert any(path.suffix == ".bin" for path in (sandbox.root / "tables" / "predictions").iterdir())


def test_a_table_that_is_not_there_has_no_name(sandbox: Sandbox) -> None:
    sandbox.drop("a.csv", csv_file(WINE))
    sandbox.run()
    tables = connect_tables(sandbox.config())
    names = {name for (name,) in tables.sql("SELECT view_name FROM duckdb_views() WHERE NOT internal").fetchall()}
    assert names == {"predictions", "quarantine", "batches"}

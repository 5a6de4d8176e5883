"""Where the observations to fit on come from."""

import json
import os
from datetime import datetime

import pandas as pd
import pytest
from fit_sandbox import MACRO, fit_config, macro_frame, to_csv

from penstock.errors import ConfigError, FitError
from penstock.models.training.var import fit_var
from penstock.models.training.var_data import read_fit_data
from penstock.sources.listing import walk_inbox
from penstock.storage.files import LocalStorage
from penstock.udfs.var.histories import histories


def rows(frame):
    return sorted(map(tuple, frame.select("series_id", "ds", "realgdp").toPandas().itertuples(index=False)))


def truth(frame):
    return sorted(map(tuple, frame[["series_id", "ds", "realgdp"]].itertuples(index=False)))


def test_csv_and_parquet_files_and_folders(spark, registry, tmp_path):
    frame = macro_frame()
    to_csv(frame.iloc[:50], tmp_path / "data" / "deep" / "a.csv")
    to_csv(frame.iloc[50:100][[*MACRO, "ds", "series_id"]], tmp_path / "data" / "b[1].csv")
    frame.iloc[100:150].astype({"ds": "datetime64[us]"}).to_parquet(tmp_path / "data" / "c.parquet", index=False)
    (tmp_path / "data" / "_SUCCESS").write_text("")
    (tmp_path / "data" / ".b.csv.crc").write_text("x")
    single = to_csv(frame.iloc[150:], tmp_path / "single.csv")
    config = fit_config(tmp_path, registry)
    data = read_fit_data(spark, config, data=[str(tmp_path / "data"), str(single)])
    assert rows(data.frame) == truth(frame)
    assert (data.n_rejected, data.refused_files, len(data.files)) == (0, [], 4)
    assert rows(data.until(datetime(1960, 1, 1))) == truth(frame.iloc[:5])


def test_what_is_rejected_is_counted_and_shown(spark, registry, tmp_path, caplog):
    caplog.set_level("WARNING")
    frame = macro_frame().astype({"realgdp": object})
    frame.loc[3, "realgdp"] = "abc"
    frame.loc[5, "realgdp"] = -7
    to_csv(frame, tmp_path / "inbox" / "a.csv")
    (tmp_path / "inbox" / "b.csv").write_text("series_id,ds\nusa,2000-01-01\n")
    config = fit_config(tmp_path, registry, model__name="rejects-fit")
    result = fit_var(spark, config, diagnosed=0)
    assert "1 of 2 files refused" in caplog.text
    assert "2 rows rejected" in caplog.text
    run = registry.client.get_run(result.run_id)
    assert (run.data.metrics["rejected_rows"], run.data.metrics["refused_files"]) == (2, 1)
    folder = registry.client.download_artifacts(result.run_id, "data")
    rejected = pd.read_csv(f"{folder}/rejected_rows.csv")
    assert sorted(rejected["reasons"]) == [
        "realgdp: 'abc' is not a double",
        "rule realgdp_positive: not true: realgdp IS NULL OR realgdp > 0",
    ]
    assert pd.read_csv(f"{folder}/files.csv")["verdict"].tolist() == ["accepted", "refused"]


def test_the_newest_file_wins_a_date(spark, registry, tmp_path):
    frame = macro_frame()
    old = to_csv(frame, tmp_path / "inbox" / "z.csv")
    new = to_csv(frame.iloc[[7]].assign(realgdp=1.0), tmp_path / "inbox" / "a.csv")
    os.utime(old, (1_000_000_000, 1_000_000_000))
    os.utime(new, (1_500_000_000, 1_500_000_000))
    found = read_fit_data(spark, fit_config(tmp_path, registry)).frame.toPandas()
    same = found[found["ds"] == frame["ds"][7]].sort_values("recency")
    assert same["realgdp"].tolist() == [frame["realgdp"][7], 1.0]


def test_a_fit_reads_the_files_that_the_stream_reads(spark, registry, tmp_path):
    frame = macro_frame()
    parts = {"2024_a.csv": 0, "_x=1/2025_b.csv": 50, "2026_a.csv": 100, "2025_c.csv": 150, ".hidden/2025_a.csv": 150}
    for name, first in parts.items():
        to_csv(frame.iloc[first : first + 50], tmp_path / "inbox" / name)
    config = fit_config(tmp_path, registry, source__path_glob_filter="{2024,2025}_[!c]*.csv")
    data = read_fit_data(spark, config)
    assert {file.path for file in data.files} == dict(walk_inbox(LocalStorage(), config.source)).keys()
    assert rows(data.frame) == truth(frame.iloc[:100])


def observations_table(spark, path, frame, mode="append"):
    columns = ["series_id", "ds", *MACRO, "error"]
    spark.createDataFrame(frame[columns]).write.format("delta").mode(mode).save(str(path))


def test_the_observations_table_at_a_version(spark, registry, tmp_path):
    frame = macro_frame().assign(error="")
    frame.loc[:8, "error"] = "warming_up"
    path = tmp_path / "tables" / "observations"
    observations_table(spark, path, frame.iloc[:150])
    later = frame.iloc[150:].assign(error="late")
    not_used = [frame.iloc[[3]].assign(error=error, realgdp=1.0) for error in ("revision", "superseded")]
    observations_table(spark, path, pd.concat([later, *not_used]))
    config = fit_config(tmp_path, registry, model__name="table-fit")
    newest = read_fit_data(spark, config, from_table=True)
    assert (newest.version, rows(newest.frame)) == (1, truth(frame))
    first = read_fit_data(spark, config, from_table=True, table_version=0)
    assert (first.version, rows(first.frame)) == (0, truth(frame.iloc[:150]))
    with pytest.raises(FitError, match="has no version 2; the newest is 1"):
        read_fit_data(spark, config, from_table=True, table_version=2)

    result = fit_var(spark, config, from_table=True, table_version=1, diagnosed=0)
    run = registry.client.get_run(result.run_id)
    assert (run.data.params["data_version"], run.data.params["data_source"]) == ("1", str(path))
    [given] = run.inputs.dataset_inputs
    assert given.dataset.source_type == "delta_table"
    assert json.loads(given.dataset.source)["delta_table_version"] == 1


def test_conflicts_of_the_table_are_counted_and_not_fitted_on(spark, registry, tmp_path):
    """Quarter 3 has a value beside them, quarter 5 has none."""
    frame = macro_frame().assign(error="", observed_at=pd.Timestamp("2026-01-01"))
    contrary = [frame.iloc[[place]].assign(error="conflict", realgdp=value) for place in (3, 5) for value in (1.0, 2.0)]
    table = pd.concat([frame.drop(index=5), *contrary]).assign(observed_at=pd.Timestamp("2026-01-01"))
    path = tmp_path / "tables" / "observations"
    spark.createDataFrame(table).write.format("delta").save(str(path))
    data = read_fit_data(spark, fit_config(tmp_path, registry), from_table=True)
    found = histories(data.frame.toArrow(), variables=MACRO, frequency="QS")
    assert found.levels[:, 0].tolist() == frame["realgdp"].drop(5).tolist()
    assert found.conflicts.tolist() == [1]


def test_nothing_to_read(spark, registry, tmp_path):
    config = fit_config(tmp_path, registry)
    with pytest.raises(FitError, match="there is no file; name observations with --data"):
        read_fit_data(spark, config)
    with pytest.raises(FitError, match="there is no such table yet"):
        read_fit_data(spark, config, from_table=True)
    (tmp_path / "inbox").mkdir()
    (tmp_path / "inbox" / "a.csv").write_text("x,y\n1,2\n")
    with pytest.raises(FitError, match=r"lacks|missing|all 1 files were refused"):
        read_fit_data(spark, config)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"series__id": "country"}, "has no field country"),
        ({"series__time": "series_id"}, "series_id is a string, expected timestamp or date"),
    ],
)
def test_the_contract_must_have_the_series_columns(spark, registry, tmp_path, changes, message):
    with pytest.raises(ConfigError, match=message):
        read_fit_data(spark, fit_config(tmp_path, registry, **changes))

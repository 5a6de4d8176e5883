"""The page over tables on a real S3 server."""

from datetime import UTC, datetime, timedelta

import pytest
from dashboard_tables import WINE_CONF, WrittenTables, batch
from deltalake import write_deltalake
from streamlit.testing.v1 import AppTest

from penstock.config.pipeline import S3Config
from penstock.interfaces.dashboard import reading
from penstock.interfaces.dashboard.launching import PAGE
from penstock.storage.delta_reader import s3_options

BUCKET = "dashboard"


@pytest.fixture
def opened(s3, tmp_path, monkeypatch):
    """Opens the page of a pipeline whose tables are in the bucket."""
    s3.make_bucket(BUCKET)
    for name, value in s3.environment().items():
        monkeypatch.setenv(name, value)
    place = f"s3a://{BUCKET}/wine/tables"

    def open_page():
        conf = WrittenTables(tmp_path, WINE_CONF).conf
        monkeypatch.setattr("sys.argv", [str(PAGE), "--conf", str(conf), "--set", f"tables.root={place}"])
        page = AppTest.from_file(str(PAGE), default_timeout=300).run()
        assert not page.exception
        return page

    return open_page


def test_missing_tables_then_the_last_batch_then_wrong_credentials(opened, tmp_path, monkeypatch):
    assert "no table `batches` at s3a://dashboard/wine/tables/batches yet" in opened().info[0].value
    ended = datetime.now(UTC) - timedelta(minutes=10)
    table = WrittenTables(tmp_path, WINE_CONF).arrow("batches", batch(0, at=ended, seconds=5))
    write_deltalake(f"s3://{BUCKET}/wine/tables/batches", table, storage_options=s3_options(S3Config()))
    shown = {metric.label: metric.value for metric in opened().metric}
    assert (shown["Age of last batch"], shown["Rows/s in it"]) == ("10 min", "2")
    reading.cached.clear()
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "wrong")
    page = opened()
    assert "can't be read" in page.error[0].value
    assert "wrong" not in page.error[0].value

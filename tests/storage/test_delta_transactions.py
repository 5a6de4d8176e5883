"""A table's transactions, from the checksum beside its newest commit, or from the table."""

import json

import deltalake
import pyarrow as pa
import pytest

from penstock.config.pipeline import PipelineConfig
from penstock.storage.delta_transactions import checksum_transactions, last_transaction
from penstock.storage.files import LocalStorage


@pytest.fixture
def config(tmp_path):
    return PipelineConfig.model_validate(
        {
            "pipeline": "wine",
            "workload": "rows",
            "source": {"path": str(tmp_path / "inbox")},
            "contract": "schemas.wine:CONTRACT",
            "model": {"name": "m"},
            "tables": {"root": str(tmp_path / "tables")},
            "checkpoint": str(tmp_path / "checkpoint"),
            "mlflow": {"tracking_uri": "http://host"},
        }
    )


@pytest.fixture
def log(config):
    """A table with three commits of wine:q; deltalake writes no checksums."""
    path = config.table_path("predictions")
    for number in range(3):
        made_by = deltalake.CommitProperties(app_transactions=[deltalake.Transaction("wine:q", number)])
        deltalake.write_deltalake(path, pa.table({"a": [number]}), mode="append", commit_properties=made_by)
    return config.table_path("predictions") + "/_delta_log"


def checksum(log, version, content):
    LocalStorage().replace(f"{log}/{version:020}.crc", content)


def test_without_a_checksum_the_table_is_read(config, log):
    assert last_transaction(config, "predictions", "wine:q") == 2
    assert last_transaction(config, "predictions", "wine:other") is None
    assert last_transaction(config, "quarantine", "wine:q") is None


def test_the_checksum_of_the_newest_commit_counts(config, log):
    checksum(log, 1, json.dumps({"setTransactions": [{"appId": "wine:q", "version": 7}]}).encode())
    assert last_transaction(config, "predictions", "wine:q") == 2
    checksum(log, 2, json.dumps({"setTransactions": [{"appId": "wine:q", "version": 9}]}).encode())
    assert last_transaction(config, "predictions", "wine:q") == 9
    assert last_transaction(config, "predictions", "wine:other") is None


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b"{}", b'{"setTransactions": [{"appId": "x"}]}'])
def test_a_checksum_that_does_not_say_is_left_aside(config, log, content):
    checksum(log, 2, content)
    assert checksum_transactions(LocalStorage(), config.table_path("predictions")) is None
    assert last_transaction(config, "predictions", "wine:q") == 2

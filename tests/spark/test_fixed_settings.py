"""Settings that carry meaning can't be changed by whatever source, and the message says by which one they were."""

from pathlib import Path

import pytest

from penstock.errors import EnvironmentCheckError
from penstock.spark.fixed_settings import FIXED, SettingsSource, check_fixed_settings
from penstock.spark.session import check_given
from penstock.spark.settings import SETTINGS

ZONE = "spark.sql.session.timeZone"


@pytest.fixture
def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The file with a site's own defaults, empty."""
    monkeypatch.setenv("SPARK_CONF_DIR", str(tmp_path))
    file = tmp_path / "spark-defaults.conf"
    file.write_text("")
    return file


def refused(*, given: dict[str, str] | None = None, config: dict[str, str] | None = None) -> str:
    with pytest.raises(EnvironmentCheckError) as caught:
        check_given(given or {}, config or {})
    return str(caught.value)


def test_what_is_left_alone_or_said_again_is_fine(site: Path) -> None:
    site.write_text("".join(f"{key} {value}\n" for key, value in SETTINGS.items()))
    check_given({}, {})
    check_given({}, dict(FIXED))
    check_given(dict(FIXED), {})
    check_given({}, {ZONE: "Etc/UTC", "spark.sql.ansi.enabled": "FALSE", "spark.sql.timestampType": "timestamp_ltz"})
    check_given({}, {"spark.sql.extensions": f"org.example.More,{SETTINGS['spark.sql.extensions']}"})
    check_given({}, {"spark.sql.shuffle.partitions": "9", "spark.driver.memory": "4g"})


@pytest.mark.parametrize(
    ("key", "value"),
    [
        (ZONE, "Europe/Vienna"),
        ("spark.sql.ansi.enabled", "true"),
        ("spark.sql.files.ignoreCorruptFiles", "true"),
        ("spark.sql.files.ignoreMissingFiles", "true"),
        ("spark.sql.legacy.timeParserPolicy", "LEGACY"),
        ("spark.sql.csv.parser.columnPruning.enabled", "true"),
        ("spark.sql.caseSensitive", "true"),
        ("spark.sql.parquet.datetimeRebaseModeInRead", "LEGACY"),
        ("spark.delta.logStore.file.impl", "io.delta.storage.HDFSLogStore"),
        ("spark.delta.logStore.class", "io.delta.storage.HDFSLogStore"),
        ("spark.databricks.delta.retentionDurationCheck.enabled", "false"),
        ("spark.sql.legacy.castComplexTypesToString.enabled", "true"),
    ],
)
def test_another_value_is_refused_with_its_key_and_place(site: Path, key: str, value: str) -> None:
    in_config = refused(config={key: value})
    assert f"{key} is {value!r} in the config, section spark, expected " in in_config
    assert f"{key} is {value!r} in --conf or --properties-file of spark-submit" in refused(given={key: value})
    site.write_text(f"# ours\n{key}={value}\n")
    assert f"{key} is {value!r} in {site}, expected " in refused()
    assert f"{key} is {value!r} in {site}, expected " in refused(given={key: value})


def test_the_config_takes_the_place_of_a_sites_default(site: Path) -> None:
    """As it does in the session, but under spark-submit, where what was given is kept."""
    site.write_text(f"{ZONE} Asia/Tokyo\n")
    check_given({}, {ZONE: "UTC"})
    assert "Asia/Tokyo" in refused(given={ZONE: "Asia/Tokyo"}, config={ZONE: "UTC"})
    check_given({ZONE: "UTC"}, {})


def test_every_wrong_value_is_told_at_once() -> None:
    both = {ZONE: "CET", "spark.sql.ansi.enabled": "true"}
    with pytest.raises(EnvironmentCheckError, match=r"spark\.sql\.ansi\.enabled is 'true'.*timeZone is 'CET'"):
        check_fixed_settings(SettingsSource(place="here", remedy="remove it", settings=both))

"""Records made by hand go in, the real endpoint is scraped; the numbers are counted by hand."""

import contextlib
import socket
import time

import pytest
from batch_records import CONFIG, STARTED, batch_record, metrics_config, series_config
from free_ports import free_port
from prometheus_client import REGISTRY
from pydantic import ValidationError
from scraping import samples, scrape, series

from penstock.config.pipeline import PipelineConfig
from penstock.errors import EnvironmentCheckError
from penstock.operations.monitoring.metrics_server import served_metrics
from penstock.pipeline.batch_record import FileCount, ForecastCount
from penstock.spark.series_counts import SeriesCount


class Served:
    def __init__(self, metrics, port):
        self.metrics, self.port = metrics, port

    @property
    def text(self):
        return scrape(self.port)

    def value(self, name, **labels):
        return samples(self.text)[series(name, **labels)]

    def has(self, name):
        return f"penstock_{name}{{" in self.text


@pytest.fixture
def served():
    port = free_port()
    with served_metrics(metrics_config(port=port)) as metrics:
        yield Served(metrics, port)


COUNTERS = ("batches", "rows_in", "rows_accepted", "rows_quarantined", "rows_failed", "files_refused")


def counters(served):
    return [served.value(f"{name}_total") for name in COUNTERS]


def test_counters_are_0_before_the_first_batch(served):
    assert counters(served) == [0] * 6


def test_a_finished_batch_is_counted(served):
    counts = {
        "/in/a.csv": FileCount(accepted=7, failed=2, quarantined=3),
        "/in/b.csv": FileCount(accepted=5),
    }
    served.metrics.on_record(batch_record(counts, refused_files=("/in/c.csv",)))
    assert counters(served) == [1, 15, 12, 3, 2, 1]
    served.metrics.on_record(batch_record({"/in/d.csv": FileCount(accepted=1, quarantined=9)}))
    assert counters(served) == [2, 25, 13, 12, 2, 1]


def test_observations_are_counted_by_outcome():
    """Of 9 observations 5 have a forecast; of 3 series one has none. No reason is missing before it first occurs."""
    port = free_port()
    with served_metrics(series_config(port=port)) as metrics:
        served = Served(metrics, port)
        name = "observations_total"
        assert served.value(name, pipeline="macro", outcome="forecast") == 0
        assert served.value(name, pipeline="macro", outcome="late") == 0
        assert not served.has("batch_series")
        forecasts = ForecastCount(
            without_forecast={"warming_up": 3, "model": 1}, series=SeriesCount(series=3, without_forecast=1)
        )
        counts = {"/in/a.csv": FileCount(accepted=9, failed=1)}
        for _ in range(2):
            served.metrics.on_record(batch_record(counts, forecasts=forecasts))
        found = {
            outcome: served.value(name, pipeline="macro", outcome=outcome)
            for outcome in ("forecast", "warming_up", "model", "gap")
        }
        assert found == {"forecast": 10, "warming_up": 6, "model": 2, "gap": 0}
        assert served.value("batch_series", pipeline="macro") == 3
        assert served.value("batch_series_without_forecast", pipeline="macro") == 1


def test_rows_have_no_outcomes(served):
    served.metrics.on_record(batch_record({"/in/a.csv": FileCount(accepted=1)}))
    assert not served.has("observations_total")


def test_the_seconds_of_batches_and_phases(served):
    served.metrics.on_record(batch_record({}, seconds=4.0, timings={"plan": 0.2, "predictions": 3.5}))
    served.metrics.on_record(batch_record({}, seconds=45.0, timings={"plan": 0.3, "predictions": 44.0}))
    batch = "batch_duration_seconds"
    assert (served.value(f"{batch}_sum"), served.value(f"{batch}_count")) == (49, 2)
    for bucket, batches in [("2.5", 0), ("5.0", 1), ("30.0", 1), ("60.0", 2), ("+Inf", 2)]:
        assert served.value(f"{batch}_bucket", le=bucket) == batches
    phase = "batch_phase_duration_seconds"
    assert served.value(f"{phase}_sum", phase="plan") == pytest.approx(0.5)
    assert served.value(f"{phase}_sum", phase="predictions") == 47.5
    assert served.value(f"{phase}_count", phase="predictions") == 2


def test_when_the_last_batch_finished(served):
    assert not served.has("last_batch_finished_timestamp_seconds")
    served.metrics.on_record(batch_record({}, seconds=4.0))
    # Noon of 1 March 2026, 20,513 days after 1970, and 4 seconds.
    assert STARTED.isoformat() == "2026-03-01T12:00:00+00:00"
    assert served.value("last_batch_finished_timestamp_seconds") == 20_513 * 86_400 + 12 * 3600 + 4


def test_the_model_is_that_of_the_last_batch(served):
    for version in ("1", "2"):
        served.metrics.on_record(batch_record({}, version=version))
        assert served.value("model_info", model="wine-quality", role="champion", version=version) == 1
        assert served.text.count("penstock_model_info{") == 1
        # The record's version was made in 1970.
        assert served.value("model_age_seconds") == pytest.approx(time.time(), abs=60)


def test_a_refused_version_is_shown_while_the_alias_points_to_it(served):
    served.metrics.on_record(batch_record({}, refused_versions={"3": "it failed on 9 of 10 probe rows"}))
    assert served.value("model_refused_info", model="wine-quality", version="3") == 1
    assert "probe rows" not in served.text
    served.metrics.on_record(batch_record({}))
    assert not served.has("model_refused_info")


def test_a_backlog_that_is_not_known_has_no_number(served):
    assert not served.has("backlog_files")
    served.metrics.on_backlog(12)
    assert served.value("backlog_files") == 12
    served.metrics.on_backlog(None)
    assert not served.has("backlog_files")
    served.metrics.on_backlog(0)
    assert served.value("backlog_files") == 0


def test_whether_the_query_runs_and_when_it_was_last_heard_of(served):
    assert served.value("query_running") == 0
    assert not served.has("query_last_event_timestamp_seconds")
    before = time.time()
    served.metrics.on_query(running=True)
    assert served.value("query_running") == 1
    assert before <= served.value("query_last_event_timestamp_seconds") <= time.time()
    served.metrics.on_query(running=False)
    assert served.value("query_running") == 0


def test_the_job_says_since_when_it_is_there_and_how_often_it_looks(served):
    assert time.time() - 60 < served.value("start_timestamp_seconds") <= time.time()
    assert served.value("trigger_interval_seconds") == 300


def test_every_series_names_its_pipeline_and_the_default_registry_has_none(served):
    served.metrics.on_record(batch_record({}, timings={"plan": 1}, refused_versions={"2": "no"}))
    served.metrics.on_backlog(1)
    served.metrics.on_query(running=True)
    shown = samples(served.text)
    assert len(shown) > 20
    assert [name for name in shown if not name.startswith("penstock_") or 'pipeline="wine"' not in name] == []
    assert not [metric.name for metric in REGISTRY.collect() if metric.name.startswith("penstock")]


def test_nothing_is_served_without_the_section():
    with served_metrics(metrics_config()) as metrics:
        assert metrics is None


def test_a_port_in_use_is_an_error_that_names_who_has_it():
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = other.getsockname()[1]
        expected = rf"metrics: port {port} of 127.0.0.1 is in use by .+; if that is a stream .* choose another"
        with pytest.raises(EnvironmentCheckError, match=expected), served_metrics(metrics_config(port=port)):
            pytest.fail("served")


@pytest.mark.parametrize("host", ["203.0.113.9", "no-such-host.invalid"])
def test_so_is_an_address_that_is_not_here(host):
    with (
        pytest.raises(EnvironmentCheckError, match=f"can't listen on port 9108 of {host}: .+; correct metrics.host"),
        served_metrics(metrics_config(host=host)),
    ):
        pytest.fail("served")


def test_the_server_ends_with_the_job_even_if_that_fails():
    port = free_port()
    for _ in range(2):
        with contextlib.suppress(ZeroDivisionError), served_metrics(metrics_config(port=port)):
            assert "penstock_batches_total" in scrape(port)
            raise ZeroDivisionError
        with pytest.raises(ConnectionRefusedError):
            socket.create_connection(("127.0.0.1", port))


def test_the_section_has_defaults_and_changes_no_batchs_meaning():
    with_metrics = PipelineConfig.model_validate(CONFIG | {"metrics": {}})
    assert with_metrics.metrics is not None
    assert (with_metrics.metrics.host, with_metrics.metrics.port) == ("127.0.0.1", 9108)
    assert with_metrics.meaning_hash == metrics_config().meaning_hash


@pytest.mark.parametrize("wrong", [{"port": 0}, {"port": 65536}, {"host": ""}, {"prot": 9108}, {"backlog_every": 0}])
def test_a_section_that_makes_no_sense_is_refused(wrong):
    with pytest.raises(ValidationError, match="metrics"):
        metrics_config(**wrong)

"""Dashboard, alerts and docs/metrics.md name the metrics that the code serves, and no others."""

import json
import re
from pathlib import Path

import pytest
import yaml
from batch_records import batch_record, evaluation_record
from experiment_standings import experiment_status

from penstock.config.loading import load_config
from penstock.config.pipeline import PipelineConfig
from penstock.operations.model_store.measures import Live
from penstock.operations.monitoring.metrics import PipelineMetrics
from penstock.pipeline.batch_record import FileCount, ForecastCount
from penstock.pipeline.evaluation.record import EvaluationLook
from penstock.spark.series_counts import SeriesCount

ROOT = Path(__file__).parents[1]
DEPLOY = ROOT / "deploy"
DASHBOARD = json.loads((DEPLOY / "grafana-dashboard.json").read_text(encoding="utf-8"))
RULES = yaml.safe_load((DEPLOY / "prometheus-alerts.yaml").read_text(encoding="utf-8"))["groups"][0]["rules"]
TESTS = yaml.safe_load((DEPLOY / "prometheus-alerts-test.yaml").read_text(encoding="utf-8"))
PAGE = (ROOT / "docs" / "metrics.md").read_text(encoding="utf-8")
#: What Prometheus itself adds to a scrape.
OF_PROMETHEUS = {"up"}
LABELS_OF_PROMETHEUS = {"job", "instance", "le"}
WORDS = {"and", "or", "unless", "bool", "offset"}
GROUPING = re.compile(r"\b(by|without|on|ignoring|group_left|group_right)\s*\(([^)]*)\)")
MATCHERS = re.compile(r"\{([^}]*)\}")


def targets():
    return [target for panel in DASHBOARD["panels"] for target in panel["targets"]]


EXPRESSIONS = (
    [rule["expr"] for rule in RULES]
    + [target["expr"] for target in targets()]
    + [note["expr"] for note in DASHBOARD["annotations"]["list"]]
)


def without_strings(expression):
    return re.sub(r'"[^"]*"', "", expression)


def metric_names(expression):
    """The identifiers that are no function, keyword, label or unit of time."""
    bare = re.sub(r"\[[^\]]*\]|offset \w+", "", MATCHERS.sub("", GROUPING.sub("", without_strings(expression))))
    words = re.findall(r"(?<![\w.])([a-zA-Z_:][\w:]*)\s*(\(?)", bare)
    return {word for word, call in words if not call and word not in WORDS}


def label_names(expression):
    bare = without_strings(expression)
    grouped = ",".join(names for _, names in GROUPING.findall(bare)).split(",")
    matched = re.findall(r"(\w+)\s*[=!]", ",".join(MATCHERS.findall(bare)))
    return {name.strip() for name in [*grouped, *matched]} - {""}


@pytest.fixture(scope="module")
def families():
    """What a pipeline serves after a batch with everything in it."""
    # Of series, which have a coverage too.
    config = PipelineConfig.model_validate(load_config([ROOT / "conf" / "macro.yaml"]).model_dump() | {"metrics": {}})
    metrics = PipelineMetrics(config)
    forecasts = ForecastCount(without_forecast={"gap": 1}, series=SeriesCount(series=1, without_forecast=1))
    metrics.on_record(
        batch_record(
            {"/a.csv": FileCount(accepted=1)},
            refused_versions={"2": "no"},
            refused_candidates={"3": "no"},
            timings={"plan": 1},
            forecasts=forecasts,
            candidate="4",
            model_seconds={"champion": 1.0},
        )
    )
    metrics.on_experiment(experiment_status())
    metrics.on_backlog(1)
    metrics.on_overlooked(1)
    metrics.on_query(running=True)
    metrics.on_evaluation(evaluation_record(0, unlabelled=3))
    metrics.on_evaluation_look(EvaluationLook(looked_at=evaluation_record(1).evaluated_at, unlabelled=3))
    live = Live(
        pairs=1, failed=0, loss=1.0, mae=1.0, ratio_to_naive=0.5, coverage=None, steps=(1,), first_unit=None,
        last_unit=None, evaluated_at=None, by_variable_and_step=(),
    )  # fmt: skip
    metrics.on_evaluation_means({"1": live})
    return list(metrics.registry.collect())


def samples(families):
    return [sample for family in families for sample in family.samples]


@pytest.mark.parametrize("expression", EXPRESSIONS)
def test_what_an_expression_names_is_served(families, expression):
    names = metric_names(expression)
    assert names
    assert names - OF_PROMETHEUS <= {sample.name for sample in samples(families)}
    labels = {label for sample in samples(families) for label in sample.labels}
    assert label_names(expression) <= labels | LABELS_OF_PROMETHEUS


def test_and_names_are_seen_wherever_they_stand():
    expression = (
        'sum by (a, b) (rate(x_total{c="d", e=~"$f"}[5m])) / on (g) h > 1.5e3 and time() - i:j offset 1m < 2 or k_l'
    )
    assert metric_names(expression) == {"x_total", "h", "i:j", "k_l"}
    assert label_names(expression) == {"a", "b", "c", "e", "g"}


def test_the_series_of_the_rules_own_test_are_served_with_their_labels(families):
    served = {(sample.name, frozenset(sample.labels)) for sample in samples(families)}
    for test in TESTS["tests"]:
        for one in test["input_series"]:
            name, _, matchers = one["series"].partition("{")
            labels = label_names("{" + matchers) - LABELS_OF_PROMETHEUS
            assert name in OF_PROMETHEUS or (name, frozenset(labels)) in served, one["series"]


def test_every_alert_says_what_is_and_what_to_do_and_is_tested():
    names = [rule["alert"] for rule in RULES]
    assert len(set(names)) == len(names) == 20
    for rule in RULES:
        assert rule["labels"]["severity"] in ("info", "warning", "critical")
        assert set(rule["annotations"]) == {"summary", "action"}
        for path in re.findall(r"\b(?:jobs|queries)/\S+\.\w+", rule["annotations"]["action"]):
            assert (ROOT / path).exists()
    healthy, *others = (test["alert_rule_test"] for test in TESTS["tests"])
    troubled = [one for test in others for one in test]
    assert {one["alertname"] for one in healthy} == set(names)
    assert not any(one["exp_alerts"] for one in healthy)
    assert {one["alertname"] for one in troubled if one["exp_alerts"]} == set(names)
    assert re.findall(r"^\| (Penstock\w+) \|", PAGE, re.MULTILINE) == names


def test_the_dashboard_has_the_panels_that_were_asked_for():
    titles = {panel["title"] for panel in DASHBOARD["panels"]}
    assert titles >= {
        "Rows per second",
        "Quarantined part of the rows",
        "Seconds of a batch by phase, mean",
        "Files that wait",
        "Age of the last batch",
        "Model version",
        "Failures in an hour",
    }
    ids = [panel["id"] for panel in DASHBOARD["panels"]]
    assert len(set(ids)) == len(ids) == len(titles)


def test_its_panels_do_not_overlap_and_fit_the_width():
    cells = [
        (x, y)
        for place in (panel["gridPos"] for panel in DASHBOARD["panels"])
        for x in range(place["x"], place["x"] + place["w"])
        for y in range(place["y"], place["y"] + place["h"])
    ]
    assert len(cells) == len(set(cells))
    assert max(x for x, _ in cells) == 23


def test_it_asks_the_prometheus_and_the_pipeline_that_are_chosen():
    variables = {variable["name"]: variable for variable in DASHBOARD["templating"]["list"]}
    assert set(variables) == {"source", "pipeline"}
    assert variables["pipeline"]["query"]["query"] == "label_values(penstock_batches_total, pipeline)"
    for target in targets():
        assert target["datasource"] == {"type": "prometheus", "uid": "${source}"}
        assert target["expr"].count("penstock_") == target["expr"].count('{pipeline=~"$pipeline"}')


def test_the_page_has_every_metric_with_its_type(families):
    rows = dict(re.findall(r"^\| `(penstock_\w+)` \| (\w+)", PAGE, re.MULTILINE))
    served = {
        f"{family.name}_total" if family.type == "counter" else family.name: family.type
        for family in families
        if not family.name.endswith("_created")
    }
    assert rows == served


def test_the_files_of_the_page_are_there_and_its_section_is_a_config(tmp_path):
    for path in re.findall(r"\b(?:deploy|jobs|tests)/[\w-]+\.\w+", PAGE):
        assert (ROOT / path).exists(), path
    section, scrape = (
        yaml.safe_load(text) for text in re.findall(r"^```yaml\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)
    )
    overlay = tmp_path / "metrics.yaml"
    overlay.write_text(yaml.safe_dump(section), encoding="utf-8")
    config = load_config([ROOT / "conf" / "wine.yaml", overlay])
    assert config.metrics is not None
    [job] = scrape["scrape_configs"]
    assert job["static_configs"][0]["targets"] == [f"{config.metrics.host}:{config.metrics.port}"]
    assert f'up{{job="{job["job_name"]}"}}' in RULES[0]["expr"]

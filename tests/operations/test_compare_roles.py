"""penstock compare --by-role, over tables written by hand; pandas and scipy are the truth."""

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import duckdb
import numpy as np
import pandas as pd
import pytest
import yaml
from dashboard_tables import MACRO_CONF, WrittenTables, quarter
from sandbox import WINE, TestRegistry
from scipy import stats
from test_compare_rows import DAY, MODEL, START, answers, write

from penstock.config.pipeline import PipelineConfig
from penstock.errors import AnswerNotFoundError
from penstock.jobs import compare as job
from penstock.models.accuracy.welch import Sample, welch
from penstock.operations.compare.request import Request
from penstock.operations.compare.roles import ByRole, compare_roles, newest_pair
from penstock.operations.compare.text import roles_text

ROWS, CANDIDATES = 80, 30
SOLD = pd.Timestamp("2020-01-01", tz="UTC")
LATER = datetime(2030, 1, 1, tzinfo=UTC)


@pytest.fixture(scope="module")
def truth() -> pd.DataFrame:
    """The first 30 rows are of the candidate's keys; of each of them the champion's answer is there as well."""
    random = np.random.default_rng(7)
    label = random.integers(3, 9, ROWS).astype(float)
    return pd.DataFrame(
        {
            "label": label,
            "champion": label + random.normal(0.0, 0.8, ROWS),
            "candidate": label + random.normal(0.0, 0.5, ROWS),
            "labelled_at": START + pd.to_timedelta(np.arange(ROWS) // 8, unit="h"),
        }
    )


@pytest.fixture(scope="module")
def config(truth: pd.DataFrame, registry: TestRegistry, tmp_path_factory: pytest.TempPathFactory) -> PipelineConfig:
    root = tmp_path_factory.mktemp("roles")
    for _ in range(2):
        registry.register(MODEL, "linear", example=pd.DataFrame([WINE]), outputs=pd.Series([1.5]))
    is_candidates = np.arange(ROWS) < CANDIDATES
    rows = answers("1", truth["champion"].where(~is_candidates, truth["candidate"]))
    rows["model_version"] = np.where(is_candidates, "2", "1")
    rows["role"] = np.where(is_candidates, "candidate", "champion")
    rows["shadow_version"] = pd.Series(np.where(is_candidates, "1", None), dtype="string")
    rows["shadow_prediction"] = truth["champion"].where(is_candidates)
    rows["shadow_error"] = pd.Series([None] * ROWS, dtype="string")
    # The candidate failed on its first row, and the champion's answer stands.
    rows.loc[0, ["prediction", "model_version", "role"]] = [truth["champion"][0], "1", "champion"]
    rows.loc[0, ["shadow_version", "shadow_prediction", "shadow_error"]] = ["2", np.nan, "it raised"]
    # Columns of a contract: one has a name that the comparison uses itself.
    rows["label"], rows["sold_at"] = "white", SOLD + DAY * np.arange(ROWS)
    rows.loc[CANDIDATES - 1, "scored_at"] = START + DAY / 24
    # The same candidate, meanwhile, beside another champion.
    other = rows.iloc[[ROWS - 1]].assign(row_id=99, model_version="2", role="candidate", shadow_version="0")
    rows = pd.concat([rows, other], ignore_index=True)
    write(root / "tables" / "predictions", rows)
    labels = pd.DataFrame(
        {
            "query_id": "q",
            "batch_id": 0,
            "order_id": [f"o{row}" for row in range(ROWS)],
            "quality": truth["label"],
            "error": pd.Series([None] * ROWS, dtype="string"),
            "source_file": "labels.csv",
            "labelled_at": truth["labelled_at"],
        }
    )
    write(root / "labels" / "labels", labels)
    brings: dict[str, Any] = {
        "pipeline": "wine-labels",
        "workload": "labels",
        "source": {"path": str(root / "labels-inbox")},
        "contract": "schemas.wine_labels:CONTRACT",
        "label": {"key": ["order_id"], "value": "quality"},
        "tables": {"root": str(root / "labels")},
        "checkpoint": str(root / "labels-checkpoint"),
    }
    (root / "labels.yaml").write_text(yaml.safe_dump(brings))
    settings = {
        "pipeline": "wine",
        "workload": "rows",
        "source": {"path": str(root / "inbox")},
        "contract": "schemas.wine:CONTRACT",
        "model": {"name": MODEL},
        "tables": {"root": str(root / "tables")},
        "checkpoint": str(root / "checkpoint"),
        "mlflow": {"tracking_uri": registry.uri},
        "labels": {"conf": str(root / "labels.yaml"), "key": ["order_id"], "value": "quality"},
    }
    return PipelineConfig.model_validate(settings)


@pytest.fixture(scope="module")
def found(config: PipelineConfig) -> ByRole:
    return compare_roles(config, Request(versions=()))


def test_rows_of_the_canary_are_pairs(found: ByRole, truth: pd.DataFrame) -> None:
    """The failed one is left out; without a rescore, the other version's answers are in the shadow columns."""
    assert (found.champion, found.candidate) == ("1", "2")
    assert (found.paired.pairs, found.paired.left_out_failed) == (CANDIDATES - 1, 1)
    both = truth.iloc[1:CANDIDATES]
    losses = [(both[name] - both["label"]).abs().mean() for name in ("champion", "candidate")]
    [overall] = [group for group in found.paired.groups if not group.by]
    assert [score.loss for score in overall.scores] == pytest.approx(losses)


def test_rows_that_one_version_alone_answered(found: ByRole, truth: pd.DataFrame) -> None:
    alone = (truth["champion"] - truth["label"]).abs()[CANDIDATES:]
    of_candidate = (truth["candidate"] - truth["label"]).abs()[1:CANDIDATES]
    assert [(score.role, score.version, score.n) for score in found.scores] == [
        ("champion", "1", ROWS - CANDIDATES),
        ("candidate", "2", CANDIDATES - 1),
    ]
    assert [score.loss for score in found.scores] == pytest.approx([alone.mean(), of_candidate.mean()])
    band = stats.ttest_ind(of_candidate, alone, equal_var=False).confidence_interval(0.95)
    assert found.difference is not None
    assert (found.difference.lower, found.difference.upper) == pytest.approx((band.low, band.high))
    text = roles_text(found)
    assert "canary: candidate 2 beside champion 1; on the rows that both answered:" in text
    assert "by role, on different rows (unpaired: chance counts for much more than above)" in text
    assert f"  champion 1: n {ROWS - CANDIDATES}, mean loss {alone.mean():.4f}" in text
    assert "  left out: 1 of the candidate's rows that it failed on, which the champion answered" in text


def test_both_halves_are_of_one_window(config: PipelineConfig) -> None:
    """Of labels.time, which is years before the rows were scored."""
    assert config.labels is not None
    dated = config.model_copy(update={"labels": config.labels.model_copy(update={"time": "sold_at"})})
    first, last = ((SOLD + DAY * number).to_pydatetime() for number in (10, 59))
    found = compare_roles(dated, Request(versions=(), since=first, until=last))
    assert (found.paired.pairs, found.failed) == (CANDIDATES - 10, 0)
    assert [(score.role, score.n) for score in found.scores] == [("champion", 30), ("candidate", CANDIDATES - 10)]


def test_the_window_of_series_is_of_the_ds(tmp_path: Path) -> None:
    """Both pairs were scored long after what they are about, the older one last."""
    config = WrittenTables(tmp_path, MACRO_CONF).config
    with duckdb.connect() as opened:
        opened.execute("SET timezone = 'UTC'")
        opened.execute(
            "CREATE TABLE forecasts AS SELECT $name AS model_name, '9' AS model_version, 'candidate' AS role, * "
            "FROM (VALUES ('7', TIMESTAMPTZ '2020-10-01', TIMESTAMPTZ '2026-11-30'), "
            "('8', TIMESTAMPTZ '2021-10-01', TIMESTAMPTZ '2026-11-29')) AS t (shadow_version, ds, scored_at)",
            {"name": config.the_model.name},
        )
        for since, until, champion in ((None, quarter(3), "7"), (quarter(4), None, "8"), (None, None, "7")):
            request = Request(versions=(), since=since, until=until)
            assert newest_pair(opened, config, request, "forecasts") == (champion, "9")


def test_without_a_canary(config: PipelineConfig, tmp_path: Path) -> None:
    write(tmp_path / "predictions", answers("1", [1.0, 2.0]))
    without = config.model_copy(update={"tables": config.tables.model_copy(update={"root": str(tmp_path)})})
    for asked, request in ((without, Request(versions=())), (config, Request(versions=(), since=LATER))):
        with pytest.raises(AnswerNotFoundError, match=f"no canary of {MODEL} has answered in this window: --by-role"):
            compare_roles(asked, request)


@pytest.mark.parametrize("options", [[], ["--versions", "1,2", "--by-role"]])
def test_either_versions_or_roles(options: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert job.main(["--conf", "none.yaml", *options]) == 2
    assert "give either --versions, such as 7,8, or --by-role" in capsys.readouterr().err


def test_a_difference_needs_two_rows_that_differ() -> None:
    two = Sample(n=2, mean=1.0, variance=0.5)
    assert welch(two, Sample(n=1, mean=1.0, variance=None)) is None
    assert welch(Sample(n=2, mean=1.0, variance=0.0), Sample(n=2, mean=2.0, variance=0.0)) is None
    one = welch(two, Sample(n=3, mean=2.0, variance=0.0))
    assert one is not None
    # One degree of freedom: 12.706 times the root of 0.5 / 2.
    assert (one.mean, one.upper) == (1.0, pytest.approx(1.0 + 12.7062 * 0.5, rel=1e-5))

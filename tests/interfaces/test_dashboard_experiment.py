"""What people see of two versions: page Models, `penstock models`, views and queries; tables made by hand."""

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from dashboard_tables import MACRO_CONF, WINE_CONF, WrittenTables, evaluated, quarter
from experiment_standings import decision
from planned_experiments import BEGAN, version_by_hand, write_plan_of
from streamlit.testing.v1 import AppTest

from penstock.interfaces.dashboard.experiment import ratio_chart
from penstock.interfaces.dashboard.launching import PAGE
from penstock.interfaces.dashboard.queries import experiment as queries
from penstock.interfaces.dashboard.reading import connected
from penstock.interfaces.sql.duckdb_queries import connect_duckdb, run_duckdb_query
from penstock.operations.model_store.decided import decision_of, read_decisions
from penstock.operations.model_store.text import as_text
from penstock.operations.model_store.versions import read_model_versions
from penstock.pipeline.decisions.files import DecisionFiles
from penstock.pipeline.decisions.record import DecisionOutcome
from penstock.storage.files import LocalStorage

NOW = datetime.now(UTC).replace(microsecond=0) - timedelta(minutes=10)
ASKED: dict[str, Any] = {
    "loss": "wis", "variable": "realgdp", "steps": [1], "since": NOW - timedelta(hours=1),
}  # fmt: skip


def ask(made: WrittenTables, query: Any, **parameters: Any) -> Any:
    with connected(made.config, ("evaluations",)) as tables:
        return query(tables, **parameters)


def beside(champion: str, candidate: str, *, unit: datetime, pairs: int = 10, **changes: Any) -> dict[str, Any]:
    """Of each 10 pairs 8 have a loss of both: 0.5 of the champion, 0.4 of the candidate, which failed on 2."""
    of_candidate = {
        "candidate": candidate,
        "candidate_loss": 0.4 * pairs * 0.8,
        "compared_champion_loss": 0.5 * pairs * 0.8,
        "compared_pairs": pairs * 8 // 10,
        "candidate_abs": 2.0 * pairs * 0.8,
        "candidate_within": pairs * 6 // 10,
        "candidate_failed": pairs * 2 // 10,
    }
    return evaluated(champion, unit=unit, pairs=pairs, **{"evaluated_at": NOW, **of_candidate, **changes})


@pytest.fixture(scope="module")
def macro(tmp_path_factory: pytest.TempPathFactory) -> WrittenTables:
    """Version 7 alone in a quarter, with 8 beside it in two, and a promotion before that."""
    root = tmp_path_factory.mktemp("macro")
    (root / "inbox").mkdir()
    made = WrittenTables(root, MACRO_CONF + "\nexperiment: {{}}\n")
    made.append(
        "evaluations",
        evaluated("7", unit=quarter(0), evaluated_at=NOW),
        beside("7", "8", unit=quarter(1)),
        beside("7", "8", unit=quarter(2), pairs=30),
        beside("7", "8", unit=quarter(2), is_final=True, candidate_loss=1e9),
        beside("7", "8", unit=quarter(2), loss="absolute", candidate_loss=1e9),
    )
    pair = [version_by_hand(number, role) for number, role in (("7", "champion"), ("8", "candidate"))]
    write_plan_of(made.config, 0, pair, mode="shadow", key=("series_id",), began_at=NOW - timedelta(days=1))
    files = DecisionFiles(storage=LocalStorage(), root=made.config.tables.root)
    files.make(decision(0, "promote", model_name="wine-quality"))
    files.finish(0, DecisionOutcome(outcome="done", champion="8", candidate="7", done_at=BEGAN - timedelta(hours=1)))
    return made


def test_pairs_are_added_up_before_they_are_divided(macro: WrittenTables) -> None:
    """40 pairs, 32 of them with both losses: 16 and 12.8; a ratio of 0.8."""
    found = ask(macro, queries.pairs_in_all, **ASKED)
    assert found["versions"].tolist() == ["8 beside 7"]
    one = found.iloc[0]
    assert (one["pairs"], one["compared_pairs"], one["candidate_failed"]) == (40, 32, 8)
    assert (one["champion_loss"], one["candidate_loss"], one["ratio"]) == pytest.approx((0.5, 0.4, 0.8))
    assert (one["champion_coverage"], one["candidate_coverage"]) == pytest.approx((36 / 40, 24 / 32))
    quarters = ask(macro, queries.pairs_over_time, **ASKED, width_seconds=86400)
    assert quarters["compared_pairs"].tolist() == [8, 24]


def test_the_page_shows_the_experiment_its_pairs_and_the_decisions(
    macro: WrittenTables, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sys.argv", [str(PAGE), "--conf", str(macro.conf)])
    page = AppTest.from_file(str(PAGE), default_timeout=300)
    page.query_params["view"] = "Models"
    page.query_params["window"] = "24 hours"
    page.run()
    assert not page.exception
    assert {one.value for one in page.subheader} >= {"Experiment", "Candidates beside their champions", "Decisions"}
    shown = {one.label: one.value for one in page.metric}
    assert (shown["Candidate"], shown["Loss / champion's"], shown["Verdict"]) == ("8", "0.8", "continue")
    assert any("8 beside champion 7" in one.value for one in page.caption)


def test_decisions_stand_on_the_axis_where_its_time_is_ours(macro: WrittenTables) -> None:
    rows = ask(macro, queries.pairs_over_time, **ASKED, width_seconds=86400)
    [made] = read_decisions(macro.config)
    assert len(ratio_chart(rows, [made]).layer) == 2  # the units are of 2020
    in_its_time = made.model_copy(update={"decided_at": quarter(1) + timedelta(days=30)})
    assert len(ratio_chart(rows, [in_its_time]).layer) == 3


def test_models_says_what_a_candidate_did_and_what_was_decided(macro: WrittenTables) -> None:
    found = read_model_versions(macro.config)
    by_version = {one.version: one for one in found.versions}
    assert by_version["8"].live is None
    live = by_version["8"].as_candidate
    assert live is not None
    assert (live.pairs, live.failed, live.loss, live.mae) == (40, 8, pytest.approx(0.4), pytest.approx(2.0))
    assert live.ratio_to_naive is None  # the naive forecast was asked for other pairs
    assert by_version["7"].live is not None
    assert by_version["7"].live.pairs == 50
    assert [one.kind for one in by_version["7"].decisions] == ["promote"]
    text = as_text(found)
    assert "version 8 as candidate: 40 pairs, loss 0.4, coverage 75.0%, 8 without an answer" in text
    assert text.count("decision 0, 2026-03-03 12:00 by stream: promote, promote version 8 over 7") == 1


def test_views_of_experiments(macro: WrittenTables) -> None:
    with connect_duckdb(macro.config) as tables:
        sums = "sum(pairs), sum(compared_pairs), sum(candidate_loss) / sum(champion_loss)"
        found = tables.execute(f"SELECT {sums} FROM experiment_pairs WHERE loss_name = 'wis'").fetchall()
    assert found == [(40, 32, pytest.approx(0.8))]
    days = run_duckdb_query(macro.config, "experiment_by_day").to_pylist()
    assert [(day["compared_pairs"], day["loss_ratio"]) for day in days if day["loss_name"] == "wis"] == [
        (8, pytest.approx(0.8)),
        (24, pytest.approx(0.8)),
    ]


def test_tables_from_before_the_first_experiment(tmp_path: Path) -> None:
    made = WrittenTables(tmp_path, MACRO_CONF)
    made.append("evaluations", evaluated("7", unit=quarter(0), evaluated_at=NOW))
    assert ask(made, queries.pairs_in_all, **ASKED).empty
    with connect_duckdb(made.config) as tables:
        assert tables.execute("SELECT * FROM experiment_pairs").fetchall() == []
    assert read_decisions(made.config) == []


def test_a_decision_that_is_not_finished(tmp_path: Path) -> None:
    made = WrittenTables(tmp_path, WINE_CONF)
    files = DecisionFiles(storage=LocalStorage(), root=made.config.tables.root)
    files.make(decision(0, "promote"))
    [found] = read_decisions(made.config)
    assert (found.outcome, found.done_at) == (None, None)
    assert found == decision_of(files.history().decisions[0])

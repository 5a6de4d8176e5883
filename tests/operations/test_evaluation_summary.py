"""What `penstock evaluate` prints of the table: rows made by hand, added up by hand."""

from pathlib import Path

import pytest
from dashboard_tables import MACRO_CONF, WrittenTables, evaluated, quarter

from penstock.operations.evaluation_text import as_text
from penstock.operations.model_store.versions import read_model_versions
from penstock.operations.run_evaluation import EvaluationReport, summarised


@pytest.fixture
def macro(tmp_path: Path) -> WrittenTables:
    """Version 9 in two evaluations, 10 in one. A unit of the first final evaluation is not in the second one: its
    actuals were revised to another."""
    made = WrittenTables(tmp_path, MACRO_CONF)
    few = {"scored_pairs": 5, "champion_within": 4}
    made.append(
        "evaluations",
        evaluated("9", unit=quarter(0)),
        evaluated("9", unit=quarter(1), batch_id=1, champion_loss=30.0, champion_failed=4, **few),
        evaluated("10", unit=quarter(2), batch_id=1),
        evaluated("10", unit=quarter(2), batch_id=1, step=2),
        evaluated("10", unit=quarter(2), batch_id=1, loss="absolute", champion_loss=1e9),
        evaluated("9", unit=quarter(0), batch_id=2, is_final=True, champion_loss=1e9),
        evaluated("9", unit=quarter(1), batch_id=3, is_final=True, champion_abs=40.0),
        evaluated("9", unit=quarter(1), batch_id=4, is_final=True, loss="absolute"),
    )
    return made


def test_the_means_are_those_of_penstock_models(macro: WrittenTables) -> None:
    """Version 9: losses of 5 + 30 over 10 + 5 pairs, 9 + 4 of them within; errors of 30 + 30 over
    10 + 6 answers, naive ones of 40 + 40."""
    found = summarised(macro.config, is_final=False)
    assert [(one.version, one.step, one.pairs) for one in found] == [("9", 1, 20), ("10", 1, 10)]
    assert (found[0].loss, found[0].mae, found[0].ratio_to_naive) == (35 / 15, 60 / 16, 60 / 80)
    assert found[0].coverage == 13 / 15
    shown = {one.version: one.live for one in read_model_versions(macro.config).versions}
    for one in found:
        live = shown[one.version]
        assert live is not None
        assert (one.loss, one.ratio_to_naive, one.coverage) == (live.loss, live.ratio_to_naive, live.coverage)
    text = as_text(EvaluationReport(evaluations=[], decisions=[], summary=found, is_final=False))
    assert text.splitlines()[-1].split() == ["10", "realgdp", "1", "10", "0.5", "3", "0.75", "0.9"]


def test_of_final_evaluations_the_last_one_has_all(macro: WrittenTables) -> None:
    [one] = summarised(macro.config, is_final=True)
    assert (one.version, one.pairs, one.loss, one.mae) == ("9", 10, 0.5, 4.0)


def test_without_the_table_there_is_no_summary(tmp_path: Path) -> None:
    config = WrittenTables(tmp_path, MACRO_CONF).config
    assert summarised(config, is_final=False) == summarised(config, is_final=True) == []

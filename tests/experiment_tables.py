"""A pipeline with an experiment: its newest plan, and what came true of the pair, written without Spark."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from dashboard_tables import MACRO_CONF, WrittenTables, evaluated, minutes

from penstock.models.pinned import PinnedModel
from penstock.pipeline.plan import Plan, PlannedExperiment, plan_path
from penstock.storage.files import LocalStorage

BEGAN = minutes(0)
EXPERIMENT = "experiment: {{alias: candidate}}\nverdict: {{min_units: 4, min_duration: 0 s, margin: -0.02}}\n"


def experiment_tables(root: Path, *, sections: str = EXPERIMENT, template: str = MACRO_CONF) -> WrittenTables:
    return WrittenTables(root, template + sections)


def write_plan(made: WrittenTables, number: int = 0, *, name: str = "wine-quality", **changes: Any) -> Plan:
    """Champion 7 and candidate 8, unless `experiment` is None. changes: of the experiment, or `refused_candidates`."""
    config = made.config
    refused = changes.pop("refused_candidates", {})
    is_running = changes.pop("experiment", True)
    facts = {"mode": "shadow", "fraction": 1.0, "key": (), "salt": "s", "began_at": BEGAN}
    versions = {"champion": "7", "candidate": "8"} if is_running else {"champion": "7"}
    plan = Plan(
        query_id="q",
        batch_id=number,
        planned_at=minutes(number),
        contract_hash="c",
        config_hash="c",
        files=(),
        models=tuple(
            PinnedModel(name=name, version=version, role=role, source="s", created_milliseconds=1)
            for role, version in versions.items()
        ),
        resolved_at=minutes(number),
        refused_candidates=refused,
        experiment=PlannedExperiment.model_validate(facts | changes) if is_running else None,
    )
    LocalStorage().create(plan_path(config.checkpoint, number), plan.model_dump_json().encode())
    return plan


def of_pair(unit: int, losses: tuple[float, float], *, pairs: int = 10, **changes: Any) -> dict[str, Any]:
    """A row of evaluations: mean losses of champion 7 and candidate 8 in one hour; 2 to 1.5 is their mean absolute
    error, where the naive forecast has 4, and 9 and 8 of 10 lie within."""
    champion, candidate = losses
    facts = {
        "unit": BEGAN + timedelta(hours=unit),
        "pairs": pairs,
        "candidate": "8",
        "champion_loss": champion * pairs,
        "compared_champion_loss": champion * pairs,
        "candidate_loss": candidate * pairs,
        "compared_pairs": pairs,
        "champion_abs": 2.0 * pairs,
        "candidate_abs": 1.5 * pairs,
        "candidate_within": pairs * 8 // 10,
        "candidate_failed": 0,
        "evaluated_at": BEGAN + timedelta(hours=unit, minutes=1),
    }
    return evaluated("7", **(facts | changes))


def came_true(made: WrittenTables, losses: Sequence[tuple[float, float]], **changes: Any) -> datetime:
    """One unit an hour; returns when the last one was evaluated."""
    rows = [of_pair(unit, one, **changes) for unit, one in enumerate(losses)]
    made.append("evaluations", *rows)
    last: datetime = rows[-1]["evaluated_at"]
    return last

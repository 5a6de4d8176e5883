"""How an experiment stands, made by hand."""

from datetime import UTC, datetime
from typing import Any

from penstock.operations.monitoring.experiment_status import ExperimentStatus, RunningExperiment
from penstock.pipeline.decisions.record import Decision, Standing

BEGAN = datetime(2026, 3, 1, 12, tzinfo=UTC)
LOOKED = datetime(2026, 3, 3, 12, tzinfo=UTC)


def standing(**changes: Any) -> Standing:
    """Of version 8 beside 7, whose loss is 0.9 times the champion's."""
    given = {
        "model_name": "wine-quality",
        "champion": "7",
        "candidate": "8",
        "mode": "canary",
        "fraction": 0.25,
        "is_last_step": True,
        "is_bake": False,
        "began_at": BEGAN,
        "looked_at": LOOKED,
        "pairs": 4100,
        "units": 41,
        "blocks": 41,
        "block_units": 1,
        "champion_loss": 0.5,
        "candidate_loss": 0.45,
        "ratio": 0.9,
        "ratio_lower": 0.85,
        "ratio_upper": 0.95,
        "champion_failed": 0.0,
        "candidate_failed": 0.0,
        "verdict": "promote",
        "reason": "the upper bound is below 1",
    }
    return Standing.model_validate(given | changes)


def decision(number: int, kind: str, **changes: Any) -> Decision:
    given = {
        "number": number,
        "kind": kind,
        "model_name": "wine-quality",
        "champion": "7",
        "candidate": "8",
        "by": "stream",
        "decided_at": LOOKED,
        "reason": "the upper bound is below 1",
    }
    return Decision.model_validate(given | changes)


def experiment_status(**changes: Any) -> ExperimentStatus:
    """With all that there can be."""
    running = RunningExperiment(
        mode="canary", fraction=0.25, is_bake=False, champion="7", candidate="8", began_at=BEGAN
    )
    given = {
        "alias": "candidate",
        "running": running,
        "standing": standing(),
        "refused": {},
        "proposals": (decision(3, "propose", proposes="promote"),),
        "unfinished": decision(4, "promote"),
    }
    return ExperimentStatus.model_validate(given | changes)

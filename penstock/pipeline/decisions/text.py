"""Decisions in words, for logs and commands."""

from penstock.pipeline.decisions.files import Decided
from penstock.pipeline.decisions.record import Decision


def text_of(decided: Decided) -> str:
    """One line."""
    decision, outcome = decided.decision, decided.outcome
    if outcome is None:
        return f"decision {decision.number} is not finished: {decision.summary}, by {decision.by}: {decision.reason}"
    if outcome.outcome == "superseded":
        return f"decision {decision.number} is superseded ({decision.summary}, by {decision.by}): {outcome.message}"
    if decision.kind == "propose":
        return proposal_text(decision)
    return f"decision {decision.number}: {decision.summary}, by {decision.by}: {decision.reason}"


def proposal_text(decision: Decision) -> str:
    return (
        f"decision {decision.number} proposes: {decision.summary}: {decision.reason}; a person carries it out: "
        f"penstock promote --decision {decision.number} (with the --conf of this pipeline)"
    )

"""What the rule and the guardrails decide, and what is recorded of moves by other means: Drafts, from what is known."""

from collections.abc import Iterable
from datetime import datetime, timedelta

from penstock.config.experiment import GUARDRAIL, VerdictConfig
from penstock.pipeline.decisions.decider import Draft
from penstock.pipeline.decisions.files import Decided, History
from penstock.pipeline.decisions.record import MOVING, DecisionOutcome, Kind, Standing
from penstock.pipeline.plan import Plan

#: A decision explains what a plan met if it was finished after the plan before, by clocks that differ by this at most.
CLOCK_SECONDS = 300.0
CHAMPION_MOVES = ("promote", "rollback", "external")


def draft_of_standing(standing: Standing, history: History, verdict: VerdictConfig) -> Draft | None:
    """None where there is nothing to decide, or it is proposed already."""
    kind = kind_of(standing, verdict)
    if kind is None:
        return None
    draft = Draft(
        kind=kind,
        champion=standing.champion,
        candidate=standing.candidate,
        reason=standing.reason,
        evidence=standing,
    )
    # Who promoted has decided, too, for how long the old champion bakes.
    is_agreed = kind == "end_bake"
    return draft if verdict.act == "promote" or is_agreed else proposed(draft, history)


def kind_of(standing: Standing, verdict: VerdictConfig) -> Kind | None:
    if not standing.is_bake:
        return None if standing.verdict == "continue" else standing.verdict
    match standing.verdict:
        case "promote":
            return "rollback"
        case "expire":
            return "end_bake"
        case "reject":
            # The old champion is worse for sure. A person who decides alone waits for the end of the bake.
            return "end_bake" if verdict.act == "promote" else None
        case _:
            return None


def proposed(draft: Draft, history: History) -> Draft | None:
    """None if it is an open proposal already."""
    for one in history.open_proposals():
        if (one.champion, one.candidate, one.proposes) == (draft.champion, draft.candidate, draft.kind):
            return None
    return Draft(
        kind="propose",
        champion=draft.champion,
        candidate=draft.candidate,
        reason=draft.reason,
        evidence=draft.evidence,
        proposes=draft.kind,
        met_by=draft.met_by,
    )


def draft_of_end_of_bake(
    bake: Decided, verdict: VerdictConfig, *, at: datetime, champion: str | None, candidate: str | None
) -> Draft | None:
    """Of an open bake whose time is over, also where the old champion is in no plan, and has no standing; or whose
    champion was replaced by other means: what baked beside the one is no candidate for the other.

    champion, candidate: what the aliases mean now.
    """
    promoted, old = str(bake.decision.candidate), bake.decision.champion
    if champion is None or candidate != old:
        return None
    reason = f"verdict.bake is over since decision {bake.decision.number}"
    if champion != promoted:
        reason = f"{bake.decision.champion_alias} means version {champion} by now, which was set by other means"
    elif not is_over(bake, verdict, at=at):
        return None
    return Draft(kind="end_bake", champion=promoted, candidate=old, reason=reason)


def is_over(bake: Decided, verdict: VerdictConfig, *, at: datetime) -> bool:
    return bake.outcome is not None and at >= bake.outcome.done_at + timedelta(seconds=verdict.bake)


def drafts_of_guardrails(plan: Plan, verdict: VerdictConfig, history: History, *, candidate: str | None) -> list[Draft]:
    """candidate: what its alias means now. Of a bake the old champion is no candidate to reject: it is in no plan any
    more, and the bake ends by its time."""
    drafts = []
    for version, reason in plan.refused_candidates.items():
        if (
            not reason.startswith(GUARDRAIL)
            or version != candidate
            or is_baking(history, plan.champion.version, version)
        ):
            continue
        draft = Draft(
            kind="reject", champion=plan.champion.version, candidate=version, reason=reason, met_by=named_batch(plan)
        )
        made = draft if verdict.act == "promote" else proposed(draft, history)
        drafts += [made] if made else []
    return drafts


def is_baking(history: History, champion: str, candidate: str) -> bool:
    last = history.last_done("promote", "end_bake", "rollback")
    return (
        last is not None
        and last.decision.kind == "promote"
        and (last.decision.candidate, last.decision.champion) == (champion, candidate)
    )


def draft_of_external_move(before: Plan, plan: Plan, history: History, *, candidate: str | None) -> Draft | None:
    """Of a champion that is another one than in the plan before, or of a candidate that was replaced or removed in the
    middle of an experiment, unless a decision explains it.

    candidate: what its alias means now; one that is only missing in the plan was not removed.
    """
    if not before.models or not plan.models or before.champion.name != plan.champion.name:
        return None
    batch = named_batch(plan)
    if any(one.decision.met_by == batch and one.decision.kind == "external" for one in history.decisions):
        return None
    since = list(moves_since(history, before))
    moves = []
    old, new = before.champion.version, plan.champion.version
    if old != new and not is_champion_explained(old, new, since, before):
        moves.append(f"the champion from version {old} to {new}")
    tried = before.candidate.version if before.candidate else None
    now = plan.candidate.version if plan.candidate else None
    is_out = tried is not None and tried != now and not is_out_otherwise(tried, now, plan, candidate)
    if is_out and not is_candidate_explained(str(tried), now, since, before):
        moves.append(f"the candidate from version {tried} to {now}" if now else f"the candidate {tried} was removed")
    if not moves:
        return None
    return Draft(
        kind="external",
        champion=old,
        candidate=tried,
        reason=f"moved by other means: {', '.join(moves)}; {batch} met it first, and what came true of the pair before "
        "counts no more",
        met_by=batch,
    )


def is_champion_explained(old: str, new: str, since: Iterable[Decided], before: Plan) -> bool:
    of_champion = [one for one in since if one.decision.kind in CHAMPION_MOVES]
    return any(outcome_of(one).champion == new for one in unsettled(of_champion, before, champion=old))


def is_out_otherwise(tried: str, now: str | None, plan: Plan, candidate: str | None) -> bool:
    """Whether a candidate is in the plan no more for another reason than its alias, which nobody moved."""
    return tried in plan.refused_candidates or tried == plan.champion.version or (now is None and candidate == tried)


def is_candidate_explained(tried: str, now: str | None, since: Iterable[Decided], before: Plan) -> bool:
    """A plan may have read the champion before a promotion of `tried`, and the candidate after it."""
    for one in unsettled(since, before, candidate=tried):
        decision = one.decision
        if one.is_done and decision.kind == "promote" and decision.candidate == tried:
            return True
        is_about_it = decision.kind in ("promote", "external") or tried in (decision.champion, decision.candidate)
        if is_about_it and outcome_of(one).candidate == now:
            return True
    return False


def unsettled(since: Iterable[Decided], before: Plan, **versions: str) -> list[Decided]:
    """Without what was decided before the version in the plan before was set by a decision that this plan knew: that
    explains nothing any more."""
    [(role, version)] = versions.items()
    decided = list(since)
    known = [
        getattr(outcome_of(one), role) == version and outcome_of(one).done_at <= before.resolved_at for one in decided
    ]
    settled = max((number for number, is_known in enumerate(known) if is_known), default=-1)
    return decided[settled + 1 :]


def moves_since(history: History, before: Plan) -> Iterable[Decided]:
    """Decisions that a plan was made before, or may have been: those that move aliases, or say that a person did."""
    first = before.resolved_at - timedelta(seconds=CLOCK_SECONDS)
    for one in history.decisions:
        if one.outcome is not None and one.decision.kind in MOVING and one.outcome.done_at >= first:
            yield one


def outcome_of(one: Decided) -> DecisionOutcome:
    assert one.outcome is not None
    return one.outcome


def named_batch(plan: Plan) -> str:
    return f"batch {plan.batch_id} of query {plan.query_id}"

"""Decides by the rule, beside the stream and after evaluations, and records what was moved by other means."""

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Self

from penstock.config.experiment import GUARDRAIL
from penstock.config.pipeline import PipelineConfig
from penstock.pipeline.decisions.bake import open_bake
from penstock.pipeline.decisions.by_rule import (
    draft_of_end_of_bake,
    draft_of_external_move,
    draft_of_standing,
    drafts_of_guardrails,
    is_over,
)
from penstock.pipeline.decisions.decider import Choice, Decider, Draft
from penstock.pipeline.decisions.files import Decided, History
from penstock.pipeline.decisions.record import Standing
from penstock.pipeline.decisions.table import try_to_write_rows
from penstock.pipeline.plan import Plan, plan_path, read_plan
from penstock.storage.files import Storage


@dataclass(kw_only=True)
class Controller:
    """Of a pipeline with a section `experiment`. Nothing of it needs Spark.

    What it finds to do is found again by the next look, until it is done: all its methods may be called again after
    whatever they raise, and each says what it decided. They raise LeaseError while another process decides,
    RegistryUnavailableError, PlanError, LedgerError, OSError.
    """

    config: PipelineConfig
    storage: Storage
    decider: Decider
    now: Callable[[], datetime] = field(default=lambda: datetime.now(UTC))
    #: The first batch whose plan was not looked at yet.
    _next_batch: int | None = None
    _rows_written: int = -1

    @classmethod
    def of(cls, config: PipelineConfig, storage: Storage, *, by: str, wait_seconds: float = 0.0) -> Self:
        """wait_seconds: see Decider."""
        decider = Decider(config=config, storage=storage, job=by, by=by, wait_seconds=wait_seconds)
        return cls(config=config, storage=storage, decider=decider)

    def after_batch(self, plan: Plan) -> list[Decided]:
        """plan: of a finished micro-batch; the first time in a process the one before it is looked at, too."""
        # Before the move that ends a bake is recorded, after which it is open no more.
        decided = self.finish_begun() + self._end_bake(champion=plan.champion.version)
        for number in range(self._first_batch(plan), plan.batch_id + 1):
            here = plan if number == plan.batch_id else self._plan(number)
            before = self._plan(number - 1)
            if here is not None and before is not None:
                decided += self._record_external_move(before, here)
            self._next_batch = number + 1
        return decided + self._carry_out_guardrails(plan)

    def after_evaluation(self, standing: Standing | None) -> list[Decided]:
        """standing: of the newest plan's pair, None without one."""
        decided = self.finish_begun()

        def of_standing(history: History) -> Draft | None:
            return draft_of_standing(standing, history, self.config.verdict) if standing else None

        decided += self._decide_if_it_holds(of_standing)
        return decided + self._end_bake()

    def finish_begun(self) -> list[Decided]:
        """The decision that was cut off, if there is one; and the rows that the table lacks."""
        history = self.decider.files.history()
        if history.unfinished is not None:
            finished = self.decider.finish()
            return [finished] if finished is not None else []
        if self._rows_written < history.next_number and try_to_write_rows(self.config, history):
            self._rows_written = history.next_number
        return []

    def _end_bake(self, *, champion: str | None = None) -> list[Decided]:
        """champion: of the newest plan, where it is known: the registry is asked only if there may be something to do.

        Needs no evaluation.
        """

        def choose(history: History) -> Draft | None:
            bake, verdict, at = open_bake(reversed(history.decisions)), self.config.verdict, self.now()
            if bake is None or bake.decision.candidate_alias != self.decider.candidate_alias:
                return None
            if champion == bake.decision.candidate and not is_over(bake, verdict, at=at):
                return None
            return draft_of_end_of_bake(bake, verdict, at=at, champion=self._champion(), candidate=self._candidate())

        return self._decide(choose)

    def _decide_if_it_holds(self, choose: Choice) -> list[Decided]:
        """Only where the aliases still mean the versions that it is about: a person who has moved one is faster."""

        def choose_if_it_holds(history: History) -> Draft | None:
            draft = choose(history)
            return draft if draft is not None and self._still_holds(draft) else None

        return self._decide(choose_if_it_holds)

    def _decide(self, choose: Choice) -> list[Decided]:
        """Asked first without the lease, since there is nothing to decide most of the time."""
        if choose(self.decider.files.history().about(self.config.the_model.name)) is None:
            return []
        decided = self.decider.decide(choose)
        return [decided] if decided is not None else []

    def _still_holds(self, draft: Draft) -> bool:
        return self._champion() == draft.champion and self._candidate() == draft.candidate

    def _carry_out_guardrails(self, plan: Plan) -> list[Decided]:
        if not any(reason.startswith(GUARDRAIL) for reason in plan.refused_candidates.values()):
            return []

        def choose(history: History) -> Draft | None:
            drafts = drafts_of_guardrails(plan, self.config.verdict, history, candidate=self._candidate())
            return drafts[0] if drafts else None

        return self._decide_if_it_holds(choose)

    def _record_external_move(self, before: Plan, plan: Plan) -> list[Decided]:
        if (before.champion, before.candidate) == (plan.champion, plan.candidate):
            return []

        def choose(history: History) -> Draft | None:
            return draft_of_external_move(before, plan, history, candidate=self._candidate())

        return self._decide(choose)

    def _first_batch(self, plan: Plan) -> int:
        return max(plan.batch_id - 1, 1) if self._next_batch is None else min(self._next_batch, plan.batch_id)

    def _plan(self, batch_id: int) -> Plan | None:
        """None where there is none (any more)."""
        return read_plan(self.storage, plan_path(self.config.checkpoint, batch_id)) if batch_id >= 0 else None

    def _champion(self) -> str | None:
        return self.decider.aliases.read(self.config.the_model.alias)

    def _candidate(self) -> str | None:
        alias = self.decider.candidate_alias
        return self.decider.aliases.read(alias) if alias is not None else None

"""Decides: one decision after the other, each made as a file, carried out, finished, and written to the table.

One that was cut off is finished first, by the next process that decides or looks.
"""

import logging
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from functools import cached_property

from penstock.config.pipeline import PipelineConfig
from penstock.errors import PlanError
from penstock.models.aliases import ModelAliases
from penstock.pipeline.decisions.carry_out import Execution
from penstock.pipeline.decisions.files import Decided, DecisionFiles, History
from penstock.pipeline.decisions.lease import held_lease
from penstock.pipeline.decisions.record import Decision, Kind, Standing
from penstock.pipeline.decisions.table import try_to_write_rows
from penstock.pipeline.lease import Lease
from penstock.storage.files import Storage

log = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True)
class Draft:
    """A decision that is not made yet; see Decision."""

    kind: Kind
    champion: str
    candidate: str | None
    reason: str
    evidence: Standing | None = None
    proposes: Kind | None = None
    proposal: int | None = None
    met_by: str | None = None


#: Says what to decide, if anything, of what was decided before; called with the lease held. It may ask the registry.
Choice = Callable[[History], Draft | None]


@dataclass(frozen=True, kw_only=True)
class Decider:
    """Of one pipeline. by: who decides; see Decision. wait_seconds: for another process that decides."""

    config: PipelineConfig
    storage: Storage
    job: str
    by: str
    wait_seconds: float = 0.0

    @cached_property
    def aliases(self) -> ModelAliases:
        return ModelAliases.of(self.config)

    @cached_property
    def files(self) -> DecisionFiles:
        return DecisionFiles(storage=self.storage, root=self.config.tables.root)

    @property
    def candidate_alias(self) -> str | None:
        return self.config.experiment.alias if self.config.experiment else None

    def decide(self, choose: Choice) -> Decided | None:
        """What was decided and carried out; None if `choose` said so.

        Raises LeaseError while another process decides, RegistryUnavailableError (what is decided then waits),
        PlanError, LedgerError, OSError, and what `choose` raises.
        """
        with self._lease() as lease:
            while True:
                history = self._finish_begun(lease)
                draft = choose(history.about(self.config.the_model.name))
                if draft is None:
                    return None
                decision = self._decision(draft, history.next_number)
                lease.check()
                # Else another process has this number, though the lease is held here: it is finished in its place.
                if self.files.make(decision):
                    return self._carry_out(decision, lease)

    def finish(self) -> Decided | None:
        """The decision that was cut off, if there is one, carried out; the rows that the table lacks are written.

        Raises as `decide`.
        """
        with self._lease() as lease:
            history = self.files.history()
            if history.unfinished is not None:
                return self._carry_out(history.unfinished, lease)
            try_to_write_rows(self.config, history)
            return None

    def _lease(self) -> AbstractContextManager[Lease]:
        return held_lease(self.storage, self.config.tables.root, job=self.job, wait_seconds=self.wait_seconds)

    def _finish_begun(self, lease: Lease) -> History:
        history = self.files.history()
        if history.unfinished is None:
            try_to_write_rows(self.config, history)
            return history
        log.info("decision %d was cut off: finishing it", history.unfinished.number)
        self._carry_out(history.unfinished, lease)
        return self.files.history()

    def _decision(self, draft: Draft, number: int) -> Decision:
        return Decision(
            number=number,
            kind=draft.kind,
            model_name=self.config.the_model.name,
            champion=draft.champion,
            candidate=draft.candidate,
            by=self.by,
            decided_at=datetime.now(UTC),
            reason=draft.reason,
            evidence=draft.evidence,
            champion_alias=self.config.the_model.alias,
            candidate_alias=self.candidate_alias,
            bakes=self.candidate_alias is not None and self.config.verdict.bake > 0,
            proposes=draft.proposes,
            proposal=draft.proposal,
            met_by=draft.met_by,
        )

    def _carry_out(self, decision: Decision, lease: Lease) -> Decided:
        execution = Execution(
            decision=decision,
            pipeline=self.config.pipeline,
            aliases=replace(self.aliases, name=decision.model_name),
            files=self.files,
            check=lease.check,
        )
        outcome = execution.run()
        decided = self.files.finish(decision.number, outcome)
        if decided.outcome is None:
            raise PlanError(f"{self.files.done_path(decision.number)}: vanished; who else writes there?")
        try_to_write_rows(self.config, self.files.history())
        return decided

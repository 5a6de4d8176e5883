"""A decision that is cut before or after any of its writes is finished by the next process that looks, once."""

import pytest
from decision_bench import Cut, CutAliases, CutStorage, DecisionBench, PowerCutError, choose

from penstock.pipeline.decisions import table
from penstock.pipeline.decisions.decider import Draft
from penstock.storage.delta_append import append_row_once

PROMOTE = Draft(kind="promote", champion="1", candidate="2", reason="because")
ROLLBACK = Draft(kind="rollback", champion="2", candidate="1", reason="because")
REJECT = Draft(kind="reject", champion="1", candidate="2", reason="because")
#: In their order: what a decision writes.
WRITES = {
    "promote": ["0.json", "set champion", "0.moved", "set candidate", "tag 2", "tag 1", "0.done", "row 0"],
    "rollback": ["1.json", "set champion", "1.moved", "delete candidate", "tag 1", "tag 2", "1.done", "row 1"],
    "reject": ["0.json", "delete candidate", "tag 2", "0.done", "row 0"],
}
AFTER = {"promote": ("2", "1"), "rollback": ("1", None), "reject": ("1", None)}
DRAFTS = {"promote": PROMOTE, "rollback": ROLLBACK, "reject": REJECT}


def run(bench, draft, cut):
    """As a process that is cut there."""
    decider = bench.decider(storage=CutStorage(cut))
    # A cached property.
    vars(decider)["aliases"] = CutAliases(registry=bench.aliases.registry, name=bench.name, cut=cut)

    def append(config, spec, row, transaction):
        return cut.around(f"row {transaction.batch_id}", lambda: append_row_once(config, spec, row, transaction))

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(table, "append_row_once", append)
        return decider.decide(choose(draft))


def prepared(tmp_path, registry, kind):
    bench = DecisionBench(tmp_path, registry)
    if kind == "rollback":
        bench.decide("promote")
    return bench


@pytest.mark.parametrize("kind", WRITES)
def test_these_are_all_the_writes(tmp_path, registry, kind):
    cut = Cut()
    run(prepared(tmp_path, registry, kind), DRAFTS[kind], cut)
    assert cut.writes == WRITES[kind]


@pytest.mark.parametrize("when", ["before", "after"])
@pytest.mark.parametrize(("kind", "step"), [(kind, step) for kind, steps in WRITES.items() for step in steps])
def test_it_is_finished_once_wherever_it_was_cut(tmp_path, registry, kind, step, when):
    bench, draft = prepared(tmp_path, registry, kind), DRAFTS[kind]
    with pytest.raises(PowerCutError, match=step):
        run(bench, draft, Cut(at=WRITES[kind].index(step), when=when))
    # Readers see the old champion or the new one.
    assert bench.pair[0] in ("1", "2")
    bench.decider().decide(choose(draft))
    assert bench.pair == AFTER[kind]
    history = bench.files.history()
    assert [one.decision.kind for one in history.decisions].count(kind) == 1
    assert all(one.is_done for one in history.decisions)
    table.write_rows(bench.config, history)
    assert [(row.batch_id, row.outcome) for row in bench.rows()] == [(n, "done") for n in range(history.next_number)]
    about = draft.champion if kind == "rollback" else draft.candidate
    tag = "promoted" if kind == "promote" else "rejected"
    assert bench.tags(about)[tag] == str(history.next_number - 1)


@pytest.mark.parametrize("second", [0, 2, 4])
def test_a_recovery_that_is_cut_itself_changes_nothing(tmp_path, registry, second):
    bench = DecisionBench(tmp_path, registry)
    for at in (1, second):
        with pytest.raises(PowerCutError):
            run(bench, PROMOTE, Cut(at=at, when="after"))
    run(bench, PROMOTE, Cut())
    assert bench.pair == ("2", "1")
    assert [(row.batch_id, row.kind) for row in bench.rows()] == [(0, "promote")]

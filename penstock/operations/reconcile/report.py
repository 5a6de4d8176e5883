"""Formats a reconciliation as text and as JSON."""

import json
from dataclasses import asdict

from penstock.operations.reconcile.balance import Balance
from penstock.operations.reconcile.files import State
from penstock.operations.reconcile.reconcile import Reconciliation

#: Longer lists are truncated in the text; JSON has all differences.
SHOWN = 40
MEANING = {
    State.SCORED: "in the ledger, unchanged",
    State.REFUSED: "quarantined as files",
    State.PENDING: "for a micro-batch to come",
    State.NO_LONGER_THERE: "in the ledger, gone from the inbox",
    State.CHANGED: "overwritten since; not seen again",
    State.LOST: "done by the checkpoint, not in the ledger",
    State.VANISHED: "listed by the stream, gone before they were scored",
    State.TOO_OLD: "overlooked, by source.max_file_age",
    State.EXPIRED: "from before what the ledger keeps",
}


def as_text(found: Reconciliation) -> str:
    looked_at = found.looked_at.strftime("%Y-%m-%d %H:%M:%S UTC")
    lines = [
        f"{found.config.pipeline}, {looked_at}",
        f"inbox   {found.config.source.path}",
        f"tables  {found.config.tables.root}",
        *[f"note    {note}" for note in found.notes],
        "",
        f"{'state':<16} {'files':>9} {'rows':>13}",
        *[state_line(found, state) for state in State if state is not State.EXPIRED or found.totals[state].files],
        "",
        balance_line(found.balance),
        "",
    ]
    count = len(found.differences)
    if not count:
        return "\n".join([*lines, "no differences"])
    lines.append("1 difference:" if count == 1 else f"{count:,} differences:")
    lines += [f"  {difference}".replace(f"{found.config.source.path}/", "") for difference in found.differences[:SHOWN]]
    if count > SHOWN:
        lines.append(f"  and {count - SHOWN:,} more; --json lists all")
    return "\n".join(lines)


def state_line(found: Reconciliation, state: State) -> str:
    total = found.totals[state]
    rows = "-" if state is State.REFUSED else f"{total.rows:,}"
    remark = f" ({total.not_counted:,} files not counted)" if total.not_counted else ""
    return f"{state:<16} {total.files:>9,} {rows:>13}   {MEANING[state]}{remark}"


def balance_line(balance: Balance) -> str:
    """The balance as an equation, or by how many rows it fails."""
    elsewhere = f" + no longer in it {balance.elsewhere:,}" if balance.elsewhere else ""
    sign = "=" if balance.unaccounted == 0 else "is not"
    line = (
        f"inbox rows {balance.inbox:,}{elsewhere} {sign} scored {balance.scored:,} "
        f"+ quarantined {balance.quarantined:,} + pending {balance.pending:,}"
    )
    if balance.unaccounted:
        line += f": {abs(balance.unaccounted):,} rows too {'few' if balance.unaccounted > 0 else 'many'} in the tables"
    if balance.expired:
        line += f" ({balance.expired:,} more rows in the inbox are older than what the tables keep)"
    return line


def as_json(found: Reconciliation) -> str:
    return json.dumps(
        {
            "pipeline": found.config.pipeline,
            "inbox": found.config.source.path,
            "tables": found.config.tables.root,
            "looked_at": found.looked_at.isoformat(),
            "is_balanced": not found.differences,
            "states": {state.replace(" ", "_"): asdict(total) for state, total in found.totals.items()},
            "balance": asdict(found.balance) | {"unaccounted": found.balance.unaccounted},
            "differences": [asdict(difference) for difference in found.differences],
            "notes": list(found.notes),
        },
        indent=1,
    )

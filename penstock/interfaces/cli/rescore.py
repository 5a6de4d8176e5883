"""What `penstock rescore` is asked with, and what it answers."""

import json
import re
from datetime import UTC, datetime
from typing import cast

import click

from penstock.pipeline.rescore.plans import Purpose, RescoreRecord, RescoreRequest

VERSION = re.compile(r"[1-9][0-9]*|@[A-Za-z0-9_][A-Za-z0-9_.-]*")
NOTHING = "nothing to do: no finished batch has anything in that window"


def request_of(*, begin: str | None, end: str | None, version: str | None, purpose: str | None) -> RescoreRequest:
    """Raises click.UsageError."""
    given = {"--from": begin, "--to": end, "--version": version, "--as": purpose}
    missing = [name for name, value in given.items() if value is None]
    if missing:
        raise click.UsageError(f"{', '.join(missing)}: missing (all four are needed, or --give-up alone)")
    asked = cast("str", version)
    if not VERSION.fullmatch(asked):
        raise click.UsageError(f"--version {asked!r} is no version: expected a number, or an alias as @candidate")
    request = RescoreRequest(
        begin=moment("--from", cast("str", begin)),
        end=moment("--to", cast("str", end)),
        version=asked,
        purpose=cast("Purpose", purpose),
    )
    if request.begin >= request.end:
        raise click.UsageError(f"--from {begin} is not before --to {end}: the window is empty")
    return request


def moment(option: str, text: str) -> datetime:
    """A date, or a time of ISO 8601, UTC if it names no time zone. Raises click.UsageError."""
    try:
        found = datetime.fromisoformat(text)
        return found.replace(tzinfo=UTC) if found.tzinfo is None else found.astimezone(UTC)
    except (ValueError, OverflowError):
        raise click.UsageError(f"{option} {text!r} is no time: expected 2026-11-01 or 2026-11-01T06:30:00Z") from None


def as_json(record: RescoreRecord | None) -> str:
    return json.dumps({"rescore": None} if record is None else record.model_dump(mode="json"))


def as_text(record: RescoreRecord | None) -> str:
    if record is None:
        return NOTHING
    change = record.mean_absolute_change
    mean = "" if change is None else f", by {change:.6g} on average"
    return (
        f"rescore {record.number}: {record.rows:,} rows by {record.model_name}/{record.model_version} as "
        f"{record.purpose}; {record.changed:,} of {record.answers:,} answers changed{mean}; failures "
        f"{record.failed_before:,} before, {record.failed_after:,} after"
    )

"""What `penstock rescore` understands, and what it says that it did."""

import json
from datetime import UTC, datetime

import pytest

from penstock.interfaces.cli.rescore import NOTHING, as_json, as_text, request_of
from penstock.jobs.rescore import main
from penstock.pipeline.rescore.plans import RescoreRecord, RescoreRequest

OPTIONS = {"--from": "2026-11-01", "--to": "2026-11-08", "--version": "8", "--as": "shadow"}


@pytest.mark.parametrize(
    ("text", "moment"),
    [
        ("2026-11-01", datetime(2026, 11, 1, tzinfo=UTC)),
        ("2026-11-01T06:30:00Z", datetime(2026, 11, 1, 6, 30, tzinfo=UTC)),
        ("2026-11-01T06:30:00+02:00", datetime(2026, 11, 1, 4, 30, tzinfo=UTC)),
    ],
)
def test_times_are_utc(text: str, moment: datetime) -> None:
    request = request_of(begin=text, end="2026-11-08", version="@candidate", purpose="replace")
    assert (request.begin, request.version) == (moment, "@candidate")


def test_its_options_say_the_same_again() -> None:
    request = request_of(begin="2026-11-01", end="2026-11-08T06:30", version="8", purpose="replace")
    assert request.options == "--from 2026-11-01T00:00:00Z --to 2026-11-08T06:30:00Z --version 8 --as replace"
    assert RescoreRequest.model_validate_json(request.model_dump_json()) == request


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"--from": None, "--as": None}, "--from, --as: missing"),
        ({"--from": "yesterday"}, "--from 'yesterday' is no time: expected 2026-11-01"),
        ({"--to": "2026-11-01"}, "the window is empty"),
        ({"--version": "candidate"}, "is no version: expected a number, or an alias as @candidate"),
        ({"--version": "0"}, "is no version"),
        ({"--as": "both"}, "'both' is not one of"),
        ({"--chunk-rows": "0"}, "0 is not in the range"),
    ],
)
def test_wrong_usage_ends_before_anything_is_read(
    changes: dict[str, str | None], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    given = [word for name, value in (OPTIONS | changes).items() if value is not None for word in (name, value)]
    assert main(["--conf", "no.yaml", *given]) == 2
    assert message in capsys.readouterr().err


def test_its_result_in_a_line_and_as_json() -> None:
    begin, end = datetime(2026, 11, 1, tzinfo=UTC), datetime(2026, 11, 8, tzinfo=UTC)
    record = RescoreRecord(
        number=3,
        purpose="replace",
        model_name="wine-quality",
        model_version="8",
        begin=begin,
        end=end,
        finished_at=end,
        rows=1200,
        answers=1199,
        changed=1100,
        mean_absolute_change=0.25,
        failed_before=1,
        failed_after=0,
    )
    assert as_text(record) == (
        "rescore 3: 1,200 rows by wine-quality/8 as replace; 1,100 of 1,199 answers changed, by 0.25 on average; "
        "failures 1 before, 0 after"
    )
    assert json.loads(as_json(record))["changed"] == 1100
    assert (as_text(None), json.loads(as_json(None))) == (NOTHING, {"rescore": None})

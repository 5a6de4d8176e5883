import pytest

from penstock.config.durations import parse_seconds, written


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("5 minutes", 300),
        ("5 Minutes", 300),
        ("1 minute", 60),
        ("90 s", 90),
        ("90s", 90),
        ("250 ms", 0.25),
        ("1 hour 30 minutes", 5400),
        ("1h30min", 5400),
        ("1.5 hours", 5400),
        ("2 days", 172800),
        ("1 week", 604800),
        ("0 s", 0),
        (" 10 sec ", 10),
        (15, 15),
        (0.5, 0.5),
    ],
)
def test_durations_are_read_as_people_write_them(text, seconds):
    assert parse_seconds(text) == pytest.approx(seconds)


@pytest.mark.parametrize("text", ["5 lightyears", "5 M", "3 months"])
def test_an_unknown_unit_is_named(text):
    with pytest.raises(ValueError, match=f"no known unit \\({text.split()[1]}\\)"):
        parse_seconds(text)


@pytest.mark.parametrize("text", ["", "soon", "minutes", "-5 s", "5 minutes!", "1h30", "5,5 s", True, None, [5]])
def test_what_is_no_duration_is_refused(text):
    with pytest.raises(ValueError, match="write for example"):
        parse_seconds(text)


@pytest.mark.parametrize("text", ["7 days", "1 day", "36 hours", "90 minutes", "1.5 s", "90 s", "0 s"])
def test_a_duration_is_written_as_it_is_read(text):
    assert written(parse_seconds(text)) == text


@pytest.mark.parametrize("seconds", [1_209_600, 1_209_601, 1_209_600.5, 12_345_678.25, 0.001])
def test_a_long_or_uneven_duration_keeps_its_digits(seconds):
    assert "e" not in written(seconds).split()[0]
    assert parse_seconds(written(seconds)) == seconds

"""Column names of a sample that can't stand beside each other."""

from collections.abc import Sequence

from penstock.errors import ConfigError


def refuse_doubled_headers(headers: Sequence[str]) -> None:
    """Case does not count: Spark takes `pH` and `PH` for one column."""
    seen: dict[str, str] = {}
    for header in headers:
        before = seen.get(header.lower())
        if before == header:
            raise ConfigError(f"header: column {header!r} stands twice; rename one of them in the file")
        if before is not None:
            raise ConfigError(f"header: columns {before!r} and {header!r} differ in case only; rename one in the file")
        seen[header.lower()] = header

"""Finds words that this project says in other words: python tests/word_list.py (part of `make check`).

Code, comments, messages and docs use the field's standard terms (docs/glossary.md). Each word here has a plain one in
its place: `told` -> reported, `anew` -> again, `the books` -> row counts, and so on.
"""

import re
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path

ROOT = Path(__file__).parents[1]
WORDS = ("told", "anew", "whoever", "the books", "taken back", "goes on", "in passing", "for want of")
PATTERN = re.compile(rf"\b({'|'.join(WORDS)})\b", re.IGNORECASE)
FOLDERS = (
    "benchmarks",
    "conf",
    "deploy",
    "docs",
    "jobs",
    "jvm",
    "notebooks",
    "penstock",
    "queries",
    "schemas",
    "tests",
    "udfs",
)
FILES = ("CONTRIBUTING.md", "Dockerfile", "Makefile", "README.md", "pyproject.toml")
ENDINGS = (".conf", ".java", ".md", ".properties", ".py", ".sql", ".toml", ".xml", ".yaml")
#: This file, and the test that quotes the words.
SELF = ("tests/word_list.py", "tests/test_word_list.py")


def read_files(root: Path) -> Iterator[tuple[str, str]]:
    """The texts to look at, by their paths below `root`. Links (penstock/jobs, ...) are not followed."""
    paths = [root / name for name in FILES]
    paths += [path for folder in FOLDERS for path in sorted((root / folder).rglob("*"))]
    for path in paths:
        name = path.relative_to(root).as_posix()
        if path.is_file() and (path.suffix in ENDINGS or path.name in FILES) and name not in SELF:
            yield name, path.read_text(encoding="utf-8")


def find_words(files: Iterable[tuple[str, str]]) -> list[str]:
    """A line `path:number: word: text` for each line that has one of the words."""
    return [
        f"{name}:{number}: {found[0]}: {line.strip()}"
        for name, text in files
        for number, line in enumerate(text.splitlines(), 1)
        if (found := PATTERN.search(line))
    ]


def main() -> int:
    """1 where there is such a word, else 0."""
    hits = find_words(read_files(ROOT))
    for hit in hits:
        print(hit)
    if hits:
        print(f"{len(hits)} lines; write it in the field's standard terms (docs/glossary.md)")
    return 1 if hits else 0


if __name__ == "__main__":
    sys.exit(main())

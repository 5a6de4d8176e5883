"""The inbox as the stream lists it: which files are there, and which of them are input."""

import re
from collections.abc import Callable, Iterator

from penstock.config.pipeline import SourceConfig
from penstock.errors import EnvironmentCheckError
from penstock.storage.files import FileStatus, Storage


def walk_inbox(storage: Storage, source: SourceConfig) -> Iterator[tuple[str, FileStatus]]:
    """The files that the stream would take, one at a time.

    Raises EnvironmentCheckError, at the first one: an inbox that is not mounted is not an empty one.
    """
    try:
        yield from walk_files(storage, source.path, glob=source.path_glob_filter)
    except (FileNotFoundError, NotADirectoryError):
        raise EnvironmentCheckError(
            f"the inbox {source.path} is not a folder; mount it, or correct source.path: nothing was compared"
        ) from None


def list_files(storage: Storage, folder: str, *, glob: str | None) -> dict[str, FileStatus]:
    """The files below a folder that a stream would take, by path. glob: of their names; None takes all.

    Raises FileNotFoundError or NotADirectoryError where there is no such folder.
    """
    return dict(walk_files(storage, folder, glob=glob))


def walk_files(storage: Storage, folder: str, *, glob: str | None) -> Iterator[tuple[str, FileStatus]]:
    """`list_files`, one file at a time."""
    is_named_so = name_filter(glob) if glob is not None else None
    for path, status in storage.walk(folder, is_overlooked=is_overlooked):
        if is_named_so is None or is_named_so(path.rsplit("/", 1)[-1]):
            yield path, status


def is_overlooked(name: str) -> bool:
    """Of a file or folder. Spark's rule (HadoopFSUtils.shouldFilterOutPathName), and `_metadata` and `_common_metadata`
    with it: summaries beside Parquet files, which have no rows and which Spark lists as if they were data."""
    return (name.startswith("_") and "=" not in name) or name.startswith(".") or name.endswith("._COPYING_")


def is_input(path: str, folder: str) -> bool:
    """Whether a file that Spark has listed below `folder` is input: nothing on the way to it is overlooked."""
    return not any(map(is_overlooked, path.removeprefix(f"{folder.rstrip('/')}/").split("/")))


def name_filter(glob: str) -> Callable[[str], bool]:
    """source.path_glob_filter as Hadoop understands it (org.apache.hadoop.fs.GlobPattern), which is what Spark asks:
    `*`, `?`, `[a-c]`, `[!a]`, `{x,y}` and `\\` before a character that means itself."""
    pattern, is_in_set, open_groups = "", False, 0
    characters = iter(glob)
    for character in characters:
        if character == "\\":
            pattern += re.escape(next(characters, ""))
        elif is_in_set:
            is_in_set = character != "]"
            pattern += "^" if character == "!" and pattern.endswith("[") else character
        elif character == "[":
            is_in_set = True
            pattern += character
        elif character == "{":
            open_groups += 1
            pattern += "(?:"
        elif character in ",}" and open_groups:
            open_groups -= character == "}"
            pattern += "|" if character == "," else ")"
        else:
            pattern += {"*": ".*", "?": "."}.get(character, re.escape(character))
    compiled = re.compile(pattern, re.DOTALL)
    return lambda name: compiled.fullmatch(name) is not None

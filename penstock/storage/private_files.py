"""Writes files that contain secrets."""

import os
from pathlib import Path


def write_private(path: Path, text: str) -> None:
    """The file is created with mode 0600, so that only this user can ever read it."""
    path.unlink(missing_ok=True)
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
        file.write(text)

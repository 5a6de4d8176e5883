"""Users of the SQL server: a file of salted password hashes, read by HashedPasswords (jvm/)."""

import base64
import hashlib
import re
import secrets
from pathlib import Path

from penstock.errors import ServerError
from penstock.storage.private_files import write_private

ITERATIONS = 600_000
SALT_BYTES = 16
NAME = re.compile(r"[A-Za-z0-9_.@-]+")


def set_password(file: Path, user: str, password: str) -> None:
    """Add a user, or change its password. The server reads the file at each log-in. Raises ServerError."""
    if not NAME.fullmatch(user) or not password:
        raise ServerError(f"a user needs a name of letters, digits and _.@- and a password, found the name {user!r}")
    others = [line for line in lines(file) if not line.startswith(f"{user}:")]
    # Replaced atomically: a concurrent log-in reads the old file or the new one.
    written = file.with_suffix(".new")
    write_private(written, "".join(f"{line}\n" for line in [*others, entry(user, password)]))
    written.replace(file)


def has_user(file: Path, user: str) -> bool:
    return any(line.startswith(f"{user}:") for line in lines(file))


def lines(file: Path) -> list[str]:
    return file.read_text().splitlines() if file.exists() else []


def entry(user: str, password: str) -> str:
    salt = secrets.token_bytes(SALT_BYTES)
    hashed = hashlib.pbkdf2_hmac("sha256", password.encode(), salt, ITERATIONS)
    return ":".join([user, str(ITERATIONS), *[base64.b64encode(part).decode() for part in (salt, hashed)]])

"""The passwords of one data folder: made once, kept in one file that only its owner reads."""

from __future__ import annotations

import dataclasses
import json
import secrets
from dataclasses import dataclass, field
from pathlib import Path

from chronos.embedded.files import write_atomically
from chronos.errors import EmbeddedFault


def _password() -> str:
    return secrets.token_urlsafe(24)


@dataclass(frozen=True, slots=True, kw_only=True)
class Passwords:
    """One password for each role of PostgreSQL, one for Redis."""

    owner: str = field(default_factory=_password, repr=False)
    writer: str = field(default_factory=_password, repr=False)
    relay: str = field(default_factory=_password, repr=False)
    reader: str = field(default_factory=_password, repr=False)
    redis: str = field(default_factory=_password, repr=False)

    @classmethod
    def kept(cls, path: Path) -> Passwords:
        """Reads the passwords of a data folder, or makes them at its first start.

        Raises:
            EmbeddedFault: The file exists and cannot be understood.
        """
        if path.exists():
            try:
                return cls(**json.loads(path.read_text(encoding="utf-8")))
            except (ValueError, TypeError) as error:
                raise EmbeddedFault(
                    f"{path} does not hold the passwords of this data folder ({error}): bring "
                    "it back from a copy; without it the data cannot be opened."
                ) from error
        made = cls()
        text = json.dumps(dataclasses.asdict(made), indent=2) + "\n"
        write_atomically(path, text, mode=0o600)
        return made


def keep_key_secret(path: Path) -> None:
    """Makes the secret that API keys are hashed with, once: 64 hexadecimal digits."""
    if not path.exists():
        write_atomically(path, secrets.token_hex(32) + "\n", mode=0o600)

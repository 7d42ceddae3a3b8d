"""`chronos secrets`: the files that `docker-compose.yml` hands to its containers."""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from pathlib import Path
from typing import Final
from urllib.parse import quote

import click

from chronos.embedded.files import write_atomically
from chronos.embedded.passwords import Passwords
from chronos.embedded.postgres import DATABASE, OWNER
from chronos.errors import SettingFault
from chronos.store import roles

FOLDER: Final = Path(".secrets")
PASSWORDS: Final = "passwords.json"
_ONCE: Final = {"key.secret": 32, "grafana.password": 16}
"""Files that are drawn apart, with how many random bytes."""


@click.command(name="secrets")
@click.argument("folder", type=click.Path(file_okay=False, path_type=Path), default=FOLDER)
@click.option("--postgres", default="postgres:5432", show_default=True, help="host:port.")
@click.option("--redis", default="redis:6379", show_default=True, help="host:port.")
def command(folder: Path, postgres: str, redis: str) -> None:
    """Make the secrets of docker-compose.yml in FOLDER (.secrets when it is left out).

    Passwords are drawn once and kept: run it again and nothing changes, a file that was lost is
    written again. The folder is its owner's alone. The files in it are readable by all, because
    containers read them, as they are, under accounts of their own.
    """
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    if folder.stat().st_mode & 0o077:
        raise SettingFault(
            str(folder), "is open to other accounts of this machine; close it: chmod 700"
        )
    passwords = Passwords.kept(folder / PASSWORDS)
    for name, text in secret_files(passwords, postgres=postgres, redis=redis).items():
        write_atomically(folder / name, text + "\n", mode=0o444)
    for name, size_bytes in _ONCE.items():
        if not (folder / name).exists():
            write_atomically(folder / name, secrets.token_hex(size_bytes) + "\n", mode=0o444)
    click.echo(f"the secrets are in {folder}: keep a copy, the databases open with them alone")


def secret_files(passwords: Passwords, *, postgres: str, redis: str) -> Mapping[str, str]:
    """Gives what follows from the passwords, by file."""
    owner = f"postgresql://{OWNER}:{quote(passwords.owner, safe='')}@{postgres}/{DATABASE}"
    return {
        "owner.password": passwords.owner,
        "owner.dsn": owner,
        "writer.dsn": roles.role_dsn(owner, roles.WRITER, passwords.writer),
        "relay.dsn": roles.role_dsn(owner, roles.RELAY, passwords.relay),
        "reader.dsn": roles.role_dsn(owner, roles.READER, passwords.reader),
        "redis.conf": f'requirepass "{passwords.redis}"',
        "redis.url": f"redis://:{quote(passwords.redis, safe='')}@{redis}/0",
    }

"""Takes a backup of a managed instance, and puts one back.

A backup is a folder: PostgreSQL's own base backup, checked by its manifest, and the two files
without which it is worth nothing, the passwords and the secret that API keys are hashed with.
Nothing else of an instance has to be kept: the rest is made anew from the journal.

A restore moves the data that is there aside and never deletes it; until the last rename nothing
has changed. It starts no server: that is done by who makes the read models anew.
"""

from __future__ import annotations

import asyncio
import os
import shutil
from datetime import datetime
from pathlib import Path
from urllib.parse import unquote, urlsplit

from chronos.embedded.archive import recovery_settings
from chronos.embedded.folder import DataFolder, FolderLock
from chronos.embedded.leftovers import end_leftovers
from chronos.embedded.machine import Machine, RunAs
from chronos.embedded.postgres import RECOVERY_SIGNAL, find_programs
from chronos.embedded.process import Command, run_to_end
from chronos.errors import MissingPart

_DAY_S = 86_400.0
_DATABASE = "postgres"
_SECRETS = "secrets.json"
_KEY_SECRET = "key.secret"  # noqa: S105 - the name of a file


async def take_backup(machine: Machine, folder: DataFolder, dsn: str, to: Path) -> Path:
    """Copies the database of a running instance, while it is written, and proves the copy.

    Args:
        machine: Where PostgreSQL's programs are.
        folder: The data folder of the instance.
        dsn: Its PostgreSQL, signed in as the owner.
        to: The new folder of the backup; it is there when it is whole.

    Raises:
        MissingPart: The folder is there already, or PostgreSQL is not the instance's own.
        EmbeddedFault: The copy could not be made, or is not what it should be.
    """
    half = await asyncio.to_thread(_new_folder, folder, to)
    address = urlsplit(dsn)
    password = {"PGPASSWORD": unquote(address.password or "")}
    programs = find_programs(machine)
    copy = (
        str(programs / "pg_basebackup"), "--host", address.hostname or "",
        "--port", str(address.port), "--username", unquote(address.username or ""),
        "--no-password", "--pgdata", str(half / _DATABASE),
        "--checkpoint=fast", "--wal-method=stream",
    )  # fmt: skip
    await _run(machine, half, copy, "pg_basebackup, which copies the database", password)
    await _check(machine, half)
    for name in (_SECRETS, _KEY_SECRET):
        shutil.copy2(folder.run / name, half / name)
    half.rename(to)
    return to


async def restore(
    machine: Machine,
    folder: DataFolder,
    backup: Path,
    *,
    archive: Path | None,
    until: datetime | None,
    now: datetime,
) -> Path | None:
    """Puts a backup in the place of the database of a stopped instance, or of a new one.

    Args:
        machine: Where PostgreSQL's programs are, and whose its files are to be.
        folder: The data folder; a new one gets the backup's passwords and secret.
        backup: The folder that `take_backup` made.
        archive: Folder with the log, which is read at the next start; None: the backup alone.
        until: The moment after which nothing is wanted; None: as far as the log goes.
        now: Names what is moved aside.

    Returns:
        Where the data went that was there before, None where there was none.

    Raises:
        MissingPart: There is no backup there, or it is of another data folder.
        EmbeddedFault: An instance runs on the folder, or the backup is damaged.
        SettingFault: The archive cannot be read.
    """
    settings = await asyncio.to_thread(_recovery, machine, backup, archive=archive, until=until)
    await _check(machine, backup)
    await asyncio.to_thread(folder.make, machine.run_as)
    lock = FolderLock(folder)
    await lock.take()
    try:
        end_leftovers(folder)
        _keep_secrets(folder, backup)
        return await asyncio.to_thread(
            _exchange, folder, machine.run_as, backup / _DATABASE, settings, now
        )
    finally:
        lock.release()


def _new_folder(folder: DataFolder, to: Path) -> Path:
    if to.exists():
        raise MissingPart(f"{to} is there already: name a new folder for the backup.")
    if not (_home(folder) / "data").is_dir():
        raise MissingPart(
            f"{folder.path} has no PostgreSQL of its own: take the backup with the tools of "
            f"the server that it uses, and keep {folder.key_secret} with it."
        )
    half = to.with_name(f"{to.name}.half")
    shutil.rmtree(half, ignore_errors=True)
    half.mkdir(parents=True, mode=0o700)
    return half


def _recovery(
    machine: Machine, backup: Path, *, archive: Path | None, until: datetime | None
) -> str:
    if not (backup / _DATABASE / "backup_manifest").is_file():
        raise MissingPart(f"{backup} is no folder that `chronos backup` made.")
    return recovery_settings(machine, archive, until)


def _exchange(
    folder: DataFolder, run_as: RunAs | None, database: Path, settings: str, now: datetime
) -> Path | None:
    home = folder.server("postgres", run_as)
    data, staging = home / "data", home / "data.new"
    shutil.rmtree(staging, ignore_errors=True)
    shutil.copytree(database, staging, symlinks=True)
    with (staging / "postgresql.auto.conf").open("a", encoding="utf-8") as file:
        file.write(settings)
    (staging / RECOVERY_SIGNAL).touch()
    _give(staging, run_as)
    aside = None
    if data.exists():
        aside = home / f"data.before-{now:%Y%m%dT%H%M%SZ}"
        data.rename(aside)
    staging.rename(data)
    return aside


def _give(tree: Path, run_as: RunAs | None) -> None:
    tree.chmod(0o700)
    if run_as is None:
        return
    os.chown(tree, run_as.uid, run_as.gid)
    for folder, folders, files in os.walk(tree):
        for name in (*folders, *files):
            os.chown(Path(folder, name), run_as.uid, run_as.gid, follow_symlinks=False)


def _keep_secrets(folder: DataFolder, backup: Path) -> None:
    for name in (_SECRETS, _KEY_SECRET):
        kept, own = backup / name, folder.run / name
        if not own.exists():
            shutil.copy2(kept, own)
        elif own.read_bytes() != kept.read_bytes():
            raise MissingPart(
                f"{backup} is of another data folder, with another {name}: restore it into "
                "that one, or into a new one."
            )


async def _check(machine: Machine, backup: Path) -> None:
    programs = find_programs(machine)
    argv = (str(programs / "pg_verifybackup"), "--quiet", str(backup / _DATABASE))
    await _run(machine, backup, argv, "pg_verifybackup, which proves the copy", {})


async def _run(
    machine: Machine, folder: Path, argv: tuple[str, ...], purpose: str, secrets: dict[str, str]
) -> None:
    environment = {"PATH": machine.path, "LC_ALL": "C", "TZ": "UTC", **secrets}
    command = Command(argv=argv, environment=environment, folder=folder, log=folder / "log")
    await run_to_end(command, purpose=purpose, deadline_s=_DAY_S)


def _home(folder: DataFolder) -> Path:
    return (folder.stand_in or folder.path) / "postgres"

"""Has a managed PostgreSQL keep its log in a folder, and read it back after a restore.

Without the archive a backup is worth its own moment; with it, every later one. A file of the
log appears in the folder whole or not at all, and one that is archived again, after a crash
between the two steps, must be the same.

Source: PostgreSQL manual, "Continuous Archiving and Point-in-Time Recovery (PITR)".
"""

from __future__ import annotations

import os
import shlex
from datetime import datetime
from pathlib import Path

from chronos.embedded.machine import Machine, account_name, reaches, writes
from chronos.errors import SettingFault

VARIABLE = "CHRONOS_WAL_ARCHIVE"
ARCHIVE_EVERY_S = 60
"""So much of the newest log is lost with the disk, at most."""

_ARCHIVE = (
    "if test -f {to}; then cmp -s %p {to}; "
    "else cp %p {half} && sync {half} && mv {half} {to}; fi"
)


def archive_settings(machine: Machine) -> str:
    """Gives the settings that keep the log, or that keep none.

    Raises:
        SettingFault: CHRONOS_WAL_ARCHIVE names a folder that the servers' account cannot use.
    """
    folder = machine.wal_archive
    if folder is None:
        return "archive_mode = off\n"
    try:
        if not folder.exists():
            folder.mkdir(parents=True, mode=0o700)
            if machine.run_as is not None:
                os.chown(folder, machine.run_as.uid, machine.run_as.gid)
    except OSError as error:
        raise SettingFault(VARIABLE, f"{folder} cannot be made ({error.strerror})") from error
    if not writes(machine.run_as, folder):
        who = account_name(machine.run_as)
        raise SettingFault(VARIABLE, f"the account {who!r} may not write to {folder}")
    command = _ARCHIVE.format(
        to=_in_command(folder / "%f"), half=_in_command(folder / "%f.half")
    )
    return (
        "archive_mode = on\n"
        f"archive_timeout = '{ARCHIVE_EVERY_S}s'\n"
        f"archive_command = {_quoted(command)}\n"
    )


def recovery_settings(machine: Machine, archive: Path | None, until: datetime | None) -> str:
    """Gives the settings that bring a backup up to a moment, or as far as its log goes.

    The database always gets a new timeline, by which everybody tells it from what it was.

    Raises:
        SettingFault: The servers' account cannot read the archive.
    """
    command = "false"
    if archive is not None:
        if not archive.is_dir() or not reaches(machine.run_as, archive):
            who = account_name(machine.run_as)
            raise SettingFault("--wal", f"the account {who!r} cannot read a folder {archive}")
        command = f"cp {_in_command(archive / '%f')} %p"
    text = f"restore_command = {_quoted(command)}\nrecovery_target_action = 'promote'\n"
    if until is not None:
        text += f"recovery_target_time = '{until.isoformat()}'\n"
    return text


def _in_command(path: Path) -> str:
    """Writes a path for the shell; only its last part, which PostgreSQL fills in, has a %."""
    return shlex.quote(str(path.parent).replace("%", "%%")) + "/" + path.name


def _quoted(text: str) -> str:
    return "'" + text.replace("\\", "\\\\").replace("'", "''") + "'"

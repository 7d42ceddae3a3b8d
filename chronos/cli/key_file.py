"""The file in which `chronos keys create --file` keeps a key.

A key is written beside its file first (`.NAME.new`), durably; then the database is told of it;
then it is moved to its name. So a disk that is full leaves no valid key that nobody has, and a
file of that name has a key that the database knew. The next run ends what a killed one began:
a key that lies beside its file is moved there when it is the wanted one, and otherwise revoked,
for nobody was given it.

Who makes a key holds a lock on the file beside; a second run at the same time is refused. A
file that is there already is never written: its key is proved against the secret and the
database, and refused when it is not the wanted one.
"""

from __future__ import annotations

import fcntl
import hmac
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from chronos.auth.keys import NewKey, key_of, new_key
from chronos.errors import SettingFault
from chronos.store.api_keys import ApiKeyOffice, StoredKey, open_key_office

_TEXT_BYTES_MAX: Final = 256
_REMEDY: Final = "move it away or name another file, and run this again"


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """Whose key it is to be, what it allows, and the secret that proves it."""

    principal: str
    scopes: tuple[str, ...]
    """In the order of the alphabet."""
    server_secret: bytes


async def keep_key(owner_dsn: str, file: Path, wanted: Wanted) -> str:
    """Makes a key in a file, or finds the wanted one there; gives its id.

    Raises:
        SettingFault: The file cannot be read or written, or holds something else, or another
            run makes it now.
        Unavailable: PostgreSQL does not answer; the same may be run again.
    """
    async with open_key_office(owner_dsn) as office:
        text = _read(file)
        if text is None:
            with _beside(file) as staging:
                text = _read(file)  # somebody may have made it before the lock was ours
                if text is None:
                    text = await _made(office, staging, wanted)
                    staging.publish()
        return await _proved(office, file, text, wanted)


async def _made(office: ApiKeyOffice, staging: _Staging, wanted: Wanted) -> str:
    """Gives a key that lies beside its file and is known to the database."""
    left = key_of(staging.text(), wanted.server_secret)
    known = None if left is None else await office.find(left.key_id)
    if left is not None and known is not None:
        if _flaw(left, known, wanted) is None:
            return left.text
        await office.revoke(left.key_id)
    key = new_key(wanted.server_secret)
    staging.write(key.text)
    await office.add(key.key_id, key.hmac, principal=wanted.principal, scopes=wanted.scopes)
    return key.text


async def _proved(office: ApiKeyOffice, file: Path, text: str, wanted: Wanted) -> str:
    key = key_of(text, wanted.server_secret)
    if key is None:
        raise SettingFault("--file", f"{file} is there and holds no API key; {_REMEDY}")
    flaw = _flaw(key, await office.find(key.key_id), wanted)
    if flaw is not None:
        raise SettingFault("--file", f"{file} holds the key {key.key_id}, {flaw}; {_REMEDY}")
    return key.key_id


def _flaw(key: NewKey, known: StoredKey | None, wanted: Wanted) -> str | None:
    """Tells why a key is not the wanted one, as the end of a sentence about it."""
    if known is None:
        return "which this database does not know"
    if known.revoked_at is not None:
        return f"which was revoked at {known.revoked_at:%Y-%m-%d %H:%M:%S}"
    if not hmac.compare_digest(key.hmac, known.hmac):
        return "which the present secret (CHRONOS_KEY_SECRET_FILE) does not prove"
    if known.principal != wanted.principal or sorted(known.scopes) != [*wanted.scopes]:
        return f"which is of {known.principal} ({', '.join(known.scopes)})"
    return None


def _read(file: Path) -> str | None:
    try:
        with file.open("rb") as opened:
            return _text(opened.read(_TEXT_BYTES_MAX + 1))
    except FileNotFoundError:
        return None
    except OSError as error:
        raise SettingFault("--file", f"{file} cannot be read ({error.strerror})") from error


def _text(raw: bytes) -> str:
    return raw.decode("utf-8", errors="replace").removesuffix("\n").removesuffix("\r")


class _Staging:
    """The file beside, which nobody else reads, while its lock is held."""

    def __init__(self, file: Path, path: Path, handle: int):
        self._file = file
        self._path = path
        self._handle = handle

    def lock(self) -> None:
        """Takes the lock, which ends with the process at the latest."""
        try:
            fcntl.flock(self._handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            is_ours = os.path.samestat(os.fstat(self._handle), self._path.lstat())
        except (BlockingIOError, FileNotFoundError):
            is_ours = False
        if not is_ours:
            raise SettingFault(
                "--file", f"{self._file} is being made by another run; run this again"
            )
        if os.fstat(self._handle).st_uid != os.geteuid():
            raise SettingFault(
                "--file", f"{self._path} belongs to another account; remove it, run this again"
            )
        os.fchmod(self._handle, 0o600)

    def text(self) -> str:
        """Gives what a run before has left."""
        with _told(self._file):
            return _text(os.pread(self._handle, _TEXT_BYTES_MAX + 1, 0))

    def write(self, text: str) -> None:
        """Holds this text and nothing else, durably."""
        with _told(self._file), os.fdopen(os.dup(self._handle), "wb") as opened:
            opened.truncate(0)
            opened.write(text.encode() + b"\n")
            opened.flush()
            os.fsync(opened.fileno())
            _sync_folder(self._path)

    def publish(self) -> None:
        """Is the file from now on, durably."""
        with _told(self._file):
            self._path.replace(self._file)
            _sync_folder(self._file)


@contextmanager
def _beside(file: Path) -> Iterator[_Staging]:
    path = file.with_name(f".{file.name}.new")
    with _told(file):
        handle = os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
    try:
        staging = _Staging(file, path, handle)
        with _told(file):
            staging.lock()
        yield staging
    finally:
        os.close(handle)


@contextmanager
def _told(file: Path) -> Iterator[None]:
    """Makes a fault of what the disk says."""
    try:
        yield
    except OSError as error:
        raise SettingFault("--file", f"{file} cannot be written ({error.strerror})") from error


def _sync_folder(path: Path) -> None:
    handle = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)

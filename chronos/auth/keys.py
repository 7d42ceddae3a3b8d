"""API keys: their text, their proof, and a bounded memory of those seen lately.

A key reads `chk_<key id>_<secret>`: the id is looked up, the secret is proved against an
HMAC-SHA-256 under the server's own secret, so the table alone lets nobody in.

Memory: a key that was looked up is believed for `BELIEVED_S` from the moment of asking, and no
longer when PostgreSQL answers: a revoked key is void everywhere within 60 s. While PostgreSQL
is down, what is remembered goes on serving, however old. That a key is not there is remembered
too, for a shorter time, so that guessing costs the database little. At most `REMEMBERED_MAX`
keys are remembered; the one looked up longest ago is forgotten first. Callers with the same key
share one look-up.
"""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import re
import secrets
from collections import OrderedDict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Final, Protocol

from chronos.auth.principals import Principal, Scope, is_reserved
from chronos.clock import Clock
from chronos.errors import SettingFault, Unavailable
from chronos.telemetry import metrics

BELIEVED_S: Final = 55.0
"""Counted from the asking. What doors remember for a moment longer must end within 60 s."""
ABSENT_BELIEVED_S: Final = 5.0
LOOKUP_DEADLINE_S: Final = 2.0
REMEMBERED_MAX: Final = 10_000
SERVER_SECRET_BYTES_MIN: Final = 32

_KEY: Final = re.compile(r"chk_([a-z0-9]{12})_([A-Za-z0-9-]{43})")
_HEADER_LENGTH_MAX: Final = 256
_ID_LETTERS: Final = "abcdefghijklmnopqrstuvwxyz0123456789"
_SECRET_LETTERS: Final = _ID_LETTERS + "ABCDEFGHIJKLMNOPQRSTUVWXYZ-"


class KnownKey(Protocol):
    """One key as the store knows it."""

    @property
    def key_id(self) -> str:
        """Its public part."""
        ...

    @property
    def hmac(self) -> bytes:
        """What its secret is proved against, 32 bytes."""
        ...

    @property
    def principal(self) -> str:
        """Whose key it is."""
        ...

    @property
    def scopes(self) -> Sequence[str]:
        """What it allows."""
        ...

    @property
    def revoked_at(self) -> datetime | None:
        """Since when it is void."""
        ...


class KeyTable(Protocol):
    """Looks keys up; the store has the real one."""

    async def find(self, key_id: str) -> KnownKey | None:
        """Reads one key, revoked or not.

        Raises:
            Unavailable: PostgreSQL does not answer.
        """
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class NewKey:
    """A key with its text, which is known at its making and to whoever keeps it."""

    key_id: str
    text: str
    hmac: bytes


@dataclass(slots=True)
class _Memory:
    key: KnownKey | None
    fresh_until_s: float


class ApiKeys:
    """Tells who holds a key."""

    def __init__(self, table: KeyTable, *, server_secret: bytes, clock: Clock):
        self._table = table
        self._server_secret = server_secret
        self._clock = clock
        self._remembered: OrderedDict[str, _Memory] = OrderedDict()
        self._lookups: dict[str, asyncio.Task[_Memory]] = {}

    async def authenticate(self, header: str | None) -> Principal | None:
        """Tells whose key an `Authorization: Bearer` header carries; None when nobody's.

        Raises:
            Unavailable: PostgreSQL does not answer and the key is not remembered.
        """
        parts = _parts(header)
        if parts is None:
            metrics.AUTHENTICATIONS.labels("refused").inc()
            return None
        key_id, secret = parts
        memory = self._remembered.get(key_id)
        outcome = "cached"
        if memory is None or memory.fresh_until_s <= self._clock.monotonic_s():
            memory, outcome = await self._look_up(key_id, memory)
        principal = self._prove(memory.key, secret)
        metrics.AUTHENTICATIONS.labels(outcome if principal else "refused").inc()
        return principal

    async def _look_up(self, key_id: str, stale: _Memory | None) -> tuple[_Memory, str]:
        lookup = self._lookups.get(key_id)
        if lookup is None:
            lookup = asyncio.create_task(self._read(key_id))
            self._lookups[key_id] = lookup
            lookup.add_done_callback(lambda done: self._end(key_id, done))
        try:
            async with asyncio.timeout(LOOKUP_DEADLINE_S):
                return await asyncio.shield(lookup), "fresh"
        except (Unavailable, TimeoutError) as error:
            if stale is None:
                raise Unavailable(
                    "postgresql", f"the API key cannot be read: {error}"
                ) from error
            stale.fresh_until_s = self._clock.monotonic_s() + ABSENT_BELIEVED_S
            return stale, "stale"

    def _end(self, key_id: str, lookup: asyncio.Task[_Memory]) -> None:
        """Forgets a finished look-up, and its fault, for which nobody may wait any more."""
        self._lookups.pop(key_id, None)
        if not lookup.cancelled():
            lookup.exception()

    async def _read(self, key_id: str) -> _Memory:
        # From the asking: a slow answer may be older than the revocation.
        asked_at_s = self._clock.monotonic_s()
        key = await self._table.find(key_id)
        believed_s = ABSENT_BELIEVED_S if key is None else BELIEVED_S
        memory = _Memory(key, asked_at_s + believed_s)
        self._remembered[key_id] = memory
        self._remembered.move_to_end(key_id)
        while len(self._remembered) > REMEMBERED_MAX:
            self._remembered.popitem(last=False)
        return memory

    def _prove(self, key: KnownKey | None, secret: str) -> Principal | None:
        if key is None or key.revoked_at is not None or is_reserved(key.principal):
            return None
        if not hmac.compare_digest(_hmac(self._server_secret, key.key_id, secret), key.hmac):
            return None
        return Principal(
            name=key.principal,
            key_id=key.key_id,
            scopes=frozenset(Scope(scope) for scope in key.scopes),
        )


def new_key(server_secret: bytes) -> NewKey:
    """Makes a key; its secret has 258 bits of the system's randomness."""
    return _key(server_secret, _random(_ID_LETTERS, 12), _random(_SECRET_LETTERS, 43))


def key_of(text: str, server_secret: bytes) -> NewKey | None:
    """Reads the text of a key, as this secret proves it; None when it is not of that form."""
    matched = _KEY.fullmatch(text)
    return None if matched is None else _key(server_secret, matched[1], matched[2])


def parse_scopes(words: Iterable[str]) -> frozenset[Scope]:
    """Reads scopes.

    Raises:
        ValueError: A word is none, or there is none at all.
    """
    scopes = frozenset(Scope(word) for word in words)
    if not scopes:
        raise ValueError("a key needs at least one scope: read, write or admin")
    return scopes


def read_server_secret(path: Path | None) -> bytes:
    """Reads the secret that keys are proved with.

    Raises:
        SettingFault: The file is not named, not readable, or too short to be a secret.
    """
    name = "CHRONOS_KEY_SECRET_FILE"
    if path is None:
        raise SettingFault(name, "names the file with the secret that API keys are hashed with")
    try:
        secret = path.read_bytes().strip()
    except OSError as error:
        # Without the path and the error that has it: it may be the secret, put there in error.
        raise SettingFault(
            name,
            f"names a file that cannot be read ({error.strerror}); it takes the path of a file "
            "that holds the secret, not the secret",
        ) from None
    if len(secret) < SERVER_SECRET_BYTES_MIN:
        raise SettingFault(
            name, f"{path} has {len(secret)} bytes; a secret has {SERVER_SECRET_BYTES_MIN}"
        )
    return secret


def _parts(header: str | None) -> tuple[str, str] | None:
    if header is None or len(header) > _HEADER_LENGTH_MAX:
        return None
    scheme, _, token = header.partition(" ")
    matched = _KEY.fullmatch(token)
    if scheme.lower() != "bearer" or matched is None:
        return None
    return matched[1], matched[2]


def _key(server_secret: bytes, key_id: str, secret: str) -> NewKey:
    return NewKey(
        key_id=key_id,
        text=f"chk_{key_id}_{secret}",
        hmac=_hmac(server_secret, key_id, secret),
    )


def _hmac(server_secret: bytes, key_id: str, secret: str) -> bytes:
    return hmac.digest(server_secret, f"{key_id}:{secret}".encode(), hashlib.sha256)


def _random(letters: str, length: int) -> str:
    return "".join(secrets.choice(letters) for _ in range(length))

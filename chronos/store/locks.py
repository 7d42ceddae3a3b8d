"""Names of advisory locks, as 64-bit numbers.

Doctrine: a command transaction takes all its locks in its first statement, blocking ones in
ascending order of their *number* (not of their name: two names may share a number), so two
transactions never wait for each other in a circle. Locks make conflicts cheap and rare; the
unique keys make them harmless.
"""

from __future__ import annotations

from functools import lru_cache
from hashlib import blake2b

from chronos.wire.booking import KeyName, Needs


def blocking_locks(needs: Needs) -> frozenset[int]:
    """Gives the locks to wait for: accounts, holds, and the ids that a command takes."""
    return frozenset(
        (
            *(_account(account_id) for account_id in needs.accounts),
            *(_number("transfer", transfer_id) for transfer_id in needs.transfers),
            *(_number("hold", hold_id) for hold_id in needs.holds),
            *(_number("external", external_id) for external_id in needs.external_ids),
        )
    )


def key_lock(key: KeyName) -> int:
    """Gives the lock of an idempotency key, which is tried and never waited for."""
    principal, idempotency_key = key
    return _number("key", f"{len(principal)}:{principal}:{idempotency_key}")


@lru_cache(maxsize=65_536)
def _account(account_id: str) -> int:
    return _number("account", account_id)


def _number(kind: str, name: str) -> int:
    digest = blake2b(f"{kind}:{name}".encode(), digest_size=8).digest()
    return int.from_bytes(digest, "big", signed=True)

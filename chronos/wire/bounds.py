"""How much one transaction of commands may hold, whoever sends it and however.

A client's batch is one transaction, so its bounds are those of a transaction: what PostgreSQL
writes, and what this process decides and encodes, well within their time-outs. Every way in
asks them, also a dry run, and before anything is looked up or locked.
"""

from __future__ import annotations

from typing import Final

EVENTS_MAX: Final = 10_000
"""Events of one transaction."""
LOCKS_MAX: Final = 4096
"""Locks of one transaction; PostgreSQL's shared lock table is sized by it at start-up."""
BYTES_MAX: Final = 16 << 20
"""Bytes of all event bodies of one transaction; the outbox holds them once more."""
EVENT_BYTES: Final = 700
"""An event's body without the texts that a client chooses, about."""
CHARACTER_BYTES: Final = 4
"""Bytes of one character of those texts, at most."""

"""What the doctor says: one finding for each thing that was looked at.

A code names what was looked at, not how it was found: it stays the same from "ok" to "error",
and for ever, because alarms and scripts are keyed by it.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum

from chronos.telemetry.logs import hide_secrets


class Severity(StrEnum):
    """How bad it is."""

    OK = "ok"
    WARNING = "warning"
    """It works, and will hurt."""
    ERROR = "error"
    """Something does not work, or a promise is not kept."""


class Code(StrEnum):
    """What was looked at."""

    INSTANCE = "instance"
    SERVER = "server"
    SCHEMA = "schema"
    HISTORY = "history"
    POSTGRES_SETTING = "postgres_setting"
    POSTGRES_CONNECTIONS = "postgres_connections"
    LONG_TRANSACTION = "long_transaction"
    ROLE_RIGHTS = "role_rights"
    ROLE_SIGN_IN = "role_sign_in"
    TOPIC = "topic"
    TOPIC_PARTITIONS = "topic_partitions"
    TOPIC_SETTINGS = "topic_settings"
    TOPIC_REPLICAS = "topic_replicas"
    KAFKA_SETTING = "kafka_setting"
    WORKERS = "workers"
    DEAD_LETTERS = "dead_letters"
    REDIS_EVICTION = "redis_eviction"
    REDIS_MEMORY = "redis_memory"
    INDICES = "indices"
    SEARCH_HEALTH = "search_health"
    CLOCK = "clock"
    LAG = "lag"
    OUTBOX_AGE = "outbox_age"
    RELAY = "relay"
    PROCESS = "process"
    FILE_DESCRIPTORS = "file_descriptors"
    PORT = "port"
    DISK = "disk"


NOTHING = "Nothing to do."


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One sentence on one thing, and one on what to do about it."""

    code: Code
    severity: Severity
    about: str
    """Which of several: a server, a topic, a role, a process, a folder."""
    sentence: str
    """With the value that was seen."""
    action: str = NOTHING


def ok(code: Code, about: str, sentence: str) -> Finding:
    """Finds a thing as it should be."""
    return _finding(code, Severity.OK, about, sentence, NOTHING)


def warning(code: Code, about: str, sentence: str, action: str) -> Finding:
    """Finds a thing that works and will hurt."""
    return _finding(code, Severity.WARNING, about, sentence, action)


def error(code: Code, about: str, sentence: str, action: str) -> Finding:
    """Finds a thing that does not work, or a promise that is not kept."""
    return _finding(code, Severity.ERROR, about, sentence, action)


def is_well(findings: Iterable[Finding]) -> bool:
    """Tells whether nothing needs anybody's hand."""
    return all(finding.severity is Severity.OK for finding in findings)


def _finding(code: Code, severity: Severity, about: str, sentence: str, action: str) -> Finding:
    # What a server says may repeat the address that it was asked by.
    clean = hide_secrets(sentence.encode("utf-8", "backslashreplace")).decode()
    return Finding(
        code=code,
        severity=severity,
        about=about,
        sentence=clean.strip().rstrip(".") + ".",
        action=action,
    )

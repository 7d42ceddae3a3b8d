"""Faults: what broke, as opposed to what a business rule refused.

A refusal is a value (`chronos.domain.rejections.Rejected`), never raised. A fault is raised,
carries fields, and knows the exit code of a process that it ends::

    ChronosError               1   anything below
    ├── InvariantBroken       70   money or history disagree with themselves: stop for good
    ├── SettingFault          78   a setting is unknown, malformed or out of its range
    ├── UnsafeSetting         78   a server or a role is set so that money could be lost
    ├── MissingPart            1   what a command needs is not there (instance, file, tool)
    ├── EmbeddedFault          1   a managed server could not be fetched, started, kept alive
    └── Unavailable            1   a server does not answer now; the same may be sent again
        ├── DeadlineExceeded       a deadline passed; the outcome of the work is unknown
        └── Overloaded             a bounded queue is full; nothing was done
"""

from __future__ import annotations


class ChronosError(Exception):
    """Stands above every fault of Chronos; its text is a whole sentence for a person."""

    exit_code = 1


class InvariantBroken(ChronosError):
    """Says that stored facts contradict each other; whoever meets it stops at once."""

    exit_code = 70

    def __init__(
        self, message: str, *, account_id: str | None = None, version: int | None = None
    ):
        super().__init__(message)
        self.account_id = account_id
        self.version = version


class SettingFault(ChronosError):
    """Says which setting cannot be used, its value, and what would be accepted."""

    exit_code = 78

    def __init__(self, setting: str, message: str):
        super().__init__(f"{setting}: {message}")
        self.setting = setting


class UnsafeSetting(ChronosError):
    """Says which setting of a server or role would let money be lost; nothing starts."""

    exit_code = 78

    def __init__(self, setting: str, message: str):
        super().__init__(f"{setting}: {message}")
        self.setting = setting


class MissingPart(ChronosError):
    """Says what a command needs and did not find, and how to get it."""


class EmbeddedFault(ChronosError):
    """Says which managed server failed, why, and what to do."""


class Unavailable(ChronosError):
    """Says that a named service does not answer now.

    Args:
        service: "postgresql", "kafka", "redis" or "elasticsearch".
        detail: What was seen, for the log and the problem document.
        retry_after_s: Whole seconds after which asking again makes sense, at least 1.
    """

    def __init__(self, service: str, detail: str, *, retry_after_s: int = 1):
        super().__init__(f"{service} is unavailable: {detail}")
        self.service = service
        self.detail = detail
        self.retry_after_s = retry_after_s


class DeadlineExceeded(Unavailable):
    """Says that a deadline passed; the outcome is unknown: repeat with the same key."""


class Overloaded(Unavailable):
    """Says that a bounded queue was full; nothing was done."""

"""What an audit found: bounded, readable by people and by programs."""

from __future__ import annotations

from collections import Counter
from typing import Any

import msgspec

FINDINGS_MAX = 200


class Finding(msgspec.Struct, frozen=True, kw_only=True):
    """One difference.

    Attributes:
        check: Which promise is broken, for example "hash_chain" or "redis".
        account_id: The account, when one is concerned.
        version: The event of that account, when one is concerned.
        position: The place in the journal that this event says it has.
        detail: One sentence with the values that disagree.
    """

    check: str
    account_id: str | None = None
    version: int | None = None
    position: int | None = None
    detail: str


class Report:
    """Collects what was checked and what differs; keeps the first `FINDINGS_MAX` in full."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.counted: Counter[str] = Counter()
        self.facts: dict[str, Any] = {}
        self.findings: list[Finding] = []
        self.findings_by_check: Counter[str] = Counter()

    @property
    def is_clean(self) -> bool:
        """Tells whether nothing differs."""
        return not self.findings_by_check

    @property
    def exit_code(self) -> int:
        """Gives 0 when nothing differs, else 1."""
        return 0 if self.is_clean else 1

    def count(self, what: str, number: int = 1) -> None:
        """Notes that `number` more of `what` were looked at."""
        self.counted[what] += number

    def add(self, finding: Finding) -> None:
        """Notes a difference."""
        self.findings_by_check[finding.check] += 1
        if len(self.findings) < FINDINGS_MAX:
            self.findings.append(finding)

    def to_builtins(self) -> dict[str, Any]:
        """Gives the report as plain values, for JSON."""
        return {
            "report": self.name,
            "clean": self.is_clean,
            "counted": dict(self.counted),
            "differences": sum(self.findings_by_check.values()),
            "differences_by_check": dict(self.findings_by_check),
            "findings": [msgspec.to_builtins(finding) for finding in self.findings],
            **self.facts,
        }

    def lines(self) -> list[str]:
        """Gives the report as lines for a person."""
        looked = ", ".join(f"{number:,} {what}" for what, number in self.counted.items())
        if self.is_clean:
            return [f"{self.name}: clean ({looked})"]
        total = sum(self.findings_by_check.values())
        head = f"{self.name}: {total:,} difference{'s' if total != 1 else ''} ({looked})"
        body = [f"  {_place(f)}{f.detail} [{f.check}]" for f in self.findings]
        left = total - len(self.findings)
        return [head, *body, *([f"  … and {left:,} more"] if left else [])]


def _place(finding: Finding) -> str:
    if finding.account_id is None:
        return ""
    version = "" if finding.version is None else f" version {finding.version}"
    position = "" if finding.position is None else f" (position {finding.position})"
    return f"{finding.account_id}{version}{position}: "

"""What `METRICS.md` says, and what an expression of PromQL asks for."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from pathlib import Path

TABLE = Path(__file__).resolve().parents[1] / "chronos" / "telemetry" / "METRICS.md"
PROCESSES = ("api", "relay", "balances", "mirror")
OF_PROMETHEUS = {"up": {"job", "instance", "process"}, "ALERTS": {"alertname", "alertstate"}}
OF_TARGETS = {"job", "instance", "process"}

_ROW = re.compile(r"\| `(\w+)` \| (\w+) \| (.*?) \| (.*?) \| (.*) \|")
_LABEL = re.compile(r"`(\w+)` \((\d+)\)")
_TEXT = re.compile(r'"(?:[^"\\]|\\.)*"')
_RANGE = re.compile(r"\[[^\]]*\]")
_GROUPING = re.compile(r"\b(by|without|on|ignoring|group_left|group_right)\s*\(([^)]*)\)")
_SELECTOR = re.compile(r"(?<![\w.$])([a-zA-Z_:][\w:]*)\s*(\{[^}]*\})?(?!\s*\()(?![\w:])")
_MATCHER = re.compile(r"(\w+)\s*(?:=~|!~|!=|=)")
_WORDS = {"and", "or", "unless", "bool", "offset", "inf", "nan"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One metric of the table."""

    name: str
    type: str
    labels: dict[str, int]
    """The most values of each."""
    processes: frozenset[str]
    meaning: str

    @property
    def series_max(self) -> int:
        """The most combinations of labels in one process."""
        return math.prod(self.labels.values())

    @property
    def samples(self) -> dict[str, set[str]]:
        """The names of its series, with their labels."""
        names = set(self.labels)
        if self.type == "histogram":
            plain = {f"{self.name}_{end}": names for end in ("sum", "count")}
            return plain | {f"{self.name}_bucket": names | {"le"}}
        return {self.name: names}


def rows() -> dict[str, Row]:
    """Reads the table, by the metrics' names."""
    found = {}
    for line in TABLE.read_text(encoding="utf-8").splitlines():
        cells = _ROW.fullmatch(line)
        if cells is None:
            continue
        name, kind, labels, processes, meaning = cells.groups()
        assert name not in found, f"{name} is there twice"
        found[name] = Row(
            name=name,
            type=kind,
            labels={label: int(most) for label, most in _LABEL.findall(labels)},
            processes=frozenset(PROCESSES if processes == "all" else processes.split(", ")),
            meaning=meaning,
        )
    return found


def known_samples() -> dict[str, set[str]]:
    """Names every series that Prometheus can have of us, with the labels that it has there."""
    known = {name: set(labels) for name, labels in OF_PROMETHEUS.items()}
    for row in rows().values():
        for name, labels in row.samples.items():
            known[name] = labels | OF_TARGETS
    return known


def unknown_in(expression: str) -> list[str]:
    """Lists what an expression asks for and nobody has: metrics, and labels of them."""
    known = known_samples()
    plain = _RANGE.sub("", _TEXT.sub('""', expression))
    grouped = [label for _, names in _GROUPING.findall(plain) for label in _names(names)]
    wrong, labels = [], set()
    for name, matchers in _SELECTOR.findall(_GROUPING.sub("", plain)):
        if name in _WORDS:
            continue
        if name not in known:
            wrong.append(name)
            continue
        labels |= known[name]
        wrong += [f"{name}{{{m}}}" for m in _MATCHER.findall(matchers) if m not in known[name]]
    return wrong + [f"by ({label})" for label in grouped if label not in labels]


def labels_of(expression: str) -> set[str]:
    """Names every label of the metrics in an expression."""
    plain = _GROUPING.sub("", _RANGE.sub("", _TEXT.sub('""', expression)))
    known = known_samples()
    return {lab for name, _ in _SELECTOR.findall(plain) for lab in known.get(name, ())}


def _names(text: str) -> list[str]:
    return [name.strip() for name in text.split(",") if name.strip()]

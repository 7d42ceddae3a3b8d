"""What the tests of `docker-compose.yml` ask of it."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).resolve().parents[1]
FILE = ROOT / "docker-compose.yml"
SERVERS = ("postgres", "kafka", "redis", "elasticsearch")
ONCE = ("migrate", "topics", "key")
PROCESSES = ("api", "relay", "balances-0", "balances-1", "mirror")
BY_HAND = ("cli", "load")
OBSERVERS = ("prometheus", "grafana", "jaeger")
OURS = (*ONCE, *PROCESSES, *BY_HAND)
_VARIABLE = re.compile(r"\$\{(\w+)(?::-([^}]*))?\}")
_UNITS = {"ms": 0.001, "s": 1.0, "m": 60.0}
_SIZES = {"k": 10, "m": 20, "g": 30}


def compose() -> dict[str, Any]:
    """Gives the file with its anchors and merges resolved, as YAML says."""
    return yaml.safe_load(FILE.read_text(encoding="utf-8"))


def service(name: str) -> dict[str, Any]:
    return compose()["services"][name]


def filled(text: str, variables: Mapping[str, str] | None = None) -> str:
    """Puts variables in, as compose does: those that are not set have their default."""
    known = variables or {}
    return _VARIABLE.sub(lambda m: known.get(m[1]) or m[2] or "", text).replace("$$", "$")


def environment(name: str) -> dict[str, str]:
    """Gives the variables of a service on a machine that sets none."""
    return {key: filled(value) for key, value in service(name)["environment"].items()}


def seconds(duration: str) -> float:
    return sum(
        int(number) * _UNITS[unit] for number, unit in re.findall(r"(\d+)(ms|s|m)", duration)
    )


def size_bytes(size: str) -> int:
    number, unit = re.fullmatch(r"(\d+)([kmg])b?", size.lower()).groups()
    return int(number) << _SIZES[unit]


def postgres_settings() -> dict[str, str]:
    """Gives what the server is started with, by setting."""
    words = service("postgres")["command"]
    assert words[0] == "postgres"
    assert set(words[1::2]) == {"-c"}
    return dict(word.split("=", 1) for word in words[2::2])

"""The schemas that were given out, and the bytes that were stored under them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from jsonschema import Draft202012Validator, FormatChecker

ROOT = Path(__file__).resolve().parents[4]
PUBLISHED = ROOT / "chronos/wire/contract/published"
FIXTURES = ROOT / "tests/fixtures/events"


def published() -> dict[str, Any]:
    """The committed schemas by name, without the document of the topics."""
    files = {path.stem: path for path in sorted(PUBLISHED.glob("*.json"))}
    del files["asyncapi"]
    return {name: json.loads(path.read_bytes()) for name, path in files.items()}


def stored() -> dict[str, bytes]:
    """Bytes of events as versions of Chronos wrote them, by the name of their schema."""
    return {path.stem: path.read_bytes() for path in sorted(FIXTURES.glob("*.json"))}


def problems(value: Any, schema: dict[str, Any]) -> list[str]:
    """What is wrong with a value; formats are looked at too."""
    validator = Draft202012Validator(schema, format_checker=FormatChecker())
    return [f"{error.json_path}: {error.message}" for error in validator.iter_errors(value)]

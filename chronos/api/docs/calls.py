"""How to call an operation from a shell."""

from __future__ import annotations

import json
from typing import Any

from chronos.api.answer import JSON
from chronos.api.docs.document import Operation
from chronos.api.docs.samples import Samples


def curl(operation: Operation, samples: Samples) -> str:
    """Writes the call for a shell; address and key are variables."""
    said = operation.said
    lines = [f'curl -sS "$CHRONOS_URL{_address(operation, samples)}"']
    if said.get("security"):
        lines.append('-H "Authorization: Bearer $CHRONOS_KEY"')
    if any(parameter["name"] == "Idempotency-Key" for parameter in said.get("parameters", ())):
        lines.append('-H "Idempotency-Key: example-1"')
    if operation.body is not None:
        body = json_text(samples.body(operation.body)).replace("'", "'\\''")
        lines += [f'-H "Content-Type: {JSON}"', f"-d '{body}'"]
    elif operation.method != "GET":
        lines.append(f"-X {operation.method}")
    return " \\\n  ".join(lines)


def _address(operation: Operation, samples: Samples) -> str:
    path, query = operation.path, []
    for parameter in operation.said.get("parameters", ()):
        name = parameter["name"]
        if not parameter.get("required"):
            continue
        value = str(samples.member(name, parameter.get("schema", {}), of=operation.path))
        if parameter["in"] == "path":
            path = path.replace(f"{{{name}}}", value)
        elif parameter["in"] == "query":
            query.append(f"{name}={value}")
    return path + ("?" + "&".join(query) if query else "")


def json_text(value: Any) -> str:
    """Writes JSON for people."""
    return json.dumps(value, indent=2, ensure_ascii=False)

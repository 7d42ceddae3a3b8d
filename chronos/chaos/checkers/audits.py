"""C11: what Chronos itself proves of its journal and its copies, asked as a user would ask."""

from __future__ import annotations

import asyncio
import json
import sys
from pathlib import Path
from typing import Any, Final

from chronos.chaos.verdict import Verdict, verdict
from chronos.home import code_folder

PROMISE = "`chronos verify` proves the journal, and `chronos reconcile` every copy of it"
DEADLINE_S: Final = 300.0
COMMANDS: Final = ("verify", "reconcile")


async def audits(data: Path) -> Verdict:
    """C11: runs both commands on a data folder, named by its absolute path."""
    wrong: list[str] = []
    looked_at = 0
    for name in COMMANDS:
        code, output, said = await _run(name, str(data))
        events, findings = judge(name, code, output, said)
        looked_at += events
        wrong += findings
    return verdict("C11", PROMISE, looked_at=looked_at, violations=wrong)


def judge(name: str, code: int, output: str, said: str) -> tuple[int, list[str]]:
    """Tells how many events a command looked at, and what it found.

    Args:
        name: Of the command.
        code: With which it ended.
        output: Its JSON.
        said: What it wrote on standard error.
    """
    try:
        report: dict[str, Any] = json.loads(output)
        events = int(report["counted"].get("events", 0))
        findings = [
            f"`chronos {name}`: {one.get('account_id') or ''} {one['detail']} [{one['check']}]"
            for one in report["findings"]
        ]
        is_clean = report["clean"] is True
    except (ValueError, KeyError, TypeError, AttributeError):
        return 0, [f"`chronos {name}` ended with {code} and no report: {said[-500:]}"]
    if (code == 0) != is_clean or is_clean == bool(findings):
        findings.append(
            f"`chronos {name}` ended with {code}, says clean: {is_clean}, and has "
            f"{len(findings)} findings"
        )
    if events == 0:
        findings.append(f"`chronos {name}` looked at no event")
    return events, findings


async def _run(name: str, data: str) -> tuple[int, str, str]:
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "chronos",
        name,
        "--data",
        data,
        "--json",
        cwd=code_folder(),
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    try:
        async with asyncio.timeout(DEADLINE_S):
            output, said = await process.communicate()
    except BaseException:
        process.kill()
        await process.wait()
        raise
    return process.returncode or 0, output.decode(), said.decode("utf-8", "replace")

"""What is said of a child that does not serve: one sentence, from the end of its log."""

from __future__ import annotations

import json
from pathlib import Path

from chronos.embedded.process import tail
from chronos.errors import ChronosError, EmbeddedFault

EXIT_BROKEN_INVARIANT = 70
EXIT_UNSAFE_SETTING = 78
_MARK = "chronos: "
_LINES = 30
_SHOWN_LINES = 3
_SHOWN_CHARACTERS = 300
_WHAT_TO_RUN = {
    EXIT_BROKEN_INVARIANT: "run `chronos verify` and `chronos reconcile` before it is started",
    EXIT_UNSAFE_SETTING: "do what it says (`chronos config show` lists settings) and start",
}


def is_final(code: int) -> bool:
    """Tells whether starting again would only repeat the end."""
    return code in _WHAT_TO_RUN


def final_fault(name: str, code: int, log: Path) -> ChronosError:
    """Says why a child stopped for good, in its own words, and what to run."""
    said = last_sentence(tail(log, _LINES)).rstrip(".")
    fault = EmbeddedFault(
        f"{name} stopped for good with exit code {code}: {said}. "
        f"Now {_WHAT_TO_RUN[code]} again; its log is {log}."
    )
    fault.exit_code = code
    return fault


def died_again(name: str, deaths: int, log: Path) -> EmbeddedFault:
    """Says that a child died each time it was started."""
    return EmbeddedFault(f"{name} died {deaths} times while starting; {end_of(log)}")


def not_ready(name: str, ready_s: float, log: Path | None) -> EmbeddedFault:
    """Says that a child, or a foreign server (without a log), does not serve in time."""
    if log is None:
        return EmbeddedFault(
            f"{name} does not answer at the address given, after {ready_s:.0f} s: start it, "
            "or correct the address."
        )
    return EmbeddedFault(
        f"{name} was not ready after {ready_s:.0f} s: wait for a quieter machine and start "
        f"again; {end_of(log)}"
    )


def end_of(log: Path) -> str:
    """Names a log and quotes its end."""
    lines = [line[:_SHOWN_CHARACTERS] for line in tail(log, _SHOWN_LINES)]
    return f"its log {log} ends: " + (" / ".join(lines) or "(empty)")


def last_sentence(lines: tuple[str, ...]) -> str:
    """Finds what a process of ours said last: its sentence, the reason of its last log line."""
    for line in reversed(lines):
        if line.startswith(_MARK):
            return line.removeprefix(_MARK)
        reason = _reason(line)
        if reason is not None:
            return reason
    return lines[-1][:_SHOWN_CHARACTERS] if lines else "it said nothing"


def _reason(line: str) -> str | None:
    try:
        entry = json.loads(line)
    except ValueError:
        return None
    if not isinstance(entry, dict) or entry.get("event") != "worker_ended":
        return None
    return str(entry.get("reason"))

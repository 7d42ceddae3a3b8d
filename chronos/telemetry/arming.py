"""Arms the crash point of the settings, and says so where an operator looks."""

from __future__ import annotations

from chronos.crash_points import arm
from chronos.telemetry.logs import get_logger

_log = get_logger("telemetry")


def arm_crash_point(crash_at: str) -> None:
    """Arms the point that the setting names, with a warning; does nothing when it is empty.

    Call it once for each process, after its log is configured and before it works.

    Raises:
        ValueError: The setting names no point; `Settings.from_environment` lets none through.
    """
    if arm(crash_at):
        _log.warning(
            "crash_point_armed",
            crash_at=crash_at,
            unset="CHRONOS_CRASH_AT, unless this is a fault test",
        )

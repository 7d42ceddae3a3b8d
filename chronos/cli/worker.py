"""`chronos worker ROLE`: one Faust worker in this process.

`faust -A chronos.cli.worker:app worker` starts the same app; the role is taken from
`CHRONOS_ROLE` then. Both ways end with the same exit codes.
"""

from __future__ import annotations

import dataclasses
import os
from typing import Any

import click

from chronos.home import enter
from chronos.settings import Settings

ROLE_VARIABLE = "CHRONOS_ROLE"


@click.command(name="worker")
@click.argument("role", type=click.Choice(["relay", "balances", "mirror"]))
@click.option(
    "--slot",
    type=click.IntRange(0, 999),
    default=None,
    help="Which of several like workers this is: gives its ports, folder and member id.",
)
def command(role: str, slot: int | None) -> None:
    """Run one Faust worker until it is stopped.

    Exit codes: 0 stopped, 70 an invariant of the ledger is broken, 78 a setting is unsafe.
    """
    settings = Settings.from_environment()
    if slot is not None:
        settings = dataclasses.replace(settings, slot=slot)
    build(settings, role).Worker().execute_from_commandline()


def build(settings: Settings, role: str) -> Any:
    """Makes the app of `role` on the loop that workers use, with its log configured."""
    import uvloop

    uvloop.install()
    enter()
    from chronos.assembly.worker import build_app
    from chronos.cli.tracing import start_tracing
    from chronos.stream.app import tame_loggers
    from chronos.telemetry.arming import arm_crash_point
    from chronos.telemetry.logs import configure_logs

    process = f"{role}-{settings.slot}"
    configure_logs(settings, process=process)
    arm_crash_point(settings.crash_at)
    tame_loggers()
    tracing = start_tracing(f"chronos-{role}", process=process)
    app = build_app(settings, role)
    if tracing is not None:
        app.close_last(tracing)
    return app


def __getattr__(name: str) -> Any:
    """Makes `app` when somebody asks for it: `faust -A chronos.cli.worker:app`."""
    if name != "app":
        raise AttributeError(name)
    made = build(Settings.from_environment(), _role_of_environment())
    globals()["app"] = made
    return made


def _role_of_environment() -> str:
    return os.environ.get(ROLE_VARIABLE, "")  # noqa: TID251 - Faust's command line passes no role

"""Begins the recording of spans in a process, where the environment asks for it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from chronos.errors import SettingFault
from chronos.settings import process_environment
from chronos.telemetry.otlp_options import read_options

if TYPE_CHECKING:
    from chronos.telemetry.otlp import Tracing


def start_tracing(service: str, *, process: str) -> Tracing | None:
    """Begins to record spans; None, at no cost, where no receiver is named.

    Call it once for each process, after a fork, with its log configured.

    Raises:
        SettingFault: A variable cannot be used, or the extra `otel` is not installed.
    """
    options = read_options(process_environment())
    if options is None:
        return None
    try:
        from chronos.telemetry.otlp import Tracing
    except ModuleNotFoundError as error:
        raise SettingFault(
            options.variable,
            f"is set, and {error.name} is not installed: run "
            "`pip install 'chronos-ledger[otel]'`, or unset the variable to send no spans",
        ) from error
    return Tracing(options, service=service, process=process)

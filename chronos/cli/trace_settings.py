"""The standard variables of OpenTelemetry among the settings that `config show` prints.

Chronos obeys them and does not own them: the rest of OpenTelemetry's own is obeyed too, and the
defaults are those of its specification.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final, NamedTuple

from chronos.errors import SettingFault
from chronos.settings import Source
from chronos.telemetry.otlp_options import read_options

_OTLP: Final = "OTEL_EXPORTER_OTLP_"


class _Variable(NamedTuple):
    name: str
    default: str
    meaning: str
    changes: str
    unit: str = ""
    secret: bool = False


_VARIABLES: Final = (
    _Variable(
        f"{_OTLP}ENDPOINT", "", "receiver of spans by OTLP over HTTP, without /v1/traces",
        "empty: no span is made, at no cost", secret=True,
    ),
    _Variable(
        f"{_OTLP}TRACES_ENDPOINT", "", "the same, taken as it is; goes before the other",
        "spans go there, with whatever path it has", secret=True,
    ),
    _Variable(
        f"{_OTLP}HEADERS", "", "headers of each export, name=value,name=value",
        "as whom the receiver knows this process", secret=True,
    ),
    _Variable(
        f"{_OTLP}COMPRESSION", "none", "none, gzip or deflate",
        "gzip: less traffic for more processor time",
    ),
    _Variable(
        f"{_OTLP}TIMEOUT", "10", "longest time of one export",
        "more: a slow receiver loses fewer spans; no request waits for it", unit="s",
    ),
    _Variable(
        "OTEL_TRACES_SAMPLER", "parentbased_always_on", "which requests are recorded",
        "parentbased_traceidratio records a share; the caller's own decision goes first",
    ),
    _Variable(
        "OTEL_TRACES_SAMPLER_ARG", "1.0", "the share, from 0 to 1",
        "0.01 records one request in a hundred",
    ),
    _Variable(
        "OTEL_SERVICE_NAME", "", "service of every process; else chronos-api, chronos-relay, …",
        "under which name spans are found",
    ),
    _Variable(
        "OTEL_RESOURCE_ATTRIBUTES", "", "further attributes, name=value,name=value",
        "what every span says of its process",
    ),
    _Variable(
        "OTEL_SDK_DISABLED", "false", "true switches spans off", "true: as without a receiver"
    ),
    _Variable(
        "OTEL_BSP_MAX_QUEUE_SIZE", "2048", "spans that wait for their export",
        "more: fewer are dropped in a burst, for more memory", unit="spans",
    ),
    _Variable(
        "OTEL_BSP_SCHEDULE_DELAY", "5000", "longest wait of a span for others",
        "less: spans are seen sooner, in more requests", unit="ms",
    ),
)  # fmt: skip


def trace_rows(
    environment: Mapping[str, str], masked: Callable[[str], str]
) -> list[dict[str, Any]]:
    """Gives each variable as a row like those of the settings, with what is wrong with it.

    Args:
        environment: The variables.
        masked: Hides what is secret of a value.
    """
    fault = trace_fault(environment)
    rows = []
    for one in _VARIABLES:
        given = environment.get(one.name, "")
        row: dict[str, Any] = {
            "variable": one.name,
            "value": masked(given) if one.secret else given or one.default,
            "unit": one.unit,
            "source": (Source.ENVIRONMENT if given else Source.DEFAULT).value,
            "default": one.default,
            "meaning": one.meaning,
            "changes": one.changes,
        }
        if fault is not None and fault.setting == one.name:
            row["fault"] = str(fault)
        rows.append(row)
    return rows


def trace_fault(environment: Mapping[str, str]) -> SettingFault | None:
    """Finds what would keep a process from its start."""
    try:
        read_options(environment)
    except SettingFault as fault:
        return fault
    return None

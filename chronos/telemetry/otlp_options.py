"""What of OpenTelemetry's standard variables Chronos itself has to know.

Whether spans are wanted at all, that only OTLP over HTTP is spoken, and the bounds of the
queue. Everything else (sampler, headers, certificates, compression, resource) is read by
OpenTelemetry's own packages, from the same environment; what they would pass over with a
warning is refused here (`otlp_values.py`).

Source: OpenTelemetry specification, environment variables and OTLP exporter configuration.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final
from urllib.parse import urlsplit

from chronos.errors import SettingFault
from chronos.telemetry.otlp_values import check_values

ENDPOINT: Final = "OTEL_EXPORTER_OTLP_ENDPOINT"
TRACES_ENDPOINT: Final = "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT"
_PROTOCOLS: Final = ("OTEL_EXPORTER_OTLP_TRACES_PROTOCOL", "OTEL_EXPORTER_OTLP_PROTOCOL")
_SPOKEN: Final = "http/protobuf"
_QUEUE_SPANS_MAX: Final = 1_000_000


@dataclass(frozen=True, slots=True, kw_only=True)
class OtlpOptions:
    """Where spans go, and how many may wait for it."""

    variable: str
    """The variable that names the receiver."""
    queue_spans_max: int
    """Spans that wait; one more is dropped."""
    batch_spans_max: int
    """Spans in one request."""
    delay_s: float
    """Longest wait of a span for others."""


def read_options(environment: Mapping[str, str]) -> OtlpOptions | None:
    """Reads the options; None where no spans are wanted.

    Raises:
        SettingFault: They ask for something that Chronos cannot do, or make no sense.
    """
    variable = TRACES_ENDPOINT if environment.get(TRACES_ENDPOINT) else ENDPOINT
    if not environment.get(variable) or _is_switched_off(environment):
        return None
    _check_endpoint(variable, environment[variable])
    for name in _PROTOCOLS:
        if environment.get(name, _SPOKEN).strip() not in ("", _SPOKEN):
            raise SettingFault(
                name, f"is {environment[name]!r}; spans are sent as {_SPOKEN} only"
            )
    check_values(environment)
    queue = _number(environment, "OTEL_BSP_MAX_QUEUE_SIZE", 2048)
    return OtlpOptions(
        variable=variable,
        queue_spans_max=queue,
        batch_spans_max=min(queue, _number(environment, "OTEL_BSP_MAX_EXPORT_BATCH_SIZE", 512)),
        delay_s=_number(environment, "OTEL_BSP_SCHEDULE_DELAY", 5000) / 1000,
    )


def _is_switched_off(environment: Mapping[str, str]) -> bool:
    return (
        environment.get("OTEL_SDK_DISABLED", "").strip().lower() == "true"
        or environment.get("OTEL_TRACES_EXPORTER", "").strip().lower() == "none"
    )


def _check_endpoint(variable: str, text: str) -> None:
    # The value may hold a password, so the fault does not repeat it.
    wrong = SettingFault(variable, "is not a URL; it takes http://HOST:PORT or https://HOST")
    try:
        parts = urlsplit(text.strip())
        host, _ = parts.hostname, parts.port
    except ValueError as error:
        raise wrong from error
    if parts.scheme not in ("http", "https") or not host:
        raise wrong


def _number(environment: Mapping[str, str], name: str, default: int) -> int:
    text = environment.get(name, "").strip()
    if not text:
        return default
    if not (text.isascii() and text.isdigit() and 1 <= int(text[:12]) <= _QUEUE_SPANS_MAX):
        raise SettingFault(
            name, f"is {text[:40]!r}; it takes a whole number from 1 to {_QUEUE_SPANS_MAX}"
        )
    return int(text)

"""Log lines: an event name with fields, as JSON or for a console, one form for every library.

structlog writes our own lines; lines of the standard library's loggers (aiohttp, asyncpg,
Faust) pass the same processors. Everything goes to standard error, so that standard output
stays free for the answers of commands. `request_id` and `trace_id` come from context variables:
whoever begins a request or a record calls `bind_correlation` once, and every line below it
carries both.

Secrets are removed twice: fields with a telling name lose their value, and the finished line
loses whatever looks like an API key, a bearer token or the password of an address, tracebacks
included.
"""

from __future__ import annotations

import asyncio
import logging
import re
import sys
from contextvars import ContextVar
from typing import Any, BinaryIO, Protocol

import msgspec
import structlog
from structlog.typing import EventDict, FilteringBoundLogger, Processor, WrappedLogger

_LEVELS = {"debug": 10, "info": 20, "warning": 30, "error": 40}
_SECRET_FIELDS = frozenset(
    {
        "authorization",
        "api_key",
        "token",
        "secret",
        "password",
        "dsn",
        "postgres_dsn",
        "writer_dsn",
    }
)
_HIDDEN = "***"
_SECRET_TEXT = re.compile(
    rb"(chk_[A-Za-z0-9]+_)[A-Za-z0-9_\-]+|([Bb]earer\s+)[^\s\"\\]+|(://[^\s:/@\"]*:)[^\s@\"]+(?=@)"
)
# Each match has one of these; most lines have none, and looking for them costs next to nothing.
_SECRET_MARKS = (b"chk_", b"earer", b"://")
_FLUSH_AFTER_S = 0.05
_BUFFER_BYTES_MAX = 64 * 1024

_UNCORRELATED = (None, None)
_correlation: ContextVar[tuple[str | None, str | None]] = ContextVar(
    "chronos_correlation", default=_UNCORRELATED
)


class LogSettings(Protocol):
    """Is what the log needs of the settings."""

    @property
    def log_level(self) -> str:
        """Names the least severe level written."""
        ...

    @property
    def log_format(self) -> str:
        """Says "json" or "console"."""
        ...


def configure_logs(settings: LogSettings, *, process: str) -> None:
    """Sends every log line of this process to standard error in the form of the settings.

    Args:
        settings: Level and form.
        process: Name of this process, a field of every line ("api-0", "relay").
    """
    level = _LEVELS[settings.log_level]
    shared: list[Processor] = [
        structlog.processors.add_log_level,
        _add_process(process),
        _add_correlation,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        structlog.processors.format_exc_info,
        hide_secret_fields,
    ]
    renderer = _renderer(settings.log_format)
    structlog.configure(
        processors=[*shared, renderer, _hide_secret_text],
        wrapper_class=structlog.make_filtering_bound_logger(level),
        logger_factory=structlog.BytesLoggerFactory(sys.stderr.buffer),
        cache_logger_on_first_use=True,
    )
    _route_standard_loggers(shared, renderer, level)


def get_logger(room: str) -> FilteringBoundLogger:
    """Gives the logger of a room; its lines carry the room's name."""
    logger: FilteringBoundLogger = structlog.get_logger(room=room)
    return logger


def bind_correlation(*, request_id: str | None = None, trace_id: str | None = None) -> None:
    """Puts the ids of a request or a record on every later line of this task."""
    _correlation.set((request_id, trace_id))


def unbind_correlation() -> None:
    """Puts no ids any more on later lines of this task, which goes on with something else."""
    _correlation.set(_UNCORRELATED)


def hide_secret_fields(_logger: WrappedLogger, _method: str, event: EventDict) -> EventDict:
    """Empties the fields whose name says that they hold a secret."""
    for name in _SECRET_FIELDS & event.keys():
        event[name] = _HIDDEN
    return event


def hide_secrets(line: bytes) -> bytes:
    """Removes keys, bearer tokens and passwords of addresses from a finished line."""
    if not any(mark in line for mark in _SECRET_MARKS):
        return line
    return _SECRET_TEXT.sub(rb"\g<1>\g<2>\g<3>***", line)


class AccessLine(msgspec.Struct, frozen=True, kw_only=True):
    """Is one answered request; `duration_ms` counts from its head to its answer."""

    timestamp: str
    level: str = "info"
    event: str = "request_answered"
    process: str
    request_id: str
    trace_id: str
    principal: str | None
    method: str
    path: str
    status: int | str
    """Of HTTP; the name of a status of gRPC."""
    code: str | None
    duration_ms: float
    remote: str | None


class AccessLog:
    """Writes one line a request, many lines with one system call.

    Lines wait at most 50 ms or 64 KiB. A killed process loses those of its last moment; the
    facts of a request are in the journal, not here.
    """

    def __init__(self, *, form: str = "json", stream: BinaryIO | None = None):
        """Writes lines as "json" or for a "console", to standard error or to a stream."""
        self._stream = stream if stream is not None else sys.stderr.buffer
        self._encode = msgspec.json.Encoder().encode if form == "json" else _console_line
        self._pending = bytearray()
        self._timer: asyncio.TimerHandle | None = None

    def write(self, line: AccessLine) -> None:
        """Takes a line; must be called on the event loop."""
        self._pending += self._encode(line)
        self._pending += b"\n"
        if len(self._pending) >= _BUFFER_BYTES_MAX:
            self.flush()
        elif self._timer is None:
            self._timer = asyncio.get_running_loop().call_later(_FLUSH_AFTER_S, self.flush)

    def flush(self) -> None:
        """Writes what waits."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if self._pending:
            self._stream.write(hide_secrets(bytes(self._pending)))
            self._stream.flush()
            self._pending.clear()


def _console_line(line: AccessLine) -> bytes:
    code = f" {line.code}" if line.code else ""
    return (
        f"{line.timestamp} [{line.process}] {line.method} {line.path} {line.status}{code} "
        f"{line.duration_ms} ms {line.principal or '-'} {line.request_id}"
    ).encode("utf-8", "backslashreplace")


def _add_process(process: str) -> Processor:
    def add(_logger: WrappedLogger, _method: str, event: EventDict) -> EventDict:
        event["process"] = process
        return event

    return add


def _add_correlation(_logger: WrappedLogger, _method: str, event: EventDict) -> EventDict:
    request_id, trace_id = _correlation.get()
    if request_id is not None:
        event.setdefault("request_id", request_id)
    if trace_id is not None:
        event.setdefault("trace_id", trace_id)
    return event


def _renderer(form: str) -> Processor:
    if form == "console":
        # The plain formatter: the rich one prints local variables, which may hold a token.
        return structlog.dev.ConsoleRenderer(
            colors=sys.stderr.isatty(), exception_formatter=structlog.dev.plain_traceback
        )
    encoder = msgspec.json.Encoder(enc_hook=repr)

    def render(_logger: WrappedLogger, _method: str, event: EventDict) -> bytes:
        return encoder.encode(event)

    return render


def _hide_secret_text(
    _logger: WrappedLogger, _method: str, line: EventDict | str | bytes
) -> bytes:
    if isinstance(line, bytes):
        return hide_secrets(line)
    return hide_secrets(str(line).encode("utf-8", "backslashreplace"))


def _route_standard_loggers(shared: list[Processor], renderer: Processor, level: int) -> None:
    def finish(logger: WrappedLogger, method: str, event: EventDict) -> str:
        rendered: Any = renderer(logger, method, event)
        return _hide_secret_text(logger, method, rendered).decode()

    formatter = structlog.stdlib.ProcessorFormatter(
        foreign_pre_chain=[structlog.stdlib.add_logger_name, *shared],
        processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, finish],
    )
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(formatter)
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(max(level, logging.INFO))
    logging.captureWarnings(capture=True)

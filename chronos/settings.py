"""Every setting of Chronos, with its unit and default; the only reader of the environment.

A field `x` is set by the variable `CHRONOS_X`, a secret one also by `CHRONOS_X_FILE`, which
names the file that it stands in. An unknown `CHRONOS_*` variable is a fault: a misspelt setting
that is silently ignored is how ledgers lose their guarantees.
"""

from __future__ import annotations

import dataclasses
import difflib
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum
from pathlib import Path
from typing import Any, get_type_hints
from zoneinfo import ZoneInfo

from chronos import crash_points
from chronos.errors import SettingFault

PREFIX = "CHRONOS_"
FILE_SUFFIX = "_FILE"
SECRET_FILE_BYTES_MAX = 4096
# Read by the managed servers or by Faust's own command line, and by no Settings.
FOREIGN_NAMES: Mapping[str, str] = {
    "CHRONOS_JAVA": "Java that runs the managed Kafka and Elasticsearch",
    "CHRONOS_RUN_AS": "account of the managed servers where `chronos up` runs as root",
    "CHRONOS_POSTGRES_BIN": "folder with PostgreSQL's programs for the managed one",
    "CHRONOS_WAL_ARCHIVE": "folder in which the managed PostgreSQL keeps its log",
    "CHRONOS_CACHE_DIR": "folder of the servers that were fetched",
    "CHRONOS_ROLE": "role of a worker that Faust's own command line starts",
}


def _setting(
    default: Any,
    text: str,
    *,
    unit: str = "",
    low: int | None = None,
    high: int | None = None,
    secret: bool = False,
    choices: tuple[str, ...] = (),
) -> Any:
    metadata = {
        "text": text,
        "unit": unit,
        "low": low,
        "high": high,
        "secret": secret,
        "choices": choices,
    }
    return field(default=default, metadata=metadata)


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """All settings of one process. Immutable; made once, at the door, and passed inwards."""

    namespace: str = _setting("chronos", "first part of topics, keys, aliases and app ids")
    postgres_dsn: str = _setting("", "PostgreSQL as this process's role sees it", secret=True)
    writer_dsn: str = _setting(
        "",
        "PostgreSQL as the writer signs in, for the relay worker to expire holds; empty: it "
        "does not",
        secret=True,
    )
    kafka: str = _setting("127.0.0.1:9092", "Kafka bootstrap server, host:port")
    redis_url: str = _setting(
        "redis://127.0.0.1:6379/0", "Redis with its password", secret=True
    )
    elasticsearch_url: str = _setting("http://127.0.0.1:9200", "Elasticsearch", secret=True)
    key_secret_file: Path | None = _setting(
        None, "file with the secret that API keys are hashed with"
    )
    data_dir: Path | None = _setting(
        None, "folder of a running `chronos up`, where its addresses are"
    )
    api_key: str = _setting(
        "", "key that the command line sends where there is no data folder", secret=True
    )

    partitions: int = _setting(
        8,
        "partitions of the events topic; fixed by the first start on a database",
        unit="partitions",
        low=1,
        high=1024,
    )
    relay_shards: int = _setting(
        2, "shards of the outbox; each owns whole partitions", unit="shards", low=1, high=64
    )

    api_host: str = _setting("127.0.0.1", "address on which the command API listens")
    api_port: int = _setting(8080, "port of the command API", low=1, high=65535)
    api_processes: int = _setting(
        1, "processes of the command API that share its port", unit="processes", low=1, high=64
    )
    admin_port: int = _setting(
        8090, "port of API process 0's health and metrics; process i: plus i", low=1, high=65535
    )
    grpc_port: int = _setting(50051, "port of the gRPC door", low=1, high=65535)
    web_host: str = _setting(
        "127.0.0.1", "address on which Faust workers listen and are reached"
    )
    balances_port: int = _setting(
        6066, "port of balances worker 0; slot n: plus n", low=1, high=65535
    )
    balances_workers: int = _setting(
        1, "balances workers that the command line asks", unit="workers", low=1, high=1000
    )
    mirror_port: int = _setting(
        6166, "port of mirror worker 0; slot n: plus n", low=1, high=65535
    )
    relay_port: int = _setting(
        6266, "port of relay worker 0; slot n: plus n", low=1, high=65535
    )
    slot: int = _setting(0, "which of several like workers this one is", low=0, high=999)
    state_dir: Path = _setting(
        Path("chronos-state"), "folder of the workers' disk-backed tables"
    )

    command_deadline_s: int = _setting(
        5, "longest time a command may wait and run", unit="s", low=1, high=60
    )
    body_deadline_s: int = _setting(
        10, "longest time a request's body may take to arrive", unit="s", low=1, high=60
    )
    send_deadline_s: int = _setting(
        30,
        "longest time a client may take to read the next piece of a long answer",
        unit="s",
        low=1,
        high=300,
    )
    commands_pending_max: int = _setting(
        4096, "commands that wait for a commit, then 503", unit="commands", low=1, high=65536
    )
    batch_commands_max: int = _setting(
        256, "commands in one transaction", unit="commands", low=1, high=1024
    )
    writer_lanes: int = _setting(
        2,
        "connections that commit at once in one API process",
        unit="connections",
        low=1,
        high=16,
    )
    reader_connections_max: int = _setting(
        8,
        "connections for authoritative reads in one process",
        unit="connections",
        low=1,
        high=64,
    )
    drain_s: int = _setting(
        20,
        "longest time a stopping process takes to finish its work",
        unit="s",
        low=1,
        high=120,
    )

    outbox_rows_max: int = _setting(
        2000, "rows in one page of the relay", unit="rows", low=1, high=50_000
    )
    outbox_rotate_rows: int = _setting(
        200_000, "rows after which the outbox moves to its next table", unit="rows", low=100
    )
    outbox_rotate_s: int = _setting(
        60, "age after which the outbox moves to its next table", unit="s", low=1
    )
    hold_expiry_poll_s: int = _setting(
        1,
        "longest time between two looks for holds whose time has come",
        unit="s",
        low=1,
        high=60,
    )
    batch_events_max: int = _setting(
        1000,
        "events a worker takes at once; the mirror worker takes four times as many",
        unit="events",
        low=1,
        high=10_000,
    )
    batch_wait_ms: int = _setting(
        20, "shortest time between two small batches of a worker", unit="ms", low=1, high=1000
    )
    stuck_after_s: int = _setting(
        120,
        "time without progress, while work waits and no store is awaited, after which a worker "
        "ends itself",
        unit="s",
        low=5,
        high=3600,
    )
    min_version_wait_s: int = _setting(
        2, "longest wait of a read for its min_version", unit="s", low=0, high=30
    )

    live_subscribers_max: int = _setting(
        100, "open event streams of one balances worker", unit="streams", low=1, high=10_000
    )
    live_queue_events_max: int = _setting(
        2000, "events that wait for a slow reader, then it is cut off", unit="events", low=100
    )
    live_heartbeat_s: int = _setting(
        15, "longest silence of an event stream", unit="s", low=1, high=300
    )
    live_write_deadline_s: int = _setting(
        10, "longest time in which a reader may take nothing", unit="s", low=1, high=300
    )

    time_zone: str = _setting("UTC", "zone whose calendar gives the booking date (IANA name)")
    log_level: str = _setting(
        "info", "least severe level written", choices=("debug", "info", "warning", "error")
    )
    log_format: str = _setting("json", "form of log lines", choices=("json", "console"))
    crash_at: str = _setting(
        "",
        "for fault tests only: point at which the process ends itself, or point:n for its n-th "
        f"pass; one of {', '.join(crash_points.CrashPoint)}",
    )

    @classmethod
    def from_environment(cls, environment: Mapping[str, str] | None = None) -> Settings:
        """Reads the settings from `CHRONOS_*` variables.

        Args:
            environment: The variables; the process's own when omitted.

        Raises:
            SettingFault: A variable is unknown, malformed or out of range, or names a file that
                cannot be read.
        """
        reading = read(os.environ if environment is None else environment)
        for fault in reading.faults:
            raise fault
        return reading.settings

    def to_environment(self) -> dict[str, str]:
        """Gives the variables that make an equal `Settings` in a child process."""
        return {
            PREFIX + f.name.upper(): str(getattr(self, f.name))
            for f in dataclasses.fields(self)
            if getattr(self, f.name) is not None
        }


class Source(Enum):
    """Where the value of a setting comes from."""

    DEFAULT = "default"
    ENVIRONMENT = "environment"
    FILE = "file"
    OPTION = "option"


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
    """What variables say: the settings, where each comes from, and what cannot be used."""

    settings: Settings
    sources: Mapping[str, Source]
    """By field; those that are missing have their default."""
    faults: tuple[SettingFault, ...]
    """Of each variable that cannot be used; its setting has the default here."""


def read(environment: Mapping[str, str]) -> Reading:
    """Reads all that can be read of these variables; `Settings` itself takes all or nothing."""
    known = {PREFIX + f.name.upper(): f for f in dataclasses.fields(Settings)}
    values: dict[str, Any] = {}
    sources: dict[str, Source] = {}
    faults: list[SettingFault] = []
    for name, text in environment.items():
        if not name.startswith(PREFIX) or name in FOREIGN_NAMES:
            continue
        try:
            plain, source = _plain_name(name, known)
            told = _secret_of(name, environment) if source is Source.FILE else text
            values[known[plain].name] = _parse(name, told, known[plain])
            sources[known[plain].name] = source
        except SettingFault as fault:
            faults.append(fault)
    return Reading(settings=Settings(**values), sources=sources, faults=tuple(faults))


def read_secret(name: str, path: str) -> str:
    """Reads the one line of a secret's file; what it says is never part of a fault.

    Nor is a path that leads to no file: it may be the secret itself, put there by mistake.

    Raises:
        SettingFault: It cannot be read, or is not one line of text. Calls the file `name`.
    """
    try:
        with Path(path).open("rb") as file:
            raw = file.read(SECRET_FILE_BYTES_MAX + 1)
        text = raw.decode("utf-8").removesuffix("\n").removesuffix("\r")
    except (OSError, ValueError) as error:
        why = error.strerror if isinstance(error, OSError) else "it is not UTF-8"
        raise SettingFault(
            name,
            f"names a file that cannot be read ({why}); it takes the path of a file that holds "
            "the secret, not the secret",
        ) from None  # the error's text has the path
    if len(raw) > SECRET_FILE_BYTES_MAX or not text.isprintable() or not text.strip():
        raise SettingFault(
            name,
            f"names {path!r}, which does not hold one line of text of at most "
            f"{SECRET_FILE_BYTES_MAX} bytes",
        )
    return text


def process_environment() -> Mapping[str, str]:
    """Gives the variables of this process, for those who hand them on."""
    return os.environ


def nearest_name(name: str) -> str | None:
    """Gives the variable that was probably meant, when one is near enough."""
    known = [name.removeprefix(PREFIX) for name in FOREIGN_NAMES]
    for setting in dataclasses.fields(Settings):
        known.append(setting.name.upper())
        if setting.metadata["secret"]:
            known.append(setting.name.upper() + FILE_SUFFIX)
    near = difflib.get_close_matches(name.upper().removeprefix(PREFIX), known, n=1)
    return PREFIX + near[0] if near else None


def _plain_name(name: str, known: Mapping[str, dataclasses.Field[Any]]) -> tuple[str, Source]:
    """Gives the variable whose value is meant, and whether it is there or in a file."""
    if name in known:
        return name, Source.ENVIRONMENT
    plain = name.removesuffix(FILE_SUFFIX)
    if plain in known and known[plain].metadata["secret"]:
        return plain, Source.FILE
    near = nearest_name(name)
    meant = f"did you mean {near}? " if near else ""
    raise SettingFault(
        name, f"is not a setting of Chronos; {meant}`chronos config show` lists them all"
    )


def _secret_of(name: str, environment: Mapping[str, str]) -> str:
    plain = name.removesuffix(FILE_SUFFIX)
    if plain in environment:
        raise SettingFault(name, f"is set, and so is {plain}; set one of them")
    return read_secret(name, environment[name])


def _parse(name: str, text: str, setting: dataclasses.Field[Any]) -> Any:
    kind = get_type_hints(Settings)[setting.name]
    if setting.name == "time_zone":
        _check_zone(text)
    if setting.name == "crash_at":
        _check_crash_point(text)
    if kind is int:
        return _parse_int(name, text, setting)
    if kind is str:
        choices = setting.metadata["choices"]
        if choices and text not in choices:
            raise SettingFault(name, f"is {text!r}; it takes one of {', '.join(choices)}")
        return text
    return Path(text)


def _parse_int(name: str, text: str, setting: dataclasses.Field[Any]) -> int:
    low, high = setting.metadata["low"], setting.metadata["high"]
    bounds = f"a whole number from {low}" + (f" to {high}" if high is not None else "")
    if not (text.isascii() and text.isdigit() and len(text) <= 12):
        raise SettingFault(name, f"is {text!r}; it takes {bounds}")
    value = int(text)
    if value < low or (high is not None and value > high):
        raise SettingFault(name, f"is {value}; it takes {bounds}")
    return value


def _check_zone(name: str) -> None:
    try:
        ZoneInfo(name)
    except (KeyError, ValueError, OSError) as error:
        raise SettingFault(
            "CHRONOS_TIME_ZONE", f"is {name!r}; it takes an IANA name such as UTC"
        ) from error


def _check_crash_point(text: str) -> None:
    try:
        crash_points.parse(text)
    except ValueError as error:
        raise SettingFault("CHRONOS_CRASH_AT", f"is {text!r}; {error}") from error

"""Judges processes, and what this machine gives them: ports, files, disk."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Final

from chronos.watch.doctor.findings import Code, Finding, error, ok, warning
from chronos.watch.scraping import Scrape, State

FILES_MIN: Final = 4096
"""The API takes 2,048 connections, a table of 8 partitions holds as many files."""
FILES_SHARE_MAX: Final = 0.8
DISK_FREE_SHARE_WARNING: Final = 0.10
DISK_FREE_SHARE_ERROR: Final = 0.03
DISK_FREE_BYTES_ERROR: Final = 1 << 30
_OPEN: Final = "process_open_fds"
_MOST: Final = "process_max_fds"


def judge_process(scrape: Scrape) -> Iterator[Finding]:
    """Judges what one process of Chronos said, or did not say."""
    name, at = scrape.process.name, scrape.process.url
    see = f"See its log, {name}.log in the log folder of the data folder."
    match scrape.state:
        case State.SILENT:
            yield error(
                Code.PROCESS,
                name,
                f"{name} at {at} does not answer: {scrape.detail}",
                f"If it has ended, start it again; if it hangs, end it first. {see}",
            )
        case State.STUCK:
            yield error(
                Code.PROCESS,
                name,
                f"{name} at {at} says that it is stuck: work waits and nothing of it is done",
                f"Restart it; it goes on where it was. {see}",
            )
        case State.NOT_READY:
            yield error(
                Code.PROCESS,
                name,
                f"{name} at {at} is not ready: {scrape.detail}",
                "A start or a rebalance takes some seconds. If it stays, mend what it names. "
                + see,
            )
        case State.READY if scrape.waiting_for:
            waits = " and ".join(scrape.waiting_for)
            yield warning(
                Code.PROCESS,
                name,
                f"{name} at {at} lives and waits for {waits}",
                f"Bring {waits} back; it goes on by itself.",
            )
        case State.READY:
            yield ok(Code.PROCESS, name, f"{name} at {at} is ready")
    used, most = scrape.value(_OPEN), scrape.value(_MOST)
    if most is not None:
        yield judge_files(name, None if used is None else int(used), int(most))


def judge_files(name: str, used: int | None, most: int) -> Finding:
    """Judges a process's limit of file descriptors, and how many of them it has open."""
    raise_it = (
        "Raise it before the start: `ulimit -n 65536`, LimitNOFILE= of systemd, or `ulimits` "
        "of compose."
    )
    if used is not None and used > FILES_SHARE_MAX * most:
        return error(
            Code.FILE_DESCRIPTORS,
            name,
            f"{name} has {used:,} of {most:,} file descriptors open: at the limit it refuses "
            "connections and cannot open its own files",
            raise_it,
        )
    said = f"{name} may open {most:,} files"
    if used is not None:
        said += f" and has {used:,} open"
    if most < FILES_MIN:
        return warning(
            Code.FILE_DESCRIPTORS,
            name,
            f"{said}; {FILES_MIN:,} are needed under load",
            raise_it,
        )
    return ok(Code.FILE_DESCRIPTORS, name, said)


def judge_port(purpose: str, address: str, *, listens: bool) -> Finding:
    """Judges whether somebody takes connections at an address."""
    if listens:
        return ok(Code.PORT, address, f"{purpose} takes connections at {address}")
    return error(
        Code.PORT,
        address,
        f"nobody listens at {address}, where {purpose} should be",
        "Start it, or correct the address; if it runs, see whether a firewall or another "
        "interface is in between.",
    )


def judge_disk(folder: Path, *, free_bytes: int, total_bytes: int) -> Finding:
    """Judges the room that is left where a folder lies."""
    share = free_bytes / total_bytes if total_bytes else 1.0
    said = f"the disk of {folder} has {free_bytes / 2**30:.1f} GiB ({share:.0%}) left"
    action = (
        "Free space or give it a bigger disk before PostgreSQL stops for want of it. Do not "
        "delete anything in the data folder by hand; old logs (NAME.log.1) may go."
    )
    if share < DISK_FREE_SHARE_ERROR or free_bytes < DISK_FREE_BYTES_ERROR:
        return error(Code.DISK, str(folder), f"{said}: it is nearly full", action)
    if share < DISK_FREE_SHARE_WARNING:
        return warning(Code.DISK, str(folder), said, action)
    return ok(Code.DISK, str(folder), said)

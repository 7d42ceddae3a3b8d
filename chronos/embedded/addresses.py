"""Where a running instance is to be reached: the file that tools and tests rely on."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from chronos.embedded.files import write_atomically
from chronos.errors import MissingPart


@dataclass(frozen=True, slots=True, kw_only=True)
class TopicNames:
    """The topics of one instance."""

    events: str
    rejections: str
    dead_letters: str

    @property
    def namespace(self) -> str:
        """Gives the first part of all names of the instance."""
        return self.events.removesuffix(".events.v1")


@dataclass(frozen=True, slots=True, kw_only=True)
class Addresses:
    """All doors of one instance. URLs have no trailing slash; it holds passwords and a key.

    `pids` has one entry for each process; `api` is the parent of the API's processes.
    """

    api: str
    query: str
    grpc: str
    metrics: tuple[str, ...]
    postgres: str = field(repr=False)
    kafka: str
    redis: str = field(repr=False)
    elasticsearch: str
    api_key: str = field(repr=False)
    topics: TopicNames
    partitions: int
    relay_shards: int = 0
    """0: an older release wrote the file, and did not tell."""
    pids: Mapping[str, int]

    def write(self, path: Path) -> None:
        """Replaces the file in one step; only its owner may read it."""
        text = json.dumps(dataclasses.asdict(self), indent=2) + "\n"
        write_atomically(path, text, mode=0o600)

    def with_pids(self, pids: Mapping[str, int]) -> Addresses:
        """Gives the same addresses with the process ids of now."""
        return dataclasses.replace(self, pids=dict(pids))


def read_addresses(path: Path) -> Addresses:
    """Reads the addresses of a running instance.

    Raises:
        MissingPart: There is no such file, it may not be read, or it is of another shape.
    """
    try:
        raw: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        raw["topics"] = TopicNames(**raw["topics"])
        raw["metrics"] = tuple(raw["metrics"])
        return Addresses(**raw)
    except FileNotFoundError as error:
        raise MissingPart(
            f"{path} is not there, so no Chronos is ready on that folder: start it with "
            f"`chronos up --data {path.parent.parent}`."
        ) from error
    except (OSError, ValueError, TypeError, KeyError) as error:
        raise MissingPart(
            f"{path} cannot be read as the addresses of an instance ({error}): restart that "
            "instance with this version of Chronos, as the user who owns it."
        ) from error

"""Elasticsearch in memory, by the few requests that the mirror and a rebuild send."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from types import SimpleNamespace
from typing import Any

import msgspec
from elasticsearch import ApiError, BadRequestError, NotFoundError
from elasticsearch import ConnectionError as SearchConnectionError

from tests.simulation.world import Network, World

_Document = tuple[int, dict[str, Any]]


@dataclass
class _Index:
    """One index: who it is, what is noted in it and what it holds."""

    name: str
    uuid: str
    aliases: set[str]
    meta: dict[str, Any]
    documents: dict[str, _Document] = field(default_factory=dict)


class FakeElasticsearch:
    """The server and its client: indices behind aliases, and bulk requests into them.

    Every change is one step, as a change of the real cluster's state is. A name that was lost
    may be given again; the uuid is another then.
    """

    def __init__(self, world: World):
        self.server = world.process("elasticsearch")
        self.network = Network(world, "elasticsearch", slow=0.1)
        self.on_write: Callable[[str, int, int], None] = lambda *_: None
        self.is_down = False
        self.indices = self
        self._indices: dict[str, _Index] = {}
        self._made = 0

    def documents(self, alias: str) -> dict[str, _Document]:
        """Gives the version and source of each document behind an alias, by id."""
        found = self._behind(alias)
        return found[0].documents if found else {}

    def lose(self, *aliases: str) -> None:
        """Loses the indices behind aliases, until somebody makes them again."""
        for alias in aliases:
            for index in self._behind(alias):
                del self._indices[index.name]

    def make(self, *aliases: str) -> None:
        """Makes an index behind each alias that has none, under a name that is free."""
        for alias in aliases:
            if not self._behind(alias):
                number = 1
                while f"{alias}-v{number}" in self._indices:
                    number += 1
                self._add(f"{alias}-v{number}", {alias}, {})

    def has(self, *aliases: str) -> bool:
        """Tells whether there is an index behind each."""
        return all(self._behind(alias) for alias in aliases)

    # What is asked of indices.

    def options(self, **_: Any) -> FakeElasticsearch:
        return self

    async def put_index_template(self, **_: Any) -> None:
        await self._ask(lambda: None)

    async def exists_alias(self, *, name: str) -> bool:
        exists: bool = await self._ask(lambda: self.has(name))
        return exists

    async def create(
        self, *, index: str, aliases: dict[str, Any], mappings: dict[str, Any], **_: Any
    ) -> None:
        def make() -> None:
            if index in self._indices:
                raise _refused(BadRequestError, 400, "resource_already_exists_exception")
            if self.has(*aliases):
                raise _refused(ApiError, 500, "alias has more than one write index")
            self._add(index, set(aliases), dict(mappings["_meta"]))

        await self._ask(make)

    async def get(self, *, index: str, **_: Any) -> dict[str, Any]:
        """Tells of indices, by alias, name or pattern, all that anybody wants to know."""

        found: dict[str, Any] = await self._ask(lambda: self._told(index))
        return found

    async def get_alias(self, *, name: str) -> dict[str, Any]:
        return {index: {"aliases": {}} for index in await self.get(index=name)}

    async def get_mapping(self, *, index: str) -> dict[str, Any]:
        def tell() -> dict[str, Any]:
            self._needed(index)
            return self._told(index)

        found: dict[str, Any] = await self._ask(tell)
        return found

    async def put_mapping(self, *, index: str, meta: Any = None, **_: Any) -> None:
        """Replaces what is noted in an index; fields are as they come."""

        def put() -> None:
            found = self._needed(index)
            found.meta = found.meta if meta is None else dict(meta)

        await self._ask(put)

    async def put_settings(self, *, index: str, settings: dict[str, Any]) -> None:
        del settings
        await self._ask(lambda: self._needed(index))

    async def refresh(self, *, index: str) -> None:
        await self._ask(lambda: self._needed(index))

    async def update_aliases(self, *, actions: list[dict[str, dict[str, Any]]]) -> None:
        def move() -> None:
            for action in actions:
                ((what, of),) = action.items()
                aliases = self._needed(of["index"]).aliases
                (aliases.add if what == "add" else aliases.remove)(of["alias"])

        await self._ask(move)

    # What is asked of documents.

    async def search(self, *, index: str, query: dict[str, Any], **_: Any) -> dict[str, Any]:
        """Answers what the index of entries asks: count and last version of some accounts."""
        wanted = query["terms"]["account_id"]
        versions: dict[str, list[int]] = await self._ask(lambda: self._versions(index, wanted))
        buckets = [
            {"key": name, "doc_count": len(found), "version": {"value": max(found)}}
            for name, found in versions.items()
        ]
        return {"aggregations": {"heads": {"buckets": buckets}}}

    async def count(self, *, index: str, query: dict[str, Any]) -> dict[str, int]:
        """Counts an account's entries up to a version."""
        account, older = query["bool"]["filter"]
        name, most = account["term"]["account_id"], older["range"]["version"]["lte"]
        versions: dict[str, list[int]] = await self._ask(lambda: self._versions(index, [name]))
        return {"count": sum(version <= most for version in versions.get(name, ()))}

    async def bulk(self, *, operations: list[bytes], index: str, **_: Any) -> dict[str, Any]:
        answer: dict[str, Any] = await self._ask(lambda: self._take(operations, index))
        if self.network.happens(0.02):
            raise SearchConnectionError("the answer got lost")
        return answer

    def _versions(self, index: str, names: list[str]) -> dict[str, list[int]]:
        versions: dict[str, list[int]] = {}
        for _, source in self._needed(index).documents.values():
            if source["account_id"] in names:
                versions.setdefault(source["account_id"], []).append(source["version"])
        return versions

    def _take(self, operations: list[bytes], index: str) -> dict[str, Any]:
        found = self._needed(index)
        is_read = index in found.aliases
        items = []
        for action, source in zip(operations[::2], operations[1::2], strict=True):
            ((name, how),) = msgspec.json.decode(action).items()
            before = found.documents.get(how["_id"])
            status = (
                429
                if self.network.happens(0.01)
                else _put(found.documents, name, how, msgspec.json.decode(source))
            )
            if is_read and before is not None and status < 400:
                version = found.documents[how["_id"]][1]["version"]
                self.on_write(how["_id"], before[1]["version"], version)
            error = {} if status < 400 else {"error": {"type": "refused", "reason": "fake"}}
            items.append({name: {"status": status, **error}})
        return {"items": items}

    def _told(self, index: str) -> dict[str, Any]:
        return {
            one.name: {
                "aliases": {alias: {} for alias in sorted(one.aliases)},
                "mappings": {"_meta": dict(one.meta)},
                "settings": {"index": {"uuid": one.uuid}},
            }
            for one in self._behind(index)
        }

    def _behind(self, index: str) -> list[_Index]:
        return [
            one
            for one in self._indices.values()
            if index in one.aliases or fnmatchcase(one.name, index)
        ]

    def _needed(self, index: str) -> _Index:
        for one in self._behind(index):
            return one
        raise _refused(NotFoundError, 404, "index_not_found_exception")

    def _add(self, name: str, aliases: set[str], meta: dict[str, Any]) -> None:
        self._made += 1
        self._indices[name] = _Index(name, str(self._made), aliases, meta)

    def _ask(self, work: Callable[[], Any]) -> asyncio.Future[Any]:
        def answer() -> Any:
            if self.is_down:
                raise SearchConnectionError("nobody listens")
            return work()

        return self.network.ask(self.server, answer)


def _put(documents: dict[str, Any], name: str, how: dict[str, Any], source: Any) -> int:
    known = documents.get(how["_id"])
    if known is not None and (name == "create" or how.get("version", known[0] + 1) <= known[0]):
        return 409
    documents[how["_id"]] = (how.get("version", 1), source)
    return 201


def _refused(kind: type[ApiError], status: int, why: str) -> ApiError:
    meta: Any = SimpleNamespace(status=status)
    return kind(why, meta, {})

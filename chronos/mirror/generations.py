"""Generations of the indices: a new one is filled unseen, then takes over in one step.

Three aliases tell where a rebuild is, so nothing has to be remembered elsewhere:
`{alias}-next` is the generation that is being filled, `{alias}` the one that is read and
written, `{alias}-old` those that were, until somebody drops them. A generation made by a
rebuild says so in its `_meta`, and says that it is filled only when it has also caught up with
what went to the old one during the change. The mirror waits for that, for a while, and then
fills it itself: the rebuild may have been killed. Once replaced, a generation does not count as
filled any more.
"""

from __future__ import annotations

from typing import Any

from elasticsearch import AsyncElasticsearch

from chronos.mirror.fill_state import REBUILT, fill_state, mark_replaced
from chronos.mirror.guard import CREATE_DEADLINE_S, guarded
from chronos.mirror.indices import (
    REFRESH_INTERVAL,
    create_index,
    generations,
    put_templates,
)
from chronos.wire.topics import Names


class Generations:
    """The generations of both indices of one namespace.

    Every method raises `Unavailable` when Elasticsearch does not answer.
    """

    def __init__(self, client: AsyncElasticsearch, names: Names) -> None:
        self._client = client
        self._slow = client.options(request_timeout=CREATE_DEADLINE_S)
        self._aliases = (names.entries_alias, names.accounts_alias)
        self._names = names

    async def begin(self) -> bool:
        """Makes a next generation of each index, or goes on with the one that is there.

        Returns:
            True when one was there.
        """
        await put_templates(self._client, self._names)
        goes_on = False
        for alias in self._aliases:
            goes_on |= bool(await self._behind(next_alias(alias)))
            while not await self._behind(next_alias(alias)):
                await create_index(
                    self._client,
                    alias,
                    behind=next_alias(alias),
                    settings={"refresh_interval": "-1"},
                    meta={REBUILT: True},
                )
        return goes_on

    async def switch(self) -> None:
        """Has the next generations take over, both in one step; those before are kept."""
        actions: list[dict[str, Any]] = []
        for alias in self._aliases:
            (new,) = await self._behind(next_alias(alias))
            await self._set_refresh(new, REFRESH_INTERVAL)
            olds = [name for name in await self._behind(alias) if name != new]
            actions += [{"remove": {"index": name, "alias": alias}} for name in olds]
            actions += [{"add": {"index": name, "alias": old_alias(alias)}} for name in olds]
            actions.append({"add": {"index": new, "alias": alias, "is_write_index": True}})
            actions.append({"remove": {"index": new, "alias": next_alias(alias)}})
        await self._change(actions)

    async def retire_old(self) -> list[str]:
        """Takes from what was replaced the notes that it is filled; safe to repeat.

        Returns:
            Everything that was replaced and is kept.
        """
        kept: list[str] = []
        for alias in self._aliases:
            kept += await self._behind(old_alias(alias))
        for name in kept:
            await mark_replaced(self._client, name)
        return kept

    async def is_catching_up(self) -> bool:
        """Tells whether a rebuild ended after it took over and before it had caught up."""
        for alias in self._aliases:
            for name in await self._behind(alias):
                if (await fill_state(self._client, name)).is_catching_up:
                    return not await self._behind(next_alias(alias))
        return False

    async def abandon(self) -> None:
        """Deletes the next generations."""
        for alias in self._aliases:
            await self._delete(await self._behind(next_alias(alias)))

    async def drop_old(self) -> list[str]:
        """Deletes the generations that were replaced, and gives their names."""
        dropped: list[str] = []
        for alias in self._aliases:
            # From one answer: a rebuild may change them between two.
            there = await generations(self._client, alias)
            current = max((one.number for one in there if alias in one.aliases), default=0)
            dropped += [
                one.name
                for one in there
                if not one.aliases & {alias, next_alias(alias)}
                # With those that lost every alias.
                and (old_alias(alias) in one.aliases or one.number < current)
            ]
        await self._delete(dropped)
        return dropped

    async def _behind(self, alias: str) -> list[str]:
        with guarded():
            answer = await self._client.options(ignore_status=404).indices.get_alias(name=alias)
        return sorted(name for name, said in dict(answer).items() if _is_index(said))

    async def _set_refresh(self, name: str, interval: str) -> None:
        with guarded():
            await self._slow.indices.put_settings(
                index=name, settings={"index": {"refresh_interval": interval}}
            )
            await self._slow.indices.refresh(index=name)

    async def _change(self, actions: list[dict[str, Any]]) -> None:
        with guarded():
            await self._slow.indices.update_aliases(actions=actions)

    async def _delete(self, names: list[str]) -> None:
        if names:
            with guarded():
                await self._slow.indices.delete(index=names, ignore_unavailable=True)


def next_alias(alias: str) -> str:
    """Names the generation that is being filled."""
    return f"{alias}-next"


def old_alias(alias: str) -> str:
    """Names the generations that were read before."""
    return f"{alias}-old"


def _is_index(said: Any) -> bool:
    # Where there is none, the answer is an error with the members `error` and `status`.
    return isinstance(said, dict) and "aliases" in said

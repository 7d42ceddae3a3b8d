"""RocksDB that a changelog cannot take back to an older balance.

A worker that slept past the end of its session may, when it wakes, send a changelog record that
it had in hand, behind the records of the worker that took its place. Whoever fills a table from
the changelog would then end with the older value. Versions tell: an older one is passed over.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any

import faust
import msgspec
import rocksdict
from faust.stores import rocksdb
from faust.types import TP, EventT, StoreT

from chronos.stream.recovery import BulkTable


class _Versioned(msgspec.Struct):
    version: int


_decoder = msgspec.json.Decoder(_Versioned)


class VersionedStore(rocksdb.Store):
    """Keeps, of two values of a key, the one with the greater version while it is filled."""

    def apply_changelog_batch(
        self,
        batch: Iterable[EventT[Any]],
        to_key: Callable[[Any], Any],
        to_value: Callable[[Any], Any],
    ) -> None:
        """Writes changelog records, but for those older than what is there or in the batch."""
        newest: dict[tuple[int, bytes | None], int] = {}
        news = [event for event in batch if self._is_news(event, newest)]
        super().apply_changelog_batch(news, to_key, to_value)

    def fill(self, tp: TP, records: Sequence[Any]) -> bool:
        """Writes a page of one partition's changelog, and the offset of its last record.

        Args:
            tp: The partition; where its database is not open, nothing is written.
            records: As aiokafka gives them, by offset.

        Returns:
            Whether the page was taken.
        """
        database: Any = self._dbs.get(tp.partition)
        if database is None:
            return False
        kept = self._kept(database, records)
        batch: Any = rocksdict.WriteBatch(raw_mode=True)
        for key, value in kept.items():
            if value is None:
                batch.delete(key)
            else:
                batch.put(key, value)
        # In one write: a page is there with its offset, or neither is.
        batch.put(self.offset_key, str(records[-1].offset).encode())
        database.write(batch)
        return True

    def _kept(self, database: Any, records: Sequence[Any]) -> dict[bytes, bytes | None]:
        keys = list({record.key for record in records})
        stored = zip(keys, database.get(keys), strict=True)
        known = {key: 0 if value is None else version_of(value) for key, value in stored}
        kept: dict[bytes, bytes | None] = {}
        for record in records:
            key, value = record.key, record.value
            if value is None:
                kept[key] = None
                continue
            version = version_of(value)
            if version >= known[key]:
                known[key], kept[key] = version, value
        return kept

    def _is_news(self, event: EventT[Any], newest: dict[tuple[int, bytes | None], int]) -> bool:
        message = event.message
        if message.value is None:
            return True
        place = (message.partition, message.key)
        known = newest.get(place)
        if known is None:
            stored = self._db_for_partition(message.partition).get(message.key)
            known = 0 if stored is None else version_of(stored)
        version = version_of(message.value)
        newest[place] = max(known, version)
        return version >= known


class VersionedTable(faust.Table, BulkTable):  # type: ignore[type-arg]  # see below
    """Is a Faust table whose values carry a version, kept in a `VersionedStore`."""

    # Faust's table is not generic when it runs.

    def fill(self, tp: Any, records: Sequence[Any]) -> bool:
        """Writes a page of the changelog to the database of its partition."""
        store: Any = self.data
        return bool(store.fill(tp, records))

    def _new_store(self) -> StoreT[Any, Any]:
        return VersionedStore(
            "rocksdb://",
            self.app,
            self,
            table_name=self.name,
            key_type=self.key_type,
            key_serializer=self.key_serializer,
            value_serializer=self.value_serializer,
            value_type=self.value_type,
            loop=self.loop,
            options=self.options,
        )


def version_of(value: bytes) -> int:
    """Reads the version of a stored value; 0 where there is none to be read."""
    try:
        return _decoder.decode(value).version
    except (msgspec.MsgspecError, UnicodeDecodeError):
        return 0

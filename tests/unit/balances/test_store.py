"""The table's store on real RocksDB, filled from a changelog that is out of order."""

from types import SimpleNamespace

import pytest
from faust.types import TP

from chronos.settings import Settings
from chronos.stream.app import make_app
from tables.balances import BalancesTable


@pytest.fixture
async def store(tmp_path):
    app = make_app(Settings(state_dir=tmp_path), "balances")
    table = BalancesTable(app, app.names, partitions=2)
    app.conf.tabledir.mkdir(parents=True)
    made = table.table.data
    yield made
    await made.stop()


def change(offset, version, *, key=b"alice", partition=0):
    value = b'{"version":%d}' % version
    tp = TP("changelog", partition)
    message = SimpleNamespace(tp=tp, offset=offset, partition=partition, key=key, value=value)
    return SimpleNamespace(message=message)


def fill(store, *changes):
    store.apply_changelog_batch(changes, to_key=None, to_value=None)


def version(store, key=b"alice", partition=0):
    return store._db_for_partition(partition).get(key)


async def test_an_older_value_behind_a_newer_one_is_passed_over(store):
    fill(store, change(0, 1), change(1, 3), change(2, 2))

    assert version(store) == b'{"version":3}'


async def test_an_older_value_than_the_stored_one_is_passed_over(store):
    fill(store, change(0, 3))
    fill(store, change(1, 2), change(2, 1, key=b"bob"))

    assert version(store) == b'{"version":3}'
    assert version(store, b"bob") == b'{"version":1}'


async def test_the_same_version_again_is_taken_and_its_offset_kept(store):
    fill(store, change(0, 3))
    fill(store, change(7, 3))

    assert store.persisted_offset(TP("changelog", 0)) == 7


async def test_partitions_do_not_mix(store):
    fill(store, change(0, 3), change(0, 1, partition=1))

    assert version(store, partition=1) == b'{"version":1}'


def record(offset, version, *, key=b"alice"):
    value = None if version is None else b'{"version":%d}' % version
    return SimpleNamespace(offset=offset, key=key, value=value)


def fill_page(store, *records, partition=0):
    store._db_for_partition(partition)
    return store.fill(TP("changelog", partition), records)


async def test_of_a_page_the_newest_version_of_each_key_is_kept(store):
    fill_page(store, record(0, 1), record(1, 3), record(2, 2), record(3, 1, key=b"bob"))

    assert version(store) == b'{"version":3}'
    assert version(store, b"bob") == b'{"version":1}'
    assert store.persisted_offset(TP("changelog", 0)) == 3


async def test_a_page_takes_no_account_back_to_an_older_version(store):
    fill_page(store, record(0, 3))
    fill_page(store, record(1, 2))

    assert version(store) == b'{"version":3}'
    assert store.persisted_offset(TP("changelog", 0)) == 1


async def test_a_page_may_take_a_key_away_and_bring_it_back(store):
    fill_page(store, record(0, 3), record(1, 1, key=b"bob"))
    fill_page(store, record(2, None), record(3, None, key=b"bob"), record(4, 4))

    assert version(store) == b'{"version":4}'
    assert version(store, b"bob") is None


async def test_a_page_of_a_partition_that_is_not_open_here_opens_nothing(store):
    assert not store.fill(TP("changelog", 1), [record(0, 1)])

    assert 1 not in store._dbs

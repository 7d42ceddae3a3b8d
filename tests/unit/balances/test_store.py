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

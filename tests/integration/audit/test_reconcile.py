"""`reconcile` finds each copy equal, and finds what was planted in each of them."""

from dataclasses import replace

from chronos.audit.reconcile import reconcile
from chronos.clock import SystemClock
from chronos.wire.topics import partition_of
from tests.integration.audit.conftest import PARTITIONS, query_side, spoil


def found(report):
    return {(f.check, f.account_id) for f in report.findings}


async def test_equal_copies_are_clean(estate, books):
    report = await estate.reconciled(wait_s=20.0)

    assert report.lines() == [
        f"reconcile: clean ({len(books.outbox)} records, 4 accounts,"
        f" {len(books.events)} events, {len(books.events)} entries)"
    ]
    assert report.facts["views_answered_from"] == {"table": 4}


async def test_a_key_that_redis_lost_is_found(estate):
    await estate.redis._client.delete(estate.targets.names.balance_key("bob"))

    assert found(await estate.reconciled()) == {("redis", "bob")}


async def test_one_wrong_amount_in_redis_is_found(estate):
    key = estate.targets.names.balance_key("bob")
    await estate.redis._client.hset(key, "booked", "1")

    report = await estate.reconciled()

    assert ("redis", "bob") in found(report)
    assert any("shows booked 1" in finding.detail for finding in report.findings)


async def test_a_version_in_redis_that_the_journal_never_had_is_found(estate):
    key = estate.targets.names.balance_key("bob")
    await estate.redis._client.hset(key, "version", "900")

    report = await estate.reconciled()

    assert [f.detail for f in report.findings] == [
        "redis shows version 900, which the journal does not have"
    ]


async def test_an_account_that_only_redis_has_is_found(estate):
    names = estate.targets.names
    fields = await estate.redis._client.hgetall(names.balance_key("bob"))
    await estate.redis._client.hset(
        names.balance_key("mallory"), mapping=fields | {b"account_id": b"mallory"}
    )

    assert found(await estate.reconciled()) == {("redis", "mallory")}


async def test_a_changed_document_in_elasticsearch_is_found(estate):
    names = estate.targets.names
    await estate.elasticsearch.client.update(
        index=names.accounts_alias, id="carol", doc={"booked": 7}, refresh=True
    )

    assert ("elasticsearch", "carol") in found(await estate.reconciled())


async def test_a_deleted_entry_is_found(estate, books):
    names = estate.targets.names
    row = next(row for row in books.events if row.account_id == "dave" and row.version == 3)
    await estate.elasticsearch.client.delete(index=names.entries_alias, id=row.event_id)

    assert found(await estate.reconciled()) == {("entries", "dave")}


async def test_entries_of_an_account_that_the_journal_lacks_are_found(estate, books):
    names = estate.targets.names
    row = books.events[0]
    body = row.body.replace(b'"alice"', b'"aaron"')
    await estate.elasticsearch.client.index(index=names.entries_alias, id="x", document=body)

    assert ("entries", "aaron") in found(await estate.reconciled())


async def test_a_view_that_is_behind_is_found(estate):
    estate.views["alice"]["version"] -= 1

    assert found(await estate.reconciled()) == {("faust", "alice")}


async def test_a_view_that_shows_other_money_at_the_same_version_is_found(estate):
    estate.views["alice"]["available"] += 1

    assert found(await estate.reconciled()) == {("faust", "alice")}


async def test_a_view_that_does_not_know_an_account_is_found(estate):
    del estate.views["alice"]

    assert found(await estate.reconciled()) == {("faust", "alice")}


async def test_a_table_that_only_another_worker_has_is_asked_there(estate):
    views = {
        name: view | {"version": view["version"] - 1} for name, view in estate.views.items()
    }
    estate.views["bob"]["source"] = "redis"
    async with query_side(views) as other:
        targets = replace(estate.targets, other_queries=(other,))
        report = await reconcile(targets, wait_s=0.0, clock=SystemClock())

    assert found(report) == {("faust", "bob")}
    assert report.facts["views_answered_from"] == {"table": 4}


async def test_a_repeated_record_is_clean(estate, books):
    await estate.publish(books.outbox[0])

    report = await estate.reconciled()

    assert report.is_clean
    assert report.facts["records_repeated"] == 1


async def test_a_foreign_record_in_the_topic_is_found(estate, books):
    await estate.publish(books.outbox[0], key=b"alice", headers=[], value=b"hello")

    assert ("kafka", None) in found(await estate.reconciled())


async def test_a_record_of_an_event_that_the_journal_lacks_is_found(estate, books):
    row = books.outbox[-1]
    key = b"mallory"
    await estate.publish(row, key=key, partition=partition_of(key, PARTITIONS))

    report = await estate.reconciled()

    assert any("is not in the journal" in finding.detail for finding in report.findings)


async def test_a_repeated_record_with_other_bytes_is_found(estate, books):
    await estate.publish(books.outbox[0], value=books.outbox[0].value + b" ")

    report = await estate.reconciled()

    assert [f.check for f in report.findings] == ["kafka"]
    assert "differs from the journal's bytes" in report.findings[0].detail


async def test_a_record_in_the_wrong_partition_is_found(estate, books):
    row = books.outbox[0]
    await estate.publish(row, partition=(row.partition + 1) % PARTITIONS)

    report = await estate.reconciled()

    assert any("belongs in partition" in finding.detail for finding in report.findings)


async def test_an_event_that_never_reached_the_topic_is_found(estate):
    copied = (
        "INSERT INTO events SELECT position + 100000, account_id, version + 1,"
        " gen_random_uuid(), type, schema_version, NULL, NULL, hold_id, reverses_transfer_id,"
        " expires_at, currency, NULL, booked_after, held_after, overdraft_limit_after,"
        " status_after, principal, value_date, recorded_at, hash, body"
        " FROM events WHERE account_id = 'alice' ORDER BY version DESC LIMIT 1"
    )
    await spoil(estate.targets.postgres_dsn, copied)

    report = await estate.reconciled()

    assert {"kafka", "redis", "elasticsearch", "entries", "faust"} == {
        check for check, account_id in found(report) if account_id == "alice"
    }


async def test_a_sum_that_differs_from_the_last_event_is_found(estate):
    statement = "UPDATE events SET amount = amount + 1 WHERE account_id = 'bob' AND version = 2"
    await spoil(estate.targets.postgres_dsn, statement)

    assert ("journal", "bob") in found(await estate.reconciled())


async def test_a_copy_that_does_not_answer_is_a_difference(estate):
    await estate.elasticsearch.client.indices.delete_alias(
        index="_all", name=estate.targets.names.accounts_alias
    )

    report = await estate.reconciled()

    assert "elasticsearch" in report.findings_by_check

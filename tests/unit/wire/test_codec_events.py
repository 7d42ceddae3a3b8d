"""Any event of any type as bytes and back."""

import json
from datetime import UTC, date, datetime
from typing import get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chronos.domain import events
from chronos.domain.account import AccountStatus, FreezeScope
from chronos.domain.chart import AccountKind
from chronos.domain.money import AMOUNT_MAX
from chronos.wire.balance import fold
from chronos.wire.codec import Recorded, decode_event, encode_event, event_hash
from chronos.wire.event_shapes import SCHEMA_VERSIONS
from tests.builders import MemoryBank, attempt, open_account, transfer

KINDS = get_args(events.Event)
NAMES = st.from_regex(r"[A-Za-z0-9][A-Za-z0-9_.:-]{0,63}", fullmatch=True)
# Also what no request may hold: the codec is not the one to judge.
TEXTS = st.text(st.characters(exclude_categories=["Cs"]), max_size=60)
INSTANTS = st.datetimes(datetime(1, 1, 2), datetime(9999, 12, 30), timezones=st.just(UTC))  # noqa: DTZ001
BALANCES = st.integers(-AMOUNT_MAX, AMOUNT_MAX)
AMOUNTS = st.integers(1, AMOUNT_MAX)
SMALL = st.integers(0, 500)
OPTIONAL_NAMES = st.none() | NAMES

MEMBERS = {
    "account_id": NAMES,
    "amount": BALANCES,
    "available_after": BALANCES,
    "booked_after": BALANCES,
    "captured_amount": AMOUNTS,
    "counterparty": OPTIONAL_NAMES,
    "currency": st.sampled_from(["EUR", "JPY", "KWD"]),
    "description": st.none() | TEXTS,
    "destination": NAMES,
    "expires_at": st.none() | INSTANTS,
    "external_id": st.none() | TEXTS,
    "held_after": st.integers(0, AMOUNT_MAX),
    "hold_amount": AMOUNTS,
    "hold_id": NAMES,
    "kind": st.sampled_from(AccountKind),
    "leg": SMALL,
    "legs": SMALL,
    "metadata": st.dictionaries(NAMES, TEXTS, max_size=4),
    "open_holds_after": SMALL,
    "overdraft_limit": st.none() | AMOUNTS,
    "overdraft_limit_after": st.none() | AMOUNTS,
    "reverses_transfer_id": OPTIONAL_NAMES,
    "scope": st.sampled_from(FreezeScope),
    "status_after": st.sampled_from(AccountStatus),
    "transfer_id": NAMES,
    "value_date": st.dates(date(1, 1, 1), date(9999, 12, 31)),
    "version": st.integers(1, AMOUNT_MAX),
}


def any_event(kind):
    fields = {name: MEMBERS[name] for name in kind.__dataclass_fields__}
    return st.builds(
        Recorded,
        event=st.builds(kind, **fields),
        event_id=st.uuids().map(str),
        position=st.integers(1, AMOUNT_MAX),
        recorded_at=INSTANTS,
        principal=TEXTS,
        correlation_id=TEXTS,
        causation_id=TEXTS,
    )


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.__name__)
def test_an_event_reads_back_as_it_was_written_and_is_written_so_again(kind):
    @given(any_event(kind))
    def check(recorded):
        body = encode_event(recorded)
        assert decode_event(body) == recorded
        assert encode_event(decode_event(body)) == body
        document = json.loads(body)
        canonical = json.dumps(
            document, sort_keys=True, ensure_ascii=False, separators=(",", ":")
        )
        assert json.loads(canonical) == document
        assert list(document) == sorted(document)
        assert (document["type"], document["schema_version"]) == (
            kind.__name__,
            SCHEMA_VERSIONS[kind.__name__],
        )

    check()


def test_no_two_events_have_the_same_bytes():
    """What two events do not share is in their bytes: nothing is left out of the hash."""

    @given(st.sampled_from(KINDS).flatmap(lambda kind: st.tuples(*[any_event(kind)] * 2)))
    def check(pair):
        one, other = pair
        assert (encode_event(one) == encode_event(other)) is (one == other)

    check()


def test_a_history_that_an_older_version_began_goes_on():
    """Its bytes stay, so the chain holds; what they do not say has its meaning of then."""
    bank = MemoryBank.empty()
    booked = bank.book(
        [
            attempt(open_account("alice", overdraft_limit=500), "1"),
            attempt(open_account("bob"), "2"),
            attempt(transfer(amount=70), "3"),
            attempt(transfer(amount=30, transfer_id="t2", external_id="pacs-1"), "4"),
        ]
    )
    opened, first, second = (
        json.loads(row.body) for row in booked.event_rows if row.account_id == "alice"
    )
    del first["external_id"], first["legs"]
    first["schema_version"] = 1

    balance, digest = None, None
    for document in (opened, first, second):
        body = json.dumps(document, sort_keys=True, separators=(",", ":")).encode()
        digest = event_hash(digest, body)
        balance = fold(balance, decode_event(body), body, digest)

    assert (balance.version, balance.booked, balance.hash) == (3, -100, digest.hex())

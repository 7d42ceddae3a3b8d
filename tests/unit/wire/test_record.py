"""A record is ours when its key and headers say which event it carries."""

from __future__ import annotations

import pytest

from chronos.wire.record import RecordHead, read_head

HEADERS = {
    "ce_type": b"MoneyDeposited",
    "ce_version": b"7",
    "ce_id": b"00000000-0000-7000-8000-000000000001",
    "ce_hash": b"ab" * 32,
}


def test_the_head_is_read_from_key_and_headers():
    head = read_head(b"alice", [*HEADERS.items(), ("other", b"\xff")])

    assert head == RecordHead("alice", 7, "00000000-0000-7000-8000-000000000001", b"\xab" * 32)


@pytest.mark.parametrize("key", [None, b"", b"\xff"])
def test_a_record_without_an_account_is_foreign(key: bytes | None):
    assert read_head(key, HEADERS.items()) is None


@pytest.mark.parametrize("name", sorted(HEADERS))
def test_a_record_that_lacks_a_header_is_foreign(name: str):
    headers = {other: value for other, value in HEADERS.items() if other != name}

    assert read_head(b"alice", headers.items()) is None
    assert read_head(b"alice", None) is None


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("ce_version", b""),
        ("ce_version", b"-1"),
        ("ce_version", b"1.0"),
        ("ce_version", b"9" * 17),
        ("ce_version", "１".encode()),
        ("ce_id", b"short"),
        ("ce_id", b"\xff" * 36),
        ("ce_hash", b"zz" * 32),
        ("ce_hash", b"ab" * 31),
    ],
)
def test_a_record_with_a_malformed_header_is_foreign(name: str, value: bytes):
    assert read_head(b"alice", {**HEADERS, name: value}.items()) is None

"""Snapshots of the database as the relay compares them."""

from __future__ import annotations

import pytest

from chronos.store.outbox_cursor import Snapshot


@pytest.mark.parametrize("text", ["10:10:", "10:15:10,12,14", "3:3:"])
def test_the_text_form_is_kept(text):
    assert Snapshot.parse(text).text() == text


def test_a_later_end_or_a_shorter_list_of_open_transactions_is_newer():
    first = Snapshot(10, 15, (10, 12))
    assert Snapshot(10, 16, (10, 12, 15)).is_newer_than(first)
    assert Snapshot(12, 15, (12,)).is_newer_than(first)
    assert not first.is_newer_than(first)
    assert not first.is_newer_than(Snapshot(12, 15, (12,)))
    assert not first.is_newer_than(Snapshot(10, 16, (10, 12, 15)))


def test_what_ended_since_is_what_was_open_and_is_no_more():
    first = Snapshot(10, 15, (10, 12, 14))
    assert Snapshot(12, 20, (12, 17)).ended_since(first) == [10, 14]
    assert first.ended_since(first) == []

"""A dead letter tells where it comes from, also when the foreign record tells otherwise."""

from __future__ import annotations

from chronos.wire.dead_letter import Origin, origin_headers, read_origin

ORIGIN = Origin(
    found_at="events/3/17",
    found_by="balances",
    reason="no key",
    written_at="2026-01-01T00:00:00.000000Z",
)


def test_what_was_written_is_read_and_the_record_s_own_headers_stay():
    own = [("a", b"1"), ("a", b"2")]

    assert read_origin([*own, *origin_headers(ORIGIN)]) == (ORIGIN, own)


def test_a_record_that_carries_our_headers_misleads_nobody():
    theirs = [("chronos_found_at", b"elsewhere/0/0"), ("chronos_left_out", b"everything")]

    origin, own = read_origin([*theirs, *origin_headers(ORIGIN)])

    assert origin == ORIGIN
    assert own == theirs


def test_a_letter_of_an_earlier_version_has_its_place_alone():
    origin, own = read_origin([("x", b"1"), ("chronos_found_at", b"events/0/2")])

    assert (origin.found_at, origin.found_by, own) == ("events/0/2", None, [("x", b"1")])


def test_bytes_that_are_no_text_are_shown_by_their_escapes():
    origin, _ = read_origin([("chronos_found_at", b"\xff/0/2")])

    assert origin.found_at == "\\xff/0/2"

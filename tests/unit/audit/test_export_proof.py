"""An export proves itself from the file alone; every change to the file is found."""

import json
from datetime import timedelta
from pathlib import Path

import pytest

from chronos.audit import export_proof
from chronos.audit.export import Lines
from chronos.audit.export_proof import verify_export
from chronos.domain.account import FreezeScope
from chronos.domain.commands import (
    CaptureHold,
    FreezeAccount,
    PlaceHold,
    PostEntries,
    Posting,
    VoidHold,
)
from chronos.domain.ids import AccountId, HoldId, TransferId
from chronos.errors import MissingPart
from chronos.wire.booking import EventRow
from chronos.wire.codec import event_hash
from tests import builders

ALICE, BOB, CAROL = AccountId("alice"), AccountId("bob"), AccountId("carol")


def hold(name: str, amount: int) -> PlaceHold:
    return PlaceHold(
        hold_id=HoldId(name),
        account_id=ALICE,
        amount=amount,
        currency="EUR",
        expires_at=builders.NOW + timedelta(days=1),
        description=None,
        metadata={},
        expected_versions={},
    )


COMMANDS = [
    builders.open_account("alice", overdraft_limit=500),
    builders.open_account("bob"),
    builders.open_account("carol"),
    builders.transfer("alice", "bob", 40),
    hold("h1", 30),
    hold("h2", 20),
    builders.transfer("alice", "carol", 10, transfer_id=TransferId("trf_2")),
    CaptureHold(
        hold_id=HoldId("h1"),
        transfer_id=TransferId("trf_3"),
        destination=BOB,
        amount=25,
        external_id=None,
        description=None,
        value_date=None,
        metadata={},
        expected_versions={},
    ),
    VoidHold(hold_id=HoldId("h2"), description=None, expected_versions={}),
    PostEntries(
        transfer_id=TransferId("trf_4"),
        postings=(Posting(ALICE, -30), Posting(BOB, 10), Posting(CAROL, 20)),
        currency="EUR",
        external_id=None,
        description="a 'quote' and \"another\", and ünïcode",
        value_date=None,
        metadata={"hash": "x"},
        expected_versions={},
    ),
    FreezeAccount(
        account_id=ALICE, scope=FreezeScope.DEBITS, description=None, expected_version=None
    ),
]


def rows() -> list[EventRow]:
    bank, made = builders.MemoryBank.empty(), []
    for number, command in enumerate(COMMANDS):
        booked = bank.book([builders.attempt(command, f"k{number}")])
        assert booked.receipts[0].status < 300, booked.receipts[0].body
        made += booked.event_rows
    return sorted(made, key=lambda row: (row.account_id, row.version))


def write(path: Path, some: list[EventRow]) -> Path:
    with path.open("wb") as file:
        lines = Lines(file.write, taken_at=builders.NOW)
        for row in some:
            lines.take(row)
        lines.finish()
    return path


@pytest.fixture
def exported(tmp_path) -> Path:
    return write(tmp_path / "journal.jsonl", rows())


def found(path: Path, **options) -> list[str]:
    return [finding.check for finding in verify_export(path, **options).findings]


def details(path: Path) -> str:
    return "\n".join(finding.detail for finding in verify_export(path).findings)


def test_what_the_core_books_is_proved_from_the_file_alone(exported):
    report = verify_export(exported)

    assert report.findings == []
    assert report.counted == {"accounts": 3, "events": len(rows())}
    assert report.facts["grand_totals"] == {"EUR": 0}


def test_the_digest_is_that_of_the_journal_and_not_of_the_day(tmp_path, exported):
    end = json.loads(exported.read_bytes().splitlines()[-1])
    other = tmp_path / "other"
    with other.open("wb") as file:
        lines = Lines(file.write, taken_at=builders.NOW + timedelta(days=9))
        for row in rows():
            lines.take(row)
        assert lines.finish().sha256 == end["sha256"]

    assert found(other, expected_sha256=end["sha256"].upper()) == []
    assert found(other, expected_sha256="0" * 64) == ["digest"]


def test_a_line_has_the_stored_bytes_and_the_hash_as_the_api_shows_them(exported):
    lines = exported.read_bytes().splitlines()[1:-1]

    assert [json.loads(line)["hash"] for line in lines] == [row.hash.hex() for row in rows()]
    assert all(line.startswith(row.body[:-1]) for line, row in zip(lines, rows(), strict=True))


@pytest.mark.parametrize("at", range(1, 60))
def test_no_byte_can_be_changed_unnoticed(tmp_path, exported, at):
    text = bytearray(exported.read_bytes())
    head = text.index(b"\n") + 1
    place = head + (len(text) - head) * at // 60
    text[place] ^= 1
    changed = tmp_path / "changed"
    changed.write_bytes(text)

    assert found(changed)


def test_no_line_can_be_left_out_doubled_or_moved(tmp_path, exported):
    lines = exported.read_bytes().splitlines(keepends=True)
    changed = tmp_path / "changed"
    for at in range(len(lines)):
        for other in (
            [*lines[:at], *lines[at + 1 :]],
            [*lines[:at], lines[at], *lines[at:]],
            [*lines[:at], *lines[at + 1 :], lines[at]] if at + 1 < len(lines) else [],
        ):
            changed.write_bytes(b"".join(other))
            assert found(changed), at


def test_a_file_that_was_cut_off_says_so(tmp_path, exported):
    text = exported.read_bytes()
    cut = tmp_path / "cut"
    cut.write_bytes(text[: text.rindex(b'{"chronos_export_end"')])

    assert "cut off" in details(cut)


@pytest.mark.parametrize(
    "text", [b"", b"{}\n", b"\x00\xff", b'{"chronos_export":9,"taken_at":""}']
)
def test_another_file_is_not_taken_for_an_export(tmp_path, text):
    other = tmp_path / "other"
    other.write_bytes(text)

    assert found(other) == ["file"]


def test_a_file_that_is_not_there_is_one_sentence(tmp_path):
    with pytest.raises(MissingPart, match="cannot be read"):
        verify_export(tmp_path / "none")


def test_a_whole_account_that_comes_twice_is_found(tmp_path):
    bob = [row for row in rows() if row.account_id == "bob"]
    some = rows()
    twice = write(tmp_path / "twice", [*some, *bob])
    next_to = write(tmp_path / "next", [*some[: len(some) // 2], *some])

    assert "order" in found(twice)
    assert "order" in found(next_to)


def replaced(row: EventRow, old: bytes, new: bytes) -> EventRow:
    assert row.body.count(old) == 1, row.body
    return row._replace(body=row.body.replace(old, new))


def rechained(some: list[EventRow]) -> list[EventRow]:
    """Makes every chain true again, as somebody with all means and bad will would."""
    before: dict[str, bytes] = {}
    fixed = []
    for row in some:
        digest = event_hash(before.get(row.account_id), row.body)
        before[row.account_id] = digest
        fixed.append(row._replace(hash=digest))
    return fixed


def test_money_out_of_nothing_is_found_even_when_every_hash_was_made_anew(tmp_path):
    some = rows()
    at = next(n for n, row in enumerate(some) if row.account_id == "carol" and row.amount == 10)
    richer = replaced(some[at], b'"amount":10', b'"amount":11')._replace(amount=11)
    for name in ("booked_after", "available_after"):
        richer = replaced(richer, b'"%b":10' % name.encode(), b'"%b":11' % name.encode())
    some[at] = richer
    following = some[at + 1]
    for name in ("booked_after", "available_after"):
        following = replaced(following, b'"%b":30' % name.encode(), b'"%b":31' % name.encode())
    some[at + 1] = following

    path = write(tmp_path / "richer", rechained(some))

    assert sorted(found(path)) == ["grand_total", "zero_sum"]
    assert "transfer trf_2 sums to 1 in EUR" in details(path)


def test_two_wrongs_that_cancel_are_both_named(tmp_path):
    """The bank's total is zero, each chain is true, and only the entries are wrong."""
    some = rows()
    for old, new in ((b'"transfer_id":"trf_2"', b'"transfer_id":"trf_X"'),):
        at = next(n for n, row in enumerate(some) if old in row.body and row.amount == 10)
        some[at] = replaced(some[at], old, new)

    path = write(tmp_path / "mixed", rechained(some))

    assert set(found(path)) == {"zero_sum"}
    assert "transfer trf_2 sums to -10" in details(path)
    assert "transfer trf_X sums to 10" in details(path)


def test_a_posting_that_is_missing_on_both_sides_is_found_by_their_number(tmp_path):
    some = [replaced_leg(row) for row in rows()]

    path = write(tmp_path / "legs", rechained(some))

    assert "has 1 postings fewer than it names" in details(path)


def replaced_leg(row: EventRow) -> EventRow:
    if row.transfer_id == "trf_4" and row.leg == 0:
        return replaced(row, b'"legs":3', b'"legs":4')
    return row


def test_wrong_entries_are_named_whatever_the_size_of_a_share(tmp_path, monkeypatch):
    monkeypatch.setattr(export_proof, "_EVENTS_PER_SHARE", 3)

    test_two_wrongs_that_cancel_are_both_named(tmp_path)


def test_a_hold_that_ends_as_another_is_found(tmp_path):
    some = rows()
    at = next(n for n, row in enumerate(some) if row.type == "HoldVoided")
    some[at] = replaced(some[at], b'"hold_amount":20', b'"hold_amount":19')

    assert "holds" in found(write(tmp_path / "held", rechained(some)))

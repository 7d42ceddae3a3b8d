"""The client's types against the server's: no field is unknown here or impossible to send."""

from collections.abc import Iterable
from typing import get_type_hints

import msgspec
import pytest

from chronos.api import answers as served
from chronos.client import answers, options, receipts, statements
from chronos.client.codes import Code
from chronos.client.events import Event
from chronos.wire import event_shapes
from chronos.wire.bodies import (
    EntriesBody,
    ExchangeBody,
    OpenAccountBody,
    ReverseBody,
    TransferBody,
)
from chronos.wire.hold_bodies import CaptureBody, HoldBody, VoidBody
from chronos.wire.problems import PROBLEMS
from chronos.wire.verb_bodies import (
    CloseBody,
    FreezeBody,
    MetadataBody,
    OverdraftLimitBody,
    UnfreezeBody,
)

ONLY_HERE = {"replayed"}
"""Told by a header."""
SENDING = {"key", "dry_run", "expected_version"}

RECEIPTS = [
    (receipts.Opened, served.OpenedAccount),
    (receipts.Transferred, served.BookedTransfer),
    (receipts.Booked, served.BookedEntry),
    (receipts.Placed, served.PlacedHold),
    (receipts.Ended, served.EndedHold),
    (receipts.Changed, served.ChangedAccount),
    (receipts.Executed, served.ExecutedBatch),
    (answers.Touched, served.Balances),
    (answers.Account, served.Account),
    (answers.Hold, served.Hold),
    (answers.Posting, served.Posting),
    (answers.Currency, served.Currency),
    (answers.Balance, served.Balance),
    (answers.TrialBalance, served.TrialBalance),
    (statements.StatementLine, served.StatementLine),
    (statements.StatementPage, served.Statement),
]
BODIES = [
    (options.OpeningOptions, OpenAccountBody, {"id", "currency"}),
    (options.EntryOptions, TransferBody, {"from", "to", "amount", "currency"}),
    (options.EntryOptions, EntriesBody, {"postings", "currency"}),
    (
        options.ExchangeOptions,
        ExchangeBody,
        {"from", "to", "sell_amount", "buy_amount"},
    ),
    (options.ReversalOptions, ReverseBody, set()),
    (options.HoldOptions, HoldBody, {"account", "amount", "currency"}),
    (options.CaptureOptions, CaptureBody, {"to"}),
    (options.VoidOptions, VoidBody, set()),
    (options.FreezeOptions, FreezeBody, set()),
    (options.VerbOptions, UnfreezeBody, set()),
    (options.VerbOptions, CloseBody, set()),
    (options.VerbOptions, OverdraftLimitBody, {"overdraft_limit"}),
    (options.VerbOptions, MetadataBody, {"metadata"}),
]


def names(shape: type[msgspec.Struct]) -> set[str]:
    return {field.encode_name for field in msgspec.structs.fields(shape)}


@pytest.mark.parametrize(("here", "there"), RECEIPTS, ids=lambda shape: shape.__name__)
def test_an_answer_is_read_whole(here, there):
    assert names(here) - ONLY_HERE == names(there)


@pytest.mark.parametrize(
    ("options_of", "body", "by_position"), BODIES, ids=lambda one: getattr(one, "__name__", "")
)
def test_every_field_of_a_body_can_be_sent_and_no_other(options_of, body, by_position):
    assert (set(get_type_hints(options_of)) - SENDING) | by_position == names(body)


def test_every_member_of_every_event_is_read():
    def leaves(shape: type) -> Iterable[type]:
        for child in shape.__subclasses__():
            yield child
            yield from leaves(child)

    members = set().union(*(names(shape) for shape in leaves(event_shapes.Common)))

    assert members | {"type", "hash"} == names(Event)


def test_every_code_has_a_name_and_no_name_is_without_its_code():
    assert {code.value for code in Code} == set(PROBLEMS)

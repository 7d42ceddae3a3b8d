"""Messages are read into the shapes that HTTP reads into, and what does not fit is named."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chronos.domain.chart import AccountKind
from chronos.domain.money import AMOUNT_MAX
from chronos.rpc.call import remote_of
from chronos.rpc.pb import ledger_pb2 as pb
from chronos.rpc.problems import RpcProblem, refusal, trailers
from chronos.rpc.reading import parse_message, read_body, read_version
from chronos.wire.bodies import OpenAccountBody, TransferBody
from chronos.wire.problems import InputError, problem_body

PLAIN = {"from": "a", "to": "b", "amount": 1, "currency": "EUR"}


def transfer(**fields) -> pb.TransferFundsRequest:
    return pb.TransferFundsRequest(**{**PLAIN, **fields})


def test_what_was_not_sent_is_as_absent_as_over_http():
    body = read_body(transfer(idempotency_key="k", dry_run=True), TransferBody)

    assert body == TransferBody(source="a", destination="b", amount=1, currency="EUR")


def test_every_field_of_an_opening_is_read():
    message = pb.OpenAccountRequest(
        currency="EUR",
        id="a",
        kind=pb.ACCOUNT_KIND_EQUITY,
        overdraft_limit=0,
        external_id="x",
        metadata={"a": "b"},
    )

    assert read_body(message, OpenAccountBody) == OpenAccountBody(
        currency="EUR",
        id="a",
        kind=AccountKind.EQUITY,
        overdraft_limit=0,
        external_id="x",
        metadata={"a": "b"},
    )


@pytest.mark.parametrize("kind", list(AccountKind))
def test_every_kind_has_its_name_in_the_interface(kind):
    message = pb.OpenAccountRequest(currency="EUR", kind=f"ACCOUNT_KIND_{kind.name}")

    assert read_body(message, OpenAccountBody).kind is kind


def test_messages_and_shapes_have_the_same_fields():
    for message, shape in (
        (pb.TransferFundsRequest, TransferBody),
        (pb.OpenAccountRequest, OpenAccountBody),
    ):
        names = {field.name for field in message.DESCRIPTOR.fields}
        assert names - {"idempotency_key", "dry_run"} == set(shape.__struct_encode_fields__)


@pytest.mark.parametrize("raw", [b"\xff", b"\x0a\xff", b"\x0a\x02\xc3\x28", b"\x00"])
def test_bytes_that_are_no_message_are_refused(raw):
    with pytest.raises(RpcProblem) as caught:
        parse_message(raw, pb.TransferFundsRequest)

    assert caught.value.code == "malformed_message"


@given(st.binary(max_size=200))
def test_any_bytes_are_a_message_or_refused(raw):
    try:
        message = parse_message(raw, pb.TransferFundsRequest)
        read_body(message, TransferBody)
    except RpcProblem as problem:
        assert problem.detail  # noqa: PT017  either way is right


@pytest.mark.parametrize("version", [-1, AMOUNT_MAX + 1, 2**63 - 1, -(2**63)])
def test_a_version_out_of_its_range_is_refused(version):
    with pytest.raises(RpcProblem) as caught:
        read_version(version)

    assert caught.value.code == "invalid_parameter"


def test_a_stored_refusal_is_told_with_its_fields():
    error = InputError(pointer="/amount", code="insufficient_funds", detail="No.")
    document = problem_body(
        "insufficient_funds", "No.", instance="/x", request_id="req_1", errors=[error]
    )

    problem = refusal(document, replayed=True)

    assert (problem.code, problem.detail, problem.replayed) == (
        "insufficient_funds",
        "No.",
        True,
    )
    assert problem.errors == (error,)


def test_the_details_stay_small_enough_to_be_sent():
    error = InputError(pointer="/" + "x" * 64, code="schema_violation", detail="y" * 200)
    problem = RpcProblem("schema_violation", "y" * 300, errors=[error] * 32)

    size = sum(len(name) + len(value) for name, value in trailers(problem, request_id="r"))

    assert size < 8192 * 3 / 4  # grpc's default bound, in base64


@pytest.mark.parametrize(
    ("peer", "address"),
    [
        ("ipv4:127.0.0.1:50123", "127.0.0.1"),
        ("ipv6:%5B::1%5D:50123", "::1"),
        ("ipv6:[2001:db8::7]:1", "2001:db8::7"),
        ("unix:/tmp/socket", "unix:/tmp/socket"),
    ],
)
def test_the_address_of_a_client_is_named_without_its_port(peer, address):
    assert remote_of(peer) == address

"""What the clients choose to do."""

from collections import Counter

import msgspec
import pytest

from chronos.chaos.bank import AMOUNT_MAX, HOT_ACCOUNTS, accounts
from chronos.chaos.history import Kind
from chronos.chaos.load.choosing import HOLDS_OPEN_MAX, MIX, Chooser, Intention, Memory

DRAWS = 20_000
BANK = accounts()
CURRENCIES = {one.account_id: one.currency for one in BANK}


def choices(*, seed: int = 5, client: int = 1, draws: int = DRAWS) -> list[Intention]:
    """All that a client chooses when every command of its own is granted."""
    memory = Memory()
    chooser = Chooser(BANK, memory, seed=seed, client=client)
    made = []
    for number in range(draws):
        one = chooser.next()
        made.append(one)
        if one.key and one.kind is not Kind.RETRY:
            memory.granted(one)
            memory.finished.append(one)
            chooser.seen.last_written = {"hot-0": number + 1}
    return made


@pytest.fixture(scope="module")
def drawn() -> list[Intention]:
    return choices()


def test_the_same_seed_makes_the_same_choices(drawn):
    assert choices(draws=2_000) == drawn[:2_000]


def test_another_seed_and_another_client_choose_otherwise(drawn):
    def told(some):
        return [(one.kind, one.path) for one in some[:200]]

    assert told(choices(seed=6, draws=200)) != told(drawn)
    assert told(choices(client=2, draws=200)) != told(drawn)


def test_the_mix_is_that_of_the_document(drawn):
    counts = Counter(one.kind for one in drawn)
    counts[Kind.HOLD] += counts.pop(Kind.CAPTURE) + counts.pop(Kind.VOID)

    assert sum(share for _, share in MIX) == 100
    for kind, share in MIX:
        assert counts[kind] / DRAWS * 100 == pytest.approx(share, abs=1)


def test_captures_and_voids_end_holds_that_were_placed(drawn):
    placed = {one.key: one.hold for one in drawn if one.kind is Kind.HOLD}
    ended = [one for one in drawn if one.kind in {Kind.CAPTURE, Kind.VOID}]

    assert {one.path.split("/")[3] for one in ended} <= set(placed)
    assert len(ended) > 500
    for one in ended:
        if one.kind is Kind.CAPTURE:
            hold = placed[one.path.split("/")[3]]
            body = msgspec.json.decode(one.body)
            assert 1 <= body["amount"] <= hold.amount
            assert CURRENCIES[body["to"]] == hold.account.currency


def test_holds_are_not_piled_up():
    memory = Memory()
    chooser = Chooser(BANK, memory, seed=5, client=1)
    most = 0
    for _ in range(DRAWS):
        one = chooser.next()
        memory.granted(one)
        most = max(most, len(memory.holds))

    assert most <= HOLDS_OPEN_MAX


def test_the_hot_accounts_have_half_of_the_transfers_and_zipf_the_rest(drawn):
    sources = Counter(
        msgspec.json.decode(one.body)["from"] for one in drawn if one.kind is Kind.TRANSFER
    )
    total = sources.total()

    hot = sum(sources[f"hot-{n}"] for n in range(HOT_ACCOUNTS))
    assert hot / total == pytest.approx(0.5, abs=0.02)
    # Zipf(0.99) over 64 ranks: the first has 1/4.84 of its half.
    assert sources["zipf-00"] / total == pytest.approx(0.103, abs=0.012)
    assert sources["zipf-00"] > 4 * sources["zipf-07"] > 4 * sources["zipf-63"] > 0


def test_now_and_then_a_transfer_crosses_currencies(drawn):
    bodies = [msgspec.json.decode(one.body) for one in drawn if one.kind is Kind.TRANSFER]

    crossing = sum(CURRENCIES[b["from"]] != CURRENCIES[b["to"]] for b in bodies)
    assert 0.01 < crossing / len(bodies) < 0.03
    assert all(b["currency"] == CURRENCIES[b["from"]] and b["from"] != b["to"] for b in bodies)
    assert {b["amount"] for b in bodies} == set(range(1, AMOUNT_MAX + 1))


def test_every_key_is_used_once_but_by_retries(drawn):
    keys = Counter(one.key for one in drawn if one.key and one.kind is not Kind.RETRY)

    assert set(keys.values()) == {1}


def test_a_retry_is_a_finished_command_byte_for_byte(drawn):
    first = {}
    for one in drawn:
        if one.kind is Kind.RETRY:
            again = first[one.key]
            assert (one.method, one.path, one.body) == (again.method, again.path, again.body)
        elif one.key:
            first[one.key] = one


def test_point_reads_alternate_between_the_balance_and_the_events(drawn):
    reads = [one.path for one in drawn if one.kind is Kind.READ]

    assert all("/events?after=" in path for path in reads[::2])
    assert all(path.endswith("/balance") for path in reads[1::2])


def test_the_query_side_is_asked_for_a_version_of_the_last_acknowledged_command():
    chooser = Chooser(BANK, Memory(), seed=5, client=1)
    assert Kind.PROJECTED not in {chooser.next().kind for _ in range(500)}

    chooser.seen.last_written = {"hot-3": 41, "zipf-10": 7}
    paths = {
        one.path for one in (chooser.next() for _ in range(500)) if one.kind is Kind.PROJECTED
    }

    assert paths == {
        "/v1/accounts/hot-3/balance?min_version=41",
        "/v1/accounts/zipf-10/balance?min_version=7",
    }


def test_nothing_is_retried_reversed_or_ended_before_there_is_something():
    chooser = Chooser(BANK, Memory(), seed=5, client=1)

    kinds = {chooser.next().kind for _ in range(500)}

    assert kinds == {Kind.TRANSFER, Kind.HOLD, Kind.READ, Kind.SNAPSHOT}

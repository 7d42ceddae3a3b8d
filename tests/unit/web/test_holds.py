"""The open holds of an account, from the table, from Redis, or not yet."""

from datetime import date

import pytest

from chronos.domain.chart import AccountKind
from chronos.errors import Unavailable
from chronos.wire.balance import Balance, OpenHold
from tests.unit.web.parts import Keys, served, view_app
from web.holds import Holds
from web.respond import Respond
from web.routing import Owners, Routing

HOLDS = (
    OpenHold(id="hld_1", amount=300, expires_at="2031-05-06T07:08:09.000000Z"),
    OpenHold(id="hld_2", amount=50, expires_at=None),
)
PATH = "/v1/accounts/alice/holds"


def balance(version=4, holds=HOLDS):
    return Balance(
        account_id="alice",
        currency="EUR",
        kind=AccountKind.CUSTOMER,
        version=version,
        booked=1000,
        held=sum(hold.amount for hold in holds),
        overdraft_limit=None,
        status="open",
        holds=holds,
        hash="00" * 32,
        event_id="00000000-0000-7000-8000-000000000001",
        position=9,
        recorded_at="2031-01-01T00:00:00.000000Z",
        opened_at="2031-01-01T00:00:00.000000Z",
        opened_on=date(2031, 1, 1),
        external_id=None,
        metadata={},
    )


class Table:
    """Keeps one balance or none, of a partition that lives here or elsewhere."""

    partitions = 8

    def __init__(self):
        self.is_ready = True
        self.is_owner = True
        self.balance = None
        self.comes_later = None

    def owns(self, _partition):
        return self.is_owner

    def owner_url(self, _partition):
        return None

    def read(self, _key, _partition):
        return self.balance

    async def wait_for(self, _key, _version, *, timeout_s):
        assert timeout_s == 2
        self.balance = self.comes_later or self.balance


class Redis:
    def __init__(self):
        self.balance = None
        self.is_away = False

    async def read(self, _account_id):
        if self.is_away:
            raise Unavailable("redis", "away")
        return self.balance


@pytest.fixture
def table():
    return Table()


@pytest.fixture
def redis():
    return Redis()


@pytest.fixture
async def client(table, redis):
    app = view_app()
    routing = Routing(table, copy=redis, owners=Owners(), wait_s=2)
    Holds(routing).add_to(Respond(app, Keys()))
    async with served(app) as client:
        yield client


async def ask(client, path=PATH, **query):
    async with client.get(path, params=query) as answer:
        return answer.status, await answer.json(content_type=None)


async def test_the_open_holds_come_from_the_table_of_the_owner(client, table):
    table.balance = balance()

    assert await ask(client) == (
        200,
        {
            "account": "alice",
            "currency": "EUR",
            "held": 350,
            "version": 4,
            "as_of": "2031-01-01T00:00:00.000000Z",
            "source": "table",
            "data": [
                {"id": "hld_1", "amount": 300, "expires_at": "2031-05-06T07:08:09.000000Z"},
                {"id": "hld_2", "amount": 50, "expires_at": None},
            ],
        },
    )


async def test_an_account_without_holds_has_an_empty_list(client, table):
    table.balance = balance(holds=())

    status, body = await ask(client)

    assert (status, body["held"], body["data"]) == (200, 0, [])


async def test_elsewhere_redis_answers_when_it_is_new_enough(client, table, redis):
    table.is_owner = False
    redis.balance = balance(version=4)

    status, body = await ask(client, min_version=4)

    assert (status, body["source"], len(body["data"])) == (200, "redis", 2)


async def test_a_version_on_its_way_is_waited_for(client, table):
    table.balance, table.comes_later = balance(version=4), balance(version=5, holds=())

    status, body = await ask(client, min_version=5)

    assert (status, body["version"], body["data"]) == (200, 5, [])


async def test_a_version_that_does_not_come_is_refused_with_the_one_that_is_there(
    client, table
):
    table.balance = balance(version=4)

    status, body = await ask(client, min_version=5)

    assert (status, body["code"], body["version"]) == (503, "read_model_behind", 4)


async def test_nobody_is_asked_when_nobody_knows(client, table, redis):
    table.is_owner, redis.is_away = False, True

    status, body = await ask(client)

    assert (status, body["code"]) == (503, "unavailable")


async def test_strange_questions_are_refused_by_name(client, table):
    table.balance = None

    assert (await ask(client))[1]["code"] == "account_not_found"
    assert (await ask(client, "/v1/accounts/a%20b/holds"))[1]["code"] == "id_invalid"
    assert (await ask(client, min_version="x"))[1]["code"] == "invalid_parameter"
    assert (await ask(client, status="open"))[1]["code"] == "invalid_parameter"

"""The query side's table of routes, and the document made from it."""

from __future__ import annotations

import json

import pytest

from chronos.wire.problems import PROBLEMS
from tests.unit.web.parts import Keys, served, view_app
from web.respond import Respond
from web.routes.document import Described, query_document
from web.routes.table import ENTRIES, ROUTES, TRANSFERS

PREFIX = "#/components/schemas/"


@pytest.fixture
def document() -> dict:
    return json.loads(query_document(ROUTES, version="1"))


def references(node):
    if isinstance(node, dict):
        if "$ref" in node:
            yield node["$ref"]
        for member in node.values():
            yield from references(member)
    elif isinstance(node, list):
        for member in node:
            yield from references(member)


def test_the_document_has_every_route_and_each_name_once(document):
    assert document["paths"].keys() == {route.path for route in ROUTES}
    names = [methods["get"]["operationId"] for methods in document["paths"].values()]
    assert len(names) == len(set(names)) == len(ROUTES)
    assert len({route.name for route in ROUTES}) == len(ROUTES)


def test_every_reference_leads_somewhere(document):
    schemas = document["components"]["schemas"]

    found = list(references(document))

    assert found
    assert {one.removeprefix(PREFIX) for one in found} <= schemas.keys()
    assert r"\Z" not in json.dumps(document)


def test_every_code_is_a_known_problem_under_its_status(document):
    for route in ROUTES:
        assert set(route.codes) <= PROBLEMS.keys()
    balance = document["paths"]["/v1/accounts/{account_id}/balance"]["get"]["responses"]
    assert set(balance["404"]["x-problem-codes"]) == {
        "account_not_found",
        "id_invalid",
        "not_found",
    }
    assert balance["503"]["x-problem-codes"] == ["read_model_behind", "unavailable"]
    assert balance["503"]["headers"]["Retry-After"]["required"] is True


def test_a_parameter_is_described_as_it_is_written(document):
    entries = document["paths"][ENTRIES.path]["get"]["parameters"]
    described = {parameter["name"]: parameter for parameter in entries}

    assert described["account_id"]["in"] == "path"
    assert described["metadata"]["style"] == "deepObject"
    assert (described["type"]["style"], described["type"]["explode"]) == ("form", False)
    assert described["limit"]["schema"] == {
        "type": "integer",
        "minimum": 1,
        "maximum": 200,
        "default": 50,
    }
    assert {taken.name for taken in ENTRIES.takes} == described.keys() - {"account_id"}


def test_plain_parameters_and_groups_are_told_apart():
    assert TRANSFERS.groups == {"metadata"}
    assert "metadata" not in TRANSFERS.names
    assert {"account", "currency", "cursor", "limit", "q"} <= TRANSFERS.names


def test_only_what_tells_of_the_process_is_open(document):
    for route in ROUTES:
        security = document["paths"][route.path]["get"]["security"]
        assert security == ([{"api_key": ["read"]}] if route.path.startswith("/v1/") else [])


async def test_the_document_is_served_to_everybody(document):
    app = view_app()
    Described(ROUTES, version="1").add_to(Respond(app, Keys()))

    async with served(app) as client, client.get("/openapi.json", headers={}) as answer:
        assert answer.status == 200
        assert answer.content_type == "application/json"
        assert answer.headers["X-Request-Id"].startswith("req_")
        assert await answer.json() == document


async def test_a_key_that_may_not_read_is_told_which_scope_it_lacks():
    class Writers(Keys):
        async def authenticate(self, header):
            holder = await super().authenticate(header)
            return (
                None
                if holder is None
                else type(holder)(name=holder.name, key_id=holder.key_id, scopes=frozenset())
            )

    app = view_app()
    respond = Respond(app, Writers())

    async def never(_request):
        raise AssertionError

    respond.add_view(TRANSFERS, never)
    async with served(app) as client, client.get("/v1/transfers") as answer:
        assert answer.status == 403
        assert (await answer.json())["code"] == "insufficient_scope"
        assert answer.headers["WWW-Authenticate"] == (
            'Bearer error="insufficient_scope", scope="read"'
        )

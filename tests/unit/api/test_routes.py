"""The table of routes, its router, and the document made from it."""

import json

import pytest

from chronos.api.openapi import openapi_document
from chronos.api.problems import HttpProblem
from chronos.api.routes import Router
from chronos.api.table import ROUTES
from chronos.wire.problems import PROBLEMS


@pytest.fixture
def router() -> Router:
    return Router(ROUTES)


@pytest.fixture
def document() -> dict:
    return json.loads(openapi_document(ROUTES, version="1"))


@pytest.mark.parametrize(
    "path",
    [
        "/",
        "/v1",
        "/v1/",
        "/v1/accounts/",
        "//v1/accounts",
        "/v1//accounts",
        "/v1/accounts/../admin",
        "/v1/accounts/a/b",
        "/v2/accounts",
        "/V1/accounts",
    ],
)
def test_an_unknown_path_is_not_found(router, path):
    with pytest.raises(HttpProblem) as caught:
        router.find("GET", path)

    assert (caught.value.status, caught.value.code) == (404, "not_found")


@pytest.mark.parametrize("segment", ["..", "%2e%2e", "%2F", "-x", "a%00", "%ff", "a" * 65])
def test_an_impossible_id_in_a_path_is_not_found(router, segment):
    with pytest.raises(HttpProblem) as caught:
        router.find("GET", f"/v1/accounts/{segment}")

    assert (caught.value.status, caught.value.code) == (404, "id_invalid")


def test_an_escaped_id_is_the_id(router):
    route, params = router.find("GET", "/v1/accounts/bank%3AEUR/balance")

    assert route.path == "/v1/accounts/{id}/balance"
    assert params == {"id": "bank:EUR"}


@pytest.mark.parametrize("method", ["PUT", "DELETE", "TRACE", "PATCH"])
def test_a_method_that_an_address_lacks_is_named_with_those_it_has(router, method):
    with pytest.raises(HttpProblem) as caught:
        router.find(method, "/v1/transfers")

    assert caught.value.status == 405
    assert caught.value.headers["Allow"] == "POST, OPTIONS"


def test_head_takes_the_route_of_get(router):
    assert router.find("HEAD", "/v1/currencies") == router.find("GET", "/v1/currencies")


def test_every_command_needs_the_scope_to_write_and_every_read_the_scope_to_read():
    for route in ROUTES:
        if route.path.startswith("/v1/"):
            assert route.scope == ("write" if route.method == "POST" else "read")


def test_the_document_has_every_route_and_no_other(document):
    described = {
        (method.upper(), path)
        for path, operations in document["paths"].items()
        for method in operations
    }

    assert described == {(route.method, route.path) for route in ROUTES}


def test_every_reference_of_the_document_leads_somewhere(document):
    schemas = document["components"]["schemas"]
    prefix = "#/components/schemas/"

    def references(node):
        if isinstance(node, dict):
            if "$ref" in node:
                yield node["$ref"]
            for member in node.values():
                yield from references(member)
        elif isinstance(node, list):
            for member in node:
                yield from references(member)

    for reference in references(document):
        assert reference.startswith(prefix)
        assert reference.removeprefix(prefix) in schemas


def test_the_document_has_what_openapi_asks_of_each_operation(document):
    assert document["openapi"] == "3.1.0"
    assert {"title", "version"} <= document["info"].keys()
    names = []
    for path, operations in document["paths"].items():
        for operation in operations.values():
            names.append(operation["operationId"])
            assert operation["responses"]
            for status, response in operation["responses"].items():
                assert status.isdigit()
                assert response["description"]
            in_path = [p for p in operation["parameters"] if p["in"] == "path"]
            assert len(in_path) == path.count("{")
            assert all(parameter["required"] for parameter in in_path)
    assert len(names) == len(set(names))


def test_bounds_reach_the_document_in_the_form_of_json_schema(document):
    schemas = document["components"]["schemas"]
    amount = schemas["TransferBody"]["properties"]["amount"]

    assert (amount["minimum"], amount["maximum"]) == (1, 2**53 - 1)
    assert r"\Z" not in json.dumps(document)
    assert schemas["TransferBody"]["additionalProperties"] is False


def test_every_code_of_the_table_is_a_known_problem():
    for route in ROUTES:
        assert set(route.refusals) <= PROBLEMS.keys()


def operations(document):
    for path, methods in document["paths"].items():
        for operation in methods.values():
            yield path, operation


def test_every_answer_of_the_document_names_its_request(document):
    for _, operation in operations(document):
        for response in operation["responses"].values():
            assert response["headers"]["X-Request-Id"]["required"] is True


def test_what_is_created_has_a_place_and_leads_on(document):
    names = {operation["operationId"] for _, operation in operations(document)}
    created = [
        one["responses"]["201"] for _, one in operations(document) if "201" in one["responses"]
    ]

    assert len(created) == 6
    for response in created:
        assert response["headers"]["Location"]["required"] is True
        assert response["headers"]["Idempotent-Replayed"]["required"] is False
        assert response["links"].keys() <= names
        assert {link["parameters"]["id"] for link in response["links"].values()} == {
            "$response.body#/id"
        }


def test_a_capture_leads_to_its_hold_and_to_the_transfer_that_it_made(document):
    operation = document["paths"]["/v1/holds/{id}/capture"]["post"]
    links = operation["responses"]["200"]["links"]

    assert links["show_hold"]["parameters"] == {"id": "$response.body#/id"}
    assert links["show_transfer"]["parameters"] == {"id": "$response.body#/transfer_id"}


def test_a_refusal_says_which_codes_it_may_carry_and_what_comes_with_them(document):
    prefix = "urn:chronos:problem:"
    for _, operation in operations(document):
        for status, response in operation["responses"].items():
            if "application/problem+json" not in response["content"]:
                continue
            members = response["content"]["application/problem+json"]["schema"]["properties"]
            codes = members["code"]["enum"]
            assert codes == response["x-problem-codes"] == sorted(set(codes))
            assert members["type"]["enum"] == [prefix + code for code in codes]
            assert members["status"]["const"] == int(status)
            needed = {
                "401": "WWW-Authenticate",
                "403": "WWW-Authenticate",
                "503": "Retry-After",
            }
            assert status not in needed or response["headers"][needed[status]]["required"]


def test_what_is_wrong_with_the_path_is_404_and_with_the_body_422(document):
    close = document["paths"]["/v1/accounts/{id}/close"]["post"]["responses"]
    transfer = document["paths"]["/v1/transfers"]["post"]["responses"]
    capture = document["paths"]["/v1/holds/{id}/capture"]["post"]["responses"]

    assert {"account_not_found", "id_invalid"} <= set(close["404"]["x-problem-codes"])
    assert "account_not_found" not in close["422"]["x-problem-codes"]
    assert {"account_not_found", "id_invalid"} <= set(transfer["422"]["x-problem-codes"])
    assert "404" not in transfer
    assert {"hold_not_found", "id_invalid"} <= set(capture["404"]["x-problem-codes"])
    assert "account_not_found" in capture["422"]["x-problem-codes"]


def test_every_body_and_every_id_in_a_path_has_an_example(document):
    for path, operation in operations(document):
        for parameter in operation["parameters"]:
            assert parameter["in"] != "path" or parameter["example"], path
        if "requestBody" in operation:
            assert operation["requestBody"]["content"]["application/json"]["example"], path

"""The page for people: whole, well-formed, and closed to the outside."""

import json
import re
import shlex
from base64 import b64encode
from hashlib import sha256
from html.parser import HTMLParser

import pytest

from chronos.api.docs.document import operations_of
from chronos.api.docs.fitting import fits
from chronos.api.docs.markup import Html, raw, tag
from chronos.api.docs.page import docs_page
from chronos.api.docs.samples import Samples
from chronos.api.openapi import openapi_document
from chronos.api.parse import parse_body
from chronos.api.table import ROUTES
from chronos.wire.problems import PROBLEMS
from tests.unit.api.test_door import Bench, serving

DOCUMENT = openapi_document(ROUTES, version="1")
EMPTY = {"meta", "input", "link", "wbr"}


class Elements(HTMLParser):
    """Reads a page strictly: every element is ended where it must be."""

    def __init__(self, html: str):
        super().__init__(convert_charrefs=True)
        self.open: list[str] = []
        self.attributes: list[tuple[str, dict[str, str | None]]] = []
        self.texts: dict[str, list[str]] = {}
        self.feed(html)
        self.close()

    def handle_starttag(self, tag, attrs):
        assert len(dict(attrs)) == len(attrs)
        self.attributes.append((tag, dict(attrs)))
        if tag not in EMPTY:
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        self.texts.setdefault(self.open[-1] if self.open else "", []).append(data)

    def all(self, name: str) -> list[str]:
        return [attrs[name] or "" for _, attrs in self.attributes if name in attrs]


def read(document: bytes = DOCUMENT) -> Elements:
    return Elements(docs_page(document).body.decode())


def test_the_page_is_well_formed_html():
    html = docs_page(DOCUMENT).body.decode()
    page = Elements(html)

    assert html.startswith("<!doctype html><html")
    assert page.open == []
    assert len(page.all("id")) == len(set(page.all("id")))


def test_every_operation_has_its_place_and_a_link_to_it():
    document = json.loads(DOCUMENT)
    page = read()
    ids, links = page.all("id"), page.all("href")

    for operation in operations_of(document):
        assert operation.name in ids
        assert f"#{operation.name}" in links
        assert page.all("data-search").count(
            f"{operation.method} {operation.path} {operation.name} "
            f"{operation.said['summary']}".lower()
        )
    assert len(page.all("data-search")) == len(ROUTES)


def test_every_link_of_the_page_leads_somewhere_on_this_server():
    page = read()

    for link in page.all("href"):
        assert link == "/openapi.json" or link.removeprefix("#") in page.all("id"), link


def test_the_page_names_no_other_server():
    html = docs_page(DOCUMENT).body.decode()

    assert re.search(r"https?:|wss?:|ftp:|@import|url\(|src=|srcset=", html) is None
    assert re.search(r"fetch\(|XMLHttpRequest|WebSocket|sendBeacon|localStorage", html) is None
    assert re.search(r'(href|action|data)="//', html) is None


def test_the_policy_lets_in_nothing_but_the_pages_own_style_and_script():
    page = docs_page(DOCUMENT)
    policy = dict(
        directive.split(" ", 1)
        for directive in page.headers["Content-Security-Policy"].split("; ")
    )
    texts = read().texts

    assert policy == {
        "default-src": "'none'",
        "style-src": hash_of(texts["style"]),
        "script-src": hash_of(texts["script"]),
        "base-uri": "'none'",
        "form-action": "'none'",
        "frame-ancestors": "'none'",
    }
    assert not read().all("style")
    assert not [name for _, attrs in read().attributes for name in attrs if name[:2] == "on"]


def hash_of(texts: list[str]) -> str:
    return f"'sha256-{b64encode(sha256(''.join(texts).encode()).digest()).decode()}'"


def test_hostile_texts_of_a_document_stay_texts():
    hostile = "</script></style></p><script>alert(1)</script><img src=x onerror='a()' \">"
    document = json.loads(DOCUMENT)
    harmless = read()
    document["info"] |= {"title": hostile, "description": hostile, "version": hostile}
    (operation, *_) = document["paths"]["/v1/accounts"].values()
    operation |= {"summary": hostile, "operationId": hostile, "tags": [hostile]}
    operation["parameters"][0] |= {"name": hostile, "description": hostile, "in": hostile}
    operation["parameters"][0]["schema"] = {"type": hostile, "pattern": hostile}
    body = document["components"]["schemas"]["OpenAccountBody"]
    body["properties"][hostile] = {"enum": [hostile], "description": hostile}
    document["paths"][f"/{hostile}"] = document["paths"].pop("/healthz")

    page = read(json.dumps(document).encode())

    kinds = {name for name, _ in page.attributes}
    assert kinds == {name for name, _ in harmless.attributes}
    assert page.texts["script"] == harmless.texts["script"]
    assert page.open == []
    assert any(hostile in text for text in page.texts["h1"])


def test_a_text_is_escaped_once_and_markup_never():
    inner = tag("b", "<&>", title='"<')

    assert tag("p", inner, " & ", hidden=True, open=False, class_="x") == (
        '<p hidden class="x"><b title="&quot;&lt;">&lt;&amp;&gt;</b> &amp; </p>'
    )
    assert isinstance(inner, Html)
    with pytest.raises(ValueError, match="cannot hold"):
        raw("script", "a = '</script>'")


@pytest.mark.parametrize("route", [r for r in ROUTES if r.body], ids=lambda r: r.path)
def test_the_example_of_a_body_is_one_that_its_route_takes(route):
    page = read()
    call = call_of(page, route.name)
    body = call[call.index("-d") + 1]

    assert parse_body(body.encode(), route.body)


@pytest.mark.parametrize("route", ROUTES, ids=lambda r: r.handler.__name__)
def test_the_example_of_a_call_is_a_line_that_a_shell_reads(route):
    call = call_of(read(), route.name)

    assert call[:2] == ["curl", "-sS"]
    path = call[2].removeprefix("$CHRONOS_URL")
    assert re.fullmatch(re.sub(r"\{\w+\}", "[^/]+", route.path), path)
    assert ("Authorization: Bearer $CHRONOS_KEY" in call) == (route.scope is not None)
    assert ("Content-Type: application/json" in call) == (route.body is not None)
    if route.method == "POST":
        assert "Idempotency-Key: example-1" in call
        assert "-d" in call or call[-2:] == ["-X", "POST"]


def call_of(page: Elements, name: str) -> list[str]:
    texts = [text for text in page.texts["code"] if text.startswith("curl ")]
    names = [attrs["id"] for _, attrs in page.attributes if attrs.get("class") == "operation"]
    return shlex.split(texts[names.index(name)].replace("\\\n", ""))


def test_the_example_of_an_answer_fits_its_schema():
    document = json.loads(DOCUMENT)
    shapes = document["components"]["schemas"]
    samples = Samples(shapes)

    for name, shape in shapes.items():
        assert fits(shape, samples.answer(shape), shapes), name


@pytest.mark.parametrize(
    ("schema", "fitting", "other"),
    [
        ({"type": "integer", "minimum": 1, "maximum": 3}, 3, 4),
        ({"type": "integer"}, 1, True),
        ({"type": "string", "pattern": "^[A-Z]+$", "maxLength": 3}, "EUR", "EURO"),
        ({"type": "string", "format": "date"}, "2026-03-02", "yesterday"),
        ({"anyOf": [{"type": "string"}, {"type": "null"}]}, None, 1),
        ({"enum": ["a", "b"]}, "b", "c"),
        ({"const": "a"}, "a", "b"),
        ({"type": "array", "items": {"type": "boolean"}, "minItems": 1}, [True], []),
        ({"type": "object", "required": ["a"]}, {"a": 1}, {}),
        ({"type": "object", "properties": {}, "additionalProperties": False}, {}, {"a": 1}),
        ({"type": "object", "additionalProperties": {"type": "string"}}, {"a": ""}, {"a": 1}),
    ],
)
def test_a_sample_is_held_against_its_schema(schema, fitting, other):
    assert fits(schema, fitting, {})
    assert not fits(schema, other, {})


def test_a_shape_that_holds_itself_gets_an_example_that_ends():
    reference = {"$ref": "#/components/schemas/Tree"}
    tree = {"type": "object", "properties": {"leaf": reference, "leaves": {"type": "array"}}}
    tree["properties"]["leaves"]["items"] = reference

    assert json.dumps(Samples({"Tree": tree}).answer(reference))


def test_every_problem_that_an_operation_names_is_explained_once():
    named = {
        code for operation in operations_of(json.loads(DOCUMENT)) for code in operation.codes
    }
    page = read()

    assert named <= PROBLEMS.keys()
    assert {i for i in page.all("id") if i.startswith("problem-")} == {
        f"problem-{code}" for code in named
    }


def test_values_that_may_be_chosen_stand_where_they_are_chosen():
    texts = read().texts["code"]

    assert '"customer"' in texts
    assert '"settlement"' in texts
    assert "shape-AccountKind" not in read().all("id")


async def test_the_page_is_served_to_everybody_with_its_policy():
    bench = Bench()
    async with serving(bench.api.server) as bench.port:
        status, headers, body = await bench.ask(
            b"GET /docs HTTP/1.1\r\nHost: x\r\nAccept: text/html\r\n\r\n"
        )
    bench.api.watch.flush()

    assert status == 200
    assert headers["content-type"] == "text/html; charset=utf-8"
    assert headers["content-security-policy"].startswith("default-src 'none'; ")
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["referrer-policy"] == "no-referrer"
    assert body.startswith(b"<!doctype html>")
    assert bench.auth.asked == 0


def test_a_list_has_as_many_items_as_it_must():
    schema = {"type": "array", "items": {"type": "integer", "minimum": 5}, "minItems": 3}

    assert Samples({}).answer(schema) == [5, 5, 5]


@pytest.mark.parametrize("members", [["account", "amount"], ["account", "amount", "currency"]])
def test_postings_are_shown_balanced_whatever_their_members(members):
    kinds = {"account": "string", "amount": "integer", "currency": "string"}
    line = {
        "type": "object",
        "properties": {name: {"type": kinds[name]} for name in members},
        "required": members,
        "additionalProperties": False,
    }

    made = Samples({}).member("postings", {"type": "array", "items": line, "minItems": 2})

    assert [sorted(posting) for posting in made] == [members, members]
    assert sum(posting["amount"] for posting in made) == 0

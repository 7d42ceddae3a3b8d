"""The whole page: one document that asks for nothing else.

Style and script stand inside it, and the policy that comes with it names them by their hashes:
the browser runs nothing else, sends nothing anywhere, and shows the page in no frame. What the
reader types as a key stays in the memory of the page.
"""

from __future__ import annotations

import json
from base64 import b64encode
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from hashlib import sha256
from itertools import groupby
from pathlib import Path
from typing import Any, Final

from chronos.api.docs.document import Operation, operations_of
from chronos.api.docs.markup import Html, raw, tag
from chronos.api.docs.operations import method_mark, operation_section, path_of
from chronos.api.docs.samples import Samples
from chronos.api.docs.shapes import REFERENCE, Schema, shape_table, type_of
from chronos.wire.problems import PROBLEMS

HERE: Final = Path(__file__).resolve().parent
_LAST: Final = "service"


@dataclass(frozen=True, slots=True, kw_only=True)
class DocsPage:
    """The page and the headers that go with it."""

    body: bytes
    headers: Mapping[str, str]


def docs_page(openapi: bytes) -> DocsPage:
    """Shows an OpenAPI document as HTML."""
    style = (HERE / "page.css").read_text(encoding="utf-8")
    script = (HERE / "page.js").read_text(encoding="utf-8")
    html = "<!doctype html>" + _page(_readable(json.loads(openapi)), style=style, script=script)
    policy = (
        f"default-src 'none'; style-src {_hashed(style)}; script-src {_hashed(script)}; "
        "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    )
    return DocsPage(
        body=html.encode(),
        headers={"Content-Security-Policy": policy, "Referrer-Policy": "no-referrer"},
    )


def _readable(document: dict[str, Any]) -> Mapping[str, Any]:
    """Puts lists of values where they are referred to: people want to see them there."""
    shapes: dict[str, Schema] = document.get("components", {}).get("schemas", {})
    values = {REFERENCE + name: shape for name, shape in shapes.items() if "enum" in shape}

    def inlined(node: Any) -> Any:
        if isinstance(node, list):
            return [inlined(item) for item in node]
        if not isinstance(node, dict):
            return node
        shape = values.get(str(node.get("$ref")))
        if shape is not None:
            return {"enum": shape["enum"]} | {k: v for k, v in node.items() if k != "$ref"}
        return {name: inlined(member) for name, member in node.items()}

    for reference in values:
        del shapes[reference.removeprefix(REFERENCE)]
    readable: Mapping[str, Any] = inlined(document)
    return readable


def _page(document: Mapping[str, Any], *, style: str, script: str) -> Html:
    groups = _groups(document)
    info = document["info"]
    return tag(
        "html",
        tag(
            "head",
            tag("meta", charset="utf-8"),
            tag("meta", name="viewport", content="width=device-width, initial-scale=1"),
            tag("meta", name="color-scheme", content="light dark"),
            tag("title", info["title"]),
            raw("style", style),
        ),
        tag(
            "body",
            tag("a", "To the operations", href="#content", class_="skip"),
            _contents(info, groups),
            tag(
                "main",
                _introduction(info),
                *_operations(document, groups),
                _shapes(document),
                _problems(groups),
                id="content",
            ),
            raw("script", script),
        ),
        lang="en",
    )


def _groups(document: Mapping[str, Any]) -> dict[str, list[Operation]]:
    """Groups the operations by what they are about; those of the process itself come last."""
    found = sorted(operations_of(document), key=lambda operation: operation.subject)
    groups = {name: list(those) for name, those in groupby(found, lambda one: one.subject)}
    last = {_LAST: groups.pop(_LAST)} if _LAST in groups else {}
    return groups | last


def _contents(info: Mapping[str, Any], groups: Mapping[str, Sequence[Operation]]) -> Html:
    return tag(
        "nav",
        tag("a", info["title"], href="#content", class_="title"),
        tag(
            "input",
            type="search",
            id="find",
            placeholder="Find an operation",
            aria_label="Find an operation",
            hidden=True,
        ),
        tag(
            "details",
            tag("summary", "Contents"),
            *(
                tag("div", tag("h2", _title(name)), _list(those), class_="of-group")
                for name, those in groups.items()
            ),
            tag("h2", "reference"),
            tag(
                "ul",
                tag("li", tag("a", "Shapes", href="#shapes")),
                tag("li", tag("a", "Problems", href="#problems")),
            ),
            open=True,
        ),
        aria_label="Contents",
    )


def _list(operations: Sequence[Operation]) -> Html:
    return tag(
        "ul",
        *(
            tag(
                "li",
                tag(
                    "a",
                    method_mark(one.method),
                    tag("span", path_of(one.path.removeprefix("/v1"))),
                    href=f"#{one.name}",
                    title=str(one.said.get("summary", "")),
                ),
                data_for=one.name,
            )
            for one in operations
        ),
    )


def _introduction(info: Mapping[str, Any]) -> Html:
    return tag(
        "header",
        tag("h1", info["title"]),
        tag("p", f"Version {info['version']}. ", info.get("description", ""), class_="lead"),
        tag("dl", *_rules(), class_="rules"),
        tag(
            "p",
            "In the examples ",
            tag("code", "CHRONOS_URL"),
            " is the address of this server and ",
            tag("code", "CHRONOS_KEY"),
            " your API key. The same interface for programs: ",
            tag("a", "openapi.json", href="/openapi.json"),
            ".",
        ),
        tag(
            "div",
            tag("label", "Your API key, for the calls that you copy", for_="key"),
            tag("input", type="password", id="key", autocomplete="off", spellcheck="false"),
            tag("small", "It stays in the memory of this page and is sent nowhere."),
            id="key-box",
            hidden=True,
        ),
    )


def _rules() -> Iterator[Html]:
    for term, rule in (
        ("Amounts", "are whole minor units: 12500 is 125.00 EUR, and 12500 JPY."),
        (
            "Retries",
            "are safe: an Idempotency-Key is executed once and always answered the same.",
        ),
        ("Problems", "say what is wrong by a code that never changes, and whether to retry."),
        ("Unknown fields", "are refused, and so is a parameter that nobody knows."),
    ):
        yield tag("div", tag("dt", term), tag("dd", rule))


def _operations(
    document: Mapping[str, Any], groups: Mapping[str, Sequence[Operation]]
) -> Iterator[Html]:
    samples = Samples(_shapes_of(document))
    everything = [operation for those in groups.values() for operation in those]
    for name, those in groups.items():
        yield tag(
            "section",
            tag("h2", _title(name)),
            *(
                operation_section(one, samples, shared=_shared(one, everything))
                for one in those
            ),
            class_="group",
        )


def _title(subject: str) -> str:
    return subject.replace("-", " ")


def _shared(operation: Operation, everything: Sequence[Operation]) -> frozenset[str]:
    """Gives the codes that every operation with a body answers, or every one without."""
    has_body = operation.body is not None
    alike = [
        one.codes
        for one in everything
        if (one.body is not None) == has_body
        and bool(one.said.get("security")) == bool(operation.said.get("security"))
    ]
    return frozenset.intersection(*alike)


def _shapes_of(document: Mapping[str, Any]) -> Mapping[str, Schema]:
    shapes: Mapping[str, Schema] = document.get("components", {}).get("schemas", {})
    return shapes


def _shapes(document: Mapping[str, Any]) -> Html:
    return tag(
        "section",
        tag("h2", "Shapes"),
        *(
            tag(
                "section",
                tag("h3", name),
                tag("p", shape.get("description", "")),
                shape_table(shape),
                id=f"shape-{name}",
                class_="shape",
            )
            for name, shape in sorted(_shapes_of(document).items())
        ),
        id="shapes",
        class_="group",
    )


def _problems(groups: Mapping[str, Sequence[Operation]]) -> Html:
    codes = {code for those in groups.values() for one in those for code in one.codes}
    return tag(
        "section",
        tag("h2", "Problems"),
        tag("p", "Each answer that is no success is a ", type_of(_PROBLEM), "."),
        tag("dl", *(_problem(code) for code in sorted(codes)), class_="problems"),
        id="problems",
        class_="group",
    )


_PROBLEM: Final = {"$ref": "#/components/schemas/ProblemDocument"}


def _problem(code: str) -> Html:
    known = PROBLEMS[code]
    again = tag("span", "may be sent again", class_="pill") if known.retryable else ""
    return tag(
        "div",
        tag("dt", tag("code", code)),
        tag("dd", tag("b", str(known.status), class_="status s4"), f" {known.title}. ", again),
        id=f"problem-{code}",
    )


def _hashed(text: str) -> str:
    return f"'sha256-{b64encode(sha256(text.encode()).digest()).decode()}'"

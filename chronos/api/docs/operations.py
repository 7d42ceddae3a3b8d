"""One operation as people read it: what it takes, what it answers, how to call it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from chronos.api.answer import JSON
from chronos.api.docs.calls import curl, json_text
from chronos.api.docs.document import Operation, schema_in
from chronos.api.docs.markup import NOTHING, Html, join, tag
from chronos.api.docs.samples import Samples
from chronos.api.docs.shapes import resolved, rows, shape_table, type_of
from chronos.wire.openapi import CODES


def operation_section(
    operation: Operation, samples: Samples, *, shared: frozenset[str]
) -> Html:
    """Shows an operation.

    Args:
        operation: The operation.
        samples: Makes its examples.
        shared: Codes that every operation of its kind may answer; they are shown folded.
    """
    said = operation.said
    return tag(
        "section",
        tag(
            "h3",
            method_mark(operation.method),
            tag("code", path_of(operation.path)),
            tag("a", "#", href=f"#{operation.name}", class_="here", aria_label="Link to this"),
        ),
        tag("p", said.get("summary", ""), class_="summary"),
        tag("p", _needs(operation), class_="needs"),
        tag(
            "div",
            tag(
                "div", *_takes(operation, samples), *_answers(operation, shared), class_="words"
            ),
            tag("div", *_examples(operation, samples), class_="code"),
            class_="sides",
        ),
        id=operation.name,
        class_="operation",
        data_search=f"{operation.method} {operation.path} {operation.name} "
        f"{said.get('summary', '')}".lower(),
    )


def method_mark(method: str) -> Html:
    """Shows a method, in a colour of its own."""
    return tag("span", method, class_=f"method {method.lower()}")


def path_of(path: str) -> Html:
    """Shows a path, with a chance to break the line after each slash."""
    first, *rest = path.split("/")
    return join((first, *(join((Html("<wbr>/"), part)) for part in rest)))


def _needs(operation: Operation) -> Html:
    scopes = [scope for one in operation.said.get("security", ()) for scope in one.values()]
    if not scopes:
        return tag("span", "no key needed", class_="pill")
    return join(
        tag("span", "scope ", tag("b", str(scope)), class_="pill")
        for one in scopes
        for scope in one
    )


def _takes(operation: Operation, samples: Samples) -> Iterator[Html]:
    parameters: Sequence[Mapping[str, Any]] = operation.said.get("parameters", ())
    if parameters:
        yield tag("h4", "Parameters")
        yield rows(
            (
                join((parameter["name"], tag("i", parameter["in"]))),
                parameter.get("schema", {}),
                bool(parameter.get("required")),
                str(parameter.get("description", "")),
            )
            for parameter in parameters
        )
    if operation.body is not None:
        yield tag("h4", "Body ", type_of(operation.body))
        yield shape_table(resolved(operation.body, samples.shapes))


def _answers(operation: Operation, shared: frozenset[str]) -> Iterator[Html]:
    yield tag("h4", "Answers")
    lines = []
    for status, answer in sorted(operation.said["responses"].items()):
        codes = [code for code in answer.get(CODES, ()) if code not in shared]
        if codes:
            lines.append(_answer(status, join(map(problem_link, codes), " ")))
        elif CODES not in answer:
            lines.append(_answer(status, join((answer["description"], _shown(answer)), " ")))
    yield tag("ul", *lines, class_="answers")
    common = sorted(operation.codes & shared)
    if common:
        yield tag(
            "details",
            tag("summary", f"and {len(common)} problems that any such request can meet"),
            tag("p", join(map(problem_link, common), " ")),
        )


def problem_link(code: str) -> Html:
    """Shows the code of a problem, as a link to what it means."""
    return tag("a", tag("code", code), href=f"#problem-{code}", class_="problem")


def _answer(status: str, what: Html) -> Html:
    return tag("li", tag("b", status, class_=f"status s{status[0]}"), tag("span", what))


def _shown(answer: Mapping[str, Any]) -> Html:
    schema = schema_in(answer)
    kinds: list[Html | str] = [type_of(schema)] if schema else []
    others = (kind for kind in answer.get("content", {}) if not (schema and kind == JSON))
    return join((*kinds, *(tag("span", kind, class_="type") for kind in others)), " or ")


def _examples(operation: Operation, samples: Samples) -> Iterator[Html]:
    yield _block("Call it", curl(operation, samples), copies=True)
    for status, answer in sorted(operation.said["responses"].items(), reverse=True):
        schema = schema_in(answer)
        if status.startswith("2") and schema:
            yield _block(
                f"It answers {status}", json_text(samples.answer(schema)), copies=False
            )
            return


def _block(title: str, text: str, *, copies: bool) -> Html:
    button = tag("button", "Copy", type="button", class_="copy", hidden=True)
    return tag(
        "figure",
        tag("figcaption", title, button if copies else NOTHING),
        tag("pre", tag("code", text), data_call=copies, tabindex="0"),
    )

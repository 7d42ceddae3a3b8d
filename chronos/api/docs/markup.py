"""HTML that cannot be broken by what is put into it: every text is escaped, once."""

from __future__ import annotations

from collections.abc import Iterable
from html import escape
from typing import Final

_EMPTY: Final = frozenset({"input", "link", "meta"})


class Html(str):
    """A text that is HTML already; only this module makes it of other texts."""

    __slots__ = ()


NOTHING: Final = Html()


def tag(name: str, /, *children: Html | str, **attributes: str | bool) -> Html:
    """Writes an element.

    Args:
        name: Its name.
        children: HTML, or texts, which are escaped.
        attributes: Texts, which are escaped. True stands for an attribute without a value,
            False for none at all. An underscore is a hyphen; one at the end is left out.
    """
    opening = name + "".join(_attribute(key, value) for key, value in attributes.items())
    if name in _EMPTY:
        return Html(f"<{opening}>")
    return Html(f"<{opening}>{join(children)}</{name}>")


def join(parts: Iterable[Html | str], between: Html | str = NOTHING) -> Html:
    """Writes one thing after another; texts among them are escaped."""
    return Html(_safe(between).join(_safe(part) for part in parts))


def raw(name: str, text: str) -> Html:
    """Writes a `style` or `script` element of our own; its text is not HTML.

    Raises:
        ValueError: The text would end the element.
    """
    if "</" in text or "<!--" in text:
        raise ValueError(f"a text in <{name}> cannot hold </ or <!--")
    return Html(f"<{name}>{text}</{name}>")


def _attribute(key: str, value: str | bool) -> str:  # noqa: FBT001  as HTML has it
    name = key.removesuffix("_").replace("_", "-")
    if isinstance(value, str):
        return f' {name}="{escape(value)}"'
    return f" {name}" if value else ""


def _safe(part: Html | str) -> str:
    return part if isinstance(part, Html) else escape(part)

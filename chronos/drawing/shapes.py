"""The shapes of a drawing; how they look is said by the style of the page."""

from __future__ import annotations

from chronos.api.docs.markup import Html, tag

LETTER = 6.3
"""About the width of a letter of a text, in the units of the drawing."""


def box(x: float, y: float, width: float, height: float, style: str) -> Html:
    """Draws a filled rectangle."""
    return tag(
        "rect",
        x=f"{x:.1f}",
        y=f"{y:.1f}",
        width=f"{width:.1f}",
        height=f"{height:.1f}",
        class_=style,
    )


def rule(x1: float, y1: float, x2: float, y2: float, style: str) -> Html:
    """Draws a straight line."""
    return tag(
        "line", x1=f"{x1:.1f}", y1=f"{y1:.1f}", x2=f"{x2:.1f}", y2=f"{y2:.1f}", class_=style
    )


def text(x: float, y: float, words: str, style: str, anchor: str = "start") -> Html:
    """Writes words; `anchor` says which end of them is at x: start, middle or end."""
    return tag("text", words, x=f"{x:.1f}", y=f"{y:.1f}", class_=style, text_anchor=anchor)


def width_of(words: str) -> float:
    """Gives about the width of written words."""
    return len(words) * LETTER

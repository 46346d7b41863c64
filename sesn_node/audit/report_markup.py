"""Writing HTML so that nothing which a bundle quotes can become markup.

Whatever is not `Html` is escaped when it is put into an element, or into an attribute. Only these
modules make `Html`, and never of words of others.
"""

from __future__ import annotations

import html
import unicodedata
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from typing import Final

from sesn_node.domain.times import DAY_MS, HOUR_MS, MINUTE_MS, SECOND_MS, utc_second

_MAX_COMBINING: Final = 4
"""Marks on one letter; more of them would paint over the lines around."""
_LONG_NAME: Final = 36
_SHORT_TABLE: Final = 12
"""Rows of a table that fits on one page."""
_VOID: Final = frozenset({"meta"})


class Html(str):
    """Text that is HTML already."""

    __slots__ = ()


EMPTY: Final = Html()
NONE: Final = "\N{EN DASH}"
"""In the place of what is not there."""


def tag(element: str, *parts: str, **attributes: str) -> Html:
    """Write an element.

    Args:
        element: Its name.
        parts: What is in it: `Html` as it is, all else escaped.
        attributes: Attributes; `http_equiv` is `http-equiv`, `class_` is `class`. Empty ones are
            left out.
    """
    written = "".join(
        f' {name.rstrip("_").replace("_", "-")}="{html.escape(shown(value))}"'
        for name, value in attributes.items()
        if value
    )
    if element in _VOID:
        return Html(f"<{element}{written}>")
    return Html(f"<{element}{written}>{join(*parts)}</{element}>")


def join(*parts: str) -> Html:
    """Put parts behind each other: `Html` as it is, all else escaped."""
    return Html("".join(part if isinstance(part, Html) else _marked(part) for part in parts))


def listed(parts: Iterable[str], between: str = ", ") -> Html:
    """Put parts behind each other, with something between them."""
    found: list[str] = []
    for part in parts:
        found += [between, part]
    return join(*found[1:])


def quoted(text: str, limit: int = 300) -> Html:
    """Write words of others: apart from the text around, whatever their reading direction.

    Args:
        text: The words.
        limit: Characters to show; what is left out is said.
    """
    more = len(text) - limit
    rest = tag("em", f" ({more:,} characters more are left out)") if more > 0 else EMPTY
    return join(tag("bdi", text[:limit]), rest)


def shown(text: str) -> str:
    """Make visible what cannot be seen: control characters, and those that turn the direction.

    Line feeds and tabs stay; other white space becomes a space.
    """
    return "".join(part if visible else f"[{part}]" for part, visible in _pieces(text))


def table(caption: str, heads: Sequence[str], rows: Iterable[Sequence[str]], css: str = "") -> Html:
    """Write a table whose first column heads its rows."""
    head = tag("tr", *(tag("th", one, scope="col") for one in heads))
    body = [
        tag("tr", tag("th", row[0], scope="row"), *(tag("td", cell) for cell in row[1:]))
        for row in rows
    ]
    return tag(
        "div",
        tag("table", tag("caption", caption), tag("thead", head), tag("tbody", *body), class_=css),
        class_="wide short" if len(body) <= _SHORT_TABLE else "wide",
    )


def facts(pairs: Iterable[tuple[str, str]]) -> Html:
    """Write names and values."""
    rows = (tag("div", tag("dt", name), tag("dd", value)) for name, value in pairs)
    return tag("dl", *rows, class_="facts")


def bullets(items: Iterable[str], css: str = "") -> Html:
    """Write a list."""
    return tag("ul", *(tag("li", item) for item in items), class_=css)


def code(text: str) -> Html:
    """Write a hash, an id or a name of a format, which may be broken anywhere."""
    return tag("code", text)


def ident(text: str) -> Html:
    """Write the id of an agency or an entry, which is kept together unless it is very long."""
    return tag("code", text, class_="name" if len(text) <= _LONG_NAME else "")


def moment(time_ms: int) -> Html:
    """Write a time in UTC, to the second, for people and for programs."""
    stamp = datetime.fromtimestamp(time_ms // SECOND_MS, UTC)
    return tag("time", utc_second(time_ms), datetime=f"{stamp:%Y-%m-%dT%H:%M:%SZ}")


def span(delay_ms: int) -> str:
    """Write how long something took, in its two largest units."""
    sign, rest = ("-" if delay_ms < 0 else ""), abs(delay_ms)
    if rest < SECOND_MS:
        return f"{sign}{rest} ms"
    if rest < MINUTE_MS:
        return f"{sign}{rest / SECOND_MS:.1f} s"
    days, rest = divmod(rest, DAY_MS)
    hours, rest = divmod(rest, HOUR_MS)
    minutes, rest = divmod(rest, MINUTE_MS)
    units = ((days, "d"), (hours, "h"), (minutes, "min"), (rest // SECOND_MS, "s"))
    first = next(place for place, (count, _) in enumerate(units) if count)
    return sign + " ".join(f"{count} {unit}" for count, unit in units[first : first + 2] if count)


def _marked(text: str) -> str:
    return "".join(
        html.escape(part) if visible else f'<span class="unseen">{html.escape(part)}</span>'
        for part, visible in _pieces(text)
    )


def _pieces(text: str) -> Iterable[tuple[str, bool]]:
    """Split a text into what is shown as it is, and words for what cannot be seen."""
    if text.isascii() and text.isprintable():
        return [(text, True)]
    return _look(text)


def _look(text: str) -> Iterable[tuple[str, bool]]:
    plain: list[str] = []
    marks = 0
    for character in text:
        combining = unicodedata.category(character) in {"Mn", "Me"}
        marks = marks + 1 if combining else 0
        if (character.isprintable() and marks <= _MAX_COMBINING) or character in "\n\t":
            plain.append(character)
        elif unicodedata.category(character) == "Zs":
            plain.append(" ")
        else:
            yield "".join(plain), True
            plain.clear()
            yield f"U+{ord(character):04X}", False
    yield "".join(plain), True

"""Reading a report as a browser would: its elements, where they are, and what they refer to."""

from __future__ import annotations

from html.parser import HTMLParser
from typing import Final

_VOID: Final = frozenset({"meta"})


class Page(HTMLParser):
    """A parsed page.

    Attributes:
        elements: Every element, in order, with its attributes.
        text: All text but the style.
        ids: Every id.
        links: Where links lead.
        headings: Level and text of every heading.
    """

    def __init__(self, page: str) -> None:
        super().__init__(convert_charrefs=True)
        self.elements: list[tuple[str, dict[str, str]]] = []
        self.text = ""
        self.ids: list[str] = []
        self.links: list[str] = []
        self.headings: list[tuple[int, str]] = []
        self._open: list[str] = []
        self.feed(page)
        self.close()
        assert not self._open, f"never closed: {self._open}"

    def named(self, element: str) -> list[dict[str, str]]:
        """Return the attributes of every element of a name."""
        return [attributes for name, attributes in self.elements if name == element]

    def heading(self, level: int) -> list[str]:
        """Return the headings of a level."""
        return [text for found, text in self.headings if found == level]

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Note an element."""
        attributes = {name: value or "" for name, value in attrs}
        self.elements.append((tag, attributes))
        if tag not in _VOID:
            self._open.append(tag)
        if "id" in attributes:
            self.ids.append(attributes["id"])
        if tag == "a":
            self.links.append(attributes["href"])
        if self._heading():
            self.headings += [(int(tag[1]), "")] if tag[0] == "h" and tag[1:].isdigit() else []

    def handle_endtag(self, tag: str) -> None:
        """Close the element that was opened last."""
        assert self._open.pop() == tag

    def handle_data(self, data: str) -> None:
        """Note text."""
        if "style" in self._open:
            return
        self.text += data
        if self._heading():
            level, text = self.headings[-1]
            self.headings[-1] = level, text + data

    def _heading(self) -> bool:
        return any(one[0] == "h" and one[1:].isdigit() for one in self._open)

"""The timed text of TTML documents, DAPT among them (W3C TTML2, sections 10 to 12)."""

from __future__ import annotations

import re
from collections.abc import Iterator
from fractions import Fraction
from xml.etree import ElementTree as ET

from calvin.core.errors import DataError
from calvin.core.prompts import clean_line
from calvin.core.time import Span, parse_timecode, round_half_up
from calvin.studio.script.writers.dapt import TTP, XML

_CLOCK_FRAMES = re.compile(r"(\d{2,}:\d\d:\d\d):(\d{2,})")
_OFFSET = re.compile(r"(\d+(?:\.\d+)?)(h|ms|m|s|f|t)")
_UNITS = {"h": Fraction(3_600_000), "m": Fraction(60_000), "s": Fraction(1000), "ms": Fraction(1)}
_SPOKEN = ("p", "span", "br")
_DEPTH = 50


def read_ttml(text: str) -> Iterator[tuple[str, Span, str]]:
    """Name (`xml:id`), times and text of each event: what is timed on a `div`, else on a `p` or `span` inside.

    The text must be without a document type.

    Raises:
        DataError: not XML, or a time that cannot be read.
    """
    try:
        root = ET.fromstring(text)
    except ET.ParseError as error:
        raise DataError(f"it is not whole XML ({error})") from error
    for child in root:
        if _tag(child) == "body":
            yield from _events(child, _Times(root), 0, None, "", 0)


class _Times:
    """Time expressions of one document, in milliseconds."""

    def __init__(self, root: ET.Element) -> None:
        rate = _whole(root.get(f"{{{TTP}}}frameRate"), 30)
        top, _, bottom = (root.get(f"{{{TTP}}}frameRateMultiplier") or "1 1").partition(" ")
        self.frame = Fraction(1000, rate) / (Fraction(_whole(top, 1), _whole(bottom, 1)))
        self.tick = Fraction(1000, _whole(root.get(f"{{{TTP}}}tickRate"), rate))

    def ms(self, expression: str | None) -> int | None:
        if expression is None:
            return None
        expression = expression.strip()
        frames, offset = _CLOCK_FRAMES.fullmatch(expression), _OFFSET.fullmatch(expression)
        if frames:
            return parse_timecode(frames[1]) + round_half_up(float(int(frames[2]) * self.frame))
        if offset:
            unit = self.frame if offset[2] == "f" else self.tick if offset[2] == "t" else _UNITS[offset[2]]
            return round_half_up(float(Fraction(offset[1]) * unit))
        return parse_timecode(expression)


def _events(
    element: ET.Element, times: _Times, base: int, limit: int | None, name: str, depth: int
) -> Iterator[tuple[str, Span, str]]:
    """The events in an element; the times of a child count from the start of its parent."""
    if depth > _DEPTH:
        raise DataError("its elements are nested too deeply")
    begin, end, length = (times.ms(element.get(key)) for key in ("begin", "end", "dur"))
    start = base + (begin or 0)
    ends = [base + end] if end is not None else [start + length] if length is not None else []
    until = min([*ends, *([limit] if limit is not None else [])], default=None)
    name = element.get(f"{{{XML}}}id", "") if begin is not None else name
    inner = [child for child in element if _tag(child) in ("div", *_SPOKEN)]
    timed = any(child.get("begin") is not None for child in element.iter() if child is not element)
    nested = any(_tag(child) == "div" for child in inner)
    if not timed and not nested and (begin is not None or _tag(element) in ("p", "span")):
        text = clean_line(_said(element))
        if until is None and (text or begin is not None):
            raise DataError(f'"{text[:40]}" has no begin and end')
        if until is not None:
            yield name, Span(start, max(start, until)), text
        return
    for child in inner:
        yield from _events(child, times, start, until, name, depth + 1)


def _said(element: ET.Element) -> str:
    """The spoken text of an element: what stands in its `p`s and `span`s, without metadata and descriptions."""
    if _tag(element) == "br":
        return " "
    own = _tag(element) in ("p", "span")
    parts = [element.text or "" if own else ""]
    for child in element:
        if _tag(child) in ("div", *_SPOKEN):
            parts.append(_said(child) + (" " if _tag(child) in ("div", "p") else ""))
        parts.append(child.tail or "" if own else "")
    return "".join(parts)


def _tag(element: ET.Element) -> str:
    return str(element.tag).rpartition("}")[2]


def _whole(text: str | None, default: int) -> int:
    return int(text) if text and text.isascii() and text.isdigit() and 0 < int(text) < 10**9 else default

"""TTML documents: DAPT written, and the timed text of any read.

DAPT, the W3C's exchange format for audio description, is a profile of TTML2 (W3C DAPT, sections 4 and 5; W3C TTML2,
sections 10 to 12).
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from fractions import Fraction
from xml.etree import ElementTree as ET

from calvin.core.errors import DataError
from calvin.core.prompts import clean_line
from calvin.core.time import Span, format_timecode, parse_timecode, round_half_up
from calvin.core.types import Script
from calvin.studio.script.writers import Provenance, Writer, cue_name, last_ms, mentioned, printable, spoken

TT = "http://www.w3.org/ns/ttml"
TTP = "http://www.w3.org/ns/ttml#parameter"
TTM = "http://www.w3.org/ns/ttml#metadata"
DAPTM = "http://www.w3.org/ns/ttml/profile/dapt#metadata"
XML = "http://www.w3.org/XML/1998/namespace"
PROFILE = "http://www.w3.org/ns/ttml/profile/dapt1.0/content"
REPRESENTS = "visual.nonText"
"""What the script is about: that which is seen and is not writing."""

_PREFIXES = {"ttp": TTP, "ttm": TTM, "daptm": DAPTM}
_CLOCK_FRAMES = re.compile(r"(\d{2,}:\d\d:\d\d):(\d{2,})")
_OFFSET = re.compile(r"(\d+(?:\.\d+)?)(h|ms|m|s|f|t)")
_UNITS = {"h": Fraction(3_600_000), "m": Fraction(60_000), "s": Fraction(1000), "ms": Fraction(1)}
_SPOKEN = ("p", "span", "br")
_DEPTH = 50


class DaptWriter(Writer):
    """One `div` an event with its times, one `p` with its text; the characters it names are its agents."""

    name = "dapt"
    suffix = ".dapt.ttml"

    def render(self, script: Script, provenance: Provenance) -> str:
        root = ET.Element(
            f"{{{TT}}}tt",
            {
                f"{{{TTP}}}contentProfiles": PROFILE,
                f"{{{XML}}}lang": printable(script.language) or "und",
                f"{{{DAPTM}}}scriptRepresents": REPRESENTS,
                f"{{{DAPTM}}}scriptType": "preRecording",
            },
        )
        metadata = ET.SubElement(ET.SubElement(root, f"{{{TT}}}head"), f"{{{TT}}}metadata")
        ET.SubElement(metadata, f"{{{TTM}}}title").text = printable(script.title)
        agents = {}
        for number, character in enumerate(script.characters, start=1):
            agents[character.name] = f"character-{number}"
            agent = ET.SubElement(
                metadata, f"{{{TTM}}}agent", {"type": "character", f"{{{XML}}}id": agents[character.name]}
            )
            ET.SubElement(agent, f"{{{TTM}}}name", {"type": "alias"}).text = printable(character.name)
        body = ET.SubElement(root, f"{{{TT}}}body")
        for cue, text in spoken(script):
            div = ET.SubElement(
                body,
                f"{{{TT}}}div",
                {
                    f"{{{XML}}}id": cue_name(cue),
                    "begin": format_timecode(cue.span.start_ms),
                    "end": format_timecode(last_ms(cue)),
                    f"{{{DAPTM}}}represents": REPRESENTS,
                },
            )
            named = [agents[name] for name in mentioned(script, text)]
            if named:
                div.set(f"{{{TTM}}}agent", " ".join(named))
            ET.SubElement(ET.SubElement(div, f"{{{TT}}}p"), f"{{{TT}}}span").text = text
        return _document(root)


def _document(root: ET.Element) -> str:
    """The document, with TTML as its default namespace."""
    for prefix, space in _PREFIXES.items():
        ET.register_namespace(prefix, space)
    ET.indent(root)
    for paragraph in root.iter(f"{{{TT}}}p"):
        # White space in a paragraph would be text.
        paragraph.text = paragraph[0].tail = None
    # ElementTree's own default namespace refuses attributes without one.
    ET.register_namespace("", TT)
    document = ET.tostring(root, encoding="unicode")
    return f'<?xml version="1.0" encoding="UTF-8"?>\n{document}\n'


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

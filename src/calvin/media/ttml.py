"""Timed text of TTML documents of any profile and age (W3C TTML2, sections 10 to 12 and appendix I)."""

from __future__ import annotations

import re
from collections.abc import Iterator
from fractions import Fraction
from xml.etree import ElementTree as ET

from calvin.core.errors import DataError
from calvin.core.prompts import clean_line
from calvin.core.time import round_half_up
from calvin.media.timecode import FRAME_CODE, FrameCount, Programme
from calvin.media.timed_text import TimedCue, TimedText, time_ms

NAMESPACE = "urn:x-calvin-ad:script"
"""Of what calvin says about an event and TTML has no words for."""
ORIGIN = "daptOriginTimecode"
"""The element in which DAPT states the time code of its zero (W3C DAPT, timecode-related metadata)."""
_ID = "{http://www.w3.org/XML/1998/namespace}id"
_CLOCK_FRAMES = re.compile(r"(\d{2,9}):(\d\d):(\d\d)(?:[:;](\d{2,9})(?:\.(\d{1,9}))?)?")
_OFFSET = re.compile(r"(\d{1,15}(?:\.\d{1,9})?)(h|ms|m|s|f|t)")
_UNITS = {"h": Fraction(3_600_000), "m": Fraction(60_000), "s": Fraction(1000), "ms": Fraction(1)}
_SPOKEN = ("div", "p", "span")
_TIMING = ("begin", "end", "dur")
_DEPTH = 50
_DROPPED = {"dropNTSC": (2, 1), "dropPAL": (4, 2)}
"""How many frame numbers are passed over in one of how many minutes; every tenth time, none is."""


def read_ttml(text: str) -> TimedText:
    """The events of a document: what is timed on a `div`, else on a `p` or `span` inside; `name` is its `xml:id`.

    Text without times, and text whose times cannot be read, is named in `unread`.

    Raises:
        DataError: not XML, nested too deeply, or with a document type, whose entities may grow without bound.
    """
    root = _root(text)
    reading = _Reading(root)
    for child in root:
        if _tag(child) == "body":
            reading.events(child, Fraction(0), None, ("", reading.represents), 0)
    return TimedText(reading.cues, reading.unread)


def stated_programme(text: str) -> Programme | None:
    """The programme's own time that a DAPT document states beside its media times; None where it states none.

    Raises:
        DataError: not XML, or with a document type, as in `read_ttml`.
    """
    root = _root(text)
    # In the head alone: in the body are texts.
    origin = (one.text or "" for child in root if _tag(child) == "head" for one in child.iter() if _tag(one) == ORIGIN)
    code = next(origin, "").strip()
    if not FRAME_CODE.fullmatch(code):
        return None
    reading = _Reading(root)
    return Programme(FrameCount(reading.effective, reading.drop == "dropNTSC"), code)


def _root(text: str) -> ET.Element:
    if re.search(r"<!(?:DOCTYPE|ENTITY)", text, re.IGNORECASE):
        raise DataError("it declares its own XML document type, which is refused: remove the DOCTYPE")
    try:
        return ET.fromstring(text)
    except (ET.ParseError, ValueError) as error:
        raise DataError(f"it is not whole XML ({error})") from error


class _Reading:
    """One document: its parameters, and what was found in it."""

    def __init__(self, root: ET.Element) -> None:
        values = {_local(key): value.strip() for key, value in root.items()}
        self.rate = _whole(values.get("frameRate"), 30)
        top, _, bottom = values.get("frameRateMultiplier", "1 1").replace(":", " ").partition(" ")
        self.effective = self.rate * Fraction(_whole(top, 1), _whole(bottom, 1))
        self.sub = _whole(values.get("subFrameRate"), 1)
        self.tick = Fraction(1000, _whole(values.get("tickRate"), self.rate * self.sub if "frameRate" in values else 1))
        self.smpte = values.get("timeBase") == "smpte"
        self.absolute = self.smpte and values.get("markerMode") == "discontinuous"
        self.drop = values.get("dropMode", "")
        self.agents = _agents(root)
        self.represents = values.get("scriptRepresents", "")
        self.cues: list[TimedCue] = []
        self.unread: list[str] = []

    def ms(self, expression: str | None) -> Fraction | None:
        """A time expression.

        Raises:
            DataError: it is none.
        """
        if expression is None:
            return None
        expression = expression.strip()
        counted, offset = _CLOCK_FRAMES.fullmatch(expression), _OFFSET.fullmatch(expression)
        if counted and int(counted[2]) < 60 and int(counted[3]) < 60:
            minutes = int(counted[1]) * 60 + int(counted[2])
            frames = int(counted[4] or 0) + Fraction(int(counted[5] or 0), self.sub)
            seconds = minutes * 60 + int(counted[3])
            if not self.smpte:
                return 1000 * (seconds + frames / self.effective)
            per_minute, every = _DROPPED.get(self.drop, (0, 0))
            dropped = per_minute * (minutes // every - minutes // (10 * every)) if every else 0
            return 1000 * (seconds * self.rate + frames - dropped) / self.effective
        if offset:
            units = {**_UNITS, "f": 1000 / self.effective, "t": self.tick}
            return Fraction(offset[1]) * units[offset[2]]
        clock = time_ms(expression) if ":" in expression else None
        if clock is None or clock < 0:
            raise DataError(f"{expression[:40]!r} is not a time")
        return Fraction(clock)

    def events(
        self, element: ET.Element, base: Fraction, limit: Fraction | None, about: tuple[str, str], depth: int
    ) -> Fraction:
        """Find the events in an element; the times of a child count from the start of its parent, or, in a sequence,
        from the end of the one before. `about` are the name and what is represented, which an element passes on.
        Returns the element's own end."""
        if depth > _DEPTH:
            raise DataError("its elements are nested too deeply")
        timed_here = any(element.get(key) is not None for key in _TIMING)
        represents = next((value for key, value in element.items() if _local(key) == "represents"), about[1])
        about = (element.get(_ID, "") if timed_here else about[0], represents)
        try:
            start, until = self._interval(element, base, limit)
        except DataError as error:
            self.unread.append(f"{self._where()}: {error} ({clean_line(''.join(_said(element)))[:40]})")
            return base
        inner = [child for child in element if _tag(child) in _SPOKEN]
        timed_inside = any(_timed(part) for part in element.iter() if part is not element)
        if not timed_inside and not any(_tag(child) == "div" for child in inner):
            if timed_here or _tag(element) != "div":
                self._keep(element, "".join(_said(element)), start, until, about)
                return until if until is not None else start
        elif _tag(element) in ("p", "span") and (beside := "".join(_said(element, timed=False))).strip():
            self._keep(element, beside, start, until, about)
        last = start
        for child in inner:
            if timed_inside and _tag(element) in ("p", "span") and not any(map(_timed, child.iter())):
                continue  # said beside the timed ones
            in_turn = element.get("timeContainer") == "seq"
            last = max(last, self.events(child, last if in_turn else start, until, about, depth + 1))
        return until if until is not None else last

    def _interval(
        self, element: ET.Element, base: Fraction, limit: Fraction | None
    ) -> tuple[Fraction, Fraction | None]:
        begin, end, length = (self.ms(element.get(key)) for key in _TIMING)
        base = Fraction(0) if self.absolute else base
        start = base + (begin or 0)
        ends = [base + end] if end is not None else []
        ends += [start + length] if length is not None else []
        return start, min([*ends, *([limit] if limit is not None else [])], default=None)

    def _keep(
        self, element: ET.Element, text: str, start: Fraction, until: Fraction | None, about: tuple[str, str]
    ) -> None:
        text = clean_line(text)
        if until is None:
            if text or _timed(element):
                self.unread.append(f'{self._where()}: "{text[:40]}" has no begin and end')
            return
        agents = " ".join(value for part in element.iter() for key, value in part.items() if _local(key) == "agent")
        speaker = next((self.agents[agent] for agent in agents.split() if agent in self.agents), "")
        times = round_half_up(float(start)), round_half_up(float(max(start, until)))
        name, represents = about
        note = element.get(f"{{{NAMESPACE}}}status", "")
        self.cues.append(TimedCue(*times, text, self._where(), name, speaker, represents, note))

    def _where(self) -> str:
        return f"event {len(self.cues) + len(self.unread) + 1}"


def _agents(root: ET.Element) -> dict[str, str]:
    """The names of those who speak, by the ids that stand for them."""
    agents = (element for element in root.iter() if _tag(element) == "agent")
    names = (
        (agent.get(_ID), [clean_line(part.text or "") for part in agent if _tag(part) == "name"]) for agent in agents
    )
    return {key: found[0] for key, found in names if key and found}


def _said(element: ET.Element, timed: bool = True) -> Iterator[str]:
    """The spoken text of an element: what stands in its `p`s and `span`s, without metadata, descriptions and the small
    letters over others (ruby); on request without the parts that have times of their own."""
    own = _tag(element) in ("p", "span")
    if own:
        yield element.text or ""
    for child in element:
        if _tag(child) == "br":
            yield " "
        elif _tag(child) in _SPOKEN and (timed or not any(map(_timed, child.iter()))) and not _small(child):
            yield from _said(child)
            yield " " if _tag(child) != "span" else ""
        if own:
            yield child.tail or ""


def _timed(element: ET.Element) -> bool:
    return _tag(element) in _SPOKEN and any(element.get(key) is not None for key in _TIMING)


def _small(element: ET.Element) -> bool:
    return any(
        _local(key) == "ruby" and value in ("text", "textContainer", "delimiter") for key, value in element.items()
    )


def _tag(element: ET.Element) -> str:
    return _local(str(element.tag))


def _local(name: str) -> str:
    return name.rpartition("}")[2]


def _whole(text: str | None, default: int) -> int:
    return int(text) if text and text.isascii() and text.isdigit() and 0 < int(text) < 10**9 else default

"""Timed text of TTML documents of any profile and age (W3C TTML2, sections 10 to 12 and appendix I)."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import replace
from fractions import Fraction
from itertools import pairwise
from xml.etree import ElementTree as ET

from calvin.core.errors import DataError
from calvin.core.prompts import clean_line
from calvin.core.time import round_half_up
from calvin.media.dapt_rules import TRANSCRIPTS, breach
from calvin.media.timecode import FRAME_CODE, FrameCount, Programme
from calvin.media.timed_text import ScriptEvent, SoundSource, TimedCue, TimedText, time_ms

NAMESPACE = "urn:x-calvin-ad:script"
"""Of what calvin says about an event and TTML has no words for."""
ORIGIN = "daptOriginTimecode"
"""The element in which DAPT states the time code of its zero (W3C DAPT, timecode-related metadata)."""
VOICE = f"{{{NAMESPACE}}}voice"
"""On a recording: whether a person is heard."""
OWN = f"{{{NAMESPACE}}}from"
"""On a remark that calvin wrote from what it knows elsewhere, such as a list of pronunciations."""
_STATUS = f"{{{NAMESPACE}}}status"
_ID = "{http://www.w3.org/XML/1998/namespace}id"
_CLOCK_FRAMES = re.compile(r"(\d{2,9}):(\d\d):(\d\d)(?:[:;](\d{2,9})(?:\.(\d{1,9}))?)?")
_OFFSET = re.compile(r"(\d{1,15}(?:\.\d{1,9})?)(h|ms|m|s|f|t)")
_UNITS = {"h": Fraction(3_600_000), "m": Fraction(60_000), "s": Fraction(1000), "ms": Fraction(1)}
_SPOKEN = ("div", "p", "span")
_TIMING = ("begin", "end", "dur")
_DEPTH = 50
_DROPPED = {"dropNTSC": (2, 1), "dropPAL": (4, 2)}
"""How many frame numbers are passed over in one of how many minutes; every tenth time, none is."""


def read_ttml(text: str, as_declared: bool = False) -> TimedText:
    """The events of a document: what is timed on a `div`, else on a `p` or `span` inside; `name` is its `xml:id`.

    An event in several languages is a cue in each. Text without times, and text whose times cannot be read, is named in
    `unread`.

    Args:
        as_declared: a document that declares DAPT's content profile has to keep to its rules.

    Raises:
        DataError: not XML, nested too deeply, or with a document type, whose entities may grow without bound; or it is
            not what it declares to be.
    """
    root = _root(text)
    wrong = breach(root) if as_declared else ""
    if wrong:
        raise DataError(
            f"it declares to be DAPT 1.0 and is not: {wrong}. Mend it, or take the profile out of "
            "`ttp:contentProfiles` to have it read as it is"
        )
    reading = _Reading(root, strict=as_declared)
    for child in root:
        if _tag(child) == "body":
            reading.events(child, Fraction(0), None, ("", reading.event), 0)
    return TimedText(reading.cues, reading.unread)


def stated_programme(text: str) -> Programme | None:
    """The programme's own time that a DAPT document states beside its media times; None where it states none, or not
    how many frames a second has.

    Raises:
        DataError: not XML, or with a document type, as in `read_ttml`; or there is no such time code.
    """
    root = _root(text)
    # In the head alone: in the body are texts.
    origin = (one.text or "" for child in root if _tag(child) == "head" for one in child.iter() if _tag(one) == ORIGIN)
    code = next(origin, "").strip()
    if not FRAME_CODE.fullmatch(code) or not any(_local(key) == "frameRate" for key in root.attrib):
        return None
    reading = _Reading(root)
    programme = Programme(FrameCount(reading.effective, reading.drop == "dropNTSC"), code)
    programme.count.ms(code)
    return programme


def _root(text: str) -> ET.Element:
    if re.search(r"<!(?:DOCTYPE|ENTITY)", text, re.IGNORECASE):
        raise DataError("it declares its own XML document type, which is refused: remove the DOCTYPE")
    try:
        return ET.fromstring(text)
    except (ET.ParseError, ValueError) as error:
        raise DataError(f"it is not whole XML ({error})") from error


class _Reading:
    """One document: its parameters, and what was found in it."""

    def __init__(self, root: ET.Element, strict: bool = False) -> None:
        values = {_local(key): value.strip() for key, value in root.items()}
        self.rate = _whole(values.get("frameRate"), 30)
        top, _, bottom = values.get("frameRateMultiplier", "1 1").replace(":", " ").partition(" ")
        self.effective = self.rate * Fraction(_whole(top, 1), _whole(bottom, 1))
        self.sub = _whole(values.get("subFrameRate"), 1)
        self.tick = Fraction(1000, _whole(values.get("tickRate"), self.rate * self.sub if "frameRate" in values else 1))
        self.strict = strict
        self.smpte = values.get("timeBase") == "smpte"
        self.absolute = self.smpte and values.get("markerMode") == "discontinuous"
        self.drop = values.get("dropMode", "")
        self.agents = _agents(root)
        self.resources = _resources(root)
        self.event = _script(values)
        self.dapt = any("/ttml/profile/dapt" in word for pair in root.items() for word in pair)
        self.events_met = 0
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
            if self.strict and int(counted[4] or 0) >= self.rate:
                raise DataError(f"{expression!r} does not exist at {self.rate} frames a second")
            if not self.smpte:
                return 1000 * (seconds + frames / self.effective)
            per_minute, every = _DROPPED.get(self.drop, (0, 0))
            begins = bool(every) and not seconds % 60 and not minutes % every and minutes % (10 * every) > 0
            if self.strict and begins and frames < per_minute:
                raise DataError(f"{expression!r} does not exist: drop-frame leaves it out")
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
        self, element: ET.Element, base: Fraction, limit: Fraction | None, about: tuple[str, ScriptEvent], depth: int
    ) -> Fraction:
        """Find the events in an element; the times of a child count from the start of its parent, or, in a sequence,
        from the end of the one before. `about` are the name and what is said of an event, which an element passes on.
        Returns the element's own end."""
        if depth > _DEPTH:
            raise DataError("its elements are nested too deeply")
        timed_here = any(element.get(key) is not None for key in _TIMING)
        about = (element.get(_ID, "") if timed_here else about[0], self._about(element, about[1], timed_here))
        first = len(self.cues)
        try:
            start, until = self._interval(element, base, limit)
        except DataError as error:
            self.unread.append(f"{self._where()}: {error} ({clean_line(''.join(_said(element)))[:40]})")
            return base
        inner = [child for child in element if _tag(child) in _SPOKEN]
        timed_inside = any(_timed(part) for part in element.iter() if part is not element)
        if not timed_inside and not any(_tag(child) == "div" for child in inner):
            if timed_here or _tag(element) != "div":
                for event, text in self._texts(element, about[1]):
                    self._keep(element, text, start, until, (about[0], event))
                return until if until is not None else start
        elif _tag(element) in ("p", "span") and (beside := "".join(_said(element, timed=False))).strip():
            self._keep(element, beside, start, until, about)
        recorded = self._sounds(child for child in element if _tag(child) == "audio")
        about = (about[0], replace(about[1], sounds=(*about[1].sounds, *recorded)))
        last = start
        for child in inner:
            if timed_inside and _tag(element) in ("p", "span") and not any(map(_timed, child.iter())):
                continue  # said beside the timed ones
            in_turn = element.get("timeContainer") == "seq"
            last = max(last, self.events(child, last if in_turn else start, until, about, depth + 1))
        if self.dapt and _tag(element) == "p":
            self._joined(first)
        if timed_here and about[0]:
            self._named(first, about[0], element.get(_STATUS, ""))
        return until if until is not None else last

    def _about(self, element: ET.Element, event: ScriptEvent, timed: bool) -> ScriptEvent:
        """What is said of an event, after an element within it or around it."""
        own = {_local(key): value.strip() for key, value in element.items()}
        number, tag = event.number, _tag(element)
        if (tag == "div" and (timed or "id" in own)) or (timed and not number and tag != "body"):
            self.events_met += 1
            number = self.events_met
        remarks = [part for part in element if _tag(part) == "desc" and part.get(OWN) is None]
        kinds = ({_local(key): value.strip() for key, value in part.items()} for part in remarks)
        found = [
            (kind.get("descType", ""), clean_line(part.text or "")) for part, kind in zip(remarks, kinds, strict=True)
        ]
        descriptions = tuple(found) if tag == "div" and found else event.descriptions
        return replace(
            event,
            represents=own.get("represents", event.represents),
            language=own.get("lang", event.language),
            source=own.get("langSrc", event.source),
            on_screen=own.get("onScreen", event.on_screen),
            number=number,
            descriptions=descriptions,
            agents=own.get("agent", event.agents),
        )

    def _texts(self, element: ET.Element, event: ScriptEvent) -> Iterator[tuple[ScriptEvent, str]]:
        """The texts of an event without times inside, one for each language, and what is said of each."""
        parts = [(self._about(part, event, False), part) for part in element if _tag(part) == "p"]
        languages = list(dict.fromkeys(about.language for about, _ in parts))
        if _tag(element) != "div" or len(languages) < 2:
            whole = parts[0][0] if _tag(element) == "div" and parts else event
            sounds = (*event.sounds, *self._sounds(_recordings(element)))
            yield replace(whole, sounds=sounds), "".join(_said(element))
            return
        for language in languages:
            own = [(about, part) for about, part in parts if about.language == language]
            sounds = self._sounds(sound for _, part in own for sound in _recordings(part))
            yield replace(own[0][0], sounds=sounds), " ".join("".join(_said(part)) for _, part in own)

    def _sounds(self, recordings: Iterable[ET.Element]) -> tuple[SoundSource, ...]:
        """Where the recordings of people are; those that say to be a synthetic voice are passed over."""
        found = (self._source(one) for one in recordings if one.get(VOICE) != "synthetic")
        return tuple(one for one in found if one is not None)

    def _source(self, recording: ET.Element) -> SoundSource | None:
        """The first source of a recording whose type can be used, else the first."""
        sources = [source for source in (recording, *recording) if _tag(source) in ("audio", "source")]
        named = [source for source in sources if source.get("src") or _data(source) is not None]
        usable = [one for one in named if not one.get("type") or re.search("wav|flac", one.get("type", ""))]
        if not named:
            return None
        source = (usable or named)[0]
        src = source.get("src", "").strip()
        if src.startswith("#") and src[1:] in self.resources:
            source = self.resources[src[1:]]
            src = source.get("src", "").strip()
        data = _data(source)
        inside = "" if data is None else "".join("".join(data.itertext()).split())
        first, last = (self.ms(recording.get(key)) for key in ("clipBegin", "clipEnd"))
        until = None if last is None else round_half_up(float(last))
        return SoundSource("" if inside else src, inside, round_half_up(float(first or 0)), until)

    def _joined(self, first: int) -> None:
        """Make one text of parts that begin one after the other and stay until the end of it."""
        parts = self.cues[first:]
        if len(parts) > 1 and all(one.start_ms <= other.start_ms < one.end_ms for one, other in pairwise(parts)):
            text = clean_line(" ".join(part.text for part in parts))
            self.cues[first:] = [replace(parts[0], text=text, end_ms=max(part.end_ms for part in parts))]

    def _named(self, first: int, name: str, note: str) -> None:
        """Give the name of an event, and what calvin notes of it, to its text, where that is timed more closely; of
        several, none is the event."""
        languages = [cue.event.language for cue in self.cues[first:]]
        for at, cue in enumerate(self.cues[first:], first):
            if not cue.name and languages.count(cue.event.language) == 1:
                self.cues[at] = replace(cue, name=name, note=cue.note or note)

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
        self, element: ET.Element, text: str, start: Fraction, until: Fraction | None, about: tuple[str, ScriptEvent]
    ) -> None:
        text = clean_line(text)
        if until is None:
            if text or _timed(element):
                self.unread.append(f'{self._where()}: "{text[:40]}" has no begin and end')
            return
        inside = (value for part in element.iter() for key, value in part.items() if _local(key) == "agent")
        agents = " ".join([*inside, about[1].agents])
        speaker = next((self.agents[agent] for agent in agents.split() if agent in self.agents), "")
        times = round_half_up(float(start)), round_half_up(float(max(start, until)))
        name, event = about
        note = element.get(_STATUS, "")
        self.cues.append(TimedCue(*times, text, self._where(), name, speaker, note, event))

    def _where(self) -> str:
        return f"event {len(self.cues) + len(self.unread) + 1}"


def _script(values: dict[str, str]) -> ScriptEvent:
    """What is said of all events of a document, by the attributes of its root; drafts of DAPT said it otherwise."""
    transcript = values.get("scriptType", "") in TRANSCRIPTS
    flow = {"audioDescription": "visual", "dubbing": "audio.dialogue"}.get(values.get("workflowType", ""), "")
    assumed = values.get("scriptRepresents") or flow or ("audio.dialogue" if transcript else "")
    represents = values.get("represents") or assumed
    return ScriptEvent(represents, values.get("lang", ""), values.get("langSrc", ""), transcript=transcript)


def _resources(root: ET.Element) -> dict[str, ET.Element]:
    """What documents hold of sound beside their texts, by id."""
    heads = (part for child in root if _tag(child) == "head" for part in child if _tag(part) == "resources")
    return {one.get(_ID, ""): one for head in heads for one in head}


def _data(element: ET.Element) -> ET.Element | None:
    """The element with the bytes of a sound: itself or a child."""
    return next((one for one in (element, *element) if _tag(one) == "data"), None)


def _recordings(element: ET.Element) -> Iterator[ET.Element]:
    return (one for one in element.iter() if _tag(one) == "audio")


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

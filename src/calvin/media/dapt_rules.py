"""What DAPT asks of a document that declares to be one (W3C DAPT 1.0, sections 4 and 5), beyond being TTML."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from xml.etree import ElementTree as ET

from calvin.core.errors import DataError
from calvin.media.timecode import FRAME_CODE, FrameCount

TT = "http://www.w3.org/ns/ttml"
TTP = f"{TT}#parameter"
TTM = f"{TT}#metadata"
TTA = f"{TT}#audio"
DAPTM = f"{TT}/profile/dapt#metadata"
XML = "http://www.w3.org/XML/1998/namespace"
PROFILE = f"{TT}/profile/dapt1.0/content"
TRANSCRIPTS = ("originalTranscript", "translatedTranscript")
"""Types of scripts that write down what is in the film."""
SCRIPT_TYPES = (*TRANSCRIPTS, "preRecording", "asRecorded")
ON_SCREEN = ("ON", "OFF", "ON_OFF", "OFF_ON")
DESCRIPTION_TYPES = ("pronunciationNote", "scene", "plotSignificance")
"""Those of DAPT's registry; anybody's own begin with `x-`."""
_TOKEN = r"[\w·\u0300-\u036f‿⁀:-]+"
_DESCRIPTOR = re.compile(rf"{_TOKEN}(?:\.{_TOKEN})*")

Check = Callable[[ET.Element], Iterator[str]]


def breach(root: ET.Element) -> str:
    """The first rule that a document breaks which declares DAPT's content profile, in words; "" where it keeps to them
    all, or does not declare it."""
    if PROFILE not in root.get(f"{{{TTP}}}contentProfiles", "").split():
        return ""
    return next((problem for check in _CHECKS for problem in check(root)), "")


def _root(root: ET.Element) -> Iterator[str]:
    kind, represents = root.get(f"{{{DAPTM}}}scriptType"), root.get(f"{{{DAPTM}}}scriptRepresents")
    if kind not in SCRIPT_TYPES:
        yield f"`daptm:scriptType` is {_shown(kind)}, and has to be {_either(SCRIPT_TYPES)}"
    if not (represents or "").split():
        yield "`daptm:scriptRepresents` is missing"
    for word in (represents or "").split():
        if not _DESCRIPTOR.fullmatch(word):
            yield f"`daptm:scriptRepresents` holds {word[:40]!r}, which is no content descriptor"
    if not root.get(f"{{{XML}}}lang"):
        yield "`xml:lang`, the language of the script, is missing"
    if root.get(f"{{{DAPTM}}}langSrc") == "":
        yield "`daptm:langSrc` of the script is empty: what has no language is `zxx`"
    if root.get(f"{{{TTP}}}profile") is not None:
        yield "it states `ttp:profile`, which belongs to TTML 1"
    if root.get(f"{{{TTP}}}timeBase", "media") != "media":
        yield "`ttp:timeBase` is not media"


def _languages(root: ET.Element) -> Iterator[str]:
    for element in root.iter():
        for name, shown in ((f"{{{XML}}}lang", "xml:lang"), (f"{{{DAPTM}}}langSrc", "daptm:langSrc")):
            tag = element.get(name)
            if tag and not _is_language(tag):
                yield f"`{shown}` is {tag[:40]!r}, which is no code of a language"


def _is_language(tag: str) -> bool:
    from langcodes import LanguageTagError, standardize_tag

    try:
        return bool(standardize_tag(tag))
    except LanguageTagError:
        return False


def _events(root: ET.Element) -> Iterator[str]:
    script = root.get(f"{{{DAPTM}}}scriptRepresents", "").split()
    # Drafts of DAPT took what the script represents for what each event does, and where that is one thing it is clear.
    whole = root.get(f"{{{DAPTM}}}represents", script[0] if len(script) == 1 else "")

    def within(element: ET.Element, represents: str, depth: int) -> Iterator[str]:
        represents = element.get(f"{{{DAPTM}}}represents", represents)
        seen = element.get(f"{{{DAPTM}}}onScreen")
        if seen is not None and seen not in ON_SCREEN:
            yield f"`daptm:onScreen` is {_shown(seen)}, and has to be {_either(ON_SCREEN)}"
        inner = element.findall(f"{{{TT}}}div") if depth < 50 else []
        name = element.get(f"{{{XML}}}id")
        if element.tag == f"{{{TT}}}div" and name is not None and not inner:
            yield from _represented(name, represents, script)
        for child in inner:
            yield from within(child, represents, depth + 1)

    for body in root.findall(f"{{{TT}}}body"):
        yield from within(body, whole, 0)


def _represented(name: str, represents: str, script: list[str]) -> Iterator[str]:
    if not represents:
        yield f"nothing says what the event {name} represents (`daptm:represents`)"
    elif not _DESCRIPTOR.fullmatch(represents):
        yield f"the event {name} represents {represents[:40]!r}, which is no content descriptor"
    elif not any(represents == word or represents.startswith(f"{word}.") for word in script):
        yield f"the event {name} represents {represents}, and the script only {', '.join(script)}"


def _descriptions(root: ET.Element) -> Iterator[str]:
    for element in root.iter(f"{{{TTM}}}desc"):
        kind = element.get(f"{{{DAPTM}}}descType")
        if kind is not None and kind not in DESCRIPTION_TYPES and not kind.startswith("x-"):
            yield f"`daptm:descType` is {_shown(kind)}: types of one's own begin with x-"


def _origin(root: ET.Element) -> Iterator[str]:
    codes = [(one.text or "").strip() for one in root.iter(f"{{{DAPTM}}}daptOriginTimecode")]
    if len(codes) > 1:
        yield "it states more than one `daptm:daptOriginTimecode`"
    for code in codes:
        rate = root.get(f"{{{TTP}}}frameRate", "")
        if not FRAME_CODE.fullmatch(code):
            yield f"`daptm:daptOriginTimecode` is {_shown(code)}, which is no time code such as 10:00:00:00"
        elif not (rate.isascii() and rate.isdigit() and int(rate)):
            yield "it states `daptm:daptOriginTimecode` without `ttp:frameRate`"
        elif int(code[-2:]) >= int(rate):
            yield f"`daptm:daptOriginTimecode` is {code}, and a second has {rate} frames"
        elif root.get(f"{{{TTP}}}dropMode") == "dropNTSC":
            yield from _dropped(code, FrameCount.of(float(rate) * 1000 / 1001))


def _dropped(code: str, count: FrameCount) -> Iterator[str]:
    try:
        FrameCount(count.rate, drop=count.may_drop).ms(code)
    except DataError as error:
        yield f"`daptm:daptOriginTimecode`: {error}"


def _agents(root: ET.Element) -> Iterator[str]:
    agents = list(root.iter(f"{{{TTM}}}agent"))
    known = {agent.get(f"{{{XML}}}id"): agent for agent in agents}
    for agent in agents:
        name = agent.get(f"{{{XML}}}id")
        if not name or not re.fullmatch(r"[^\W\d][\w.·-]*", name):
            yield f"the `xml:id` of an agent is {_shown(name)}"
        if agent.find(f"{{{TTM}}}name") is None:
            yield f"the agent {name} has no name"
        for actor in agent.findall(f"{{{TTM}}}actor"):
            who = actor.get("agent", "")
            if who == name or who not in known:
                yield f"the actor of {name} is {_shown(who)}, which is no other agent"


def _sounds(root: ET.Element) -> Iterator[str]:
    if any(data.find(f"{{{TT}}}source") is not None for data in root.iter(f"{{{TT}}}data")):
        yield "a `data` element holds a `source`"

    def within(element: ET.Element, language: str, depth: int) -> Iterator[str]:
        own = element.get(f"{{{XML}}}lang", language)
        if element.tag == f"{{{TT}}}audio" and own != language:
            yield f"a recording in {own} stands for a text in {language}"
        if depth < 60:
            for child in element:
                yield from within(child, own, depth + 1)

    for body in root.findall(f"{{{TT}}}body"):
        yield from within(body, root.get(f"{{{XML}}}lang", ""), 0)


_CHECKS: tuple[Check, ...] = (_root, _languages, _events, _descriptions, _origin, _agents, _sounds)


def _either(words: tuple[str, ...]) -> str:
    return f"{', '.join(words[:-1])} or {words[-1]}"


def _shown(value: str | None) -> str:
    return "missing" if value is None else "empty" if not value else repr(value[:40])

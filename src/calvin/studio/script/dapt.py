"""DAPT written: the W3C's exchange format for audio description, a profile of TTML2 (W3C DAPT, sections 4 and 5)."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from xml.etree import ElementTree as ET

from calvin.core.time import format_timecode
from calvin.core.types import Cue, CueKind, Script
from calvin.media.dapt_rules import DAPTM, PROFILE, TT, TTA, TTM, TTP, XML
from calvin.media.timecode import Programme
from calvin.media.timed_text import ScriptEvent
from calvin.media.ttml import NAMESPACE, ORIGIN, OWN
from calvin.studio.script.writers import (
    Provenance,
    Writer,
    cue_name,
    last_ms,
    mentioned,
    printable,
    spoken,
    status_words,
)

REPRESENTS = {
    CueKind.PICTURE: "visual.nonText",
    CueKind.TEXT: "visual.text",
    CueKind.TITLE: "visual.text.title",
    CueKind.CREDIT: "visual.text.credit",
}
"""The content descriptor of each kind of cue (DAPT's registry of content descriptors)."""

_NAMED = frozenset(REPRESENTS.values())
_PREFIXES = {"ttp": TTP, "ttm": TTM, "tta": TTA, "daptm": DAPTM, "calvin": NAMESPACE}


class DaptWriter(Writer):
    """One `div` an event with its times, one `p` with its text; the characters it names are its agents."""

    name = "dapt"
    suffix = ".dapt.ttml"

    def render(self, script: Script, provenance: Provenance) -> str:
        return as_document(dapt_tree(script, provenance))


def dapt_tree(script: Script, provenance: Provenance, kind: str = "preRecording") -> ET.Element:
    """A document of a script as elements: in its body a `div` for each cue that says something, in their order."""
    cues = list(spoken(script))
    represents = {cue.id: _represents(cue, provenance.events.get(cue.id)) for cue, _ in cues}
    root = ET.Element(
        f"{{{TT}}}tt",
        {
            f"{{{TTP}}}contentProfiles": PROFILE,
            f"{{{XML}}}lang": printable(script.language) or "und",
            f"{{{DAPTM}}}scriptRepresents": " ".join(_covering(represents.values())),
            f"{{{DAPTM}}}scriptType": kind,
        },
    )
    metadata = ET.SubElement(ET.SubElement(root, f"{{{TT}}}head"), f"{{{TT}}}metadata")
    ET.SubElement(metadata, f"{{{TTM}}}title").text = printable(script.title)
    if provenance.origin.marked:
        ET.SubElement(metadata, f"{{{TTM}}}desc").text = printable(provenance.origin.mark())
    if provenance.dated:
        _date(root, metadata, provenance.dated)
    agents = {}
    for number, character in enumerate(script.characters, start=1):
        agents[character.name] = f"character-{number}"
        agent = ET.SubElement(
            metadata, f"{{{TTM}}}agent", {"type": "character", f"{{{XML}}}id": agents[character.name]}
        )
        ET.SubElement(agent, f"{{{TTM}}}name", {"type": "alias"}).text = printable(character.name)
    body = ET.SubElement(root, f"{{{TT}}}body")
    for cue, text in cues:
        div = ET.SubElement(
            body,
            f"{{{TT}}}div",
            {
                f"{{{XML}}}id": cue_name(cue),
                "begin": format_timecode(cue.span.start_ms),
                "end": format_timecode(last_ms(cue)),
                f"{{{DAPTM}}}represents": represents[cue.id],
            },
        )
        _describe(div, provenance.events.get(cue.id, ScriptEvent()), provenance.said_as, text)
        if cue.extended:
            div.set(f"{{{NAMESPACE}}}status", status_words(cue))
        if cue.id in provenance.own_voices:
            div.set(f"{{{NAMESPACE}}}voice", provenance.own_voices[cue.id])
        named = [agents[name] for name in mentioned(script, text)]
        if named:
            div.set(f"{{{TTM}}}agent", " ".join(named))
        ET.SubElement(ET.SubElement(div, f"{{{TT}}}p"), f"{{{TT}}}span").text = text
    return root


def _represents(cue: Cue, event: ScriptEvent | None) -> str:
    """The content descriptor of a cue: as it came in, unless the cue is of another kind by now."""
    usual = REPRESENTS[cue.kind]
    if event is None or not event.represents or len(event.represents.split()) > 1:
        return usual
    kind = kind_represented(event.represents)
    return event.represents if kind is cue.kind or (kind is None and cue.kind is CueKind.PICTURE) else usual


def _covering(words: Iterable[str]) -> list[str]:
    """The descriptors of a script: each takes in its sub-types, visual.text a title and a credit too."""
    picture, text = REPRESENTS[CueKind.PICTURE], REPRESENTS[CueKind.TEXT]
    found = dict.fromkeys(word if not word.startswith(f"{text}.") else text for word in (picture, *words))
    return [word for word in found if not any(word.startswith(f"{other}.") for other in found)]


def _describe(div: ET.Element, event: ScriptEvent, said_as: Mapping[str, str], text: str) -> None:
    """State what a script of DAPT said of an event, and how its words are to be said."""
    for name, value in (("langSrc", event.source), ("onScreen", event.on_screen)):
        if value:
            div.set(f"{{{DAPTM}}}{name}", printable(value))
    for kind, remark in event.descriptions:
        element = ET.SubElement(div, f"{{{TTM}}}desc", {f"{{{DAPTM}}}descType": printable(kind)} if kind else {})
        element.text = printable(remark)
    words = ((word, said) for word, said in said_as.items() if re.search(rf"(?<!\w){re.escape(word)}(?!\w)", text))
    for word, said in words:
        note = {f"{{{DAPTM}}}descType": "pronunciationNote", OWN: "pronunciations"}
        ET.SubElement(div, f"{{{TTM}}}desc", note).text = printable(f"{word}: {said}")


def _date(root: ET.Element, metadata: ET.Element, programme: Programme) -> None:
    """State the programme's own time: DAPT's events are in the film's, and its metadata relate the two."""
    count = programme.count
    root.set(f"{{{TTP}}}frameRate", str(count.nominal))
    if count.rate != count.nominal:
        multiplier = count.rate / count.nominal
        root.set(f"{{{TTP}}}frameRateMultiplier", f"{multiplier.numerator} {multiplier.denominator}")
    if count.drop:
        root.set(f"{{{TTP}}}dropMode", "dropNTSC")
    ET.SubElement(metadata, f"{{{DAPTM}}}{ORIGIN}").text = programme.code(0)


def kind_represented(words: str) -> CueKind | None:
    """The kind of cue that a content descriptor means; None where it says neither or both of writing and the rest."""
    found = {
        kind
        for word in words.split()
        for kind, descriptor in REPRESENTS.items()
        # visual.text.location and later sub-types are text; a title or a credit is what it is called.
        if word == descriptor or (kind is CueKind.TEXT and word.startswith(f"{descriptor}.") and word not in _NAMED)
    }
    return found.pop() if len(found) == 1 else None


def as_document(root: ET.Element) -> str:
    """The document, with TTML as its default namespace."""
    for prefix, space in _PREFIXES.items():
        ET.register_namespace(prefix, space)
    ET.indent(root)
    for paragraph in root.iter(f"{{{TT}}}p"):
        # White space in a paragraph would be text.
        paragraph.text = None
        for part in paragraph:
            part.tail = None
    # ElementTree's own default namespace refuses attributes without one.
    ET.register_namespace("", TT)
    document = ET.tostring(root, encoding="unicode")
    return f'<?xml version="1.0" encoding="UTF-8"?>\n{document}\n'

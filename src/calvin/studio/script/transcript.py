"""The descriptive transcript: what is said in a film and what is described, in the order of the film, as text to read.

It is what WCAG 2.2 asks of an alternative to a film (1.2.3, 1.2.8): whoever neither sees nor hears the film reads it,
in braille for example. What is described is told from what is said by a word before it, not by its looks.
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path
from typing import Any

from calvin.core.text_tables import counted
from calvin.core.types import DialogueLine, Script, Status
from calvin.studio.script.writers import Provenance, Writer, printable, spoken

PAGES = Path(__file__).with_name("pages")
CHAPTER_MS = 5 * 60_000
"""A heading stands this often, so that a long film can be gone through by its headings."""
_RUN_ON_MS = 2000
"""Lines of one speaker that follow one another sooner are read as one."""
_ENDS = (".", "!", "?", "…", "。", "！", "？", "؟", "।", '"', "”", "»")
_UNKNOWN = "[Speech whose words are not known.]"


@dataclass(frozen=True, slots=True)
class Passage:
    """What is read in one go: a description (`described`), or a speech, of no text where its words are not known, with
    its speaker, "" where nobody says who."""

    start_ms: int
    text: str
    described: bool = False
    speaker: str = ""


def passages(script: Script, dialogue: Sequence[DialogueLine]) -> list[Passage]:
    """Descriptions and speeches in the order of the film; of two that begin together, the description first."""
    said = [Passage(cue.span.start_ms, text, described=True) for cue, text in spoken(script)]
    lines = sorted(dialogue, key=lambda line: line.span)
    heard = [(line.span.end_ms, Passage(line.span.start_ms, printable(line.text), False, printable(line.speaker)))
             for line in lines]  # fmt: skip
    rows = [*((one.start_ms, one) for one in said), *heard]
    rows.sort(key=lambda row: (row[1].start_ms, not row[1].described))
    found: list[Passage] = []
    until = 0
    for end_ms, row in rows:
        if found and not row.described and _goes_on(found[-1], row, row.start_ms - until):
            last = found[-1]
            text = last.text if not row.text else f"{last.text} {row.text}"
            found[-1] = Passage(last.start_ms, text, False, last.speaker)
        else:
            found.append(row)
        until = end_ms
    return found


def _goes_on(last: Passage, row: Passage, after_ms: int) -> bool:
    """Whether a line is part of the speech before it: of the same person, or in the middle of a sentence."""
    if last.described or last.speaker != row.speaker:
        return False
    if not (last.text and row.text):
        return not (last.text or row.text)
    return after_ms <= _RUN_ON_MS and bool(last.speaker or not last.text.endswith(_ENDS))


def clock(ms: int) -> str:
    """3,723,400 -> '01:02:03': a time as readers want it."""
    seconds = ms // 1000
    return f"{seconds // 3600:02d}:{seconds // 60 % 60:02d}:{seconds % 60:02d}"


def lasting(ms: int) -> str:
    """5,523,000 -> '1 hour 32 minutes'; under ten minutes, with the seconds."""
    seconds = max(1, round(ms / 1000))
    if seconds >= 600:
        seconds = round(seconds / 60) * 60
    parts = ((seconds // 3600, "hour"), (seconds // 60 % 60, "minute"), (seconds % 60, "second"))
    return " ".join(counted(number, what) for number, what in parts if number)


def about_script(script: Script, provenance: Provenance) -> list[str]:
    """Sentences on what a transcript holds and what it lacks."""
    told = [f"The film lasts {lasting(script.duration_ms)}."] if script.duration_ms else []
    return [*told, f"{counted(len(list(spoken(script))), 'description')}.", *script_doubts(script, provenance)]


def script_doubts(script: Script, provenance: Provenance) -> list[str]:
    """Sentences on what whoever relies on a script has to know of it."""
    told = draft_doubts(script)
    if any(line.text for line in provenance.dialogue):
        if any(not line.speaker for line in provenance.dialogue):
            told.append("A speech without a name is by somebody whom the subtitles do not name.")
    elif provenance.dialogue:
        told.append("The words of the dialogue are not known: the film has no subtitles that calvin was given.")
    return [*told, "Sounds and music are told only where a description says so."]


def draft_doubts(script: Script) -> list[str]:
    """A sentence on how many descriptions are drafts, where any is."""
    cues = [cue for cue, _ in spoken(script)]
    drafts = sum(cue.status is not Status.APPROVED for cue in cues)
    if not drafts:
        return []
    whose = "All descriptions are" if drafts == len(cues) else f"{drafts} of the {len(cues)} descriptions are"
    are = "The description is a draft" if len(cues) == 1 else f"{whose} drafts"
    return [f"{are} that nobody has approved yet, and may be wrong."]


def _chapters(script: Script, provenance: Provenance) -> Iterator[tuple[str, list[dict[str, Any]]]]:
    """A heading and the passages under it, for each stretch of the film that has any."""
    rows = passages(script, provenance.dialogue)
    for number, group in groupby(rows, key=lambda row: row.start_ms // CHAPTER_MS):
        yield clock(number * CHAPTER_MS), [_shown(row) for row in group]


def _shown(row: Passage) -> dict[str, Any]:
    return {
        "clock": clock(row.start_ms),
        "seconds": f"{row.start_ms / 1000:.3f}",
        "text": row.text or _UNKNOWN,
        "described": row.described,
        "speaker": row.speaker,
        "known": bool(row.text),
    }


def style_policy(style: str) -> str:
    """What a page's policy calls its one inline style sheet."""
    return f"'sha256-{base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()}'"


def page_template(name: str) -> Any:
    """A jinja2 template of this package, which escapes every text."""
    from jinja2 import Environment, FileSystemLoader, StrictUndefined

    environment = Environment(loader=FileSystemLoader(PAGES), autoescape=True, undefined=StrictUndefined,
                              trim_blocks=True, lstrip_blocks=True)  # fmt: skip
    return environment.get_template(name)


def html_transcript(script: Script, provenance: Provenance, film_page: str = "") -> str:
    """The transcript as a web page; its times lead into `film_page` where there is one."""
    style = (PAGES / "transcript.css").read_text(encoding="utf-8").strip()
    text: str = page_template("transcript.html").render(
        title=printable(script.title),
        language=printable(script.language),
        heard_in=printable(provenance.heard_in or script.language),
        about=about_script(script, provenance),
        chapters=list(_chapters(script, provenance)),
        film_page=film_page,
        style=style,
        policy=f"default-src 'none'; style-src {style_policy(style)}; base-uri 'none'; form-action 'none'",
    )
    return f"{text.strip()}\n"


class TranscriptWriter(Writer):
    """A web page with a heading every five minutes of film."""

    name = "transcript"
    suffix = ".transcript.html"
    marks_pauses = False

    def render(self, script: Script, provenance: Provenance) -> str:
        return html_transcript(script, provenance)


class PlainTranscriptWriter(Writer):
    """Plain text: a paragraph for each passage, its time before it."""

    name = "transcript-txt"
    suffix = ".transcript.txt"
    marks_pauses = False

    def render(self, script: Script, provenance: Provenance) -> str:
        blocks = [f"{printable(script.title)}\nDescriptive transcript", " ".join(about_script(script, provenance))]
        for row in passages(script, provenance.dialogue):
            who = "Description: " if row.described else f"{row.speaker}: " if row.speaker else ""
            blocks.append(f"[{clock(row.start_ms)}] {who}{row.text or _UNKNOWN}")
        return "\n\n".join(blocks) + "\n"

"""DAPT as calvin writes it, judged by W3C's own schema, where that lies beside the repository."""

from __future__ import annotations

from pathlib import Path

import pytest

from calvin.core.time import Span
from calvin.core.types import Author, Character, Cue, CueKind, DialogueLine, Script, Status
from calvin.studio.script.dapt import DaptWriter
from calvin.studio.script.writers import Provenance

SCHEMA = Path(__file__).parents[5] / "shared" / "dapt" / "dapt-all.xsd"
"""The entry of the folder xml-schemas of github.com/w3c/dapt."""


def script(*cues: Cue) -> Script:
    return Script("The lamp", cues, "en-GB", (Character("Mara", ("Mrs Hill",), "she/her"),), 60_000)


def cue(number: int, text: str, kind: CueKind = CueKind.PICTURE, author: Author = Author.MODEL) -> Cue:
    span = Span(number * 4000, number * 4000 + 2500)
    return Cue(str(number), span, text, span, span.start_ms, author, Status.APPROVED, number % 2 == 0, kind)


@pytest.mark.shared
@pytest.mark.skipif(not SCHEMA.is_file(), reason=f"W3C's schema is not at {SCHEMA}")
@pytest.mark.parametrize(
    ("written", "provenance"),
    [
        (script(), Provenance()),
        (script(cue(1, "Mara waits."), cue(2, "She & he <run>.", author=Author.HUMAN)), Provenance(voice="joe")),
        (script(*(cue(at, "Written.", kind) for at, kind in enumerate(CueKind, 1))), Provenance()),
        (
            script(cue(3, "Mara waits.")),
            Provenance(
                dialogue=(DialogueLine(Span(0, 900), "Who?", "Mara"),), heard_in="en", said_as={"Mara": "mah-ra"}
            ),
        ),
    ],
    ids=["empty", "plain", "kinds", "dialogue and pronunciation"],
)
def test_the_schema_accepts_it(written: Script, provenance: Provenance) -> None:
    xmlschema = pytest.importorskip("xmlschema")
    xmlschema.XMLSchema(str(SCHEMA)).validate(DaptWriter().render(written, provenance))

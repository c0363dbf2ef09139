"""The descriptive transcript: its order, who speaks, what runs on, and what it says of itself."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from calvin.core.time import Span
from calvin.core.types import Cue, DialogueLine, Script, Status
from calvin.studio.script.transcript import Passage, clock, lasting, passages
from calvin.studio.script.writers import WRITERS, Provenance


def cue(start: int, text: str, number: int = 1) -> Cue:
    return Cue(str(number), Span(start, start + 900), text, Span(start, start + 900), start)


def line(start: int, text: str, speaker: str = "", end: int | None = None) -> DialogueLine:
    return DialogueLine(Span(start, end or start + 900), text, speaker)


def test_descriptions_and_speech_stand_in_the_order_of_the_film() -> None:
    script = Script("F", (cue(5000, "She waves.", 2), cue(1000, "Rain.")))
    found = passages(script, [line(6000, "Bye.", "ANN"), line(1000, "Hello.", "BEN"), line(3000, "Who?")])
    assert found == [
        Passage(1000, "Rain.", described=True),  # of two that begin together, the description prepares for the speech
        Passage(1000, "Hello.", speaker="BEN"),
        Passage(3000, "Who?"),
        Passage(5000, "She waves.", described=True),
        Passage(6000, "Bye.", speaker="ANN"),
    ]


@pytest.mark.parametrize(
    ("lines", "texts"),
    [
        ([line(0, "I would", "ANN"), line(1000, "come.", "ANN"), line(2000, "Now.", "ANN")], ["I would come. Now."]),
        ([line(0, "I would", "ANN"), line(1000, "No!", "BEN")], ["I would", "No!"]),
        ([line(0, "I would", "ANN"), line(9000, "have come.", "ANN")], ["I would", "have come."]),
        ([line(0, "I would"), line(1000, "have come.")], ["I would have come."]),
        ([line(0, "Yes."), line(1000, "No.")], ["Yes.", "No."]),  # nobody says that one person says both
        ([line(0, ""), line(5000, ""), line(9000, "")], [""]),
        ([line(0, ""), line(1000, "Yes.")], ["", "Yes."]),
    ],
)  # fmt: skip
def test_lines_of_one_speech_are_read_as_one(lines: list[DialogueLine], texts: list[str]) -> None:
    assert [one.text for one in passages(Script("F", ()), lines)] == texts


def test_a_description_parts_a_speech() -> None:
    found = passages(Script("F", (cue(950, "She nods."),)), [line(0, "I would", "ANN"), line(1000, "come.", "ANN")])
    assert [one.text for one in found] == ["I would", "She nods.", "come."]


@given(
    st.lists(
        st.tuples(st.integers(0, 10**6), st.sampled_from(["A.", "b", ""]), st.sampled_from(["", "ANN"])), max_size=12
    ),
    st.lists(st.integers(0, 10**6), max_size=5),
)
def test_no_word_is_lost_or_said_twice(lines: list[tuple[int, str, str]], cues: list[int]) -> None:
    script = Script("F", tuple(cue(at, f"Cue {number}.", number) for number, at in enumerate(cues)))
    found = passages(script, [line(*one) for one in lines])
    assert [one.start_ms for one in found] == sorted(one.start_ms for one in found)
    words = sorted(" ".join(one.text for one in found).split())
    assert words == sorted(" ".join([*(text for _, text, _ in lines), *(c.text for c in script.cues)]).split())


def test_what_is_described_is_told_by_a_word_and_not_by_its_looks() -> None:
    script = Script("The Film", (cue(65_000, "Rain."),), duration_ms=7_500_000)
    origin = Provenance(dialogue=(line(301_000, "Come in!", "ANN"), line(400_000, "")))
    text = WRITERS["transcript-txt"].writer.render(script, origin)
    assert text.startswith("The Film\nDescriptive transcript\n\nThe film lasts 2 hours 5 minutes. 1 description. ")
    assert text.endswith(
        "[00:01:05] Description: Rain.\n\n[00:05:01] ANN: Come in!\n\n[00:06:40] [Speech whose words are not known.]\n"
    )
    page = WRITERS["transcript"].writer.render(script, origin)
    assert page.count("<h2>") == 2
    assert page.index("From 00:00:00") < page.index("Rain.") < page.index("From 00:05:00") < page.index("Come in!")
    assert "<strong>Description:</strong>" in page


def test_languages_are_marked_for_the_voice_that_reads() -> None:
    script = Script("F", (cue(0, "Regen."),), "de")
    page = WRITERS["transcript"].writer.render(script, Provenance(dialogue=(line(2000, "Hello."),), heard_in="en-GB"))
    assert '<span lang="de">Regen.</span>' in page
    assert '<span lang="en-GB">Hello.</span>' in page


def test_a_transcript_says_what_it_lacks() -> None:
    draft, approved = cue(0, "Rain."), replace(cue(2000, "Snow.", 2), status=Status.APPROVED)

    def said(*cues: Cue, dialogue: tuple[DialogueLine, ...] = ()) -> str:
        return WRITERS["transcript-txt"].writer.render(Script("F", cues), Provenance(dialogue=dialogue))

    assert "1 of the 2 descriptions are drafts" in said(draft, approved)
    assert "draft" not in said(approved)
    assert "The words of the dialogue are not known" in said(approved, dialogue=(line(0, ""),))
    assert "whom the subtitles do not name" in said(approved, dialogue=(line(0, "Yes."),))
    assert "whom the subtitles do not name" not in said(approved, dialogue=(line(0, "Yes.", "ANN"),))


def test_times_as_readers_want_them() -> None:
    assert clock(3_723_999) == "01:02:03"
    assert [lasting(ms) for ms in (400, 97_000, 599_000, 5_523_000, 7_200_000)] == [
        "1 second", "1 minute 37 seconds", "9 minutes 59 seconds", "1 hour 32 minutes", "2 hours",
    ]  # fmt: skip

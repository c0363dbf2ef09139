"""What the writing in a film is, from readings typed by hand: one list of lines a second."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from calvin.core.time import Span
from calvin.core.types import CueKind, DialogueLine
from calvin.media.film.ocr import TextLine
from calvin.media.film.text_kinds import ScreenTexts, screen_texts

Reading = tuple[TextLine, ...]


def line(text: str, y: float = 0.3, x: float = 0.5, height: float = 0.06, score: float = 0.99) -> TextLine:
    half = min(0.48, 0.35 * height * len(text) / 2)
    return TextLine(text, score, (x - half, y - height / 2, x + half, y + height / 2))


def film(seconds: int, *parts: tuple[int, int, TextLine]) -> list[Reading]:
    """Each part is shown from one second up to another."""
    return [tuple(one for start, end, one in parts if start <= second < end) for second in range(seconds)]


def judged(readings: list[Reading], dialogue: list[DialogueLine] | None = None, **more: object) -> ScreenTexts:
    return screen_texts(readings, 1000 * len(readings), dialogue or [], **more)  # type: ignore[arg-type]


def told(readings: list[Reading], dialogue: list[DialogueLine] | None = None) -> list[tuple[str, tuple[str, ...]]]:
    return [(str(text.kind), text.lines) for text in judged(readings, dialogue).texts]


TALK = [
    DialogueLine(Span(1000 * second, 1000 * second + 2400), text)
    for second, text in ((30, "Where were you?"), (40, "Out."), (50, "I waited for hours."), (60, "So did I."))
]


def test_a_sign_is_text_with_the_times_at_which_it_can_be_read() -> None:
    [text] = judged(film(100, (40, 45, line("Keep Out", x=0.2)))).texts
    assert (text.kind, text.span, text.lines) == (CueKind.TEXT, Span(40_000, 45_000), ("Keep Out",))


def test_what_most_stills_say_counts_and_one_that_says_nothing_does_not_part_it() -> None:
    readings = film(100, (40, 42, line("Keep Out")), (42, 43, line("Keep 0ut", score=0.9)), (44, 47, line("Keep Out")))
    assert told(readings) == [("text", ("Keep Out",))]


@pytest.mark.parametrize("given", [True, False], ids=["subtitles", "listening"])
def test_burnt_in_subtitles_are_not_told(given: bool) -> None:
    lines = [(talk.span.start_ms // 1000, talk.span.end_ms // 1000 + 1, line(talk.text, 0.9)) for talk in TALK]
    dialogue = TALK if given else [DialogueLine(talk.span, "") for talk in TALK]
    found = judged(film(100, *lines, (40, 44, line("Grand Hotel", 0.15, 0.3))), dialogue)
    assert [text.lines for text in found.texts] == [("Grand Hotel",)]
    assert found.left_out["subtitle"] == 4
    assert [span.start_ms for span in found.subtitles] == [30_000, 40_000, 50_000, 60_000]


def test_subtitles_are_known_by_changing_where_no_talk_is_known() -> None:
    lines = [(10 * i, 10 * i + 3, line(f"Said for the {word} time.", 0.9)) for i, word in enumerate("abcdef", 2)]
    assert told(film(100, *lines)) == []


def test_subtitles_over_a_card_and_the_last_line_of_a_card_are_told_apart() -> None:
    lines = [(talk.span.start_ms // 1000, talk.span.end_ms // 1000 + 1, line(talk.text, 0.92)) for talk in TALK]
    card = [(50, 53, line("The Lamp", 0.3, height=0.15)), (50, 53, line("A story in three parts", 0.68, height=0.08))]
    assert told(film(200, *card, *lines), TALK) == [("text", ("The Lamp", "A story in three parts"))]


def test_what_stands_for_most_of_the_film_is_not_told() -> None:
    clock = [(i, i + 1, line(f"1{i // 60}:{i % 60:02} NEWS", 0.06, 0.9, 0.04)) for i in range(0, 90)]
    logo = (0, 100, line("CHANNEL", 0.06, 0.1, 0.04))
    sign = (50, 54, line("Way Out"))
    found = judged(film(100, logo, *clock, sign))
    assert [text.lines for text in found.texts] == [("Way Out",)]
    assert found.left_out["standing"] >= 2


@pytest.mark.parametrize(
    ("text", "score"),
    [
        ("KX61 ABC", 0.99), ("B-MW 1234", 0.99), ("日", 0.99), ("W", 0.98), ("rea.", 0.61), ("e    e", 0.74),
        ("|||-", 0.9), ("Kcmzp", 0.9), ("12:45", 0.99),
    ],
)  # fmt: skip
def test_plates_lone_letters_and_doubtful_readings_are_noise(text: str, score: float) -> None:
    assert told(film(100, (40, 45, line(text, score=score)))) == []


def test_a_shape_as_tall_as_the_picture_is_no_letter_but_a_column_is_text() -> None:
    shape = TextLine("用用用", 0.95, (0.0, 0.0, 1.0, 1.0))
    column = TextLine("HOTEL", 0.93, (0.45, 0.2, 0.52, 0.7))
    assert told(film(100, (40, 45, shape), (60, 64, column))) == [("text", ("HOTEL",))]


@pytest.mark.parametrize("text", ["PLATFORM 4", "2 MILES", "1945", "Café", "営業中"])
def test_words_with_and_without_numbers_are_told(text: str) -> None:
    assert told(film(100, (60, 64, line(text, x=0.2)))) == [("text", (text,))]


def test_one_still_is_enough_only_for_words_that_are_sure() -> None:
    assert told(film(100, (60, 61, line("Harwich", x=0.2)), (70, 71, line("Way", x=0.2)))) == [("text", ("Harwich",))]


def test_the_title_and_the_credits_have_kinds_of_their_own() -> None:
    names = ("Ann Lee", "Bo Ahl", "Cy Roe", "Di Fox")
    parts = [
        (0, 4, line("A Northern Film", 0.5, height=0.09)),
        (6, 10, line("The Yellow Crown", 0.4, height=0.14)),
        (20, 24, line("Two days later", 0.5, height=0.13)),
        (190, 195, line("Directed by Ann Lee", 0.5)),
        *((196, 200, line(name, 0.2 + 0.1 * i)) for i, name in enumerate(names)),
    ]
    assert told(film(200, *parts)) == [
        ("credit", ("A Northern Film",)),
        ("title", ("The Yellow Crown",)),
        ("text", ("Two days later",)),
        ("credit", ("Directed by Ann Lee", *names)),
    ]


def test_the_name_of_the_film_finds_its_title() -> None:
    parts = [(2, 6, line("Northern", 0.4, height=0.2)), (40, 44, line("Lamp Light", 0.5, 0.3, height=0.05))]
    found = judged(film(200, *parts), title="lamp-light").texts
    assert [(text.kind, text.lines[0]) for text in found] == [(CueKind.TEXT, "Northern"), (CueKind.TITLE, "Lamp Light")]


def test_credits_that_roll_are_one() -> None:
    names = ["Gaffer", "Best Boy", "Sound Mixer", "Costume", "Runner", "Cook"]
    readings = [
        tuple(
            line(name, y, height=0.05)
            for i, name in enumerate(names)
            if 0.05 < (y := 1.0 + 0.12 * i - 0.06 * (second - 60)) < 0.95
        )
        for second in range(100)
    ]
    [text] = judged(readings).texts
    assert (text.kind, text.lines) == (CueKind.CREDIT, tuple(names))


def test_lines_of_a_letter_stay_together_and_in_order() -> None:
    lines = ("Dear Ann,", "meet me at noon.", "Yours, Bo")
    parts = [(60, 66, line(text, 0.3 + 0.12 * i, 0.35)) for i, text in enumerate(lines)]
    assert told(film(100, *parts)) == [("text", lines)]


def test_a_text_that_is_typed_is_told_whole() -> None:
    typed = [line("London, 1845"[:count], x=0.3) for count in (3, 6, 9, 12, 12, 12)]
    aligned = [TextLine(one.text, one.score, (0.2, 0.7, 0.2 + 0.02 * len(one.text), 0.76)) for one in typed]
    assert told(film(100, *((60 + i, 61 + i, one) for i, one in enumerate(aligned)))) == [("text", ("London, 1845",))]


def test_a_film_of_slides_is_told_slide_by_slide() -> None:
    slides = [
        (20 * i, 20 * i + 20, one)
        for i, word in enumerate(("One", "Two", "Three", "Four", "Five"))
        for one in (line(f"Chapter {word} begins", 0.15, 0.35, 0.08), line(f"About {word} there is more", 0.4, 0.35))
    ]
    assert len(told(film(100, *slides))) >= 4


def test_names_that_are_known_mend_letters_that_look_alike() -> None:
    spoken = [DialogueLine(Span(0, 900), "Hello.", "IANTHE")]
    assert told(film(100, (60, 64, line("Yours, lanthe"))), spoken) == [("text", ("Yours, Ianthe",))]


def test_the_same_sign_is_told_again_only_after_a_while() -> None:
    sign = line("Way Out")
    assert len(told(film(100, (20, 24, sign), (30, 34, sign), (80, 84, sign)))) == 2


@settings(deadline=None, max_examples=40)
@given(
    st.lists(
        st.lists(
            st.builds(
                lambda text, x, y, h, score: TextLine(text, score, (x, y, min(1.0, x + 0.3), min(1.0, y + h))),
                st.text(min_size=1, max_size=12), st.floats(0, 1), st.floats(0, 1), st.floats(0, 1), st.floats(0, 1),
            ),
            max_size=4,
        ).map(tuple),
        max_size=12,
    )
)  # fmt: skip
def test_any_readings_are_judged(readings: list[Reading]) -> None:
    found = judged(readings, TALK[:1])
    assert all(0 <= text.span.start_ms <= text.span.end_ms <= 1000 * len(readings) for text in found.texts)
    assert sum(text.kind is CueKind.TITLE for text in found.texts) <= 1

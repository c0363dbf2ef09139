from __future__ import annotations

import csv
import re
from pathlib import Path

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from benchmark_of import benchmark_of
from calvin.core.errors import DataError
from calvin.core.time import Span
from calvin.data import DropReport, KeywordCredits, ReadResult, Sample, scrub_captions, scrub_numbers
from calvin.data.entities import ENTITY_EXAMPLES, EntityStripper, entity_prompt, parse_entity
from calvin.data.screen_text import ScreenCredits, looks_like_credits, read_screen
from calvin.data.tagging import (
    CREDITS,
    SCENE,
    AnswerSheet,
    SheetCredits,
    credit_prompt,
    credits_rule,
    judge_by,
    parse_credit,
)

benchmark = benchmark_of("tagging")


def sample(number: int, caption: str, second: float = 0) -> Sample:
    span = Span.from_seconds(second, second + 2)
    return Sample(f"film/{number}", "mad_csv", "film", "video", caption, span, movie="film")


def test_the_rules_are_right_as_often_as_the_docs_say_on_lines_they_were_not_adjusted_on() -> None:
    lines = benchmark.read_lines()
    assert len(lines) == 200
    _, held = benchmark.halves(lines)
    assert sum(benchmark.credit_marks(held, lines)) >= 85
    names = benchmark.name_marks(held)
    assert sum(names) >= 0.95 * len(names)


def test_a_model_is_asked_once_a_caption_and_the_rule_decides_where_it_is_unclear(tmp_path: Path) -> None:
    asked: list[str] = []

    def complete(prompt: str) -> str:
        asked.append(prompt)
        return {"A": " credits\nLine: x", "B": "Scene.", "C": "I cannot say"}[prompt[-len("A\nAnswer:")]]

    samples = [sample(0, "A"), sample(1, "B"), sample(2, "A"), sample(3, "C")]
    judge = judge_by(credits_rule(KeywordCredits()), "words", complete, "model")
    sheet = AnswerSheet.open(tmp_path / "s.csv")
    answers = sheet.fill(samples, judge)
    assert [(answer.answer, answer.by) for answer in answers] == [
        (CREDITS, "model"),
        (SCENE, "model"),
        (CREDITS, "model"),
        (SCENE, "words, model was unclear"),
    ]
    assert len(asked) == 3
    assert all("Harbour Pictures" in prompt for prompt in asked)
    again = AnswerSheet.open(tmp_path / "s.csv")
    assert again.fill(samples, judge) == answers
    assert len(asked) == 3  # the sheet is the cache


def test_what_was_answered_before_the_model_failed_is_kept(tmp_path: Path) -> None:
    def complete(prompt: str) -> str:
        if "three" in prompt:
            raise DataError("gone")
        return CREDITS

    samples = [sample(i, word) for i, word in enumerate(("one", "two", "three"))]
    judge = judge_by(credits_rule(KeywordCredits()), "words", complete, "model")
    with pytest.raises(DataError):
        AnswerSheet.open(tmp_path / "s.csv").fill(samples, judge)
    assert len(AnswerSheet.read(tmp_path / "s.csv").answers) == 2


def test_corrections_win_and_outlive_a_changed_caption(tmp_path: Path) -> None:
    path = tmp_path / "s.csv"
    path.write_text(
        "\ufeffid,caption,answer,by,correction\r\nfilm/0,One.,credits,m,scene\r\nfilm/1,Old.,scene,m,credits\r\n",
        encoding="utf-8",
    )
    tagger = SheetCredits(AnswerSheet.read(path), KeywordCredits())
    assert tagger.tag([sample(0, "One."), sample(1, "New."), sample(2, "Directed by Ann.")]) == [False, False, True]


@settings(deadline=None, max_examples=50)
@example("-0")
@example(",=")
@example("-\u0661")
@example("-inf")
@given(st.text(st.characters(blacklist_categories=["Cs"]), max_size=30))
def test_any_caption_survives_the_sheet_and_no_cell_is_a_formula(text: str) -> None:
    import tempfile

    with tempfile.TemporaryDirectory() as folder:
        sheet = AnswerSheet.open(Path(folder) / "s.csv")
        first = sheet.fill([sample(0, text)], lambda samples: iter([(SCENE, "=cmd")]))
        with open(sheet.path, encoding="utf-8", newline="") as stream:
            cells = list(csv.reader(stream))[1]
        assert not any(
            cell.startswith(("=", "+", "-", "@")) for cell in cells if not re.fullmatch(r"[+-][0-9.e+-]+", cell)
        )
        assert AnswerSheet.read(sheet.path).known(sample(0, text)) == first[0]


def test_answers_of_models_are_read_or_refused() -> None:
    assert [parse_credit(text) for text in ("Credits", " scene.\n", "credits or scene", "", "no")] == [
        CREDITS, SCENE, None, None, None,
    ]  # fmt: skip
    caption = "He hands Mr. Pike the lamp in Paris."
    assert (
        parse_entity(caption, ' He hands a man the lamp in a city.\nLine: "x"') == "He hands a man the lamp in a city."
    )
    assert parse_entity(caption, "He hands Pike the lamp.") is None
    assert parse_entity(caption, "") is None
    assert parse_entity(caption, "word " * 40) is None
    assert all(parse_entity(line, answer) == answer for line, answer in ENTITY_EXAMPLES)
    assert entity_prompt("x  y").endswith("Line: x y\nRewritten:")
    assert credit_prompt("x").endswith("Line: x\nAnswer:")


@pytest.mark.parametrize(
    ("caption", "stripped"),
    [
        ("Ann hands Mr. Pike the lamp in Paris.", "Someone hands someone the lamp in a place."),
        ("Kurt, Ida and Bo crouch.", "Some people crouch."),
        ("At the Grand Hotel, Lena's brother waits.", "At the hotel, someone's brother waits."),
        ("Captain Hale salutes.", "The captain salutes."),
        ("Lanterns glow along the river.", "Lanterns glow along the river."),
        ("She sings at Christmas.", "She sings at Christmas."),
    ],
)
def test_names_are_taken_out(caption: str, stripped: str) -> None:
    assert EntityStripper()(caption) == stripped


def test_what_the_corpus_writes_small_is_no_name() -> None:
    assert EntityStripper()("Lightning flashes.") == "Someone flashes."
    assert EntityStripper(corpus=["The lightning is far."])("Lightning flashes.") == "Lightning flashes."
    assert EntityStripper(names=["Snow"])("Snow waves.") == "Someone waves."


@given(st.text(alphabet=st.characters(blacklist_categories=["Lu", "Lt", "Cs"]), max_size=60))
@example(";×0")
def test_text_without_capitals_keeps_its_words(text: str) -> None:
    assert EntityStripper()(text).split() == text.split()


@settings(max_examples=300)
@given(st.text(max_size=80))
def test_scrubbing_leaves_text_without_digits_alone_and_never_empties_a_caption_in_silence(text: str) -> None:
    if not any(c.isdecimal() for c in text):
        assert scrub_numbers(text) == text
    result = scrub_captions(ReadResult([sample(0, text)], DropReport(read=1)))
    assert len(result.samples) + result.report.total_dropped == 1
    assert all(kept.caption or kept.caption == text for kept in result.samples)


def test_words_on_screen_tell_credits() -> None:
    assert looks_like_credits(["DIRECTED BY", "Ann Pike"])
    assert looks_like_credits(["The End"])
    assert looks_like_credits(["a", "b", "c", "d", "e"])
    assert not looks_like_credits(["NO ENTRY"])
    assert not looks_like_credits([])


def test_the_screen_is_looked_at_only_where_credits_stand(tmp_path: Path, make_film) -> None:
    make_film(tmp_path / "film.mp4", (3.0, 3.0))
    seen: list[tuple[int, ...]] = []

    def read(rgb: np.ndarray) -> list[str]:
        seen.append(rgb.shape)
        return ["The End"] if len(seen) == 2 else []

    samples = [sample(0, "A.", 0.5), sample(1, "B.", 3.5), sample(2, "The credits roll.", 3.6), sample(3, "C.", 60)]
    assert ScreenCredits(tmp_path, read).tag(samples) == [False, True, True, False]
    assert len(seen) == 2  # the film is over at 60 s
    assert ScreenCredits(tmp_path / "none", read).tag(samples) == [False, False, True, False]


@pytest.mark.slow
def test_ocr_reads_a_card() -> None:
    import cv2

    card = np.zeros((360, 640, 3), np.uint8)
    cv2.putText(card, "Directed by", (160, 150), cv2.FONT_HERSHEY_SIMPLEX, 1.5, (255, 255, 255), 3)
    cv2.putText(card, "Mara Lind", (180, 240), cv2.FONT_HERSHEY_SIMPLEX, 1.5, (255, 255, 255), 3)
    lines = read_screen(card)
    assert "directed" in " ".join(lines).lower()
    assert looks_like_credits(lines)
    assert not looks_like_credits(read_screen(np.zeros((360, 640, 3), np.uint8)))

"""The forms of words, and taking them apart again."""

from __future__ import annotations

import string

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from calvin.core.prompts import (
    EMPTY_CONTEXT,
    EVALUATION_QUESTION,
    FIGURE_3_QUESTION,
    STAGE_1,
    TABLE_5_QUESTIONS,
    TRAINING_QUESTIONS,
    Prompt,
    clean_line,
    entity_sentence,
    fewshot_caption,
    holds_no_word,
    holds_prompt,
    join_names,
    parse_fewshot,
    regularisation_caption,
    split_names,
)

quick = settings(deadline=None, max_examples=150)
words = st.text(string.ascii_letters + "éßñ'-.", min_size=1, max_size=10)
names = st.lists(words, min_size=1, max_size=3).map(" ".join).filter(lambda name: " and " not in f" {name} ")
captions = st.lists(words, min_size=1, max_size=12).map(" ".join)


def test_the_papers_questions() -> None:
    assert len(TABLE_5_QUESTIONS) == len(set(TABLE_5_QUESTIONS)) == 26
    assert len(TRAINING_QUESTIONS) == 27
    assert FIGURE_3_QUESTION in TRAINING_QUESTIONS
    assert EVALUATION_QUESTION not in TRAINING_QUESTIONS
    assert all(question == clean_line(question) for question in TRAINING_QUESTIONS)


def test_prompt_without_context_keeps_its_place_with_one_space() -> None:
    assert Prompt().text == f"{EMPTY_CONTEXT}Describe this visual." == " Describe this visual."
    assert Prompt(context=("", "  ")).text == " Describe this visual."


def test_prompt_with_context_and_names() -> None:
    prompt = Prompt("What now?", ("Ann  sits. ", "Bob\nstands."), ("Ann", "Bob"))
    assert prompt.text == ("Ann sits. Bob stands. The characters and entities in the scene are Ann and Bob. What now?")


def test_a_stage_1_prompt_renders_to_nothing() -> None:
    assert STAGE_1.text == ""
    assert Prompt(None, ("Ann sits.",), ("Ann",)).text == ""


@pytest.mark.parametrize(
    ("people", "text"), [((), ""), (("Ann",), "Ann"), (("Ann", "Bob"), "Ann and Bob"), ("ABC", "A, B and C")]
)
def test_names_join_as_english_does(people: tuple[str, ...], text: str) -> None:
    assert join_names(people) == text


@quick
@given(st.lists(names, max_size=6))
def test_names_split_as_they_were_joined(people: list[str]) -> None:
    assert split_names(join_names(people)) == tuple(people)


def test_names_that_hold_the_joining_words_do_not_survive() -> None:
    # Such names are written otherwise ("Tom & Jerry") before they come here.
    assert split_names(join_names(["Tom and Jerry"])) == ("Tom", "Jerry")
    assert split_names(join_names(["Smith, John"])) == ("Smith", "John")
    assert split_names("Tom & Jerry and Sandy") == ("Tom & Jerry", "Sandy")


@quick
@given(st.text(max_size=60))
def test_clean_lines_are_clean(text: str) -> None:
    line = clean_line(text)
    assert line == clean_line(line) == line.strip()
    assert "\n" not in line
    assert "  " not in line


@quick
@given(captions, st.lists(names, min_size=1, max_size=5))
def test_few_shot_answers_come_apart_as_they_were_made(caption: str, people: list[str]) -> None:
    answer = parse_fewshot(fewshot_caption(caption, people))
    assert answer.parsed
    assert answer.caption == caption
    assert answer.entities == tuple(people)


@quick
@given(captions)
def test_regularisation_answers_come_apart_too(caption: str) -> None:
    answer = parse_fewshot(regularisation_caption(caption))
    assert (answer.caption, answer.entities, answer.parsed) == (caption, (), True)
    assert fewshot_caption(caption, ()) == regularisation_caption(caption)


def test_the_form_of_figure_6() -> None:
    assert fewshot_caption("Ann waves.", ["Ann", "the dog"]) == (
        "The characters and entities in the scene are Ann and the dog. Hence the final caption is: Ann waves."
    )
    assert entity_sentence(["Sammy Jr."]).endswith("are Sammy Jr..")


@pytest.mark.parametrize(
    "answer",
    [
        "Ann waves.",
        "",
        "Hence the final caption is:",
        "The characters and entities in the scene are Ann.",
        "Hence Ann.",
    ],
)
def test_other_forms_are_returned_whole_and_counted(answer: str) -> None:
    parsed = parse_fewshot(answer)
    assert (parsed.caption, parsed.entities, parsed.parsed) == (answer, (), False)


def test_a_caption_after_another_thought_is_taken_but_not_counted_as_parsed() -> None:
    parsed = parse_fewshot("I see two people. Hence the final caption is: Ann waves.")
    assert (parsed.caption, parsed.parsed) == ("Ann waves.", False)


def test_the_form_may_be_broken_over_lines_and_in_other_case() -> None:
    parsed = parse_fewshot(
        "The characters and entities in the scene are Ann.\n hence the Final caption is:\nAnn\nwaves."
    )
    assert (parsed.caption, parsed.entities, parsed.parsed) == ("Ann waves.", ("Ann",), True)


@quick
@given(st.text(max_size=80))
def test_any_answer_gives_a_caption(answer: str) -> None:
    parsed = parse_fewshot(answer)
    assert parsed.caption == clean_line(parsed.caption)
    assert parsed.parsed or parsed.entities == ()


def test_looks_stand_beside_names_as_captions_say_them() -> None:
    sentence = "The characters and entities in the scene are "
    both = Prompt(None, entities=("Mara", "Otto"), looks=("in a red coat", "in a green hat."))
    assert both.text == "", "stage 1 has no prompt"
    told = entity_sentence(both.entities, both.looks)
    assert told == f"{sentence}Mara, in a red coat; Otto, in a green hat."
    assert Prompt(entities=both.entities, looks=both.looks).text == f"{told} {EVALUATION_QUESTION}"
    assert entity_sentence(["Mara", "Otto"], ["", "in a green hat"]) == f"{sentence}Mara; Otto, in a green hat."
    # Where no look is known, the paper's own form.
    assert entity_sentence(["Mara", "Otto"], ["", " "]) == entity_sentence(["Mara", "Otto"])


def test_ordinary_captions_hold_neither_the_prompt_nor_what_is_no_word() -> None:
    for text in (
        "The rhythm section of McDonald's band plays an iPhone tune by the 3rd crypt.",
        "Three balloons, all of them yellow, cross the street in Addis Ababa at 10am.",
        "He hands her the caption of the painting: her final bow.",
    ):
        assert not holds_prompt(text)
        assert not holds_no_word(text)

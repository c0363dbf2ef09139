from __future__ import annotations

import re

import numpy as np
import pytest

from calvin.core.prompts import EVALUATION_QUESTION, TRAINING_QUESTIONS, parse_fewshot
from calvin.puppets.lexicon import COLOURS, NAMES, PROPS
from calvin.puppets.tell.curriculum import PHASES, draw_fewshot, lexicon_text, make_drill
from calvin.puppets.tell.screenplay import draw_cast, pairing_split

_WORDS = {*NAMES, *COLOURS, *PROPS}


def drills(phase: str, count: int = 200, split: str | None = "train"):
    rng = np.random.default_rng(7)
    return [make_drill(phase, rng, split) for _ in range(count)]


@pytest.mark.parametrize("phase", PHASES)
def test_spans_hold_words_and_texts_repeat_by_seed(phase: str) -> None:
    for drill in drills(phase):
        assert all(name in {*_WORDS, "a", "A"} for name in drill.names)
        assert list(drill.marks) == sorted(set(drill.marks))
        assert drill.text == drill.text.strip()
    assert make_drill(phase, np.random.default_rng(1)) == make_drill(phase, np.random.default_rng(1))


def test_a_copied_name_is_among_those_the_prompt_gives() -> None:
    found = 0
    for drill in drills("entities"):
        for start, end in drill.marks:
            given = drill.text[:start].partition("The characters and entities in the scene are ")[2].partition(".")[0]
            assert drill.text[start:end] in re.split(r", | and ", given), drill.text
            found += 1
    assert found > 100


LOOK_UPS = ["pairs_2", "looks", "short", "look_first", "captions"]


@pytest.mark.parametrize("phase", LOOK_UPS)
def test_a_looked_up_name_follows_its_colour_and_was_paired_with_it_before(phase: str) -> None:
    found = 0
    for drill in drills(phase):
        for start, end in drill.marks:
            name, before = drill.text[start:end], drill.text[:start]
            colours = re.findall("|".join(COLOURS), before.lower())
            colour = colours[-1] if "hat" not in before.rsplit(".", 1)[-1] else colours[-2]
            pair = rf"{colour}\W+(?:\w+\W+){{0,6}}?{name}\b|\b{name}, in an? {colour}\b"
            assert re.search(pair, before, re.IGNORECASE), (drill.text, name, colour)
            found += 1
    assert found > 100


def test_a_repeated_word_follows_the_word_it_followed_before() -> None:
    for drill in drills("repeats"):
        for start, end in drill.marks:
            before = [known for known in drill.text[:start].split() if known in _WORDS]
            assert f"{before[-1]} {drill.text[start:end]}" in " ".join(before), drill.text
        assert 7 <= len(drill.marks) <= 21


def test_whoever_is_asked_for_was_introduced_with_a_look_and_is_told_without_a_name_first() -> None:
    for drill in drills("asked"):
        assert len(drill.marks) >= 5
        for start, end in drill.marks:
            before, name = drill.text[:start], drill.text[start:end]
            assert re.search(rf"{name}, in an? \w+ |In an? \w+ (?:coat|jacket|dress), {name} ", before), drill.text
            assert re.search(r"\bA (?:wo)?man in an? \w+", before), drill.text


@pytest.mark.parametrize("phase", ["far", "farther"])
def test_a_look_is_asked_for_from_far(phase: str) -> None:
    for drill in drills(phase):
        assert len(drill.marks) == 8
        for start, end in drill.marks:
            before, name = drill.text[:start], drill.text[start:end]
            asked = re.findall(r"A (?:wo)?man in an? (\w+)", before)[-1]
            assert re.search(rf"{name}, in an? {asked} |\bin an? {asked} [^.]*, {name}\.", before), drill.text


CUES = [phase for phase in PHASES if phase.startswith("cue_")]


@pytest.mark.parametrize("phase", CUES)
def test_a_cue_stands_first_and_names_its_people_only_afterwards(phase: str) -> None:
    pairs = 0
    for drill in drills(phase):
        seen = drill.text.partition(".")[0].lower()
        assert 1 <= len(drill.marks) <= 2
        for start, end in drill.marks:
            name, before = drill.text[start:end], drill.text[:start]
            assert name.lower() not in seen.split()
            colour = f"({'|'.join(COLOURS)})"
            after = rf"{colour}(?: \w+)?(?: and an? \w+ hat)?,? {name}"
            tied = re.search(rf"{name},? (?:in an? )?{colour}|{after}", before)
            assert tied, drill.text
            assert (tied[1] or tied[2]) in seen, drill.text
            pairs += 1
    assert pairs >= len(drills(phase))


def test_cues_of_two_people_ask_in_the_order_in_which_they_were_seen() -> None:
    twos = [drill for drill in drills("cue_4") if len(drill.marks) == 2]
    assert len(twos) > 40
    for drill in twos:
        first, second = re.match(r"(\w+) and (\w+)", drill.text).groups()
        for colour, name in zip((first, second), drill.names, strict=True):
            assert re.search(rf"{colour} {name}|{name} {colour}", drill.text), drill.text


def test_few_shot_texts_are_in_the_form_that_is_read_back() -> None:
    rng = np.random.default_rng(3)
    answers = []
    for _ in range(100):
        cast = draw_cast(rng, 4, "train")
        answer = parse_fewshot(draw_fewshot(rng, cast))
        assert answer.parsed
        names = {person.name for person in cast}
        assert set(answer.entities) == {name for name in names if name in answer.caption}
        answers.append(answer)
    assert 30 < sum(bool(answer.entities) for answer in answers) < 70


def test_names_and_looks_are_paired_anew() -> None:
    pairs = {drill.text.split()[0] + drill.text.split()[1] for drill in drills("pairs_2")}
    assert len(pairs) > 150


def test_held_out_pairings_stay_out_of_training_text() -> None:
    for split in ("train", "heldout"):
        for drill in drills("pairs_2", split=split):
            words = drill.text.split()
            assert all(
                pairing_split(name, colour) == split for colour, name in zip(words[::2], words[1::2], strict=True)
            )


def test_a_prompt_reads_context_question_caption() -> None:
    told = 0
    questions = (*TRAINING_QUESTIONS, EVALUATION_QUESTION)
    for drill in drills("seen_prompt"):
        question = next(question for question in questions if f" {question} " in drill.text)
        before, caption = drill.text.split(f" {question} ")
        assert before.count(".") == 4
        start = len(before) + len(question) + 2
        for first, last in drill.marks:
            assert first >= start
            name = drill.text[first:last]
            assert name in before
            told += 1
        assert caption.endswith(".")
    assert told > 100


def test_the_lexicon_text_covers_everything_that_is_said() -> None:
    known = set(re.findall(r"\w+", " ".join(lexicon_text()).lower()))
    for phase in ("short", "captions"):
        for drill in drills(phase, 100):
            assert set(re.findall(r"\w+", drill.text.lower())) <= known


@pytest.mark.parametrize("phase", ["strangers", "strangers_many"])
def test_strangers_are_answered_by_their_look_and_nothing_said_who_wears_it(phase: str) -> None:
    named = without = 0
    for drill in drills(phase):
        for start, end in drill.marks:
            if drill.text[start:end] != "a":
                named += 1
                continue
            without += 1
            coat = re.match(r"a (?:wo)?man in an? (\w+)", drill.text[start:])[1]
            block = drill.text[:start].rpartition(". A ")[2] if phase == "strangers_many" else drill.text[:start]
            assert not re.search(
                rf"[A-Z]\w+, in an? {coat} |in an? {coat} [a-z]+(?: and an? \w+ hat)? ?, [A-Z]\w+", block
            )
    assert 0.3 < without / (named + without) < 0.65


def test_in_captions_after_a_prompt_strangers_are_marked_too() -> None:
    for form, least in (("bare", 1.0), ("told", 0.05), ("entities", 0.0)):
        found = [drill.text[a:b] for drill in drills(f"form_{form}") for a, b in drill.marks]
        share = sum(mark in ("a", "A") for mark in found) / len(found)
        assert share >= least
        assert share < 1 or form == "bare"
        assert form != "entities" or share == 0

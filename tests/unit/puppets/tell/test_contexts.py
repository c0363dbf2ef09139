from __future__ import annotations

import re
from collections import Counter

import numpy as np
import pytest

from calvin.puppets.lexicon import NAMES
from calvin.puppets.tell.captions import film_captions
from calvin.puppets.tell.contexts import FORMS, known_people, retell, told_names
from calvin.puppets.tell.screenplay import make_film
from calvin.puppets.truth import names_in, score_caption

FILMS = [make_film(seed, 20) for seed in range(12)]
SCENES = [[scene.truth for scene in film.scenes] for film in FILMS]


def told(form: str, own: list[str] | None = None):
    """Scenes 4 to 19 of each film, told by this form."""
    for film, scenes in enumerate(SCENES):
        for number in range(4, 20):
            scene = retell(scenes, number, 3, np.random.default_rng([film, number]), form, own)
            assert scene.truth.action == scenes[number].action
            yield scene.truth, scene


def test_who_is_who_is_read_from_words() -> None:
    assert told_names(["In a red coat and a blue hat, Mara hugs Otto, in a green jacket, in the cave."]) == {
        "red": "Mara",
        "green": "Otto",
    }
    assert told_names(["A man in a red coat hugs Otto.", "In the cave, Mara, in an orange dress, nods."]) == {
        "orange": "Mara"
    }
    assert told_names(["She hugs a woman in a red coat."]) == {}


def test_who_is_told_in_two_ways_is_not_known() -> None:
    one = "Mara, in a red coat, nods."
    assert told_names([one, one]) == {"red": "Mara"}
    assert told_names([one, "Otto, in a red coat, nods.", "In a green dress, Greta nods."]) == {"green": "Greta"}
    assert told_names([one, "Mara, in a green coat, nods."]) == {}


def test_a_describers_captions_make_everybody_known_that_they_introduce() -> None:
    for film, scenes in zip(FILMS, SCENES, strict=True):
        captions = film_captions(film)
        known = told_names(captions)
        assert known == {person.look.coat: person.name for person in film.cast if person.look.coat in known}
        assert len(known) >= 2
        assert known_people(scenes[-1], captions) == {name: name for name in scenes[-1].present}


@pytest.mark.parametrize("form", FORMS)
def test_a_caption_names_those_whom_its_prompt_makes_known_and_nobody_else(form: str) -> None:
    named, people = 0, 0
    for truth, scene in told(form):
        given = told_names(scene.prompt.context)
        if form in ("entities", "looks"):
            assert set(scene.known.values()) <= set(scene.prompt.entities)
            assert len(scene.known) == len(truth.present)
        else:
            assert not scene.prompt.entities
            assert set(scene.known.values()) <= set(given.values())
        assert names_in(scene.caption, NAMES) == set(scene.known.values()), scene
        strangers = re.findall(r"\b[Aa] (?:wo)?man in an? ", scene.caption)
        assert len(strangers) == len(truth.present) - len(scene.known)
        assert score_caption(scene.caption, truth, NAMES)["action"], scene.caption
        named, people = named + len(scene.known), people + len(truth.present)
    share = named / people
    expected = {"none": (0, 0), "bare": (0, 0), "entities": (1, 1), "looks": (1, 1)}
    least, most = expected.get(form, (0.25, 0.95))
    assert least <= share <= most


def test_looks_stand_beside_the_names_and_others_may_be_listed() -> None:
    others = 0
    for truth, scene in told("looks"):
        looks = dict(zip(scene.prompt.entities, scene.prompt.looks, strict=True))
        assert len(looks) == len(scene.prompt.entities)
        for old, name in scene.known.items():
            look = truth.looks[old]
            assert f" {look.coat} {look.garment}" in looks[name] or f" {look.hat} hat" in looks[name]
        others += len(looks) > len(truth.present)
    assert 0.2 < others / (12 * 16) < 0.6


def test_the_order_of_names_does_not_say_who_acts() -> None:
    first = Counter(
        scene.prompt.entities[0] == scene.known[truth.agent] for truth, scene in told("entities") if truth.patient
    )
    assert 0.3 < first[True] / first.total() < 0.7


def test_muddled_contexts_hold_pronouns_and_names_that_are_not_right() -> None:
    lines = [line for _, scene in told("muddled") for line in scene.prompt.context]
    assert sum(bool(re.search(r"\b[Ss]?[Hh]e\b", line)) for line in lines) > 20
    corrected = [line for _, scene in told("corrected") for line in scene.prompt.context]
    assert not any(re.search(r"\b[Ss]?[Hh]e\b", line) for line in corrected)
    bare = [line for _, scene in told("bare") for line in scene.prompt.context]
    assert not any(names_in(line, NAMES) for line in bare)


def test_own_captions_are_taken_as_they_are_under_the_new_names() -> None:
    own = ["Aziz, in a red coat, hugs a man in a blue jacket.", *[f"Line {number}." for number in range(1, 20)]]
    scenes = SCENES[0]
    told_scene = retell(scenes, 5, 3, np.random.default_rng(0), "own", own)
    assert told_scene.prompt.context == ("Line 2.", "Line 3.", "Line 4.")
    cast = FILMS[0].cast
    first = retell(scenes, 1, 3, np.random.default_rng(0), "own", [f"{cast[0].name}, in a red coat, nods."])
    assert len(first.prompt.context) == 1
    assert cast[0].name not in first.prompt.context[0]
    assert first.prompt.context[0].endswith(", in a red coat, nods.")

"""Another narrator, whose words no training caption has."""

from __future__ import annotations

import re

import pytest

from calvin.puppets.lexicon import ACTIONS, NAMES
from calvin.puppets.tell import other_words
from calvin.puppets.tell.captions import film_captions
from calvin.puppets.tell.curriculum import lexicon_text
from calvin.puppets.tell.other_words import in_usual_words, other_captions
from calvin.puppets.tell.screenplay import make_film
from calvin.puppets.truth import score_caption, told_in


def test_every_action_place_prop_and_garment_has_another_word() -> None:
    usual = {word.lower() for text in lexicon_text() for word in re.findall(r"\w+", text)}
    assert set(other_words.PHRASES) == {action.key for action in ACTIONS}
    nouns = [*other_words.PROPS.values(), *other_words.GARMENTS.values()]
    nouns += [at.split()[-1] for at in other_words.PLACES.values()]
    assert len(nouns) == len(set(nouns)) == 12 + 12 + 4
    assert not usual & set(nouns)
    assert not {name.lower() for name in NAMES} & set(nouns)
    phrases = [phrase for said in other_words.PHRASES.values() for phrase in said]
    assert len(phrases) == len(set(phrases)) == 64


@pytest.mark.parametrize("seed", range(8))
def test_the_truth_is_read_from_it_once_it_is_in_the_usual_words(seed: int) -> None:
    film = make_film(seed, split="heldout")
    captions = other_captions(film)
    assert captions == other_captions(film)
    for caption, scene in zip(captions, film.scenes, strict=True):
        assert told_in(caption).action is None, caption
        marks = score_caption(in_usual_words(caption), scene.truth, NAMES)
        assert marks.pop("wrong_name") is False
        assert all(mark is not False for mark in marks.values()), (caption, in_usual_words(caption), marks)


def test_the_usual_words_stay_as_they_are() -> None:
    for seed in range(4):
        for caption in film_captions(make_film(seed)):
            assert in_usual_words(caption) == caption


def test_whoever_is_new_gets_a_look() -> None:
    film = make_film(3, split="heldout")
    introduced: set[str] = set()
    for caption, scene in zip(other_captions(film), film.scenes, strict=True):
        for name in set(scene.truth.present) - introduced:
            assert f"{name}, wearing a" in caption
        introduced |= set(scene.truth.present)

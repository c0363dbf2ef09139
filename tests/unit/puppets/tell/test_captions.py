from __future__ import annotations

import re
from collections import Counter

import numpy as np
import pytest

from calvin.puppets.lexicon import ACTION_BY_KEY, ACTIONS, NAMES
from calvin.puppets.tell.captions import (
    STYLES,
    caption_rng,
    film_captions,
    film_style,
    look_caption,
    rename,
    retell,
    say_look,
    write_caption,
)
from calvin.puppets.tell.curriculum import is_introduced
from calvin.puppets.tell.screenplay import make_film, pairing_split, random_scene
from calvin.puppets.truth import Look, action_of, names_in, place_of, score_caption

FILMS = [make_film(seed, 20) for seed in range(60)]
ROWS = [
    (caption, scene.truth, film)
    for film in FILMS
    for caption, scene in zip(film_captions(film), film.scenes, strict=True)
]


def test_every_caption_is_right_about_its_own_scene() -> None:
    for caption, truth, film in ROWS:
        score = score_caption(caption, truth, film.names)
        wrong = [key for key, value in score.items() if value is (key == "wrong_name")]
        assert not wrong, (caption, score)


def test_no_caption_is_right_about_another_action() -> None:
    confused = [
        (caption, other.truth.action)
        for caption, truth, film in ROWS[:200]
        for other in film.scenes
        if other.truth.action != truth.action and score_caption(caption, other.truth, film.names)["action"]
    ]
    assert confused == []


def test_captions_are_one_sentence_in_the_form_of_description() -> None:
    for caption, _, _ in ROWS:
        assert re.fullmatch(r"[A-Z][\w ,]+\.", caption), caption
        assert ",," not in caption
        assert "  " not in caption
        assert ", ." not in caption
        assert ",." not in caption


def test_action_names_and_props_are_always_said_places_mostly() -> None:
    places = [place_of(caption) for caption, _, _ in ROWS]
    assert sum(place is not None for place in places) / len(places) > 0.7
    for caption, truth, _ in ROWS:
        assert names_in(caption, NAMES) == set(truth.present)
        assert truth.prop is None or f"the {truth.prop}" in caption


def test_looks_come_with_the_introduction_and_often_again() -> None:
    again = total = 0
    for film in FILMS:
        introduced: set[str] = set()
        for caption, scene in zip(film_captions(film), film.scenes, strict=True):
            for name in scene.truth.present:
                said = (
                    f"a {scene.truth.looks[name].coat} " in caption or f"an {scene.truth.looks[name].coat} " in caption
                )
                if name not in introduced:
                    assert said, caption
                    introduced.add(name)
                else:
                    again, total = again + said, total + 1
    assert 0.55 < again / total < 0.9


def test_describers_have_styles_and_verbs_have_paraphrases() -> None:
    assert {film_style(film).key for film in FILMS} == {style.key for style in STYLES}
    said = Counter()
    for seed in range(3000):
        scene = random_scene(seed)
        said[scene.truth.action, say_plain(scene.truth)] += 1
    for action in ACTIONS:
        assert len({words for key, words in said if key == action.key}) >= 3


def say_plain(truth) -> str:
    caption = write_caption(truth, np.random.default_rng(truth.event_ms), STYLES[3])
    for name in truth.present:
        caption = caption.replace(name, "X")
    return caption


def test_the_nameless_caption_tells_the_action_and_no_name() -> None:
    for seed in range(400):
        scene = random_scene(seed)
        caption = look_caption(scene.truth, caption_rng(scene))
        assert action_of(caption) == scene.truth.action, caption
        assert not names_in(caption, NAMES)
        assert scene.truth.looks[scene.truth.agent].coat in caption


def test_same_seed_same_words() -> None:
    assert film_captions(make_film(5)) == film_captions(make_film(5))
    scene = random_scene(9)
    assert look_caption(scene.truth, caption_rng(scene, 1)) == look_caption(scene.truth, caption_rng(scene, 1))


@pytest.mark.parametrize(
    ("coat", "hat", "said"),
    [("red", "orange", "in a red coat and an orange hat"), ("orange", None, "in an orange coat")],
)
def test_articles_agree(coat: str, hat: str | None, said: str) -> None:
    assert say_look(Look(coat, "coat", hat, woman=True), hat=True) == said


def test_possessives_follow_the_agent() -> None:
    for caption, truth, _ in ROWS:
        if "{his}" in " ".join(ACTION_BY_KEY[truth.action].phrases):
            wrong = "his" if truth.looks[truth.agent].woman else "her"
            assert wrong not in re.findall(r"\w+", caption)


FILM = make_film(5)
SCENES = [scene.truth for scene in FILM.scenes]


def told(number: int, seed: int, context: int = 3, **options: float):
    return retell(SCENES, number, context, np.random.default_rng(seed), **options)


def test_a_scene_told_anew_says_what_happens_under_other_names() -> None:
    casts = set()
    for seed in range(50):
        scene = told(7, seed)
        assert action_of(scene.caption) == SCENES[7].action
        assert place_of(scene.caption) in (None, SCENES[7].place)
        assert len(scene.context) == 3
        assert [action_of(line) for line in scene.context] == [truth.action for truth in SCENES[4:7]]
        assert names_in(scene.caption, NAMES) == set(scene.names)
        assert len(scene.names) == len(SCENES[7].present)
        casts.add(scene.names)
    assert len(casts) > 30


def test_names_are_the_same_ones_throughout_and_their_pairings_belong_to_training() -> None:
    for seed in range(50):
        scene = told(7, seed, fresh=1.0)
        coats = {
            name: look.coat
            for truth in SCENES[4:8]
            for name, look in zip(truth.present, truth.looks.values(), strict=True)
        }
        for name in scene.names:
            wearing = [coat for coat in coats.values() if pairing_split(name, coat) == "train"]
            assert wearing
            assert any(is_introduced(name, coat, (*scene.context, scene.caption)) for coat in coats.values())


def test_the_first_scene_has_no_context_and_introduces_everybody() -> None:
    scene = told(0, 1)
    assert scene.context == ()
    assert all(f"{name}, in a" in scene.caption or f", {name} " in scene.caption for name in scene.names)


def test_it_repeats_by_seed() -> None:
    assert told(9, 3) == told(9, 3)
    assert told(9, 3) != told(9, 4)


def test_renaming_keeps_all_but_names() -> None:
    names = {name: name[::-1].title() for name in FILM.names}
    for truth in SCENES:
        new = rename(truth, names)
        assert rename(new, {value: key for key, value in names.items()}) == truth
        assert score_caption("", new, ())["names_exact"] is False

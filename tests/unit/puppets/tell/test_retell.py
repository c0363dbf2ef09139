from __future__ import annotations

import numpy as np

from calvin.puppets.lexicon import NAMES
from calvin.puppets.marks import action_of, names_in, place_of, score_caption
from calvin.puppets.tell.curriculum import is_told
from calvin.puppets.tell.retell import rename, retell
from calvin.puppets.tell.screenplay import make_film, pairing_split

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
            assert any(is_told(name, coat, (*scene.context, scene.caption)) for coat in coats.values())


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

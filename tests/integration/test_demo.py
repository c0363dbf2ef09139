"""The demo: who is named in the bundled film, with its cast and without one, against the film's truth."""

from __future__ import annotations

import json

import pytest

from calvin import Calvin, describe
from calvin.core.package import bundled_cast, bundled_film
from calvin.core.time import Span
from calvin.core.types import Cue
from calvin.puppets.film import film_cast
from calvin.puppets.tell.screenplay import make_film
from calvin.studio.cast.characters import read_cast_file

TRUTH = json.loads(bundled_film()[0].with_suffix(".truth.json").read_text())
NAMES = [person["name"] for person in TRUTH["cast"]]


@pytest.fixture(scope="module")
def scripts(tmp_path_factory: pytest.TempPathFactory) -> tuple[list[Cue], list[Cue]]:
    """Cues without a cast, and with the bundled one, of one project, as `calvin demo` makes them."""
    (film, subtitles), model = bundled_film(), Calvin.from_pretrained()
    folder = tmp_path_factory.mktemp("demo") / "p"
    without = describe(film, subtitles, model, out_dir=folder, formats=["json"], cast="none", text=False)
    named = describe(film, subtitles, model, out_dir=folder, formats=["json"], cast=bundled_cast(), text=False)
    return list(without.script.cues), list(named.script.cues)


def there(cue: Cue) -> set[str]:
    """Who is in the scene that a cue is about."""
    scene = max(TRUTH["scenes"], key=lambda one: Span(one["start_ms"], one["end_ms"]).overlap_ms(cue.visual))
    return set(scene["present"])


def named(cue: Cue) -> set[str]:
    return {name for name in NAMES if name in cue.text}


def test_with_its_cast_the_right_people_are_named(scripts: tuple[list[Cue], list[Cue]]) -> None:
    cues = scripts[1]
    told = "\n".join(f"{cue.text}  [{', '.join(sorted(there(cue)))}]" for cue in cues)
    assert len(cues) == 17, told
    assert sum(named(cue) == there(cue) for cue in cues) >= 13, told
    assert sum(bool(named(cue) - there(cue)) for cue in cues) <= 1, told


def test_without_a_cast_nobody_is_named(scripts: tuple[list[Cue], list[Cue]]) -> None:
    cues = scripts[0]
    assert len(cues) == 17
    words = [word.strip(",.") for cue in cues for word in cue.text.split()[1:]]
    assert [word for word in words if word[:1].isupper()] == []


def test_the_cast_is_that_of_the_films_seed_and_shows_whom_it_says() -> None:
    film = make_film(TRUTH["seed"], 18, 4, "heldout", card_ms=3000, seconds=(3.0, 5.6), talk=0.3)
    assert bundled_cast().read_text() == film_cast(film)
    cast = read_cast_file(bundled_cast())
    assert [(person.name, person.look) for person in cast.characters] == [
        (person["name"], f"in a {person['look']['coat']} {person['look']['garment']}") for person in TRUTH["cast"]
    ]
    for name, portraits in cast.portraits.items():
        assert len(portraits) == 3
        for portrait in portraits:
            shot = next(one for one in film.shots if one.truth.start_ms <= portrait.at_ms < one.truth.end_ms)
            assert name in shot.truth.present

"""A cast brought to a film: pictures read before a project is touched, what is noted, and where somebody is alone."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from typing import cast as typed

import numpy as np
import pytest
from PIL import Image

from calvin.captioners.base import CaptionAnswer, CaptionRequest, FeatureCaptioner
from calvin.core.errors import MediaError
from calvin.core.time import Span
from calvin.core.types import Character, Place
from calvin.media.film.frames import FrameStore, FrameWriter
from calvin.studio.cast.characters import Cast, Note, PresenceSettings
from calvin.studio.cast.portraits import Portrait
from calvin.studio.cast.scene_cast import bring_cast, portrait_looks, read_pictures, seen_alone, shown, still_looks
from calvin.studio.describe.film_project import FilmProject
from photographs import photograph

LOOKS = np.random.default_rng(3).normal(size=(3, 64))


class Describer:
    """Captions nothing; knows nothing of pictures."""

    info = SimpleNamespace(name="describer")
    needs: frozenset[Any] = frozenset()

    def caption(self, requests: Sequence[CaptionRequest]) -> list[CaptionAnswer]:
        raise NotImplementedError


class Encoder(Describer):
    """A picture's vector: red, green and blue, each a direction of its own."""

    encoder = None
    max_frames = 4
    encoded = 0

    def encode_frames(self, rgb: np.ndarray) -> np.ndarray:
        self.encoded += len(rgb)
        return rgb.mean(axis=(1, 2)) / 255 @ LOOKS

    def notice(self, image_embeds: np.ndarray) -> None:
        return None


class Looker(Encoder):
    """Says which coats it sees: red and green ones."""

    def caption(self, requests: Sequence[CaptionRequest]) -> list[CaptionAnswer]:
        said = []
        for request in requests:
            assert request.scene.image_embeds is not None
            red, green, _ = request.scene.image_embeds[0] @ np.linalg.pinv(LOOKS)
            both = "A man in a red coat hugs a woman in a green coat."
            one = f"A man in a {'red' if red > green else 'green'} coat sits."
            said.append(CaptionAnswer(both if min(red, green) > 0.3 else one, 0.0))
        return said


def picture(path: Path, colour: tuple[int, int, int]) -> Path:
    Image.new("RGB", (40, 30), colour).save(path)
    return path


def test_a_picture_that_cannot_be_read_is_told_without_a_project(tmp_path: Path) -> None:
    (tmp_path / "bad.jpg").write_bytes(b"no picture")
    good = picture(tmp_path / "good.png", (255, 0, 0))
    cast = Cast((Character("Ann"),), {"Ann": (good, tmp_path / "bad.jpg")})
    for captioner in (Encoder(), Describer()):
        with pytest.raises(MediaError, match=r"bad\.jpg"):
            read_pictures(cast, typed(FeatureCaptioner, captioner))


def test_pictures_that_were_read_are_not_read_again(tmp_path: Path) -> None:
    path = picture(tmp_path / "ann.png", (255, 0, 0))
    cast = Cast((Character("Ann"),), {"Ann": (path, path)}, settings=PresenceSettings(faces=False))
    encoder = Encoder()
    portraits = read_pictures(cast, typed(FeatureCaptioner, encoder))
    assert portraits["Ann"].shape == (2, 64)
    assert read_pictures(cast, typed(FeatureCaptioner, Describer())) == {}
    path.unlink()
    bring_cast(hand_of(tmp_path), cast, typed(FeatureCaptioner, encoder), portraits)
    assert encoder.encoded == 2


def hand_of(folder: Path) -> FilmProject:
    """A film of 60 scenes in which red and green people are seen, each scene in a place of its own."""
    rng = np.random.default_rng(0)
    seen = (rng.random((60, 2)) < 0.4) @ LOOKS[:2] + rng.normal(size=(60, 64))
    vectors = np.repeat(seen, 5, axis=0) + 0.5 * rng.normal(size=(300, 64))
    plans = [SimpleNamespace(id=i, visual=Span(1000 * i, 1000 * (i + 1)), event_ms=1000 * i) for i in range(60)]
    store = SimpleNamespace(folder=folder, plans=plans, cues=[], dialogue=[], shots=[], put=lambda *_: None)
    film = SimpleNamespace(sha256="film", title="Film")
    features = SimpleNamespace(get=lambda _: vectors.astype(np.float32), fps=5.0)
    return typed(FilmProject, SimpleNamespace(store=store, film=film, features=features, notes=[], present={}))


def test_those_whose_pictures_are_like_nobody_are_told_and_named_all_the_same(tmp_path: Path) -> None:
    colours = {"Ann": (255, 0, 0), "Bob": (0, 255, 0), "Cy": (0, 0, 255)}
    pictures = {name: (picture(tmp_path / f"{name}.png", colour),) for name, colour in colours.items()}
    names = (*colours, "Di", "Eli", "Flo")
    cast = Cast(tuple(map(Character, names)), pictures, settings=PresenceSettings(faces=False))
    hand = hand_of(tmp_path)
    bring_cast(hand, cast, typed(FeatureCaptioner, Encoder()))
    assert len(hand.notes) == 2
    assert "looks much like the pictures of Cy:" in hand.notes[0]
    assert "sure enough that Di, Eli and Flo are there" in hand.notes[1]
    assert any("Cy" in names for names in hand.present.values())


def test_real_faces_tell_who_is_where_whatever_describes(tmp_path: Path) -> None:
    astronaut, nobody = (np.asarray(photograph("scikit-image", name)) for name in ("astronaut.png", "coffee.png"))
    with FrameWriter(tmp_path / "frames", 5.0) as writer:
        for second in range(4):
            for _ in range(5):
                writer.add((astronaut if second in (0, 2) else nobody).copy())
    plans = [SimpleNamespace(id=i, visual=Span(1000 * i, 1000 * (i + 1)), event_ms=1000 * i) for i in range(4)]
    shots = [plan.visual for plan in plans]
    store = SimpleNamespace(folder=tmp_path, plans=plans, cues=[], dialogue=[], shots=shots)
    frames, film = FrameStore.open(tmp_path / "frames"), SimpleNamespace(sha256="film", title="Film")
    made = SimpleNamespace(store=store, film=film, features=None, frames=frames, notes=[], present={})
    cast = Cast((Character("Eileen"),), portraits={"Eileen": (Portrait(400),)})
    bring_cast(typed(FilmProject, made), cast, typed(FeatureCaptioner, Describer()))
    assert made.present == {0: ("Eileen",), 1: (), 2: ("Eileen",), 3: ()}
    assert made.notes == []


@pytest.mark.parametrize("reads", [True, False])
def test_looks_are_told_to_captioners_that_read_them(reads: bool, tmp_path: Path) -> None:
    captioner, hand = Describer(), hand_of(tmp_path)
    captioner.reads_looks = reads  # type: ignore[attr-defined]
    cast = Cast((Character("Ann", look="in a red coat"), Character("Bob")), settings=PresenceSettings(faces=False))
    bring_cast(hand, cast, typed(FeatureCaptioner, captioner))
    assert hand.looks == ({"Ann": "in a red coat"} if reads else {})
    plain = Cast((Character("Ann"), Character("Bob")), settings=cast.settings)
    assert cast.identity != plain.identity


def test_alone_is_who_is_alone_by_all_that_is_told() -> None:
    first, second, third = Span(0, 10), Span(10, 20), Span(20, 30)
    notes = [
        Note(first, ("Ann", "Bob")), Note(first, absent=("Bob",)),
        Note(second, ("Ann",)), Note(Span(10, 12), ("Bob",)),
        Note(third, ("Bob",)), Note(third, absent=("Bob",)),
    ]  # fmt: skip
    assert seen_alone(notes) == {"Ann": [first]}


@pytest.mark.parametrize(
    ("event_ms", "what"),
    [(2500, Span(2000, 3000)), (3500, Span(3000, 4500)), (500, Span(1000, 4500))],
    ids=["a whole shot", "a shot that runs on", "an event that no shot holds"],
)
def test_a_cue_is_about_the_shot_of_its_event(event_ms: int, what: Span) -> None:
    place = Place(Span(3000, 4000), Span(1000, 4500), event_ms)
    assert shown(place, [Span(1000, 2000), Span(2000, 3000), Span(3000, 6000)]) == what


def test_how_somebody_looks_is_told_by_the_captions_of_pictures_and_of_stills_with_boxes(tmp_path: Path) -> None:
    portraits = {"Ann": np.array([[0.9, 0.1, 0], [0.1, 0.9, 0], [0.8, 0, 0]]) @ LOOKS}
    looker = typed(FeatureCaptioner, Looker())
    assert portrait_looks(looker, portraits) == {"Ann": "in a red coat"}
    assert portrait_looks(typed(FeatureCaptioner, Describer()), portraits) == {}, "it reads no vectors"
    still = np.zeros((30, 40, 3), np.uint8)
    still[:, :20, 0], still[:, 20:, 1] = 255, 255
    with FrameWriter(tmp_path / "frames", 5.0) as writer:
        writer.add(still)
    boxes = {"Ann": (Portrait(0, (0.0, 0.0, 0.5, 1.0)),), "Bob": (Portrait(0, (0.5, 0.0, 0.5, 1.0)),)}
    looks = still_looks(looker, FrameStore.open(tmp_path / "frames"), boxes)
    assert looks == {"Ann": "in a red coat", "Bob": "in a green coat"}

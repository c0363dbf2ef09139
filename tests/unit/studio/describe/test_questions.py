"""What a model that is asked in words is told and shown of a place."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest

from calvin.captioners.base import CaptionerInfo, Licence
from calvin.captioners.surroundings import Surroundings
from calvin.core.time import Span
from calvin.core.types import DialogueLine, Place
from calvin.media.film.decode import LARGE
from calvin.media.film.frames import FrameStore, FrameWriter, longer_side
from calvin.media.film.source import probe
from calvin.puppets.draw.video import write_video
from calvin.studio.describe.questions import Sight, large_size, sight_of, surroundings
from calvin.studio.project.contents import FilmRow
from calvin.studio.project.describe_settings import PromptSettings
from calvin.studio.project.store import ProjectStore
from calvin.studio.project.timing import EstimatedLength

SPOKEN = EstimatedLength(160)
SHOTS = [Span(0, 20_000), Span(20_000, 32_000), Span(32_000, 40_000), Span(40_000, 60_000)]
LINES = [
    DialogueLine(Span(1000, 2000), "Long ago.", "ANN"),
    *(DialogueLine(Span(start, start + 900), f"Line {start}.", "ANN") for start in range(14_000, 20_000, 1000)),
    DialogueLine(Span(20_000, 20_500), ""),
    DialogueLine(Span(31_000, 32_000), "And then?", "BOB"),
    *(DialogueLine(Span(start, start + 900), f"Line {start}.") for start in range(33_000, 38_000, 1000)),
]


@pytest.fixture
def store(tmp_path: Path) -> Iterator[ProjectStore]:
    with ProjectStore(tmp_path / "p", create=True) as store:
        store.bind_film(FilmRow("Film", "film.mp4", "0" * 64, 60_000, {}))
        store.set_shots(SHOTS)
        store.set_dialogue(LINES)
        yield store


@pytest.fixture
def frames(tmp_path: Path) -> FrameStore:
    with FrameWriter(tmp_path / "frames", 2.0) as writer:
        for number in range(120):
            writer.add(np.full((9, 16, 3), 2 * number, np.uint8))
    return FrameStore.open(tmp_path / "frames")


PLACE = Place(Span(20_800, 30_700), Span(20_000, 32_000), 26_000)


def around(
    store: ProjectStore, frames: FrameStore, place: Place = PLACE, licence: Licence | None = None, **prompt: object
) -> Surroundings:
    return surroundings(store, place, PromptSettings(**prompt), "en", SPOKEN, licence, Sight(frames))  # type: ignore[arg-type]


def test_the_last_lines_before_a_gap_and_the_first_after_it(store: ProjectStore, frames: FrameStore) -> None:
    found = around(store, frames)
    assert [line.text for line in found.before] == [f"Line {n}." for n in (16_000, 17_000, 18_000, 19_000)]
    assert [(line.speaker, line.text) for line in found.after] == [("BOB", "And then?"), ("", "Line 33000.")]
    assert found.room_words == 26  # 9.9 s at 160 words a minute
    assert (found.previous, found.next, found.title, found.style) == (None, None, "", "")


def test_what_is_long_past_is_not_told(store: ProjectStore, frames: FrameStore) -> None:
    store.set_dialogue(LINES[:1])
    assert around(store, frames).before == tuple(LINES[:1])
    late = Place(Span(50_000, 55_000), Span(50_000, 55_000), 52_000)
    assert around(store, frames, late).before == ()


def test_each_part_can_be_left_out(store: ProjectStore, frames: FrameStore) -> None:
    found = around(store, frames, room=False, dialogue=False, title="T", style="S")
    assert (found.room_words, found.before, found.after) == (None, (), ())
    assert (found.title, found.style) == ("T", "S")


def test_speakers_are_told_where_they_may_be_named(store: ProjectStore, frames: FrameStore) -> None:
    found = around(store, frames, licence=Licence(frozenset({"Ann Lee"})))
    assert {line.speaker for line in found.before} == {"ANN"}
    assert [line.speaker for line in found.after] == ["", ""], "what is read is said"


def test_no_room_is_told_where_the_film_pauses(store: ProjectStore, frames: FrameStore) -> None:
    assert around(store, frames, Place(Span(20_000, 20_200), PLACE.visual, 26_000)).room_words is None


def shown(way: Callable[[], object] | None, frames: FrameStore) -> list[int]:
    return [frame.time_ms for frame in way()] if way else []  # type: ignore[attr-defined]


def test_neighbouring_shots_are_those_that_run_before_and_after(store: ProjectStore, frames: FrameStore) -> None:
    found = around(store, frames, neighbours=True)
    assert found.shots == 1
    assert shown(found.previous, frames) == [14_000, 18_000], "the 8 s of a long shot that are next to the scene"
    assert shown(found.next, frames) == [34_000, 38_000]


def test_a_shot_that_the_scene_shares_is_its_own_neighbour(store: ProjectStore, frames: FrameStore) -> None:
    place = Place(Span(24_000, 36_000), Span(24_000, 36_000), 30_000)
    found = around(store, frames, place, neighbours=True)
    assert found.shots == 2
    assert shown(found.previous, frames) == [21_000, 23_000], "from the cut at 20 s to where the scene begins"
    assert shown(found.next, frames) == [37_000, 39_000]


def test_at_its_ends_a_film_has_no_neighbours(store: ProjectStore, frames: FrameStore) -> None:
    whole = around(store, frames, Place(Span(0, 60_000), Span(0, 60_000), 0), neighbours=True)
    assert (whole.previous, whole.next, whole.shots) == (None, None, 4)


class Looker:
    """Sees pictures of some size."""

    info, needs = CaptionerInfo("looker"), frozenset({"frames"})

    def __init__(self, still_size: int | None) -> None:
        self.still_size = still_size

    def caption(self, requests: object) -> list[object]:
        return []


def test_large_stills_are_made_once_where_they_show_more(
    store: ProjectStore, frames: FrameStore, tmp_path: Path
) -> None:
    film = tmp_path / "film.mp4"
    write_video(
        film, [np.full((720, 1280, 3), 60 * second, np.uint8) for second in range(3) for _ in range(5)], 1280, 720, 5
    )
    facts, told = probe(film), list[object]()

    def size(own: int | None, still_size: int = 768, **other: int) -> int | None:
        return large_size(dataclasses.replace(facts, **other), Looker(own), PromptSettings(still_size=still_size))  # type: ignore[arg-type]

    assert [size(own) for own in (None, 384, 512, 768)] == [None, None, 768, 768]
    assert size(768, still_size=224) is None
    assert size(768, display_width=384, display_height=216) is None, "there is no more in a film of that size"

    def sight(own: int) -> Sight:
        return sight_of(store, facts, frames, Looker(own), PromptSettings(), told.append)  # type: ignore[arg-type]

    found = sight(640)
    assert told, "word of the decoding"
    assert (found.frames.width, found.frames.height, len(found.frames)) == (768, 432, 6)
    assert [longer_side(frame.jpeg) for frame in found.between(Span(0, 3000), 3)] == [640] * 3
    assert [round(float(found.frames.rgb(index).mean()) / 60) for index in range(6)] == [0, 0, 1, 1, 2, 2]
    told.clear()
    assert (sight(768).size, told) == (768, [])
    assert (store.folder / "frames" / LARGE).is_dir()
    assert sight(224).frames is frames
    assert [longer_side(frame.jpeg) for frame in sight(224).between(Span(0, 3000), 3)] == [16] * 3, "as they are"

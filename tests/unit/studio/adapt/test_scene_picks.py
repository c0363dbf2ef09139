"""Which scenes are picked, and why."""

from __future__ import annotations

import csv
import json
from collections.abc import Iterator
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest

from calvin.core.errors import UsageError
from calvin.core.time import Span
from calvin.core.types import Character, Cue, DialogueLine, Place, Status
from calvin.data import FeatureWriter
from calvin.studio.adapt.described_scenes import described_scenes
from calvin.studio.adapt.scene_picks import Pick, choose_scenes, pick_scenes, write_picks
from calvin.studio.project.contents import FilmRow
from calvin.studio.project.store import ProjectStore
from calvin.studio.script.human_words import apply_plan, plan_corrections
from calvin.studio.script.script_lines import read_script


def test_first_appearances_come_first_and_then_the_farthest() -> None:
    names = [(), ("Bob",), ("Ann", "Bob"), ("Ann",), ("Ann",), ()]
    angles = np.radians([0, 10, 20, 90, 180, 270])
    vectors = np.stack([np.cos(angles), np.sin(angles)], axis=1)
    chosen = choose_scenes(names, vectors, 4)
    assert [choice.index for choice in chosen[:2]] == [2, 1]
    assert chosen[0].reason == "first appearance of Ann (in 3 scenes)"
    unit = vectors - vectors.mean(axis=0)
    unit /= np.linalg.norm(unit, axis=1, keepdims=True)
    taken = [2, 1]
    for choice in chosen[2:]:
        nearest = (1 - unit @ unit[taken].T).min(axis=1)
        assert choice.index == int(np.argmax(nearest))
        assert "unlike" in choice.reason
        taken.append(choice.index)


def test_two_who_appear_together_take_one_scene_and_nobody_known_starts_at_the_average() -> None:
    vectors = np.array([[0.0, 1], [1, 0], [0.4, 0.5]])
    [only] = choose_scenes([("Ann", "Bob"), (), ()], vectors, 1)
    assert only.index == 0
    assert "Ann" in only.reason
    assert "Bob" in only.reason
    assert choose_scenes([(), (), ()], vectors, 1)[0].reason == "nearest to the film's average"
    assert sorted(choice.index for choice in choose_scenes([(), (), ()], vectors, 3)) == [0, 1, 2]
    for count in (0, 4):
        with pytest.raises(UsageError, match="cannot be picked"):
            choose_scenes([(), (), ()], vectors, count)


def test_the_table_is_read_back_as_corrections_and_never_written_over(tmp_path: Path) -> None:
    plan = Place(Span(1000, 4000), Span(0, 4000), 2000, 7)
    cue = Cue("3", Span(1000, 2500), "=Ann waves.", plan.visual, 2000)
    other = Place(Span(5000, 8000), Span(5000, 8000), 6000, 8)
    path = tmp_path / "picks.csv"
    write_picks([Pick(plan, cue, "why"), Pick(other, None, "because")], path)
    with open(path, newline="") as stream:
        assert [row["why"] for row in csv.DictReader(stream)] == ["why", "because"]
    first, second = read_script(path).lines
    assert (first.cue_id, first.span, first.text) == ("3", cue.span, "=Ann waves.")
    assert (second.cue_id, second.span, second.text) == (None, other.span, "")
    with pytest.raises(UsageError, match="may hold corrections"):
        write_picks([], path)


def test_what_was_described_before_is_known(tmp_path: Path) -> None:
    names = [("Ann",), ("Ann", "Bob"), ("Bob",), ("Cy",)]
    angles = np.radians([0, 100, 200, 300])
    vectors = np.stack([np.cos(angles), np.sin(angles)], axis=1)
    chosen = choose_scenes(names, vectors, 2, done=[0])
    assert [(choice.index, choice.reason) for choice in chosen] == [
        (1, "first appearance of Bob (in 2 scenes)"), (3, "first appearance of Cy (in 1 scene)"),
    ]  # fmt: skip
    [one] = choose_scenes([(), (), (), ()], vectors, 1, done=[0])
    assert one.index == 2
    assert "unlike" in one.reason
    with pytest.raises(UsageError, match="4 scenes cannot be picked from 3: ask for 1 to 3"):
        choose_scenes(names, vectors, 4, done=[0])


TILES = [Span(4000 * i, 4000 * i + 4000) for i in range(5)]


@pytest.fixture
def store(tmp_path: Path) -> Iterator[ProjectStore]:
    """Five places one after another; the second has no cue, and the first one's runs on into it."""
    with ProjectStore(tmp_path / "p", create=True) as opened:
        opened.bind_film(FilmRow("Film", "/film.mp4", "abc", 20_000, {}))
        opened.set_plan([Place(tile, tile, tile.middle_ms) for tile in TILES])
        opened.set_dialogue([DialogueLine(tile, "Hello.", "ANN") for tile in TILES[2:4]])
        for number, plan in enumerate(opened.plans):
            span = Span(0, 4800) if number == 0 else plan.span
            opened.finish_plan(plan, "" if number == 1 else f"Draft {number}.", span)
        opened.model = {"encoder_hash": "e" * 64}
        path = opened.folder / f"features-{'e' * 12}.safetensors"
        with FeatureWriter(path, "tower", "e" * 64, fps=5.0, dim=3) as writer:
            writer.add("abc", np.random.default_rng(0).normal(size=(100, 3)).astype(np.float16))
        yield opened


def test_the_table_that_was_written_can_be_given_back(store: ProjectStore, tmp_path: Path) -> None:
    path = tmp_path / "picks.csv"
    picks = pick_scenes(store, 5)
    assert picks[1].plan.span == Span(4800, 8000), "the first cue is still spoken in the place"
    write_picks(picks, path)
    with open(path, newline="") as stream:
        rows = list(csv.DictReader(stream))
    with open(path, "w", newline="") as stream:
        writer = csv.DictWriter(stream, rows[0])
        writer.writeheader()
        writer.writerows([{**row, "text": f"Ann waves {number}."} for number, row in enumerate(rows)])
    words = plan_corrections(store, path)
    scenes, _ = described_scenes(store, words)
    assert [(scene.visual, scene.text) for scene in scenes] == [
        (tile, f"Ann waves {number}.") for number, tile in enumerate(TILES)
    ]
    apply_plan(store, words)
    spans = [cue.span for cue in store.cues]
    assert not any(one.overlap_ms(other) for one, other in pairwise(spans))


def test_rows_do_not_overlap_though_cues_do(store: ProjectStore, tmp_path: Path) -> None:
    store.edit_cue(replace(store.cues[1], span=Span(8000, 14_000)))
    write_picks(pick_scenes(store), tmp_path / "picks.csv")
    lines = read_script(tmp_path / "picks.csv").lines
    assert not any(one.span.overlap_ms(other.span) for one, other in pairwise(lines))
    assert len(plan_corrections(store, tmp_path / "picks.csv").steps) == 4


def test_a_cue_that_runs_on_describes_its_own_place_alone(store: ProjectStore) -> None:
    first = store.cues[0]
    store.edit_cue(replace(first, status=Status.APPROVED))
    assert [pick.plan.visual for pick in pick_scenes(store, 4)] == TILES[1:]
    store.edit_cue(replace(first, span=Span(0, 7900), status=Status.APPROVED))
    assert [pick.plan.visual for pick in pick_scenes(store, 3)] == TILES[2:], "there is no room to speak in"


def test_who_appeared_in_an_approved_scene_does_not_appear_first_later(store: ProjectStore) -> None:
    [first] = pick_scenes(store, 1)
    assert (first.plan.visual, first.reason) == (TILES[2], "first appearance of Ann (in 2 scenes)")
    assert first.cue is not None
    store.edit_cue(replace(first.cue, status=Status.APPROVED))
    assert all("unlike" in pick.reason for pick in pick_scenes(store, 4))
    store.set_plan([Place(tile, tile, tile.middle_ms) for tile in TILES])
    assert [pick.plan.visual for pick in pick_scenes(store, 4)] == [*TILES[:2], *TILES[3:]]
    assert all("unlike" in pick.reason for pick in pick_scenes(store, 4)), "also where its place is no longer planned"


def test_people_that_a_cast_found_and_that_approved_cues_name(store: ProjectStore) -> None:
    rows = [{"start": tile.start_ms / 1000, "end": tile.end_ms / 1000, "names": ["Ann"]} for tile in TILES[3:]]
    (store.folder / "presence.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    store.characters = (Character("Ann"),)
    [pick] = pick_scenes(store, 1)
    assert (pick.plan.visual, pick.reason) == (TILES[3], "first appearance of Ann (in 2 scenes)")
    store.edit_cue(replace(store.cues[0], text="Ann waves.", status=Status.APPROVED))
    assert all("unlike" in pick.reason for pick in pick_scenes(store, 4))
